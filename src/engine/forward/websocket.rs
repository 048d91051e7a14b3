//! What else changes in the head of a WebSocket handshake: as requests that carry events, as a handshake
//! of P-8's own, and in the answer that the client gets.
//!
//! The general edits come before. Source: `docs/websockets.md#what-backends-see`.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::{FEATURES, GRIP_FEATURE, GRIP_SIG};
use crate::grip::ws::events;

const CONNECTION_ID: HeaderName = HeaderName::from_static("connection-id");
const BYTES_REPLAYED: HeaderName = HeaderName::from_static("content-bytes-replayed");
/// What is between P-8 and a backend only.
const PRIVATE: [&str; 3] = [
    "keep-alive-interval",
    "content-bytes-accepted",
    "content-bytes-replayed",
];

/// Leaves what every request of a session repeats of its client's handshake.
pub fn repeated(headers: &mut HeaderMap) {
    for name in [
        header::ACCEPT,
        header::CONTENT_TYPE,
        header::SEC_WEBSOCKET_EXTENSIONS,
        CONNECTION_ID,
        BYTES_REPLAYED,
        GRIP_SIG,
        GRIP_FEATURE,
    ] {
        headers.remove(name);
    }
    super::remove_prefixed(headers, "meta-");
}

/// What changes from request to request of a session.
#[derive(Debug)]
pub struct EventsHead<'a> {
    /// Names the connection, for ever.
    pub connection_id: &'a str,
    /// Content bytes that were offered before.
    pub replayed: u64,
    /// GRIP is not spoken on the route.
    pub no_grip: bool,
    /// The signature, if there is one.
    pub grip_sig: Option<HeaderValue>,
}

/// Adds what a request that carries events has beside what is [`repeated`].
pub fn add_events_head(headers: &mut HeaderMap, head: EventsHead) {
    let content_type = HeaderValue::from_static(events::CONTENT_TYPE);
    if !head.no_grip {
        let grip = HeaderValue::from_static("grip");
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, grip);
        headers.extend(head.grip_sig.map(|sig| (GRIP_SIG, sig)));
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
pub fn own_handshake(headers: &mut HeaderMap, key: &str, no_grip: bool) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let version = HeaderValue::from_static("13");
    headers.insert(header::SEC_WEBSOCKET_VERSION, version);
    headers.remove(header::SEC_WEBSOCKET_KEY);
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    let key = HeaderValue::from_str(key);
    headers.extend(key.ok().map(|key| (header::SEC_WEBSOCKET_KEY, key)));
    if !no_grip {
        let grip = HeaderValue::from_static("grip");
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, grip);
    }
}

/// Leaves what the client sees of the head with which its backend accepted.
pub fn accepted(headers: &mut HeaderMap) {
    super::response_headers(headers);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::CONTENT_TYPE);
    headers.remove(header::SEC_WEBSOCKET_ACCEPT);
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    for name in PRIVATE {
        headers.remove(name);
    }
    super::remove_prefixed(headers, "set-meta-");
    super::remove_prefixed(headers, "grip-");
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
        repeated(&mut head);
        assert_eq!(
            head,
            headers(&[("Sec-WebSocket-Key", "k"), ("Cookie", "a=b")])
        );
        let events = |replayed, no_grip| EventsHead {
            connection_id: "id",
            replayed,
            no_grip,
            grip_sig: Some(HeaderValue::from_static("sig")),
        };
        let mut with = head.clone();
        add_events_head(&mut with, events(2, false));
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
        add_events_head(&mut without, events(0, true));
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
        accepted(&mut head);
        let kept = [
            ("X-Hello", "1"),
            ("Set-Cookie", "a=b"),
            ("Sec-WebSocket-Protocol", "p"),
        ];
        assert_eq!(head, headers(&kept));
    }
}
