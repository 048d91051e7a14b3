//! Instructions by `Grip-*` response headers.
//!
//! Of a header with a single value the first occurrence counts; those with lists add up.

use http::header::HeaderMap;

use super::draft::{Draft, Subscriptions};
use super::{HoldMode, Subscription};
use crate::grip::channel::{ChannelName, ItemId};
use crate::grip::error::{excerpt, InstructError};
use crate::grip::header_params::{split_list, Element};
use crate::grip::lenient::{header_int, header_secs, text};
use crate::grip::response::is_reason;
use crate::grip::status::{HIGHEST, LOWEST};
use crate::grip::{keep_alive, link, meta};

/// Parses all instructing headers, of whatever mode.
pub(super) fn parse(headers: &HeaderMap) -> Result<Draft, InstructError> {
    let first = |name: &str| headers.get(name).map(|value| value.as_bytes());
    let keep_alive = match first("grip-keep-alive") {
        Some(value) => keep_alive::parse(value)?,
        None => None,
    };
    Ok(Draft {
        mode: first("grip-hold").map(hold_mode).transpose()?,
        timeout_secs: first("grip-timeout").map(timeout_secs).transpose()?,
        subscriptions: subscriptions(all(headers, "grip-channel"))?,
        keep_alive,
        meta: meta::parse(all(headers, "grip-set-meta")),
        links: link::parse(all(headers, "grip-link"))?,
        status: first("grip-status").map(status).transpose()?,
    })
}

fn all<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .into_iter()
        .map(|value| value.as_bytes())
}

fn hold_mode(value: &[u8]) -> Result<HoldMode, InstructError> {
    match value.trim_ascii() {
        b"response" => Ok(HoldMode::Response),
        b"stream" => Ok(HoldMode::Stream),
        other => Err(InstructError::HoldMode(excerpt(other))),
    }
}

fn timeout_secs(value: &[u8]) -> Result<u32, InstructError> {
    header_secs(value).ok_or_else(|| InstructError::Timeout(excerpt(value)))
}

fn subscriptions<'a>(
    values: impl Iterator<Item = &'a [u8]>,
) -> Result<Subscriptions, InstructError> {
    let mut subscriptions = Subscriptions::default();
    for element in split_list(values) {
        let Some(element) = Element::parse(element) else {
            continue;
        };
        subscriptions.add(Subscription {
            channel: ChannelName::from(text(element.first)),
            prev_id: element.param("prev-id").map(|id| ItemId::from(text(id))),
            filters: element.params_named("filter").map(text).collect(),
        })?;
    }
    Ok(subscriptions)
}

/// Parses `code` or `code reason`.
fn status(value: &[u8]) -> Result<(u16, Option<String>), InstructError> {
    let bad = || InstructError::Status(excerpt(value));
    let mut parts = value.trim_ascii().splitn(2, u8::is_ascii_whitespace);
    let code = parts
        .next()
        .and_then(header_int)
        .and_then(|code| u16::try_from(code).ok());
    let code = code
        .filter(|code| (LOWEST..=HIGHEST).contains(code))
        .ok_or_else(bad)?;
    let reason = parts.next().map(|reason| text(reason.trim_ascii()));
    let reason = reason.filter(|reason| !reason.is_empty());
    if reason.as_deref().is_some_and(|reason| !is_reason(reason)) {
        return Err(bad());
    }
    Ok((code, reason))
}
