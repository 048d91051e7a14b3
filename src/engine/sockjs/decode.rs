//! What SockJS clients send: lists of messages, bare, in a form or in a query.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Visitor};
use url::form_urlencoded;

use super::{SockJsError, MESSAGE_MAX};

/// Reads a JSON list of strings, which may be empty. Half of a surrogate pair, which JavaScript can
/// send, becomes replacement characters.
///
/// **Errors**: anything else, and a message over [`MESSAGE_MAX`].
pub fn messages(payload: &[u8]) -> Result<Vec<String>, SockJsError> {
    let messages = match serde_json::from_slice::<Vec<String>>(payload) {
        Ok(messages) => messages,
        Err(_) if may_have_halves(payload) => lossy(payload).ok_or(SockJsError::Payload)?,
        Err(_) => return Err(SockJsError::Payload),
    };
    if messages.iter().any(|message| message.len() > MESSAGE_MAX) {
        return Err(SockJsError::MessageTooLarge);
    }
    Ok(messages)
}

/// Reads a WebSocket message of a framed client: as [`messages`], but an empty one is ignored.
///
/// **Errors**: as [`messages`]; the connection is dropped.
pub fn framed(payload: &[u8]) -> Result<Vec<String>, SockJsError> {
    match payload {
        [] => Ok(Vec::new()),
        payload => messages(payload),
    }
}

/// Takes the payload out of the body of `jsonp_send`: the field `d` of a form, or the whole of a
/// `text/plain`; empty if there is none.
pub fn jsonp_body<'b>(content_type: Option<&[u8]>, body: &'b [u8]) -> Cow<'b, [u8]> {
    let media_type = content_type.and_then(|value| value.split(|byte| *byte == b';').next());
    let is_plain =
        media_type.is_some_and(|media| media.trim_ascii().eq_ignore_ascii_case(b"text/plain"));
    if is_plain {
        Cow::Borrowed(body)
    } else {
        field(body)
    }
}

/// Takes the payload out of the query of `jsonp_send`; empty if there is none.
pub fn jsonp_query(query: &str) -> Cow<'_, [u8]> {
    field(query.as_bytes())
}

fn field(encoded: &[u8]) -> Cow<'_, [u8]> {
    let mut fields = form_urlencoded::parse(encoded);
    match fields.find(|(name, _)| name == "d") {
        Some((_, Cow::Borrowed(value))) => Cow::Borrowed(value.as_bytes()),
        Some((_, Cow::Owned(value))) => Cow::Owned(value.into_bytes()),
        None => Cow::Borrowed(&[]),
    }
}

/// Tells whether an escape of a surrogate is in it.
fn may_have_halves(payload: &[u8]) -> bool {
    let is_surrogate = |window: &[u8]| window.eq_ignore_ascii_case(b"\\ud");
    payload.windows(3).any(is_surrogate)
}

fn lossy(payload: &[u8]) -> Option<Vec<String>> {
    let messages: Vec<Lossy> = serde_json::from_slice(payload).ok()?;
    Some(messages.into_iter().map(|Lossy(text)| text).collect())
}

/// A JSON string of any content.
struct Lossy(String);

impl<'de> Deserialize<'de> for Lossy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Lossy;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Lossy, E> {
                Ok(Lossy(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        deserializer.deserialize_bytes(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Option<&[u8]> = Some(b"application/x-www-form-urlencoded");

    #[test]
    fn lists_of_strings_are_messages() {
        for (payload, expected) in [
            ("[]", vec![]),
            ("[\"a\"]", vec!["a"]),
            (" [ \"a\" , \"\" ]\n", vec!["a", ""]),
            (r#"["\ud83d\ude00\u0000\n"]"#, vec!["\u{1f600}\0\n"]),
        ] {
            assert_eq!(messages(payload.as_bytes()).unwrap(), expected);
        }
        let half = messages(br#"["a\ud83d","\uDE00b"]"#).unwrap();
        assert!(half.concat().starts_with("a\u{fffd}") && half.concat().ends_with("\u{fffd}b"));
    }

    #[test]
    fn anything_else_is_no_payload() {
        for payload in [
            "",
            " ",
            "[\"x",
            "\"a\"",
            "{}",
            "null",
            "[1]",
            "[\"a\",null]",
            "[[\"a\"]]",
            "[\"a\"] x",
            "[\"a\",]",
            "[\"\n\"]",
            r#"[[237], "\ud800"]"#,
            r#"["\ud800" "#,
            r#"["\udzzz"]"#,
        ] {
            let error = messages(payload.as_bytes());
            assert_eq!(error, Err(SockJsError::Payload), "{payload}");
        }
        assert_eq!(messages(b"[\"\xff\"]"), Err(SockJsError::Payload));
        let deep = "[".repeat(100_000);
        assert_eq!(messages(deep.as_bytes()), Err(SockJsError::Payload));
    }

    #[test]
    fn messages_are_bounded_as_they_are_not_as_they_are_written() {
        let list = |length: usize| format!("[\"{}\"]", "\\u0061".repeat(length));
        let longest = messages(list(MESSAGE_MAX).as_bytes()).unwrap();
        assert_eq!(longest, ["a".repeat(MESSAGE_MAX)]);
        let longer = messages(list(MESSAGE_MAX + 1).as_bytes());
        assert_eq!(longer, Err(SockJsError::MessageTooLarge));
    }

    #[test]
    fn empty_frames_are_ignored_and_strings_alone_are_none() {
        assert_eq!(framed(b""), Ok(vec![]));
        assert_eq!(framed(b"[]"), Ok(vec![]));
        assert_eq!(framed(b"[\"a\"]"), Ok(vec!["a".to_owned()]));
        assert_eq!(framed(b"\"a\""), Err(SockJsError::Payload));
        assert_eq!(framed(b"[\"a"), Err(SockJsError::Payload));
    }

    #[test]
    fn forms_and_queries_are_decoded() {
        for (form, payload) in [
            ("d=%5B%22x%22%5D", "[\"x\"]"),
            ("a=b&d=%5B%22a+b%2Bc%26%22%5D&d=2", "[\"a b+c&\"]"),
            ("%64=[]", "[]"),
            ("d=%5B%22%E2%82%AC%22%5D", "[\"\u{20ac}\"]"),
            ("d=", ""),
            ("p=p", ""),
            ("", ""),
            ("[\"a\"]", ""),
        ] {
            assert_eq!(jsonp_body(FORM, form.as_bytes()), payload.as_bytes());
            assert_eq!(jsonp_body(None, form.as_bytes()), payload.as_bytes());
            assert_eq!(jsonp_query(form), payload.as_bytes());
        }
    }

    #[test]
    fn plain_bodies_are_taken_as_they_are() {
        let body = b"[\"%61bc\"]";
        for plain in ["text/plain", "Text/Plain; charset=UTF-8", " text/plain "] {
            assert_eq!(jsonp_body(Some(plain.as_bytes()), body), &body[..]);
        }
    }

    #[test]
    fn texts_and_words_stay_as_clients_know_them() {
        let answer = |error: SockJsError| (error.status(), error.to_string());
        assert_eq!(answer(SockJsError::NotFound), (404, "Not Found".to_owned()));
        assert_eq!(
            answer(SockJsError::Callback),
            (400, "Bad Request".to_owned())
        );
        assert_eq!(
            answer(SockJsError::Payload),
            (400, "Payload expected".to_owned())
        );
        let large = answer(SockJsError::MessageTooLarge);
        assert_eq!(large, (400, "Message too large".to_owned()));
        let sending = answer(SockJsError::AlreadySending);
        assert_eq!(sending, (400, "Already sending".to_owned()));
        let request = answer(SockJsError::RequestTooLarge);
        assert_eq!(request, (400, "Request too large.".to_owned()));
        let terminated = answer(SockJsError::Terminated);
        assert_eq!(terminated, (410, "Session terminated".to_owned()));
    }
}
