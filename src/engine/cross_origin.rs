//! Cross-origin headers: what lets pages of other origins read a response.
//!
//! It answers no preflight (they reach the backend) and refuses no request: a browser does.
//!
//! Source: `docs/cross-origin.md`, the Fetch standard's CORS protocol.

use std::collections::HashSet;

use bytes::Bytes;
use http::header::{
    self, HeaderMap, HeaderName, HeaderValue, ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD,
};

use super::wire;

const ALL_METHODS: HeaderValue = HeaderValue::from_static("OPTIONS, HEAD, GET, POST, PUT, DELETE");
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");

/// The headers of a request that [`CrossOrigin::of`] reads.
pub const READ: [HeaderName; 3] = [
    header::ORIGIN,
    ACCESS_CONTROL_REQUEST_METHOD,
    ACCESS_CONTROL_REQUEST_HEADERS,
];

/// Readable by pages of other origins without being exposed, or of no use to them.
const NOT_EXPOSED: [HeaderName; 7] = [
    header::CACHE_CONTROL,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::PRAGMA,
];

/// What a request's answer tells other origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossOrigin {
    origin: Option<HeaderValue>,
    method: Option<HeaderValue>,
    headers: Option<HeaderValue>,
    /// Only some origins are allowed.
    is_limited: bool,
    /// The request's is one of them.
    is_allowed: bool,
}

impl CrossOrigin {
    /// Reads a request; an empty `allow` allows any origin.
    pub fn of(headers: &HeaderMap, allow: &[String]) -> Self {
        let origin = headers.get(header::ORIGIN).cloned();
        let is_listed = |origin: &HeaderValue| allow.iter().any(|one| origin == one.as_str());
        Self {
            is_limited: !allow.is_empty(),
            is_allowed: allow.is_empty() || origin.as_ref().is_some_and(is_listed),
            origin,
            method: headers.get(ACCESS_CONTROL_REQUEST_METHOD).cloned(),
            headers: joined(headers, &ACCESS_CONTROL_REQUEST_HEADERS),
        }
    }

    /// Returns what is added to a response with these headers, in order: nothing it has already.
    ///
    /// `Vary: Origin` comes last, unless the response decided by itself who may read it.
    pub fn additions(&self, response: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let mut added = Vec::new();
        if self.is_allowed {
            let origin = self.origin.clone();
            let mut add = |name: HeaderName, value: Option<HeaderValue>| {
                let value = value.filter(|_| !response.contains_key(&name));
                added.extend(value.map(|value| (name, value)));
            };
            let method = self.method.clone().unwrap_or(ALL_METHODS);
            add(ACCESS_CONTROL_ALLOW_METHODS, Some(method));
            add(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
            add(ACCESS_CONTROL_EXPOSE_HEADERS, exposed(response));
            let yes = HeaderValue::from_static("true");
            add(ACCESS_CONTROL_ALLOW_CREDENTIALS, Some(yes));
            let origin = origin.unwrap_or(HeaderValue::from_static("*"));
            add(ACCESS_CONTROL_ALLOW_ORIGIN, Some(origin));
            add(ACCESS_CONTROL_MAX_AGE, Some(MAX_AGE));
        }
        let depends = self.is_limited || !response.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
        if depends && !varies_by_origin(response) {
            added.push((header::VARY, HeaderValue::from_static("Origin")));
        }
        added
    }

    /// Adds them.
    pub fn add_to(&self, response: &mut HeaderMap) {
        for (name, value) in self.additions(response) {
            response.append(name, value);
        }
    }
}

/// Joins the values of a header; none without any.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let values: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let value = HeaderValue::from_maybe_shared(Bytes::from(values.join(&b", "[..])));
    value.ok().filter(|value| !value.is_empty())
}

/// Names the headers that pages may read besides those they always may; none without any.
fn exposed(response: &HeaderMap) -> Option<HeaderValue> {
    let mut seen = HashSet::new();
    let names: Vec<String> = response
        .keys()
        .filter(|name| !NOT_EXPOSED.contains(name) && seen.insert(name.as_str()))
        .filter(|name| {
            let of_others = ["access-control-", "grip-"];
            !of_others.iter().any(|of| name.as_str().starts_with(of))
        })
        .map(|name| wire::title_case(name.as_str()))
        .collect();
    let value = HeaderValue::from_maybe_shared(Bytes::from(names.join(", ")));
    value.ok().filter(|value| !value.is_empty())
}

fn varies_by_origin(response: &HeaderMap) -> bool {
    let values = response.get_all(header::VARY).iter();
    let mut names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.any(|name| {
        let name = name.trim_ascii();
        name == b"*" || name.eq_ignore_ascii_case(b"origin")
    })
}

#[cfg(test)]
mod tests;
