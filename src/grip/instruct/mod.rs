//! What a backend's response instructs P-8 to do: hold or not, on which channels, and what to
//! send.
//!
//! Acts on nothing. Reads the headers first, then a JSON body, which overrides and adds:
//!
//! ```text
//! Grip-* headers --headers::parse--> Draft --json::apply (JSON body, if any)--> Instruct
//! ```

mod draft;
mod headers;
mod json;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{HeaderMap, CONTENT_TYPE};

use super::channel::{ChannelName, ItemId};
use super::error::InstructError;
use super::response::{exposed_headers, is_grip, ExposedNames, Response};

pub use super::keep_alive::{KeepAlive, KeepAliveMode};
pub use super::link::NextLink;

/// The longest wait of a response hold without one of its own, in seconds.
pub const DEFAULT_TIMEOUT_SECS: u32 = 55;

/// The shortest hold; shorter ones act as this, in seconds.
pub const MIN_TIMEOUT_SECS: u32 = 5;

/// The most filters on one channel; more are an error.
pub const FILTERS_MAX: usize = 5;

/// The media type of JSON instructions, compared case-sensitively.
pub const MEDIA_TYPE: &str = "application/grip-instruct";

/// Says how a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HoldMode {
    /// Long-poll: nothing is sent until an item or the timeout.
    Response,
    /// The response is sent at once and left open for items.
    Stream,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// How the request is held.
    pub mode: HoldMode,
    /// How long a response hold waits; means nothing to a stream.
    ///
    /// **Units**: seconds. **Bounds**: at least 5.
    pub timeout_secs: u32,
}

/// One channel that a session listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The channel, without the route's prefix.
    pub channel: ChannelName,
    /// The last item that the backend knows of; `None` checks nothing.
    pub prev_id: Option<ItemId>,
    /// The filters in order; names nobody knows are among them.
    ///
    /// **Bounds**: at most 5.
    pub filters: Vec<String>,
}

/// What one response of a backend instructs.
#[derive(Debug, Clone, PartialEq)]
pub struct Instruct {
    /// `None`: the response goes out at once, followed by the next link if there is one.
    pub hold: Option<Hold>,
    /// The channels in order, each once. Without a hold only their filters matter.
    pub subscriptions: Vec<Subscription>,
    /// The keep-alive of a stream; never with a response hold.
    pub keep_alive: Option<KeepAlive>,
    /// The session's meta, for filters.
    pub meta: BTreeMap<String, String>,
    /// Where the stream goes on; never with a response hold.
    pub next: Option<NextLink>,
    /// Whom to tell when the session ends.
    pub gone: Option<String>,
    /// The immediate response, or the timeout response of a response hold.
    pub response: Response,
}

/// Says whether a response carries instructions: any `Grip-*` header, or JSON instructions.
pub fn is_instruct(headers: &HeaderMap) -> bool {
    has_json(headers) || headers.keys().any(is_grip)
}

/// Parses the instructions of a response.
///
/// A response without any becomes an `Instruct` that passes it on.
///
/// **Errors**: any unusable header or field; the response must then not reach the client.
///
/// ```
/// use p8::grip::{instruct, HoldMode};
///
/// let mut headers = http::HeaderMap::new();
/// headers.insert("grip-hold", "stream".parse()?);
/// headers.insert("grip-channel", "news; prev-id=7".parse()?);
/// let instruct = instruct::parse(200, None, &headers, "welcome\n".into())?;
/// assert_eq!(instruct.hold.map(|hold| hold.mode), Some(HoldMode::Stream));
/// assert_eq!(instruct.subscriptions[0].channel.as_str(), "news");
/// assert!(instruct.response.headers.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse(
    status: u16,
    reason: Option<&str>,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Instruct, InstructError> {
    let mut draft = headers::parse(headers)?;
    let exposed = ExposedNames::of(headers);
    let response = if has_json(headers) {
        if status != 200 {
            return Err(InstructError::JsonStatus(status));
        }
        let written = json::apply(&body, &mut draft)?;
        Response {
            headers: exposed_headers(&written.headers, &exposed),
            ..written
        }
    } else {
        let own = || (status, reason.map(str::to_owned));
        let (status, reason) = draft.status.take().unwrap_or_else(own);
        Response {
            status,
            reason,
            headers: exposed_headers(headers, &exposed),
            body,
        }
    };
    Ok(draft.finish(response))
}

fn has_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let media_type = value
            .as_bytes()
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        media_type.trim_ascii() == MEDIA_TYPE.as_bytes()
    })
}
