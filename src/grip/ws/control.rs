//! Control messages: what a backend tells P-8 in a text message that begins `c:`.
//!
//! Carries nothing out, and does not look for the `c:`. A channel is as written, without its route's
//! prefix.
//!
//! ```text
//! { "type": "subscribe", "channel": "a", "filters": [] }   { "type": "unsubscribe", "channel": "a" }
//! { "type": "keep-alive", "content": "", "message-type": "text", "timeout": 55, "mode": "idle" }
//! { "type": "send-delayed", "content-bin": "", "timeout": 1 }        { "type": "flush-delayed" }
//! { "type": "set-meta", "name": "user", "value": "" }   { "type": "session", "id": "" }
//! { "type": "detach" }
//! ```

use bytes::Bytes;
use serde_json::Value;

use crate::grip::channel::ChannelName;
use crate::grip::error::{excerpt, Side};
use crate::grip::json_fields::{FieldError, Fields};
use crate::grip::keep_alive::{KeepAliveMode, DEFAULT_TIMEOUT_SECS};
use crate::grip::publish::WsKind;

pub use crate::grip::instruct::FILTERS_MAX;

/// The delay of `send-delayed` without one of its own, in seconds.
pub const DEFAULT_DELAY_SECS: u32 = 1;

/// What a backend tells P-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Subscribes the session, or replaces the filters of its subscription.
    Subscribe {
        /// Never empty.
        channel: ChannelName,
        /// In order. **Bounds**: none here; whoever subscribes refuses more than [`FILTERS_MAX`].
        filters: Vec<String>,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// Never empty.
        channel: ChannelName,
    },
    /// Leaves the client to its subscriptions and the backend out of it.
    Detach,
    /// Binds a session id, or unbinds it; means nothing to P-8.
    Session {
        /// The id; `None` unbinds.
        id: Option<String>,
    },
    /// Sets one name of the session's meta, for filters.
    SetMeta {
        /// Never empty.
        name: String,
        /// The value; `None` removes the name.
        value: Option<String>,
    },
    /// What is sent to the client while nothing else is; `None` turns it off.
    KeepAlive(Option<WsKeepAlive>),
    /// Sends a message later.
    SendDelayed {
        /// What to send.
        message: WsMessage,
        /// **Units**: seconds. **Bounds**: at least 1.
        timeout_secs: u32,
    },
    /// Sends now what waits to be sent later.
    FlushDelayed,
}

/// A message for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WsMessage {
    /// The kind of message.
    pub kind: WsKind,
    /// Its content, which may be empty.
    pub content: Bytes,
}

/// What keeps a WebSocket alive, and when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WsKeepAlive {
    /// What to send.
    pub message: WsMessage,
    /// **Units**: seconds. **Bounds**: at least 1.
    pub timeout_secs: u32,
    /// What restarts the delay.
    pub mode: KeepAliveMode,
}

/// Says why a control message is ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It is no JSON.
    #[error("control message must be valid JSON after 'c:'")]
    NotJson,
    /// A field is missing or wrong.
    #[error("bad control message: {0}")]
    Field(#[from] FieldError),
    /// Its `type` is not known.
    #[error("control message must have a known 'type', got '{0}'")]
    UnknownType(String),
}

impl ControlError {
    /// Says whose fault it is.
    pub fn side(&self) -> Side {
        Side::Backend
    }

    /// Gives the stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            ControlError::NotJson => "control-not-json",
            ControlError::Field(_) => "bad-control-field",
            ControlError::UnknownType(_) => "unknown-control-type",
        }
    }
}

/// Parses what follows `c:`.
///
/// **Errors**: no JSON object, an unknown `type` or `message-type`, a field that is missing, of the
/// wrong type or out of range, text that is not UTF-8, a ping or pong over 125 bytes. The message is to
/// be ignored then.
pub fn parse(text: &[u8]) -> Result<Control, ControlError> {
    let value: Value = serde_json::from_slice(text).map_err(|_| ControlError::NotJson)?;
    let mut fields = Fields::new("control message", value)?;
    let name = fields.required_string("type", "'type'")?;
    Ok(match name.as_str() {
        "subscribe" => Control::Subscribe {
            channel: channel(&mut fields)?,
            filters: fields.strings("filters")?.unwrap_or_default(),
        },
        "unsubscribe" => Control::Unsubscribe {
            channel: channel(&mut fields)?,
        },
        "detach" => Control::Detach,
        "session" => Control::Session {
            id: fields.string("id")?,
        },
        "set-meta" => Control::SetMeta {
            name: not_empty(&mut fields, "name", "'name'")?,
            value: fields.string("value")?,
        },
        "keep-alive" => Control::KeepAlive(keep_alive(&mut fields)?),
        "send-delayed" => send_delayed(&mut fields)?,
        "flush-delayed" => Control::FlushDelayed,
        other => return Err(ControlError::UnknownType(excerpt(other))),
    })
}

fn channel(fields: &mut Fields) -> Result<ChannelName, FieldError> {
    not_empty(fields, "channel", "'channel'").map(ChannelName::from)
}

fn not_empty(fields: &mut Fields, field: &str, quoted: &'static str) -> Result<String, FieldError> {
    let text = fields.required_string(field, quoted)?;
    if text.is_empty() {
        return Err(fields.invalid_value(field));
    }
    Ok(text)
}

fn keep_alive(fields: &mut Fields) -> Result<Option<WsKeepAlive>, FieldError> {
    let kind = message_kind(fields)?;
    let mode = match fields.string("mode")?.as_deref() {
        Some("interval") => KeepAliveMode::Interval,
        _ => KeepAliveMode::Idle,
    };
    let Some(content) = content(fields, kind)? else {
        return Ok(None);
    };
    Ok(Some(WsKeepAlive {
        message: WsMessage { kind, content },
        timeout_secs: timeout_secs(fields, DEFAULT_TIMEOUT_SECS)?,
        mode,
    }))
}

fn send_delayed(fields: &mut Fields) -> Result<Control, FieldError> {
    let kind = message_kind(fields)?;
    let content = content(fields, kind)?;
    let timeout_secs = match content {
        Some(_) => timeout_secs(fields, DEFAULT_DELAY_SECS)?,
        None => DEFAULT_DELAY_SECS,
    };
    let content = content.unwrap_or_default();
    Ok(Control::SendDelayed {
        message: WsMessage { kind, content },
        timeout_secs,
    })
}

/// Takes the kind of the message to send; base64 content makes it no binary one.
fn message_kind(fields: &mut Fields) -> Result<WsKind, FieldError> {
    match fields.string("message-type")?.as_deref() {
        None | Some("text") => Ok(WsKind::Text),
        Some("binary") => Ok(WsKind::Binary),
        Some("ping") => Ok(WsKind::Ping),
        Some("pong") => Ok(WsKind::Pong),
        Some(_) => Err(fields.unknown_value("message-type")),
    }
}

/// Takes what to send, which must be something that such a message can carry.
fn content(fields: &mut Fields, kind: WsKind) -> Result<Option<Bytes>, FieldError> {
    let field = match fields.has("content-bin") {
        true => "content-bin",
        false => "content",
    };
    let content = fields.content("content-bin", "content")?;
    match content.as_ref().is_none_or(|content| kind.takes(content)) {
        true => Ok(content),
        false => Err(fields.invalid_value(field)),
    }
}

/// Takes the seconds to wait; 0, and text that is no number, stand for the default.
fn timeout_secs(fields: &mut Fields, default: u32) -> Result<u32, FieldError> {
    let secs = fields.secs("timeout")?;
    Ok(secs.filter(|secs| *secs > 0).unwrap_or(default))
}

#[cfg(test)]
mod tests;
