//! Lists and parameters in header values: `a; name=value; flag, b; name="quoted"`.
//!
//! Knows no particular header. Works on bytes, because names may be UTF-8 and keep-alive content
//! may be anything. Every function reads its input once, whatever its size.
//!
//! ```text
//! header values --split_list--> elements --Element::parse--> first; params
//! ```

use std::borrow::Cow;

/// One parameter of an element; a flag has an empty value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param<'a> {
    /// The name as written, without blanks around it.
    pub name: &'a [u8],
    /// The value: unquoted and trimmed, or what the quotes hold with `\x` read as `x`.
    pub value: Cow<'a, [u8]>,
}

/// One element of a list: the part before the first `;`, and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element<'a> {
    /// The trimmed text up to the first `;`; quotes mean nothing here and are kept.
    pub first: &'a [u8],
    /// The parameters in order.
    pub params: Vec<Param<'a>>,
}

impl<'a> Element<'a> {
    /// Parses `first; name=value; name="quoted"; flag`; `None` if a quoted value never closes.
    pub fn parse(text: &'a [u8]) -> Option<Element<'a>> {
        let (first, rest) = cut(text, b';');
        Some(Element {
            first: first.trim_ascii(),
            params: params(rest.unwrap_or_default())?,
        })
    }

    /// Gives the value of the first parameter of that name, in any case.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        let param = self
            .params
            .iter()
            .find(|param| param.name.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(&param.value)
    }

    /// Gives the values of all parameters of exactly that name.
    pub fn params_named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        let same = move |param: &&Param<'_>| param.name == name.as_bytes();
        self.params
            .iter()
            .filter(same)
            .map(|param| param.value.as_ref())
    }
}

/// Splits the values of a list header at the commas outside double quotes.
///
/// Empty parts between commas are kept; a trailing comma and an empty value add nothing. A part
/// whose quoting never closes runs to the end of its value and is dropped.
pub fn split_list<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    for value in values {
        let mut rest = value.trim_ascii();
        while !rest.is_empty() {
            match part_end(rest) {
                PartEnd::At(end) => {
                    parts.push(rest.get(..end).unwrap_or_default().trim_ascii());
                    rest = rest.get(end + 1..).unwrap_or_default();
                }
                PartEnd::Unclosed => break,
            }
        }
    }
    parts
}

/// Parses `name=value; name="quoted"; flag`; `None` if a quoted value never closes.
///
/// Parameters without a name are left out, as is anything between a closing quote and the `;`.
pub fn params(text: &[u8]) -> Option<Vec<Param<'_>>> {
    let mut params = Vec::new();
    let mut rest = Some(text);
    while let Some(text) = rest {
        let end = text
            .iter()
            .position(|byte| matches!(byte, b';' | b'='))
            .unwrap_or(text.len());
        let name = text.get(..end).unwrap_or_default().trim_ascii();
        let value;
        (value, rest) = if text.get(end) == Some(&b'=') {
            param_value(text.get(end + 1..).unwrap_or_default())?
        } else {
            (Cow::Borrowed(&[][..]), text.get(end + 1..))
        };
        if !name.is_empty() {
            params.push(Param { name, value });
        }
    }
    Some(params)
}

/// What follows a separator, if there is one.
type Rest<'a> = Option<&'a [u8]>;

enum PartEnd {
    At(usize),
    Unclosed,
}

fn part_end(text: &[u8]) -> PartEnd {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return PartEnd::At(at),
            _ => {}
        }
    }
    if quoted {
        PartEnd::Unclosed
    } else {
        PartEnd::At(text.len())
    }
}

/// Reads the value after `=`, and gives what follows the `;` behind it.
fn param_value(text: &[u8]) -> Option<(Cow<'_, [u8]>, Rest<'_>)> {
    let text = text.trim_ascii_start();
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let (value, rest) = cut(text, b';');
        return Some((Cow::Borrowed(value.trim_ascii()), rest));
    };
    let mut value = Vec::new();
    let mut bytes = quoted.iter();
    loop {
        match bytes.next()? {
            b'"' => break,
            b'\\' => value.push(*bytes.next()?),
            byte => value.push(*byte),
        }
    }
    let (_, rest) = cut(bytes.as_slice(), b';');
    Some((Cow::Owned(value), rest))
}

fn cut(text: &[u8], separator: u8) -> (&[u8], Rest<'_>) {
    let mut parts = text.splitn(2, |byte| *byte == separator);
    (parts.next().unwrap_or_default(), parts.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(values: &[&'static str]) -> Vec<String> {
        split_list(values.iter().map(|value| value.as_bytes()))
            .into_iter()
            .map(|part| String::from_utf8(part.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn lists_split_at_commas_outside_quotes() {
        for (values, expected) in [
            (&["a"][..], &["a"][..]),
            (&["a, b", "c"], &["a", "b", "c"]),
            (&["a, ,b"], &["a", "", "b"]),
            (&[",a"], &["", "a"]),
            (&["a,"], &["a"]),
            (&["a, "], &["a"]),
            (&[",", ""], &[""]),
            (&["", "  "], &[]),
            (&["\"a,b\",c"], &["\"a,b\"", "c"]),
            (&["a; f=\"x,\\\",y\", c"], &["a; f=\"x,\\\",y\"", "c"]),
            (&["a, \"b, c", "d"], &["a", "d"]),
            (&["a\\, b"], &["a\\", "b"]),
            (&["\""], &[]),
        ] {
            assert_eq!(split(values), expected, "{values:?}");
        }
    }

    #[test]
    fn elements_have_a_first_part_and_parameters() {
        for (text, first, expected) in [
            ("a", "a", &[][..]),
            ("", "", &[]),
            (" a ; prev-id = 5 ", "a", &[("prev-id", "5")]),
            ("a;x=1;y=2;x=3", "a", &[("x", "1"), ("y", "2"), ("x", "3")]),
            ("a; flag; x=", "a", &[("flag", ""), ("x", "")]),
            ("a;; =5; ;x=1", "a", &[("x", "1")]),
            ("a; x=\"1;2\"; y=3", "a", &[("x", "1;2"), ("y", "3")]),
            ("a; x=\"q\\\"\\\\\\n\"", "a", &[("x", "q\"\\n")]),
            ("a; x=\"1\" junk; y=2", "a", &[("x", "1"), ("y", "2")]),
            ("a; x=b\"c;d\"", "a", &[("x", "b\"c"), ("d\"", "")]),
            ("a; x=b=c", "a", &[("x", "b=c")]),
            ("\"a,b\"", "\"a,b\"", &[]),
            ("\"a;b\"; x=1", "\"a", &[("b\"", ""), ("x", "1")]),
            ("ž; x=☃", "ž", &[("x", "☃")]),
        ] {
            let element = Element::parse(text.as_bytes()).unwrap();
            let got: Vec<_> = element
                .params
                .iter()
                .map(|param| (param.name, param.value.as_ref()))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
                .collect();
            assert_eq!(element.first, first.as_bytes(), "{text:?}");
            assert_eq!(got, expected, "{text:?}");
        }
    }

    #[test]
    fn quoted_values_must_close() {
        for text in ["a; x=\"1", "a; x=\"", "a; x=\"1\\\"", "a; x=\"\\"] {
            assert_eq!(Element::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn lookups_mind_case_as_asked() {
        let element = Element::parse(b"a; Prev-ID=1; prev-id=2; filter=x; FILTER=y; filter=z");
        let element = element.unwrap();
        assert_eq!(element.param("prev-id"), Some(&b"1"[..]));
        assert_eq!(element.param("other"), None);
        let filters: Vec<_> = element.params_named("filter").collect();
        assert_eq!(filters, [b"x", b"z"]);
    }

    #[test]
    fn huge_values_are_read_once() {
        const SIZE: usize = 1 << 20;
        for (text, parts) in [
            (",".repeat(SIZE), SIZE),
            ("\"".repeat(SIZE), 1),
            ("\"".repeat(SIZE + 1), 0),
            ("\\\"".repeat(SIZE / 2), 0),
            ("a;".repeat(SIZE / 2), 1),
            ("\",\"".repeat(SIZE / 4), 1),
        ] {
            assert_eq!(split_list([text.as_bytes()]).len(), parts);
            let _ = Element::parse(text.as_bytes());
        }
        for unit in [";x", ";x=", ";x=\"", ";x=\"\"", ";=", "=\"\\"] {
            let _ = Element::parse(unit.repeat(SIZE / 4).as_bytes());
        }
    }
}
