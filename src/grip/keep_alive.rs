//! Keep-alives of a stream hold: what is sent when nothing else is, and the `Grip-Keep-Alive`
//! header that asks for it.
//!
//! Runs no timer and draws no jitter; the engine does.

use bytes::Bytes;

use super::error::{excerpt, InstructError};
use super::header_params::Element;
use super::lenient::{self, hex_digit};

/// The delay of a keep-alive without one of its own, in seconds.
pub const DEFAULT_TIMEOUT_SECS: u32 = 55;

/// The shortest delay; shorter ones act as this, in seconds.
pub const MIN_TIMEOUT_SECS: u32 = 1;

/// Says what restarts the delay of a keep-alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeepAliveMode {
    /// Every item sent: keep-alives fill silence.
    Idle,
    /// Only the keep-alives themselves.
    Interval,
}

/// What is sent to keep a stream alive, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepAlive {
    /// The bytes to append to the stream; never empty.
    pub content: Bytes,
    /// **Units**: seconds. **Bounds**: at least 1.
    pub timeout_secs: u32,
    /// What restarts the delay.
    pub mode: KeepAliveMode,
}

/// Parses the value of `Grip-Keep-Alive`; `None` if a quoted parameter never closes.
///
/// **Shape**: `content; format=raw|cstring|base64; timeout=55; mode=idle|interval`
///
/// **Errors**: no content, unknown `format` or `mode`, bad `timeout`, broken escape.
pub fn parse(value: &[u8]) -> Result<Option<KeepAlive>, InstructError> {
    let Some(element) = Element::parse(value) else {
        return Ok(None);
    };
    let content = match element.param("format").unwrap_or(b"raw") {
        b"raw" => element.first.to_vec(),
        b"cstring" => unescape(element.first)
            .ok_or_else(|| InstructError::KeepAliveEscape(excerpt(element.first)))?,
        b"base64" => lenient::base64(element.first),
        other => return Err(InstructError::KeepAliveFormat(excerpt(other))),
    };
    if content.is_empty() {
        return Err(InstructError::KeepAliveContent);
    }
    let timeout_secs = match element.param("timeout") {
        None => DEFAULT_TIMEOUT_SECS,
        Some(secs) => lenient::header_secs(secs)
            .ok_or_else(|| InstructError::KeepAliveTimeout(excerpt(secs)))?,
    };
    let mode = match element.param("mode").unwrap_or(b"idle") {
        b"idle" => KeepAliveMode::Idle,
        b"interval" => KeepAliveMode::Interval,
        other => return Err(InstructError::KeepAliveMode(excerpt(other))),
    };
    let timeout_secs = timeout_secs.max(MIN_TIMEOUT_SECS);
    Ok(Some(KeepAlive {
        content: Bytes::from(content),
        timeout_secs,
        mode,
    }))
}

/// Decodes `\\`, `\r`, `\n`, `\t` and `\xHH`; other escapes vanish. `None` for a backslash at the
/// end or an `\x` without two hex digits.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = text.iter().copied();
    let mut content = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            content.push(byte);
            continue;
        }
        match bytes.next()? {
            b'\\' => content.push(b'\\'),
            b'r' => content.push(b'\r'),
            b'n' => content.push(b'\n'),
            b't' => content.push(b'\t'),
            b'x' => content.push(hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?),
            _ => {}
        }
    }
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(value: &str) -> Vec<u8> {
        parse(value.as_bytes()).unwrap().unwrap().content.to_vec()
    }

    #[test]
    fn content_is_decoded_by_its_format() {
        for (value, expected) in [
            ("abc", &b"abc"[..]),
            (" a, \"b\" c ; timeout=5", b"a, \"b\" c"),
            ("\"quotes stay", b"\"quotes stay"),
            (r"a\n; format=raw", b"a\\n"),
            (r"a\\b\r\n\x41\xfF\t; format=cstring", b"a\\b\r\nA\xff\t"),
            (r"a\qb\0; format=cstring", b"ab"),
            (r"\x00; format=cstring", b"\0"),
            ("AP8K; format=base64", b"\0\xff\n"),
            ("AP-8K; format=\"base64\"", b"\0\xff\n"),
            ("ž; FORMAT=raw", "ž".as_bytes()),
        ] {
            assert_eq!(content(value), expected, "{value:?}");
        }
        assert_eq!(
            parse(b"\xff\x80").unwrap().unwrap().content,
            &b"\xff\x80"[..]
        );
    }

    #[test]
    fn timeout_and_mode_have_defaults_and_bounds() {
        use KeepAliveMode::{Idle, Interval};
        for (value, secs, mode) in [
            ("x", 55, Idle),
            ("x; timeout=0", 1, Idle),
            ("x; timeout=1", 1, Idle),
            ("x; Timeout=\" 7 \"; mode=interval", 7, Interval),
            ("x; timeout=2147483647; mode=idle", 2_147_483_647, Idle),
        ] {
            let keep_alive = parse(value.as_bytes()).unwrap().unwrap();
            assert_eq!(
                (keep_alive.timeout_secs, keep_alive.mode),
                (secs, mode),
                "{value:?}"
            );
        }
    }

    #[test]
    fn unclosed_quotes_make_it_no_keep_alive() {
        assert_eq!(parse(b"x; timeout=\"5"), Ok(None));
    }

    #[test]
    fn bad_keep_alives_are_refused() {
        for (value, code) in [
            ("", "bad-keep-alive-content"),
            ("; timeout=5", "bad-keep-alive-content"),
            ("!; format=base64", "bad-keep-alive-content"),
            (r"\q; format=cstring", "bad-keep-alive-content"),
            ("x; format=nope", "bad-keep-alive-format"),
            ("x; format=RAW", "bad-keep-alive-format"),
            ("x; format=", "bad-keep-alive-format"),
            ("x; mode=odd", "bad-keep-alive-mode"),
            ("x; timeout=abc", "bad-keep-alive-timeout"),
            ("x; timeout=-1", "bad-keep-alive-timeout"),
            ("x; timeout=1.5", "bad-keep-alive-timeout"),
            ("x; timeout=", "bad-keep-alive-timeout"),
            ("x; timeout=99999999999", "bad-keep-alive-timeout"),
            (r"x\; format=cstring", "bad-keep-alive-escape"),
            (r"\x4; format=cstring", "bad-keep-alive-escape"),
            (r"\xg0; format=cstring", "bad-keep-alive-escape"),
            (r"\x; format=cstring", "bad-keep-alive-escape"),
        ] {
            let error = parse(value.as_bytes()).unwrap_err();
            assert_eq!(error.code(), code, "{value:?}");
            assert!(error.to_string().contains("Grip-Keep-Alive"), "{error}");
        }
    }
}
