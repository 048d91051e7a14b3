//! A complete response as a value: what a hold sends at its start or its timeout.
//!
//! Writes no bytes. Headers of GRIP and of message framing never get into a `Response`; whoever
//! writes it to a connection adds the framing of that connection.

use bytes::Bytes;
use http::header::{
    HeaderMap, HeaderName, HeaderValue, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING,
};

use super::header_params::split_list;
use super::status;

/// A response with its whole body.
///
/// **Bounds**: `status` is 200 to 999; `headers` has no `Grip-*`, `Content-Length`,
/// `Transfer-Encoding`, `Connection` or `Keep-Alive`.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The reason phrase; `None` for the canonical one.
    pub reason: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// Makes a response without headers and body.
    pub fn empty(status: u16) -> Response {
        Response {
            status,
            reason: None,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// Copies it into memory of its own: what came from a socket shares the buffer it was read into.
    pub fn unshared(&self) -> Response {
        let copy = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes());
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            headers.append(name, copy(value).unwrap_or_else(|_| value.clone()));
        }
        Response {
            status: self.status,
            reason: self.reason.clone(),
            headers,
            body: Bytes::copy_from_slice(&self.body),
        }
    }

    /// Gives the reason phrase to send: the response's own, or the canonical one.
    pub fn reason_phrase(&self) -> &str {
        self.reason
            .as_deref()
            .unwrap_or_else(|| status::canonical(self.status))
    }
}

/// Says whether a text may be sent as a reason phrase: no control character but the tab.
///
/// **Source**: RFC 9112, section 4.
pub fn is_reason(text: &str) -> bool {
    !text
        .bytes()
        .any(|byte| byte.is_ascii_control() && byte != b'\t')
}

/// Says whether a header belongs to GRIP.
pub(crate) fn is_grip(name: &HeaderName) -> bool {
    name.as_str().starts_with("grip-")
}

/// Gives the headers that go to the client, in their order: all but those of GRIP and of framing,
/// and if `Grip-Expose-Headers` is among them only those it names.
pub(crate) fn client_headers(headers: &HeaderMap) -> HeaderMap {
    exposed_headers(headers, &ExposedNames::of(headers))
}

/// As `client_headers`, with the exposed names from elsewhere.
pub(crate) fn exposed_headers(headers: &HeaderMap, exposed: &ExposedNames) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        if !is_grip(name) && !is_framing(name) && exposed.has(name) {
            // Cannot overflow: `headers` held them all.
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// The names of `Grip-Expose-Headers`; `None` if the header is absent, which exposes all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExposedNames(Option<std::collections::HashSet<Vec<u8>>>);

impl ExposedNames {
    pub(crate) fn of(headers: &HeaderMap) -> ExposedNames {
        const NAME: &str = "grip-expose-headers";
        if !headers.contains_key(NAME) {
            return ExposedNames(None);
        }
        let names = split_list(headers.get_all(NAME).iter().map(|value| value.as_bytes()));
        ExposedNames(Some(
            names.into_iter().map(<[u8]>::to_ascii_lowercase).collect(),
        ))
    }

    fn has(&self, name: &HeaderName) -> bool {
        let ExposedNames(names) = self;
        names
            .as_ref()
            .is_none_or(|names| names.contains(name.as_str().as_bytes()))
    }
}

fn is_framing(name: &HeaderName) -> bool {
    name == CONTENT_LENGTH
        || name == TRANSFER_ENCODING
        || name == CONNECTION
        || name.as_str() == "keep-alive"
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_static(value),
            )
        });
        pairs.collect()
    }

    fn pairs(headers: &HeaderMap) -> Vec<(&str, &str)> {
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn reason_phrase_is_own_or_canonical() {
        let mut response = Response {
            status: 404,
            reason: None,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        assert_eq!(response.reason_phrase(), "Not Found");
        response.reason = Some("Nope".to_owned());
        assert_eq!(response.reason_phrase(), "Nope");
    }

    #[test]
    fn reasons_stay_on_their_line() {
        for (text, expected) in [
            ("Fine", true),
            ("", true),
            ("Fine\tor ž", true),
            ("a\rb", false),
            ("a\nb", false),
            ("a\0b", false),
            ("\u{7f}", false),
        ] {
            assert_eq!(is_reason(text), expected, "{text:?}");
        }
    }

    #[test]
    fn grip_and_framing_headers_are_removed() {
        let all = headers(&[
            ("X-A", "1"),
            ("GRIP-Hold", "stream"),
            ("Content-Length", "5"),
            ("Set-Cookie", "a"),
            ("Connection", "close"),
            ("Keep-Alive", "timeout=5"),
            ("Transfer-Encoding", "chunked"),
            ("Set-Cookie", "b"),
            ("Gripe", "kept"),
            ("grip-", "x"),
        ]);
        let expected = [
            ("x-a", "1"),
            ("set-cookie", "a"),
            ("set-cookie", "b"),
            ("gripe", "kept"),
        ];
        assert_eq!(pairs(&client_headers(&all)), expected);
    }

    #[test]
    fn only_exposed_headers_are_kept() {
        for (exposed, expected) in [
            (&["x-a, X-C"][..], &[("x-a", "1"), ("x-c", "3")][..]),
            (&["X-A", "x-b,"], &[("x-a", "1"), ("x-b", "2")]),
            (&["Content-Length, Grip-Hold"], &[]),
            (&[""], &[]),
            (&[], &[("x-a", "1"), ("x-b", "2"), ("x-c", "3")]),
        ] {
            let mut all = headers(&[("X-A", "1"), ("X-B", "2"), ("X-C", "3"), ("Grip-Hold", "h")]);
            for names in exposed {
                all.append("grip-expose-headers", HeaderValue::from_static(names));
            }
            assert_eq!(pairs(&client_headers(&all)), expected, "{exposed:?}");
        }
    }
}
