//! The bodies of WebSocket-over-HTTP: `application/websocket-events`.
//!
//! Does not say which events may follow which, or what they lead to.
//!
//! ```text
//! TEXT 2\r\nhi\r\n  |  PING\r\n  |  CLOSE 2\r\n\x03\xe8\r\n
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use crate::grip::error::{excerpt, Side};
use crate::grip::lenient;
use crate::grip::publish::WsKind;

/// The media type of events, compared case-sensitively and without parameters.
pub const CONTENT_TYPE: &str = "application/websocket-events";

/// Says what an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The WebSocket opens, or is accepted.
    Open,
    /// A text message.
    Text,
    /// A binary message.
    Binary,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// A close, with a code and reason or without.
    Close,
    /// The connection is gone.
    Disconnect,
}

/// One event of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it tells.
    pub kind: EventKind,
    /// Its content; `None` means the same as an empty one.
    pub content: Option<Bytes>,
}

/// Says why a body has no events, not even its first ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventsError {
    /// A line with an event's type never ends.
    #[error("{CONTENT_TYPE} must end each event's first line with CRLF, got '{0}'")]
    Line(String),
    /// The size of a content is no number.
    #[error("{CONTENT_TYPE} must have hex digits for an event's size, got '{0}'")]
    Size(String),
}

impl EventsError {
    /// Says whose fault it is.
    pub fn side(&self) -> Side {
        Side::Backend
    }

    /// Gives the stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            EventsError::Line(_) => "bad-event-line",
            EventsError::Size(_) => "bad-event-size",
        }
    }
}

impl EventKind {
    /// Gives the name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Open => "OPEN",
            EventKind::Text => "TEXT",
            EventKind::Binary => "BINARY",
            EventKind::Ping => "PING",
            EventKind::Pong => "PONG",
            EventKind::Close => "CLOSE",
            EventKind::Disconnect => "DISCONNECT",
        }
    }

    fn from_name(name: &[u8]) -> Option<EventKind> {
        Some(match name {
            b"OPEN" => EventKind::Open,
            b"TEXT" => EventKind::Text,
            b"BINARY" => EventKind::Binary,
            b"PING" => EventKind::Ping,
            b"PONG" => EventKind::Pong,
            b"CLOSE" => EventKind::Close,
            b"DISCONNECT" => EventKind::Disconnect,
            _ => return None,
        })
    }

    fn has_content(self) -> bool {
        !matches!(self, EventKind::Open | EventKind::Disconnect)
    }

    /// Gives the kind of message that it carries, if it carries one.
    pub fn message_kind(self) -> Option<WsKind> {
        match self {
            EventKind::Text => Some(WsKind::Text),
            EventKind::Binary => Some(WsKind::Binary),
            EventKind::Ping => Some(WsKind::Ping),
            EventKind::Pong => Some(WsKind::Pong),
            EventKind::Open | EventKind::Close | EventKind::Disconnect => None,
        }
    }
}

impl From<WsKind> for EventKind {
    fn from(kind: WsKind) -> EventKind {
        match kind {
            WsKind::Text => EventKind::Text,
            WsKind::Binary => EventKind::Binary,
            WsKind::Ping => EventKind::Ping,
            WsKind::Pong => EventKind::Pong,
        }
    }
}

impl Event {
    /// Makes an event without content.
    pub fn bare(kind: EventKind) -> Event {
        Event {
            kind,
            content: None,
        }
    }

    /// Makes an event with content, which may be empty.
    pub fn new(kind: EventKind, content: Bytes) -> Event {
        Event {
            kind,
            content: Some(content),
        }
    }
}

/// Writes events as a body.
///
/// **Shape**: `TYPE SP hexlen CRLF content CRLF`, or `TYPE CRLF` for an empty content and for the
/// types that have none.
pub fn encode(events: &[Event]) -> Bytes {
    let size = events.iter().map(|event| {
        let content = event.content.as_ref();
        content.map_or(0, Bytes::len) + EventKind::Disconnect.as_str().len() + 16
    });
    let mut body = BytesMut::with_capacity(size.sum());
    for event in events {
        body.put_slice(event.kind.as_str().as_bytes());
        let content = event.content.as_ref().filter(|_| event.kind.has_content());
        if let Some(content) = content.filter(|content| !content.is_empty()) {
            body.put_slice(format!(" {:x}\r\n", content.len()).as_bytes());
            body.put_slice(content);
        }
        body.put_slice(b"\r\n");
    }
    body.freeze()
}

/// Reads a body; contents share its memory.
///
/// Lenient as backends rely on: unknown types and content of `OPEN` and `DISCONNECT` are skipped, a
/// content may be shorter than announced, what stands for the CRLF after it is not looked at.
/// An empty content is given as none.
///
/// **Errors**: a first line without CRLF, or a size that is no number; no event counts then.
pub fn decode(body: &Bytes) -> Result<Vec<Event>, EventsError> {
    let mut events = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let rest = body.get(at..).unwrap_or_default();
        let end = rest.windows(2).position(|pair| pair == b"\r\n");
        let line = end.and_then(|end| rest.get(..end));
        let line = line.ok_or_else(|| EventsError::Line(excerpt(rest)))?;
        at += line.len() + 2;
        let mut parts = line.splitn(2, |byte| *byte == b' ');
        let name = parts.next().unwrap_or_default();
        let mut content = None;
        if let Some(digits) = parts.next() {
            let size = size(digits).ok_or_else(|| EventsError::Size(excerpt(digits)))?;
            let start = at.min(body.len());
            let end = start.saturating_add(size).min(body.len());
            content = (start < end).then(|| body.slice(start..end));
            at = end.saturating_add(2);
        }
        if let Some(kind) = EventKind::from_name(name) {
            let content = content.filter(|_| kind.has_content());
            events.push(Event { kind, content });
        }
    }
    Ok(events)
}

/// Reads the content of a `CLOSE`: the code, and the reason with replacements for what is no UTF-8.
///
/// `None` for less than two bytes: a close without a code.
pub fn parse_close(content: Option<&Bytes>) -> Option<(u16, String)> {
    let (code, reason) = content?.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*code), lenient::text(reason)))
}

/// Writes the content of a `CLOSE` with a code.
pub fn close_content(code: u16, reason: &str) -> Bytes {
    let mut content = BytesMut::with_capacity(2 + reason.len());
    content.put_u16(code);
    content.put_slice(reason.as_bytes());
    content.freeze()
}

/// Reads a size: hex digits of any case, blanks around them, `0x` or `+` before them; 31 bits.
fn size(digits: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(digits.trim_ascii()).ok()?;
    let unsigned = digits.strip_prefix('+').unwrap_or(digits);
    let bare = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
        .unwrap_or(unsigned);
    // Rust would take a second sign.
    if bare.starts_with('+') {
        return None;
    }
    let size = i32::from_str_radix(bare, 16).ok()?;
    usize::try_from(size).ok()
}

#[cfg(test)]
mod tests;
