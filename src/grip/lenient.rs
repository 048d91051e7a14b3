//! The forgiving conversions that existing GRIP backends and publishers rely on: integers,
//! base64 and text.
//!
//! Checks no ranges; whoever reads a field knows its bounds.

use serde_json::Value;

/// Reads an integer from a header: optional blanks and sign, decimal, 32 bits.
pub fn header_int(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

/// Reads a number of seconds from a header: an integer of 0 or more.
pub fn header_secs(text: &[u8]) -> Option<u32> {
    u32::try_from(header_int(text)?).ok()
}

/// Reads one hexadecimal digit.
pub fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Converts a JSON value where an integer is wanted.
///
/// **Shape**: fractions round to the nearest, `true` is 1, numeric strings are parsed and other
/// strings are 0; arrays, objects and `null` give `None`.
///
/// **Bounds**: numbers beyond 64 bits become the nearest 64-bit integer.
pub fn json_int(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(flag) => Some(i64::from(*flag)),
        // `as` saturates, and JSON has no NaN.
        Value::Number(number) => number
            .as_i64()
            .or_else(|| Some(number.as_f64()?.round() as i64)),
        Value::String(text) => Some(text.trim().parse().unwrap_or(0)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Decodes standard base64, skipping unknown characters and forgiving missing padding.
///
/// Never fails; bits that do not fill a byte are dropped.
pub fn base64(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut bits: u32 = 0;
    let mut count = 0;
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count) as u8);
        }
    }
    decoded
}

/// Reads bytes as UTF-8, with replacement characters for what is none.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::{general_purpose::STANDARD, Engine};
    use serde_json::json;

    #[test]
    fn header_integers_have_32_bits() {
        for (text, expected) in [
            ("5", Some(5)),
            (" 5\t", Some(5)),
            ("+5", Some(5)),
            ("-1", Some(-1)),
            ("0005", Some(5)),
            ("2147483647", Some(i32::MAX)),
            ("2147483648", None),
            ("99999999999", None),
            ("5.5", None),
            ("x", None),
            ("", None),
            ("+", None),
            ("5 5", None),
            ("٥", None),
        ] {
            assert_eq!(header_int(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(header_int(b"5\xff"), None);
    }

    #[test]
    fn json_integers_are_converted() {
        for (value, expected) in [
            (json!(200), Some(200)),
            (json!(200.6), Some(201)),
            (json!(-0.4), Some(0)),
            (json!(true), Some(1)),
            (json!(false), Some(0)),
            (json!("404"), Some(404)),
            (json!(" 404 "), Some(404)),
            (json!("4o4"), Some(0)),
            (json!(""), Some(0)),
            (json!(1e300), Some(i64::MAX)),
            (json!(u64::MAX), Some(i64::MAX)),
            (json!(-1e300), Some(i64::MIN)),
            (json!(null), None),
            (json!([1]), None),
            (json!({}), None),
        ] {
            assert_eq!(json_int(&value), expected, "{value}");
        }
    }

    #[test]
    fn base64_is_lenient() {
        for (text, expected) in [
            ("aGVsbG8=", "hello"),
            ("aGVsbG8", "hello"),
            ("aGVs\r\nbG8=", "hello"),
            ("a G*V-s_bG8==", "hello"),
            ("aGVsbG8=aGV", "hello\u{1a}\u{19}"),
            ("", ""),
            ("=", ""),
            ("a", ""),
            ("!?", ""),
        ] {
            assert_eq!(text_of(base64(text.as_bytes())), expected, "{text:?}");
        }
    }

    #[test]
    fn base64_agrees_with_the_strict_decoder() {
        let bytes: Vec<u8> = (0..=255).chain(0..=255).collect();
        for end in 0..bytes.len() {
            let part = &bytes[..end];
            assert_eq!(base64(STANDARD.encode(part).as_bytes()), part);
        }
    }

    fn text_of(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }
}
