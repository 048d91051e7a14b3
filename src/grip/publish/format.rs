//! The formats of an item: what it says to long-polls, streams and WebSockets.
//!
//! ```text
//! "http-response": { "code": 200, "reason": "OK", "headers": {}, "body": "" }
//! "http-stream":   { "content": "" }
//! "ws-message":    { "type": "text", "content": "" }
//! any of them:     { "action": "send" | "hint" | "close" | "refresh" }
//! ```

use bytes::Bytes;
use http::header::HeaderMap;
use serde_json::Value;

use crate::grip::error::{excerpt, PublishError};
use crate::grip::json_fields::{FieldError, Fields};
use crate::grip::response::client_headers;

/// What an item says to each transport; all `None` is legal and reaches nobody.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Formats {
    /// `http-response`, for response holds.
    pub response: Option<ResponseFormat>,
    /// `http-stream`, for stream holds.
    pub stream: Option<StreamFormat>,
    /// `ws-message`, for WebSockets.
    pub ws: Option<WsFormat>,
}

impl Formats {
    /// Returns how many bytes of content they have together; of a patch, none.
    pub fn bytes(&self) -> usize {
        let response = match &self.response {
            Some(ResponseFormat::Send(ResponseSend {
                body: ResponseBody::Bytes(body),
                ..
            })) => body.len(),
            _ => 0,
        };
        let stream = match &self.stream {
            Some(StreamFormat::Send { content, .. }) => content.len(),
            _ => 0,
        };
        let ws = match &self.ws {
            Some(WsFormat::Send { content, .. }) => content.len(),
            _ => 0,
        };
        response + stream + ws
    }

    /// Tells whether it says nothing to anybody: none of the publisher's formats is known.
    pub fn is_empty(&self) -> bool {
        self.response.is_none() && self.stream.is_none() && self.ws.is_none()
    }
}

/// What an item says to response holds.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseFormat {
    /// Answers the held request.
    Send(ResponseSend),
    /// Asks the backend again.
    Hint,
    /// Means nothing to a response hold.
    Close,
    /// Means nothing to a response hold.
    Refresh,
}

/// The answer to a held request.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseSend {
    /// **Bounds**: 200 to 999; 200 if the publisher gave none.
    pub status: u16,
    /// The reason phrase; `None` for the canonical one.
    pub reason: Option<String>,
    /// Its own headers, without those of GRIP and of framing; those that `Grip-Expose-Headers`
    /// of the item names, if it has that.
    pub headers: HeaderMap,
    /// The body, or how to make it.
    pub body: ResponseBody,
    /// The filters a session must have to get it; `None` checks nothing.
    pub content_filters: Option<Vec<String>>,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseBody {
    /// The bytes to send.
    Bytes(Bytes),
    /// A JSON Patch, an array, to apply to the held response's body; not checked further.
    Patch(Value),
}

/// What an item says to stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamFormat {
    /// Appends to the stream.
    Send {
        /// What to append; may be empty.
        content: Bytes,
        /// The filters a session must have to get it; `None` checks nothing.
        content_filters: Option<Vec<String>>,
    },
    /// Asks the next link.
    Hint,
    /// Ends the response.
    Close,
    /// Means nothing to a stream hold.
    Refresh,
}

/// What an item says to WebSockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WsFormat {
    /// Sends a message.
    Send {
        /// The kind of message.
        kind: WsKind,
        /// Its payload.
        content: Bytes,
        /// The filters a session must have to get it; `None` checks nothing.
        content_filters: Option<Vec<String>>,
    },
    /// Closes the WebSocket.
    Close {
        /// The close code as given; `None` becomes 1000 on the wire.
        code: Option<u16>,
        /// The close reason, often empty.
        reason: String,
    },
    /// Means nothing to a WebSocket.
    Hint,
    /// Has the backend asked, over WebSocket-over-HTTP.
    Refresh,
}

/// The kind of a WebSocket message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WsKind {
    /// A text message.
    Text,
    /// A binary message.
    Binary,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
}

/// Longest content of a ping or pong, in bytes.
const PING_MAX: usize = 125;

impl WsKind {
    /// Tells whether a message of this kind can have this content: text is UTF-8, pings and pongs are
    /// short.
    pub fn takes(self, content: &[u8]) -> bool {
        match self {
            Self::Text => std::str::from_utf8(content).is_ok(),
            Self::Binary => true,
            Self::Ping | Self::Pong => content.len() <= PING_MAX,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Send,
    Hint,
    Close,
    Refresh,
}

const RESPONSE: &str = "http-response";
const STREAM: &str = "http-stream";
const WS: &str = "ws-message";

/// Takes the formats of an item: from `formats`, or in the old form from the item itself.
pub(super) fn parse(item: &mut Fields) -> Result<Formats, PublishError> {
    match item.object("formats", "'formats'")? {
        Some(formats) if formats.is_empty() => Err(PublishError::NoFormats),
        Some(mut formats) => known(&mut formats),
        None if [RESPONSE, STREAM, WS].iter().any(|name| item.has(name)) => known(item),
        None => Err(PublishError::NoFormats),
    }
}

fn known(formats: &mut Fields) -> Result<Formats, PublishError> {
    let mut fields = |name, place| formats.take(name).map(|value| Fields::new(place, value));
    Ok(Formats {
        response: fields(RESPONSE, "'http-response'")
            .transpose()?
            .map(response)
            .transpose()?,
        stream: fields(STREAM, "'http-stream'")
            .transpose()?
            .map(stream)
            .transpose()?,
        ws: fields(WS, "'ws-message'")
            .transpose()?
            .map(ws)
            .transpose()?,
    })
}

fn action(fields: &mut Fields) -> Result<Action, PublishError> {
    match fields.string("action")?.as_deref() {
        None | Some("send") => Ok(Action::Send),
        Some("hint") => Ok(Action::Hint),
        Some("close") => Ok(Action::Close),
        Some("refresh") => Ok(Action::Refresh),
        Some(other) => Err(PublishError::UnknownAction(excerpt(other))),
    }
}

fn response(mut fields: Fields) -> Result<ResponseFormat, PublishError> {
    match action(&mut fields)? {
        Action::Send => {}
        Action::Hint => return Ok(ResponseFormat::Hint),
        Action::Close => return Ok(ResponseFormat::Close),
        Action::Refresh => return Ok(ResponseFormat::Refresh),
    }
    let status = fields.status("code")?.unwrap_or(200);
    let reason = fields.reason("reason")?;
    let headers = fields.headers("headers")?.unwrap_or_default();
    Ok(ResponseFormat::Send(ResponseSend {
        status,
        reason,
        headers: client_headers(&headers),
        body: response_body(&mut fields)?,
        content_filters: fields.strings("content-filters")?,
    }))
}

fn response_body(fields: &mut Fields) -> Result<ResponseBody, FieldError> {
    if let Some(body) = fields.content("body-bin", "body")? {
        return Ok(ResponseBody::Bytes(body));
    }
    let patch = fields.array("body-patch")?;
    let missing = || fields.missing("'body', 'body-bin', or 'body-patch'");
    Ok(ResponseBody::Patch(Value::Array(
        patch.ok_or_else(missing)?,
    )))
}

fn stream(mut fields: Fields) -> Result<StreamFormat, PublishError> {
    match action(&mut fields)? {
        Action::Send => {}
        Action::Hint => return Ok(StreamFormat::Hint),
        Action::Close => return Ok(StreamFormat::Close),
        Action::Refresh => return Ok(StreamFormat::Refresh),
    }
    let content = fields.content("content-bin", "content")?;
    let content = content.ok_or_else(|| no_content(&fields))?;
    Ok(StreamFormat::Send {
        content,
        content_filters: fields.strings("content-filters")?,
    })
}

fn ws(mut fields: Fields) -> Result<WsFormat, PublishError> {
    match action(&mut fields)? {
        Action::Send => {}
        Action::Hint => return Ok(WsFormat::Hint),
        Action::Close => return Ok(ws_close(fields)?),
        Action::Refresh => return Ok(WsFormat::Refresh),
    }
    let kind = match fields.string("type")?.as_deref() {
        Some("text") => WsKind::Text,
        Some("binary") => WsKind::Binary,
        Some("ping") => WsKind::Ping,
        Some("pong") => WsKind::Pong,
        Some(_) => return Err(fields.unknown_value("type").into()),
        None if fields.has("content-bin") => WsKind::Binary,
        None => WsKind::Text,
    };
    let field = if fields.has("content-bin") {
        "content-bin"
    } else {
        "content"
    };
    let content = match fields.content("content-bin", "content")? {
        Some(content) => content,
        None if matches!(kind, WsKind::Ping | WsKind::Pong) => Bytes::new(),
        None => return Err(no_content(&fields).into()),
    };
    if !kind.takes(&content) {
        return Err(fields.invalid_value(field).into());
    }
    Ok(WsFormat::Send {
        kind,
        content,
        content_filters: fields.strings("content-filters")?,
    })
}

fn ws_close(mut fields: Fields) -> Result<WsFormat, FieldError> {
    let code = fields.int("code", 0..=i64::from(u16::MAX))?;
    let code = code.and_then(|code| u16::try_from(code).ok());
    Ok(WsFormat::Close {
        code,
        reason: fields.string("reason")?.unwrap_or_default(),
    })
}

fn no_content(fields: &Fields) -> FieldError {
    fields.missing("'content' or 'content-bin'")
}
