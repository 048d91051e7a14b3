//! What SockJS clients are sent: frames, and the bodies they stand in.
//!
//! A message is encoded once, when it comes; what waits for a poll are elements, which are joined
//! when the poll is answered.
//!
//! ```text
//! message ─ element ─▶ "m1" ─ array ─▶ a["m1","m2"] ─┬ xhr ──▶ a["m1","m2"]\n
//!                              o  h  c[3000,"bye"] ──┴ jsonp ▶ /**/cb("a[\"m1\",\"m2\"]");\n
//! ```

use std::fmt::Write as _;

use bytes::Bytes;

use super::SockJsError;
use crate::engine::jsonp::{decoded_text, is_callback, value_of, without};

/// The frame that opens a session.
pub const OPEN: Bytes = Bytes::from_static(b"o");

/// The frame that says that there is nothing to say.
pub const HEARTBEAT: Bytes = Bytes::from_static(b"h");

/// The body of an answer to messages that were taken.
pub const SENT: Bytes = Bytes::from_static(b"ok");

/// Encodes one message as a JSON string; what is not UTF-8 becomes replacement characters.
///
/// **Shape**: as other SockJS servers do, with all characters escaped that browsers changed on the
/// way: U+200C to U+200F, U+2028 to U+202F, U+2060 to U+206F, U+FFF0 to U+FFFF, and those beyond
/// U+FFFF as surrogates.
pub fn element(message: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(message);
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut plain_from = 0;
    for (at, char) in text.char_indices() {
        if !is_escaped(char) {
            continue;
        }
        out.push_str(text.get(plain_from..at).unwrap_or_default());
        plain_from = at + char.len_utf8();
        escape(char, &mut out);
    }
    out.push_str(text.get(plain_from..).unwrap_or_default());
    out.push('"');
    Bytes::from(out)
}

fn is_escaped(char: char) -> bool {
    matches!(
        char,
        '\0'..='\u{1f}'
            | '"'
            | '\\'
            | '\u{200c}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff0}'..
    )
}

fn escape(char: char, out: &mut String) {
    match char {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        other => {
            for unit in other.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

/// Makes the frame of messages from their elements, in order.
pub fn array<E: AsRef<[u8]>>(elements: impl IntoIterator<Item = E>) -> Bytes {
    let mut out = b"a[".to_vec();
    for (position, element) in elements.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        out.extend_from_slice(element.as_ref());
    }
    out.push(b']');
    Bytes::from(out)
}

/// Why a session ended, as its client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    code: u16,
    reason: String,
}

impl Close {
    /// Takes the code and reason of a WebSocket's close frame.
    ///
    /// Without a code the code is 0; without either the reason is `Connection closed`.
    pub fn new(code: Option<u16>, reason: &str) -> Close {
        let reason = Some(reason).filter(|reason| code.is_some() && !reason.is_empty());
        Close {
            code: code.unwrap_or(0),
            reason: reason.unwrap_or("Connection closed").to_owned(),
        }
    }

    /// What a second poll of a session is told while one waits.
    pub fn still_open() -> Close {
        Close::new(Some(2010), "Another connection still open")
    }

    /// Makes the frame.
    pub fn frame(&self) -> Bytes {
        let mut out = format!("c[{},", self.code).into_bytes();
        out.extend_from_slice(&element(self.reason.as_bytes()));
        out.push(b']');
        Bytes::from(out)
    }
}

/// The function that the answer of a JSON-P poll calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback(String);

impl Callback {
    /// Reads it from a query: `callback`, or else `c`.
    ///
    /// **Errors**: there is none, or no [JavaScript name](is_callback).
    pub fn of_query(query: &str) -> Result<Callback, SockJsError> {
        let encoded = value_of(query, "callback").or_else(|| value_of(query, "c"));
        encoded
            .and_then(decoded_text)
            .filter(|name| is_callback(name))
            .map(Callback)
            .ok_or(SockJsError::Callback)
    }

    /// Gives the query that the backend sees: without the parameter that names the callback, empty
    /// or with its `?`.
    pub fn cut_from(query: &str) -> String {
        if query.is_empty() {
            return String::new();
        }
        let is_long = value_of(query, "callback").is_some();
        without("", query, &[if is_long { "callback" } else { "c" }])
    }
}

/// How the frames of a poll are put into its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// As they are, on a line.
    Xhr,
    /// As the argument of a call.
    Jsonp(Callback),
}

impl Wrapping {
    /// Makes the body of one frame.
    pub fn body(&self, frame: &[u8]) -> Bytes {
        match self {
            Wrapping::Xhr => Bytes::from([frame, b"\n"].concat()),
            Wrapping::Jsonp(Callback(name)) => {
                let argument = element(frame);
                let (open, close) = (format!("/**/{name}("), b");\n");
                Bytes::from([open.as_bytes(), &argument, close].concat())
            }
        }
    }

    /// Returns the `Content-Type` of the body.
    pub fn content_type(&self) -> &'static str {
        match self {
            Wrapping::Xhr => "text/plain",
            Wrapping::Jsonp(_) => "application/javascript",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn elements_escape_what_browsers_change() {
        for (message, encoded) in [
            ("", r#""""#),
            ("a", r#""a""#),
            ("a\"b\\c/", r#""a\"b\\c/""#),
            ("\n\r\t\u{8}\u{c}", r#""\n\r\t\b\f""#),
            ("\0\u{1f}\u{7f}", "\"\\u0000\\u001f\u{7f}\""),
            (
                "\u{200b}\u{200c}\u{200f}\u{2010}",
                "\"\u{200b}\\u200c\\u200f\u{2010}\"",
            ),
            (
                "\u{2027}\u{2028}\u{202f}\u{2030}",
                "\"\u{2027}\\u2028\\u202f\u{2030}\"",
            ),
            (
                "\u{205f}\u{2060}\u{206f}\u{2070}",
                "\"\u{205f}\\u2060\\u206f\u{2070}\"",
            ),
            ("\u{ffef}\u{fff0}\u{ffff}", "\"\u{ffef}\\ufff0\\uffff\""),
            ("x\u{1f600}y", r#""x\ud83d\ude00y""#),
            ("gr\u{fc}\u{df}e \u{20ac}", "\"gr\u{fc}\u{df}e \u{20ac}\""),
        ] {
            assert_eq!(text(&element(message.as_bytes())), encoded);
            let back: String = serde_json::from_str(encoded).unwrap();
            assert_eq!(back, message);
        }
        let lossy = element(b"a\xffb\xed\xa0\x80");
        assert_eq!(text(&lossy), r#""a\ufffdb\ufffd\ufffd\ufffd""#);
    }

    #[test]
    fn every_character_comes_back() {
        let all: String = ('\0'..=char::MAX).collect();
        let back: String = serde_json::from_slice(&element(all.as_bytes())).unwrap();
        assert_eq!(back, all);
    }

    #[test]
    fn frames_are_those_of_the_protocol() {
        let elements = ["m1", "m\"2"].map(|message| element(message.as_bytes()));
        assert_eq!(text(&array(&elements)), r#"a["m1","m\"2"]"#);
        assert_eq!(text(&array(&elements[..1])), r#"a["m1"]"#);
        for (code, reason, frame) in [
            (Some(3000), "Go away!", r#"c[3000,"Go away!"]"#),
            (Some(1000), "", r#"c[1000,"Connection closed"]"#),
            (None, "", r#"c[0,"Connection closed"]"#),
            (None, "ignored", r#"c[0,"Connection closed"]"#),
            (Some(4000), "\"\u{2028}", r#"c[4000,"\"\u2028"]"#),
        ] {
            assert_eq!(text(&Close::new(code, reason).frame()), frame);
        }
        let second = Close::still_open().frame();
        assert_eq!(text(&second), r#"c[2010,"Another connection still open"]"#);
    }

    #[test]
    fn bodies_are_a_line_or_a_call() {
        let frame = array([element(b"x")]);
        assert_eq!(text(&Wrapping::Xhr.body(&frame)), "a[\"x\"]\n");
        let call = Wrapping::Jsonp(Callback::of_query("c=%63allback").unwrap());
        assert_eq!(text(&call.body(&OPEN)), "/**/callback(\"o\");\n");
        assert_eq!(
            text(&call.body(&frame)),
            "/**/callback(\"a[\\\"x\\\"]\");\n"
        );
    }

    #[test]
    fn callbacks_are_names_and_do_not_reach_the_backend() {
        for (query, name, left) in [
            ("c=_jp.abc123", Ok("_jp.abc123"), ""),
            ("t=1&callback=f&c=g", Ok("f"), "?t=1&c=g"),
            ("callback=f&callback=g&t=1", Ok("f"), "?t=1"),
            ("", Err(()), ""),
            ("c=", Err(()), ""),
            ("c=%20", Err(()), ""),
            ("c=*&x", Err(()), "?x"),
            ("c=abc%28", Err(()), ""),
            ("t=1", Err(()), "?t=1"),
        ] {
            let callback = Callback::of_query(query);
            match name {
                Ok(name) => assert_eq!(callback, Ok(Callback(name.to_owned()))),
                Err(()) => assert_eq!(callback, Err(SockJsError::Callback), "{query}"),
            }
            assert_eq!(Callback::cut_from(query), left, "{query}");
        }
    }
}
