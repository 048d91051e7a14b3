//! What changes between the client's request and the backend's, and in the backend's response head.
//!
//! Only heads: it moves no body, makes no signature and chooses no route. Body framing headers are
//! removed from requests; the http floor frames each body anew and writes `Host` first.
//!
//! ```text
//! hop-by-hop off -> X-Request-Id -> route headers -> originals -> CDN-Loop -> Grip-* -> X-Forwarded-* -> Host
//! ```
//!
//! Headers that `Connection` names are dropped before anything is added, so that a client cannot
//! name away what P-8 sets.
//!
//! Source: `docs/configuration.md#what-changes-in-a-forwarded-request`, RFC 9110 section 7.6.1.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::engine::request_id;
use crate::engine::route::{Route, Sig, Target};
use crate::grip::channel::{ChannelName, ItemId};
use crate::grip::{feature, last, sig, sig::SigKey};

mod forwarded;
mod lookalikes;
pub mod websocket;

pub use forwarded::{is_secure, parse_xff_rules, XffRule};

const GRIP_SIG: HeaderName = HeaderName::from_static("grip-sig");
const GRIP_FEATURE: HeaderName = HeaderName::from_static("grip-feature");
const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
/// Names the id of the route that a client wants.
pub const PUSHPIN_ROUTE: HeaderName = HeaderName::from_static("pushpin-route");
/// What belongs to one connection, besides `Connection` and what that names.
static HOP_BY_HOP: [HeaderName; 6] = [
    HeaderName::from_static("keep-alive"),
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    HeaderName::from_static("proxy-connection"),
];
const ORIGINAL_PREFIX: &str = "eb9bf0f5-";

static FEATURES: LazyLock<Option<HeaderValue>> =
    LazyLock::new(|| HeaderValue::from_maybe_shared(Bytes::from(feature::header_value())).ok());

/// Says which `X-Forwarded-Proto` headers secure requests get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetProto {
    /// None.
    #[default]
    Off,
    /// `X-Forwarded-Proto`.
    ProtoOnly,
    /// `X-Forwarded-Proto` and `X-Forwarded-Protocol`.
    Both,
}

/// Holds what forwarding needs besides route and target.
#[derive(Clone, Debug, Default)]
pub struct ForwardOptions {
    /// What is added to secure requests.
    pub set_x_forwarded_protocol: SetProto,
    /// A client's `X-Forwarded-Proto` is believed, see [`is_secure`].
    pub accept_x_forwarded_protocol: bool,
    /// Whoever signs with this key is a GRIP proxy, and trusted; `None`: nobody is.
    pub upstream_key: Option<SigKey>,
    /// A client's `Pushpin-Route` names its route; it is not passed on then.
    pub accept_pushpin_route: bool,
    /// What is done to `X-Forwarded-For` of untrusted clients; empty: it passes.
    pub x_forwarded_for: Vec<XffRule>,
    /// What is done to `X-Forwarded-For` of trusted clients; empty: it passes.
    pub x_forwarded_for_trusted: Vec<XffRule>,
    /// `Forwarded` is told, see RFC 7239.
    pub forwarded: bool,
    /// What is added to `CDN-Loop`, and refused if it is there; `None`: it passes.
    pub cdn_loop: Option<String>,
    /// Where `X-Request-Id` comes from.
    pub request_ids: request_id::Mode,
    /// Headers that `orig_headers` copies only if the client marked them itself.
    pub orig_headers_need_mark: Vec<HeaderName>,
    /// Issuer and key of routes without their own.
    pub sig: Option<Sig>,
}

/// Describes the request of a client as it came in.
#[derive(Debug)]
pub struct ClientRequest<'a> {
    /// The encoded path and query; of an absolute URI without scheme and authority.
    pub path_and_query: &'a str,
    /// All headers; of an absolute URI with its authority as `Host`.
    pub headers: HeaderMap,
    /// The client's address, if it has one.
    pub peer: Option<IpAddr>,
    /// The request counts as secure, see [`is_secure`].
    pub secure: bool,
    /// It is the handshake of a WebSocket.
    pub is_websocket: bool,
    /// The client is another GRIP proxy that proved itself.
    pub trusted: bool,
    /// What the session has seen, if it asks once more: see [`crate::grip::last`].
    pub last: &'a [(ChannelName, ItemId)],
    /// The id that it goes by, see [`crate::engine::request_id`].
    pub id: Option<&'a HeaderValue>,
}

/// Describes the request that the backend gets.
#[derive(Debug)]
pub struct Forwarded<'a> {
    /// The encoded path and query; borrowed if the route does not rewrite it.
    pub path_and_query: Cow<'a, str>,
    /// All headers, with exactly one `Host`, without body framing.
    pub headers: HeaderMap,
}

/// Names issuer and key for a request of a route; `None`: no `Grip-Sig`.
pub fn sig<'a>(route: &'a Route, options: &'a ForwardOptions) -> Option<&'a Sig> {
    if route.no_grip {
        return None;
    }
    route.sig.as_ref().or(options.sig.as_ref())
}

/// Tells whether a client is a GRIP proxy that proves itself, at this time in seconds since 1970.
pub fn is_trusted(grip_sig: Option<&[u8]>, options: &ForwardOptions, now: u64) -> bool {
    let (Some(key), Some(token)) = (&options.upstream_key, grip_sig) else {
        return false;
    };
    let token = std::str::from_utf8(token);
    token.is_ok_and(|token| sig::verify(key, token.trim(), now))
}

/// Tells whether a request has been here before: an element of its `CDN-Loop` is P-8's own.
///
/// Quotes are not looked at: nobody's open one may hide what a proxy added behind it.
pub fn is_loop<'a>(mut cdn_loop: impl Iterator<Item = &'a [u8]>, options: &ForwardOptions) -> bool {
    let id = |element: &'a [u8]| element.split(|byte| *byte == b';').next();
    let Some(own) = &options.cdn_loop else {
        return false;
    };
    let own = own.split(';').next().unwrap_or_default().trim();
    let is_own = |element: &'a [u8]| {
        let id = id(element).unwrap_or_default().trim_ascii();
        id.eq_ignore_ascii_case(own.as_bytes())
    };
    cdn_loop.any(|value| value.split(|byte| *byte == b',').any(is_own))
}

/// Adds P-8's own element to the `CDN-Loop` of a request, if it has one.
pub fn add_cdn_loop(headers: &mut HeaderMap, options: &ForwardOptions) {
    if let Some(own) = &options.cdn_loop {
        append_to_list(headers, CDN_LOOP, own);
    }
}

/// Edits a request for one target of its route.
///
/// `grip_sig` is the signature made with [`sig()`]'s key; it is left out where none belongs.
///
/// **Source**: `docs/configuration.md#what-changes-in-a-forwarded-request`.
pub fn request<'a>(
    request: ClientRequest<'a>,
    route: &Route,
    target: &Target,
    options: &ForwardOptions,
    grip_sig: Option<HeaderValue>,
) -> Forwarded<'a> {
    let ClientRequest {
        path_and_query,
        mut headers,
        peer,
        secure,
        is_websocket,
        trusted,
        last,
        id,
    } = request;
    let host = host(headers.get(header::HOST), route, target);
    strip_hop_by_hop(&mut headers);
    lookalikes::strip(&mut headers);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::EXPECT);
    if options.accept_pushpin_route {
        headers.remove(PUSHPIN_ROUTE);
    }
    set_request_id(&mut headers, id, options);
    set_route_headers(&mut headers, route);
    if !trusted {
        set_originals(&mut headers, route, options);
    }
    // Instructions must be readable, so the backend is not invited to compress.
    if !route.no_grip {
        headers.remove(header::ACCEPT_ENCODING);
    }
    add_cdn_loop(&mut headers, options);
    if !trusted {
        set_grip_headers(&mut headers, route, grip_sig);
        for (channel, id) in last {
            if let Some(value) = last::value(channel, id) {
                headers.append(last::NAME, value);
            }
        }
    }
    let scheme = if is_websocket { "wss" } else { "https" };
    forwarded::set_proto(&mut headers, secure.then_some(scheme), options);
    let rules = if trusted {
        &options.x_forwarded_for_trusted
    } else {
        &options.x_forwarded_for
    };
    forwarded::set_for(&mut headers, rules, peer);
    if options.forwarded {
        forwarded::set_forwarded(&mut headers, rules, peer, secure);
    }
    headers.insert(header::HOST, host);
    Forwarded {
        path_and_query: path(path_and_query, route),
        headers,
    }
}

/// Computes the `Host` a target sees; call it again with the client's own for the next target.
pub fn host(client: Option<&HeaderValue>, route: &Route, target: &Target) -> HeaderValue {
    let configured = target.host.as_ref().or(route.as_host.as_ref());
    configured
        .and_then(|host| HeaderValue::from_str(host).ok())
        .or_else(|| client.filter(|host| !host.is_empty()).cloned())
        .unwrap_or(HeaderValue::from_static("localhost"))
}

/// Removes from a response head what belongs to the backend's connection.
///
/// `Content-Encoding` and `Content-Length` are kept.
pub fn response_headers(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
}

/// Removes hop-by-hop headers, and those that `Connection` names but for `Host` and
/// `Content-Length`, which decide where a message goes and where it ends.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let connection = headers.get_all(header::CONNECTION).iter();
    let connection: Vec<HeaderValue> = connection.cloned().collect();
    if !connection.is_empty() {
        headers.remove(header::CONNECTION);
        for name in connection
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(elements)
        {
            strip_named(headers, name);
        }
    }
    if headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        for name in &HOP_BY_HOP {
            headers.remove(name);
        }
    }
}

fn strip_named(headers: &mut HeaderMap, name: &str) {
    let kept = ["close", "keep-alive", "host", "content-length"];
    if !kept.iter().any(|kept| name.eq_ignore_ascii_case(kept)) {
        headers.remove(name);
    }
}

fn set_request_id(headers: &mut HeaderMap, id: Option<&HeaderValue>, options: &ForwardOptions) {
    match (id, options.request_ids) {
        (_, request_id::Mode::Off) => {}
        (Some(id), _) => drop(headers.insert(request_id::NAME, id.clone())),
        (None, _) => drop(headers.remove(request_id::NAME)),
    }
}

fn set_route_headers(headers: &mut HeaderMap, route: &Route) {
    for (name, value) in &route.headers {
        match value {
            Some(value) => headers.insert(name, value.clone()),
            None => headers.remove(name),
        };
    }
}

/// Copies the client's headers under a prefix, or removes what claims to be such a copy.
fn set_originals(headers: &mut HeaderMap, route: &Route, options: &ForwardOptions) {
    if !route.orig_headers {
        return remove_prefixed(headers, ORIGINAL_PREFIX);
    }
    let originals: Vec<(HeaderName, HeaderValue)> = headers
        .iter()
        .filter(|(name, _)| {
            !name.as_str().starts_with(ORIGINAL_PREFIX)
                && !options.orig_headers_need_mark.contains(name)
        })
        .filter_map(|(name, value)| {
            let name = format!("{ORIGINAL_PREFIX}{name}");
            HeaderName::from_bytes(name.as_bytes())
                .ok()
                .map(|name| (name, value.clone()))
        })
        .collect();
    for (name, value) in originals {
        headers.append(name, value);
    }
}

fn set_grip_headers(headers: &mut HeaderMap, route: &Route, grip_sig: Option<HeaderValue>) {
    remove_prefixed(headers, "grip-");
    if route.no_grip {
        return;
    }
    if let Some(sig) = grip_sig {
        headers.insert(GRIP_SIG, sig);
    }
    if let Some(features) = FEATURES.as_ref() {
        headers.insert(GRIP_FEATURE, features.clone());
    }
}

fn remove_prefixed(headers: &mut HeaderMap, prefix: &str) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(prefix))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// Joins all values of a list header to one, and adds an element.
fn append_to_list(headers: &mut HeaderMap, name: HeaderName, element: &str) {
    let mut joined = Vec::new();
    for value in headers.get_all(&name) {
        if !value.is_empty() {
            joined.extend_from_slice(value.as_bytes());
            joined.extend_from_slice(b", ");
        }
    }
    joined.extend_from_slice(element.as_bytes());
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(joined)) {
        headers.insert(name, value);
    }
}

/// Splits a list header's value; empty elements are left out.
fn elements(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|element| !element.is_empty())
}

/// Rewrites the path as the route says; the query stays, and so does the `*` of `OPTIONS`.
fn path<'a>(path_and_query: &'a str, route: &Route) -> Cow<'a, str> {
    if path_and_query == "*" {
        return Cow::Borrowed(path_and_query);
    }
    let (start, removed) = match (&route.replace_beg, &route.path_beg) {
        (Some(start), path_beg) => (start.as_str(), path_beg.as_ref().map_or(0, String::len)),
        (None, _) if route.path_rem > 0 => ("", route.path_rem),
        (None, _) => return Cow::Borrowed(path_and_query),
    };
    let path_end = path_and_query.find('?').unwrap_or(path_and_query.len());
    let cut = (removed..path_end)
        .find(|at| path_and_query.is_char_boundary(*at))
        .unwrap_or(path_end);
    let rest = path_and_query.get(cut..).unwrap_or("");
    match (start.is_empty(), rest.starts_with('/')) {
        (true, true) => Cow::Borrowed(rest),
        (true, false) => Cow::Owned(format!("/{rest}")),
        (false, _) if start.starts_with('/') => Cow::Owned(format!("{start}{rest}")),
        (false, _) => Cow::Owned(format!("/{start}{rest}")),
    }
}

#[cfg(test)]
mod tests;
