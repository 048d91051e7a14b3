//! Backends of WebSocket-over-HTTP: what P-8's requests say, and the answers to them.
//!
//! The codec is the tests' own. What P-8 writes must have the one form that the reference describes:
//! sizes in lower case without leading zeros, no size without content.

use serde_json::{json, Value};

use super::backend::{Answer, Backend, Request};
use super::wait::{wait_until, DEADLINE};

/// The media type of events.
pub const EVENTS: &str = "application/websocket-events";

/// One event in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpEvent {
    pub kind: String,
    pub content: Option<Vec<u8>>,
}

/// An event with content, if only an empty one.
pub fn event(kind: &str, content: impl AsRef<[u8]>) -> HttpEvent {
    HttpEvent {
        kind: kind.into(),
        content: Some(content.as_ref().to_vec()),
    }
}

/// An event without content.
pub fn bare(kind: &str) -> HttpEvent {
    HttpEvent {
        kind: kind.into(),
        content: None,
    }
}

pub fn text(content: &str) -> HttpEvent {
    event("TEXT", content)
}

pub fn binary(content: &[u8]) -> HttpEvent {
    event("BINARY", content)
}

pub fn close(code: u16, reason: &str) -> HttpEvent {
    event("CLOSE", [&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// A GRIP control message.
pub fn control(message: &Value) -> HttpEvent {
    text(&format!("c:{message}"))
}

/// Asks P-8 to subscribe the session.
pub fn subscribe(channel: &str) -> HttpEvent {
    control(&json!({"type": "subscribe", "channel": channel}))
}

/// The bytes of these events.
pub fn encode(events: &[HttpEvent]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events {
        bytes.extend_from_slice(event.kind.as_bytes());
        if let Some(content) = &event.content {
            bytes.extend_from_slice(format!(" {:x}\r\n", content.len()).as_bytes());
            bytes.extend_from_slice(content);
        }
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Reads events that P-8 wrote.
#[track_caller]
pub fn decode(body: &[u8]) -> Vec<HttpEvent> {
    let mut events = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (line, behind) = cut_line(rest);
        rest = behind;
        let Some((kind, size)) = line.split_once(' ') else {
            events.push(bare(&line));
            continue;
        };
        let length = usize::from_str_radix(size, 16).expect("a size");
        assert_eq!(size, format!("{length:x}"), "the one form of a size");
        assert!(length > 0, "no size without content");
        let (content, behind) = rest.split_at_checked(length).expect("whole content");
        rest = behind
            .strip_prefix(b"\r\n")
            .expect("a line end behind content");
        events.push(event(kind, content));
    }
    events
}

#[track_caller]
fn cut_line(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\r\n");
    let end = end.expect("lines end with CRLF");
    let line = String::from_utf8(bytes[..end].to_vec()).expect("a type and a size");
    (line, &bytes[end + 2..])
}

/// The events of a request.
#[track_caller]
pub fn events_of(request: &Request) -> Vec<HttpEvent> {
    decode(&request.body)
}

/// Whether a request opens a session.
pub fn opens(request: &Request) -> bool {
    request.body == b"OPEN\r\n"
}

/// The events of each whole request so far.
#[track_caller]
pub fn requests_of(backend: &Backend) -> Vec<Vec<HttpEvent>> {
    let seen = backend.seen();
    let whole = seen.iter().filter(|request| request.body_complete);
    whole.map(events_of).collect()
}

/// Every event so far.
#[track_caller]
pub fn all_events(backend: &Backend) -> Vec<HttpEvent> {
    requests_of(backend).concat()
}

/// Waits until the backend has had so many whole requests; gives their events.
#[track_caller]
pub fn wait_for_bodies(backend: &Backend, count: usize) -> Vec<Vec<HttpEvent>> {
    wait_until(DEADLINE, &format!("{count} whole requests"), || {
        requests_of(backend).len() >= count
    });
    requests_of(backend)
}

/// Waits until the backend has had this event; gives every event so far.
#[track_caller]
pub fn wait_for_event(backend: &Backend, wanted: &HttpEvent) -> Vec<HttpEvent> {
    wait_until(DEADLINE, &format!("{wanted:?}"), || {
        all_events(backend).contains(wanted)
    });
    all_events(backend)
}

/// An answer with these events.
pub fn answer(events: &[HttpEvent]) -> Answer {
    Answer::ok(encode(events)).header("Content-Type", EVENTS)
}

/// An answer that accepts without GRIP, with these events behind `OPEN`.
pub fn accept_plain(events: &[HttpEvent]) -> Answer {
    answer(&[&[bare("OPEN")], events].concat())
}

/// An answer that accepts with GRIP, with these events behind `OPEN`.
pub fn accept(events: &[HttpEvent]) -> Answer {
    accept_plain(events).header("Sec-WebSocket-Extensions", "grip")
}

/// What a backend sends back for what came: the same, a pong for a ping.
pub fn echoed(events: &[HttpEvent]) -> Vec<HttpEvent> {
    let kept = events.iter().filter(|event| event.kind != "DISCONNECT");
    let mut echoed: Vec<HttpEvent> = kept.cloned().collect();
    for event in &mut echoed {
        if event.kind == "PING" {
            event.kind = "PONG".into();
        }
    }
    echoed
}

/// Accepts with that answer, then answers each request with what the closure makes of its events.
pub fn opening_with(
    opening: Answer,
    later: impl Fn(&[HttpEvent]) -> Answer + Send + Sync + 'static,
) -> Backend {
    Backend::answering(move |request| {
        if opens(request) {
            opening.clone()
        } else {
            later(&events_of(request))
        }
    })
}

/// Accepts without GRIP and sends back what comes.
pub fn echo() -> Backend {
    opening_with(accept_plain(&[]), |events| answer(&echoed(events)))
}

/// Accepts with GRIP and these events; later answers a close with the same and anything else with
/// nothing.
pub fn open_and(events: &[HttpEvent]) -> Backend {
    opening_with(accept(events), |events| answer(&closes(events)))
}

/// The close among these events.
pub fn closes(events: &[HttpEvent]) -> Vec<HttpEvent> {
    let mut closes = events.to_vec();
    closes.retain(|event| event.kind == "CLOSE");
    closes
}
