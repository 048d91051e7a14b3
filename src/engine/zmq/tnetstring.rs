//! Tagged netstrings: values as `length:content` and a letter for their type.
//!
//! ```text
//! 5:hello,   bytes        4:true!   true or false      2:42#   whole number
//! 0:~        nothing      ...}      pairs, key first   ...]    list         ...^   number
//! ```
//!
//! **Bounds**: reading stops at a depth of 8 and at 4096 values, so that a small packet cannot become
//! a large one in memory.

use bytes::Bytes;

/// How deep lists and maps may lie in each other.
const DEPTH_MAX: usize = 8;

/// Values of one packet.
const VALUES_MAX: usize = 4_096;

/// Digits of a length.
const LENGTH_DIGITS_MAX: usize = 9;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Bytes, or a text.
    Bytes(Bytes),
    /// A list.
    List(Vec<Value>),
    /// Pairs in order; keys are bytes, and the last of equal ones counts.
    Map(Vec<(Bytes, Value)>),
}

/// Says why bytes are no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TnetstringError {
    /// There is no length and colon.
    #[error("expected a length of at most 9 digits and a colon")]
    Length,
    /// The content is longer than what there is.
    #[error("content ends before its length")]
    Short,
    /// There is something behind the value.
    #[error("expected nothing behind the value")]
    Rest,
    /// The letter of the type is none, or the content does not fit it.
    #[error("expected a content that fits its type")]
    Content,
    /// Past the bounds.
    #[error("more than 4096 values, or deeper than 8")]
    Bounds,
}

impl Value {
    /// Wraps bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Value {
        Value::Bytes(bytes.into())
    }

    /// Makes a map.
    pub fn map(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
        let pairs = pairs.into_iter();
        Value::Map(
            pairs
                .map(|(key, value)| (Bytes::from(key), value))
                .collect(),
        )
    }

    /// Finds a value of a map.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(pairs) => {
                let mut pairs = pairs.iter().rev();
                let found = pairs.find(|(known, _)| known == key.as_bytes());
                found.map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Returns bytes, if it is that.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Reads one value, which must be all there is.
    ///
    /// **Errors**: the first fault; see the bounds above.
    pub fn read(bytes: &Bytes) -> Result<Value, TnetstringError> {
        let mut left = VALUES_MAX;
        let (value, rest) = read(bytes, DEPTH_MAX, &mut left)?;
        rest.is_empty()
            .then_some(value)
            .ok_or(TnetstringError::Rest)
    }

    /// Appends the value.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut content = Vec::new();
        let letter = match self {
            Value::Null => b'~',
            Value::Bool(value) => {
                content.extend_from_slice(if *value { b"true" } else { b"false" });
                b'!'
            }
            Value::Int(value) => {
                content.extend_from_slice(value.to_string().as_bytes());
                b'#'
            }
            Value::Float(value) => {
                content.extend_from_slice(value.to_string().as_bytes());
                b'^'
            }
            Value::Bytes(bytes) => return write(bytes, b',', out),
            Value::List(values) => {
                values.iter().for_each(|value| value.write(&mut content));
                b']'
            }
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    write(key, b',', &mut content);
                    value.write(&mut content);
                }
                b'}'
            }
        };
        write(&content, letter, out);
    }
}

fn write(content: &[u8], letter: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(content.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(content);
    out.push(letter);
}

/// Reads one value; returns what is behind it.
fn read(bytes: &Bytes, depth: usize, left: &mut usize) -> Result<(Value, Bytes), TnetstringError> {
    *left = left.checked_sub(1).ok_or(TnetstringError::Bounds)?;
    let (content, letter, rest) = cut(bytes)?;
    let value = match letter {
        b',' => Value::Bytes(content),
        b'#' => Value::Int(parsed(&content)?),
        b'^' => Value::Float(parsed(&content)?),
        b'!' => Value::Bool(parsed(&content)?),
        b'~' if content.is_empty() => Value::Null,
        b']' => Value::List(list(content, depth, left)?),
        b'}' => {
            let mut pairs = Vec::new();
            let mut values = list(content, depth, left)?.into_iter();
            while let Some(key) = values.next() {
                match (key, values.next()) {
                    (Value::Bytes(key), Some(value)) => pairs.push((key, value)),
                    _ => return Err(TnetstringError::Content),
                }
            }
            Value::Map(pairs)
        }
        _ => return Err(TnetstringError::Content),
    };
    Ok((value, rest))
}

fn list(mut content: Bytes, depth: usize, left: &mut usize) -> Result<Vec<Value>, TnetstringError> {
    let depth = depth.checked_sub(1).ok_or(TnetstringError::Bounds)?;
    let mut values = Vec::new();
    while !content.is_empty() {
        let (value, rest) = read(&content, depth, left)?;
        values.push(value);
        content = rest;
    }
    Ok(values)
}

/// Cuts `length:content` and the letter off.
fn cut(bytes: &Bytes) -> Result<(Bytes, u8, Bytes), TnetstringError> {
    let digits = bytes.iter().take(LENGTH_DIGITS_MAX + 1);
    let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
    let (number, mut rest) = (bytes.slice(..digits), bytes.slice(digits..));
    if digits > LENGTH_DIGITS_MAX || rest.first() != Some(&b':') {
        return Err(TnetstringError::Length);
    }
    let length: usize = parsed(&number).map_err(|_| TnetstringError::Length)?;
    let _ = rest.split_to(1);
    let letter = *rest.get(length).ok_or(TnetstringError::Short)?;
    let content = rest.split_to(length);
    let _ = rest.split_to(1);
    Ok((content, letter, rest))
}

fn parsed<T: std::str::FromStr>(content: &[u8]) -> Result<T, TnetstringError> {
    let text = std::str::from_utf8(content).map_err(|_| TnetstringError::Content)?;
    text.parse().map_err(|_| TnetstringError::Content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Value, TnetstringError> {
        Value::read(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn values_are_read_and_written() {
        for (text, value) in [
            ("0:~", Value::Null),
            ("4:true!", Value::Bool(true)),
            ("5:false!", Value::Bool(false)),
            ("3:-12#", Value::Int(-12)),
            ("3:1.5^", Value::Float(1.5)),
            ("5:hello,", Value::bytes("hello")),
            ("0:,", Value::bytes("")),
            ("0:]", Value::List(Vec::new())),
            ("0:}", Value::Map(Vec::new())),
            (
                "11:1:a,1:1#0:~]",
                Value::List(vec![Value::bytes("a"), Value::Int(1), Value::Null]),
            ),
            (
                "8:1:k,1:1#}",
                Value::Map(vec![(Bytes::from("k"), Value::Int(1))]),
            ),
        ] {
            let mut written = Vec::new();
            value.write(&mut written);
            assert_eq!(String::from_utf8(written).unwrap(), text);
            assert_eq!(read_text(text), Ok(value));
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        use TnetstringError::*;
        let deep = (0..9).fold(String::from("0:]"), |inner, _| {
            format!("{}:{inner}]", inner.len())
        });
        let many = format!("{}:{}]", 3 * 4096, "0:~".repeat(4096));
        for (text, error) in [
            ("", Length),
            ("5", Length),
            ("5;", Length),
            (":a,", Length),
            ("-1:a,", Length),
            ("1234567890:a,", Length),
            ("2:a,", Short),
            ("1:a", Short),
            ("999999999:a,", Short),
            ("1:a,x", Rest),
            ("1:a?", Content),
            ("1:a#", Content),
            ("1:a^", Content),
            ("1:a!", Content),
            ("1:a~", Content),
            ("3:0:~}", Content),
            ("4:1:a,}", Content),
            (&deep, Bounds),
            (&many, Bounds),
        ] {
            assert_eq!(read_text(text), Err(error), "{:.40}", text);
        }
    }

    fn any(random: &mut fastrand::Rng, depth: usize) -> Value {
        let mut bytes = || -> Bytes {
            let length = random.usize(..6);
            (0..length).map(|_| random.u8(..)).collect()
        };
        let text = bytes();
        let kind = random.u8(..if depth == 0 { 5 } else { 7 });
        match kind {
            0 => Value::Null,
            1 => Value::Bool(random.bool()),
            2 => Value::Int(random.i64(..)),
            3 => Value::Float(random.f64()),
            4 => Value::Bytes(text),
            5 => Value::List(
                (0..random.usize(..4))
                    .map(|_| any(random, depth - 1))
                    .collect(),
            ),
            _ => {
                let pair = |random: &mut fastrand::Rng| (text.clone(), any(random, depth - 1));
                Value::Map((0..random.usize(..4)).map(|_| pair(random)).collect())
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_damage_is_survived() {
        let mut random = fastrand::Rng::with_seed(171);
        for _ in 0..3_000 {
            let value = any(&mut random, 4);
            let mut written = Vec::new();
            value.write(&mut written);
            assert_eq!(Value::read(&Bytes::copy_from_slice(&written)), Ok(value));
            let at = random.usize(..written.len());
            written[at] = random.u8(..);
            let _ = Value::read(&Bytes::from(written));
        }
    }
}
