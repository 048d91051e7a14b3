//! Instructions by a JSON body of type `application/grip-instruct`.
//!
//! ```text
//! { "hold": { "mode": "stream", "channels": [{ "name": "a", "prev-id": "1", "filters": [] }],
//!             "timeout": 55, "keep-alive": { "content": "\n", "timeout": 20 }, "meta": {} },
//!   "response": { "code": 200, "reason": "OK", "headers": {}, "body": "" } }
//! ```
//!
//! There is no JSON form of links, of exposed headers, or of a keep-alive's mode and format;
//! headers beside the JSON may give them.

use bytes::Bytes;
use http::header::HeaderMap;
use serde_json::Value;

use super::draft::Draft;
use super::{HoldMode, Subscription};
use crate::grip::channel::{ChannelName, ItemId};
use crate::grip::error::InstructError;
use crate::grip::json_fields::{FieldError, Fields};
use crate::grip::keep_alive::{self, KeepAlive, KeepAliveMode};
use crate::grip::response::Response;

/// Applies JSON instructions over what the headers said, and gives the response they hold.
///
/// The response's headers are as written, with those of GRIP and of framing still among them.
///
/// **Bounds**: 127 nested objects and arrays; more are no valid JSON.
pub(super) fn apply(body: &[u8], draft: &mut Draft) -> Result<Response, InstructError> {
    let value: Value = serde_json::from_slice(body).map_err(|_| InstructError::NotJson)?;
    let mut fields = Fields::new("instruct object", value)?;
    if let Some(hold) = fields.object("hold", "'hold'")? {
        apply_hold(hold, draft)?;
    }
    response(fields.object("response", "'response'")?, draft)
}

fn apply_hold(mut hold: Fields, draft: &mut Draft) -> Result<(), InstructError> {
    let mode = match hold.string("mode")?.as_deref() {
        None | Some("response") => HoldMode::Response,
        Some("stream") => HoldMode::Stream,
        Some(_) => return Err(hold.unknown_value("mode").into()),
    };
    draft.mode = Some(mode);
    let channels = hold
        .array("channels")?
        .ok_or_else(|| hold.missing("'channels'"))?;
    for channel in channels {
        draft.subscriptions.add(subscription(channel)?)?;
    }
    draft.timeout_secs = hold.secs("timeout")?.or(draft.timeout_secs);
    if let Some(fields) = hold.object("keep-alive", "'keep-alive'")? {
        draft.keep_alive = keep_alive(fields, draft.keep_alive.take())?;
    }
    draft
        .meta
        .extend(hold.string_map("meta", "'meta'")?.unwrap_or_default());
    Ok(())
}

fn subscription(channel: Value) -> Result<Subscription, FieldError> {
    let mut fields = Fields::new("channel", channel)?;
    Ok(Subscription {
        channel: ChannelName::from(fields.required_string("name", "'name'")?),
        prev_id: fields.string("prev-id")?.map(ItemId::from),
        filters: fields.strings("filters")?.unwrap_or_default(),
    })
}

/// Overrides content and timeout. A keep-alive left without content would send nothing, so it
/// counts as none.
fn keep_alive(
    mut fields: Fields,
    earlier: Option<KeepAlive>,
) -> Result<Option<KeepAlive>, FieldError> {
    let content = fields.content("content-bin", "content")?;
    let timeout_secs = fields.secs("timeout")?;
    let mut keep_alive = earlier.unwrap_or(KeepAlive {
        content: Bytes::new(),
        timeout_secs: keep_alive::DEFAULT_TIMEOUT_SECS,
        mode: KeepAliveMode::Interval,
    });
    if let Some(content) = content {
        keep_alive.content = content;
    }
    if let Some(secs) = timeout_secs {
        keep_alive.timeout_secs = secs.max(keep_alive::MIN_TIMEOUT_SECS);
    }
    Ok(Some(keep_alive).filter(|keep_alive| !keep_alive.content.is_empty()))
}

fn response(fields: Option<Fields>, draft: &mut Draft) -> Result<Response, InstructError> {
    let (status, reason) = draft.status.take().unwrap_or((200, None));
    let mut response = Response {
        status,
        reason,
        headers: HeaderMap::new(),
        body: Bytes::new(),
    };
    let Some(mut fields) = fields else {
        return Ok(response);
    };
    if let Some(code) = fields.status("code")? {
        response.status = code;
        response.reason = None;
    }
    if let Some(reason) = fields.reason("reason")? {
        response.reason = Some(reason);
    }
    response.headers = fields.headers("headers")?.unwrap_or_default();
    response.body = fields.content("body-bin", "body")?.unwrap_or_default();
    Ok(response)
}
