//! The `X-Forwarded-*` headers and `Forwarded`: who the client was and how it came, as told to the
//! backend.
//!
//! It does not decide who is trusted, and leaves `X-Forwarded-Host` and `X-Real-IP` as they are.
//!
//! Source: `docs/configuration.md#what-changes-in-a-forwarded-request`; Pushpin's rules; RFC 7239.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue, FORWARDED, HOST};

use super::{elements, ForwardOptions, SetProto};
use crate::grip::header_params::{params, split_list};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PROTOCOL: HeaderName = HeaderName::from_static("x-forwarded-protocol");

/// Names one step of what is done to `X-Forwarded-For`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XffRule {
    /// Keeps the last values, this many.
    Truncate(usize),
    /// Adds the client's address.
    Append,
}

/// Reads rules.
///
/// **Shape**: `truncate:0,append`; empty for none.
///
/// **Errors**: gives back the element that is no rule.
pub fn parse_xff_rules(text: &str) -> Result<Vec<XffRule>, &str> {
    elements(text)
        .map(|element| match element.split_once(':') {
            None if element == "append" => Ok(XffRule::Append),
            Some(("truncate", count)) => count.parse().map(XffRule::Truncate).map_err(|_| element),
            _ => Err(element),
        })
        .collect()
}

/// Tells whether a request counts as secure, for routing and for forwarding.
///
/// With `accept_x_forwarded_protocol` a client's `X-Forwarded-Proto` (or `X-Forwarded-Protocol`)
/// of `https` or `wss` is believed.
pub fn is_secure(headers: &HeaderMap, connection_secure: bool, options: &ForwardOptions) -> bool {
    if connection_secure || !options.accept_x_forwarded_protocol {
        return connection_secure;
    }
    headers
        .get(X_FORWARDED_PROTO)
        .or_else(|| headers.get(X_FORWARDED_PROTOCOL))
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
        .is_some_and(|proto| {
            proto.eq_ignore_ascii_case("https") || proto.eq_ignore_ascii_case("wss")
        })
}

/// Removes the protocol headers a client sent, and sets P-8's own on secure requests, with their scheme.
pub(super) fn set_proto(
    headers: &mut HeaderMap,
    scheme: Option<&'static str>,
    options: &ForwardOptions,
) {
    let set = options.set_x_forwarded_protocol;
    if set == SetProto::Off && !options.accept_x_forwarded_protocol {
        return;
    }
    headers.remove(X_FORWARDED_PROTO);
    headers.remove(X_FORWARDED_PROTOCOL);
    let Some(scheme) = scheme.filter(|_| set != SetProto::Off) else {
        return;
    };
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    if set == SetProto::Both {
        headers.insert(X_FORWARDED_PROTOCOL, HeaderValue::from_static(scheme));
    }
}

/// Applies the rules: all values become one header, or none if nothing is left.
///
/// A client without an address (a unix socket) adds nothing.
pub(super) fn set_for(headers: &mut HeaderMap, rules: &[XffRule], peer: Option<IpAddr>) {
    if rules.is_empty() {
        return;
    }
    let peer = peer.map(|peer| peer.to_canonical().to_string());
    let mut values: Vec<&[u8]> = headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|value| !value.is_empty())
        .collect();
    for rule in rules {
        match rule {
            XffRule::Truncate(keep) => drop(values.drain(..values.len().saturating_sub(*keep))),
            XffRule::Append => values.extend(peer.as_ref().map(String::as_bytes)),
        }
    }
    match HeaderValue::from_maybe_shared(Bytes::from(values.join(&b", "[..]))) {
        Ok(value) if !value.is_empty() => headers.insert(X_FORWARDED_FOR, value),
        _ => headers.remove(X_FORWARDED_FOR),
    };
}

/// Adds the client to `Forwarded`, behind what is there as far as the rules leave it.
///
/// What is there is written anew, so that no open quote swallows what P-8 says; an element that names
/// nothing is left out. A client without an address is `unknown`.
pub(super) fn set_forwarded(
    headers: &mut HeaderMap,
    rules: &[XffRule],
    peer: Option<IpAddr>,
    secure: bool,
) {
    let earlier = headers.get_all(FORWARDED).into_iter();
    let earlier = split_list(earlier.map(|value| value.as_bytes()));
    let mut values: Vec<Vec<u8>> = earlier.into_iter().filter_map(written_anew).collect();
    for rule in rules {
        if let XffRule::Truncate(keep) = rule {
            values.drain(..values.len().saturating_sub(*keep));
        }
    }
    let client = match peer.map(|peer| peer.to_canonical()) {
        Some(IpAddr::V6(v6)) => format!("[{v6}]"),
        Some(v4) => v4.to_string(),
        None => "unknown".to_owned(),
    };
    let mut own = Vec::new();
    add_pair(&mut own, b"for", client.as_bytes());
    if let Some(host) = headers.get(HOST).filter(|host| !host.is_empty()) {
        add_pair(&mut own, b"host", host.as_bytes());
    }
    let proto: &[u8] = if secure { b"https" } else { b"http" };
    add_pair(&mut own, b"proto", proto);
    values.push(own);
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(values.join(&b", "[..]))) {
        headers.insert(FORWARDED, value);
    }
}

/// Writes an element as the RFC has it; none if it is none.
fn written_anew(element: &[u8]) -> Option<Vec<u8>> {
    let params = params(element)?;
    let mut written = Vec::new();
    for param in &params {
        if !is_token(param.name) || param.value.is_empty() {
            return None;
        }
        add_pair(&mut written, param.name, &param.value);
    }
    (!written.is_empty()).then_some(written)
}

/// Adds `name=value`, quoted where it has to be.
fn add_pair(element: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if !element.is_empty() {
        element.push(b';');
    }
    element.extend_from_slice(name);
    element.push(b'=');
    if is_token(value) {
        element.extend_from_slice(value);
        return;
    }
    element.push(b'"');
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            element.push(b'\\');
        }
        element.push(*byte);
    }
    element.push(b'"');
}

fn is_token(text: &[u8]) -> bool {
    let is_char = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_char)
}
