//! What else changes in the head of a WebSocket handshake: as requests that carry events, as a handshake
//! of P-8's own, and in the answer that the client gets.
//!
//! The general edits come before. Source: `docs/websockets.md#what-backends-see`.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::{FEATURES, GRIP_FEATURE, GRIP_SIG};
use crate::grip::ws::{self, events};

const CONNECTION_ID: HeaderName = HeaderName::from_static("connection-id");
const BYTES_REPLAYED: HeaderName = HeaderName::from_static("content-bytes-replayed");
/// What is between P-8 and a backend only.
const PRIVATE: [&str; 3] = [
    "keep-alive-interval",
    "content-bytes-accepted",
    "content-bytes-replayed",
];

/// Leaves what every request of a session repeats of its client's handshake; of a trusted one also how
/// it speaks GRIP.
pub fn repeated(headers: &mut HeaderMap, trusted: bool) {
    for name in [
        header::ACCEPT,
        header::CONTENT_TYPE,
        CONNECTION_ID,
        BYTES_REPLAYED,
    ] {
        headers.remove(name);
    }
    if !trusted {
        headers.remove(GRIP_SIG);
        headers.remove(GRIP_FEATURE);
    }
    set_extension(headers, if trusted { Speaks::Other } else { Speaks::No });
    super::remove_prefixed(headers, "meta-");
}

/// Who speaks GRIP with a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// P-8.
    Own,
    /// Another proxy in front of it, if it wants to.
    Other,
    /// Nobody.
    No,
}

impl Speaks {
    /// Tells for a route and its client.
    pub fn of(no_grip: bool, trusted: bool) -> Self {
        match (trusted, no_grip) {
            (true, _) => Self::Other,
            (false, true) => Self::No,
            (false, false) => Self::Own,
        }
    }
}

/// Leaves the extension `grip` alone, as P-8 offers it or as the other side said it.
fn set_extension(headers: &mut HeaderMap, speaks: Speaks) {
    let said = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    let grip = match speaks {
        Speaks::Own => Some(HeaderValue::from_static("grip")),
        Speaks::Other => ws::grip_element(said.iter().map(|value| value.as_bytes()))
            .and_then(|grip| HeaderValue::from_bytes(grip).ok()),
        Speaks::No => None,
    };
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    headers.extend(grip.map(|grip| (header::SEC_WEBSOCKET_EXTENSIONS, grip)));
}

/// What changes from request to request of a session.
#[derive(Debug)]
pub struct EventsHead<'a> {
    /// Names the connection, for ever.
    pub connection_id: &'a str,
    /// Content bytes that were offered before.
    pub replayed: u64,
    /// Who speaks GRIP.
    pub speaks: Speaks,
    /// P-8's own signature, if one belongs there.
    pub grip_sig: Option<HeaderValue>,
}

/// Adds what a request that carries events has beside what is [`repeated`].
pub fn add_events_head(headers: &mut HeaderMap, head: EventsHead) {
    let content_type = HeaderValue::from_static(events::CONTENT_TYPE);
    if let Some(sig) = head.grip_sig {
        headers.insert(GRIP_SIG, sig);
    }
    if head.speaks == Speaks::Own {
        set_extension(headers, head.speaks);
        headers.extend(FEATURES.clone().map(|features| (GRIP_FEATURE, features)));
    }
    headers.insert(header::ACCEPT, content_type.clone());
    let id = HeaderValue::from_str(head.connection_id);
    headers.extend(id.ok().map(|id| (CONNECTION_ID, id)));
    headers.insert(header::CONTENT_TYPE, content_type);
    if head.replayed > 0 {
        headers.insert(BYTES_REPLAYED, HeaderValue::from(head.replayed));
    }
}

/// Makes the head of a handshake of P-8's own, with this key.
pub fn own_handshake(headers: &mut HeaderMap, key: &str, speaks: Speaks) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let version = HeaderValue::from_static("13");
    headers.insert(header::SEC_WEBSOCKET_VERSION, version);
    headers.remove(header::SEC_WEBSOCKET_KEY);
    let key = HeaderValue::from_str(key);
    headers.extend(key.ok().map(|key| (header::SEC_WEBSOCKET_KEY, key)));
    set_extension(headers, speaks);
}

/// Leaves what the client sees of the head with which its backend accepted; a trusted one, which asked for
/// it, also that GRIP is spoken.
pub fn accepted(headers: &mut HeaderMap, trusted: bool, offered: &HeaderMap) {
    super::response_headers(headers);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::CONTENT_TYPE);
    headers.remove(header::SEC_WEBSOCKET_ACCEPT);
    for name in PRIVATE {
        headers.remove(name);
    }
    super::remove_prefixed(headers, "set-meta-");
    if !trusted {
        super::remove_prefixed(headers, "grip-");
    }
    let offers = offered.get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    let offers = ws::grip_element(offers.iter().map(|value| value.as_bytes()));
    let is_spoken = trusted && offers.is_some();
    set_extension(headers, if is_spoken { Speaks::Other } else { Speaks::No });
}

/// Adds what switches the client's connection.
pub fn add_switch(headers: &mut HeaderMap, accept: &str, extensions: Option<&'static str>) {
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(accept);
    headers.extend(
        accept
            .ok()
            .map(|accept| (header::SEC_WEBSOCKET_ACCEPT, accept)),
    );
    add_extensions(headers, extensions);
}

/// Adds what client and P-8 agreed on.
pub fn add_extensions(headers: &mut HeaderMap, extensions: Option<&'static str>) {
    let extensions = extensions.map(HeaderValue::from_static);
    headers.extend(extensions.map(|value| (header::SEC_WEBSOCKET_EXTENSIONS, value)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn a_client_forges_nothing_that_p8_says() {
        let mut head = headers(&[
            ("Meta-User", "evil"),
            ("Connection-Id", "evil"),
            ("Accept", "*/*"),
            ("Content-Type", "x"),
            ("Content-Bytes-Replayed", "3"),
            ("Sec-WebSocket-Extensions", "permessage-deflate"),
            ("Sec-WebSocket-Key", "k"),
            ("Cookie", "a=b"),
        ]);
        repeated(&mut head, false);
        assert_eq!(
            head,
            headers(&[("Sec-WebSocket-Key", "k"), ("Cookie", "a=b")])
        );
        let sig = Some(HeaderValue::from_static("sig"));
        let events = |replayed, speaks| EventsHead {
            connection_id: "id",
            replayed,
            speaks,
            grip_sig: sig.clone().filter(|_| speaks == Speaks::Own),
        };
        let mut with = head.clone();
        add_events_head(&mut with, events(2, Speaks::Own));
        for (name, value) in [
            ("accept", events::CONTENT_TYPE),
            ("content-type", events::CONTENT_TYPE),
            ("connection-id", "id"),
            ("content-bytes-replayed", "2"),
            ("sec-websocket-extensions", "grip"),
            ("grip-sig", "sig"),
        ] {
            assert_eq!(with.get(name).unwrap(), value);
        }
        assert!(with.contains_key("grip-feature"));
        let mut without = head;
        add_events_head(&mut without, events(0, Speaks::No));
        for name in [
            "grip-sig",
            "grip-feature",
            "sec-websocket-extensions",
            "content-bytes-replayed",
        ] {
            assert!(!without.contains_key(name), "{name}");
        }
    }

    #[test]
    fn the_client_sees_no_private_headers() {
        let mut head = headers(&[
            ("X-Hello", "1"),
            ("Set-Cookie", "a=b"),
            ("Sec-WebSocket-Protocol", "p"),
            ("Set-Meta-User", "u"),
            ("Keep-Alive-Interval", "60"),
            ("Content-Bytes-Accepted", "0"),
            ("Content-Length", "6"),
            ("Content-Type", events::CONTENT_TYPE),
            ("Sec-WebSocket-Extensions", "grip"),
            ("Sec-WebSocket-Accept", "x"),
            ("Connection", "Upgrade, X-Drop"),
            ("X-Drop", "1"),
            ("Upgrade", "websocket"),
        ]);
        let grip = headers(&[("Sec-WebSocket-Extensions", "grip")]);
        accepted(&mut head, false, &grip);
        let kept = [
            ("X-Hello", "1"),
            ("Set-Cookie", "a=b"),
            ("Sec-WebSocket-Protocol", "p"),
        ];
        assert_eq!(head, headers(&kept));
    }

    #[test]
    fn a_trusted_client_speaks_grip_itself() {
        let offers = "permessage-deflate, grip; x=\"a, b\"";
        let mut head = headers(&[
            ("Grip-Sig", "theirs"),
            ("Grip-Feature", "f"),
            ("Meta-User", "evil"),
            ("Sec-WebSocket-Extensions", offers),
        ]);
        let offered = head.clone();
        repeated(&mut head, true);
        let passed = headers(&[
            ("Grip-Sig", "theirs"),
            ("Grip-Feature", "f"),
            ("Sec-WebSocket-Extensions", "grip; x=\"a, b\""),
        ]);
        assert_eq!(head, passed);
        let events = EventsHead {
            connection_id: "id",
            replayed: 0,
            speaks: Speaks::of(false, true),
            grip_sig: None,
        };
        add_events_head(&mut head, events);
        assert_eq!(head.get("grip-sig").unwrap(), "theirs");
        for (offered, answered, seen) in [
            (
                &offered,
                "grip; message-prefix=\"\"",
                Some("grip; message-prefix=\"\""),
            ),
            (&offered, "x, grip", Some("grip")),
            (&offered, "x", None),
            (&HeaderMap::new(), "grip", None),
        ] {
            let mut answer = headers(&[("Sec-WebSocket-Extensions", answered), ("Grip-X", "1")]);
            accepted(&mut answer, true, offered);
            let extensions = answer.get("sec-websocket-extensions");
            assert_eq!(extensions.map(|value| value.to_str().unwrap()), seen);
            assert!(answer.contains_key("grip-x"));
        }
    }
}
