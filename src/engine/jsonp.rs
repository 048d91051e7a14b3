//! JSON-P: a GET whose query says what the backend is asked, and an answer that is a function call.
//!
//! Any page can load such an answer as a script, with the visitor's cookies and without a word about
//! its origin; routes offer it only where that is wanted. Streams are not wrapped.
//!
//! ```text
//! GET /x?callback=f&_method=PUT&_body=b ─ parse ─▶ PUT /x, b ─▶ answer ─ Call ─▶ /**/f({...});
//! ```
//!
//! Source: `docs/cross-origin.md#json-p`; Pushpin's, with names checked and output that always parses.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use http::header::{
    HeaderMap, HeaderName, HeaderValue, ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::Method;

use super::{
    route::{Jsonp, JsonpMode},
    wire,
};
use crate::grip::response::Response;

/// Longest name of a callback, in bytes.
const CALLBACK_MAX: usize = 128;

/// Most headers in a query.
const HEADERS_MAX: usize = 64;

const SCRIPT: HeaderValue = HeaderValue::from_static("application/javascript");

/// Headers of a request that its `_headers` cannot set: how and for whom it came is not a page's to say.
const NOT_FROM_QUERY: [&str; 10] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "cookie",
    "forwarded",
    "host",
    "origin",
    "transfer-encoding",
    "x-real-ip",
];

/// Says what of a JSON-P request is wrong; the texts are Pushpin's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonpError {
    /// The callback is no path of JavaScript names, or too long.
    #[error("Invalid callback parameter.")]
    Callback,
    /// The method is none.
    #[error("Invalid _method parameter.")]
    Method,
    /// The headers are no JSON object of headers.
    #[error("Invalid _headers parameter.")]
    Headers,
    /// The body is not percent-encoded.
    #[error("Invalid _body parameter.")]
    Body,
    /// The same, for a parameter of the route's choice.
    #[error("Invalid body parameter.")]
    NamedBody,
}

impl JsonpError {
    /// Returns the stable word for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Callback => "bad-jsonp-callback",
            Self::Method => "bad-jsonp-method",
            Self::Headers => "bad-jsonp-headers",
            Self::Body | Self::NamedBody => "bad-jsonp-body",
        }
    }
}

/// What the backend is asked instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The method.
    pub method: Method,
    /// The encoded path and query, without the parameters that were used.
    pub path_and_query: String,
    /// The body; `None`: the client's own.
    pub body: Option<Bytes>,
    headers: HeaderMap,
    is_json: bool,
}

impl Rewritten {
    /// Puts its headers before those of the client, which cannot be set anew.
    pub fn merge_headers(&self, client: HeaderMap) -> HeaderMap {
        let mut merged = HeaderMap::with_capacity(client.len() + self.headers.len() + 2);
        for (name, value) in &self.headers {
            if !client.contains_key(name) {
                merged.append(name, value.clone());
            }
        }
        for (name, value) in &client {
            merged.append(name, value.clone());
        }
        merged.insert(ACCEPT, HeaderValue::from_static("*/*"));
        // What cannot be read cannot be wrapped.
        merged.remove(ACCEPT_ENCODING);
        if self.is_json {
            merged.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        merged
    }
}

/// Reads the path and query of a GET; `None` if it is not JSON-P.
///
/// **Errors**: the first parameter that is wrong.
pub fn parse(jsonp: &Jsonp, path_and_query: &str) -> Result<Option<(Call, Rewritten)>, JsonpError> {
    let Some((path, query)) = path_and_query.split_once('?') else {
        return Ok(None);
    };
    let named = jsonp.body.as_deref().map(|name| value_of(query, name));
    let callback = match (value_of(query, &jsonp.callback), &jsonp.default_callback) {
        (Some(encoded), _) => decoded_text(encoded).filter(|name| is_callback(name)),
        (None, Some(default)) if named.flatten().is_some() => Some(default.clone()),
        (None, _) => return Ok(None),
    };
    let callback = callback.ok_or(JsonpError::Callback)?;
    let method = method(jsonp, query)?;
    let headers = headers(query)?;
    let body_name = jsonp.body.as_deref().unwrap_or("_body");
    let body = match value_of(query, body_name) {
        Some(encoded) => Some(decoded(encoded).ok_or(match named {
            Some(_) => JsonpError::NamedBody,
            None => JsonpError::Body,
        })?),
        None => None,
    };
    let used = [jsonp.callback.as_str(), "_method", "_headers", body_name];
    let rewritten = Rewritten {
        method,
        headers,
        path_and_query: without(path, query, &used),
        is_json: named.is_some() && body.is_some(),
        body: body.map(|body| Bytes::from(body.into_owned())),
    };
    let mode = jsonp.mode;
    Ok(Some((Call { callback, mode }, rewritten)))
}

/// Tells whether a text can be called as a function: JavaScript names and array places, such as
/// `a.b[0]`.
///
/// **Bounds**: ASCII, up to 128 bytes.
pub fn is_callback(text: &str) -> bool {
    let is_part = |part: &str| {
        let (name, places) = part.split_at(part.find('[').unwrap_or(part.len()));
        let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$';
        let is_name = name.bytes().next().is_some_and(is_first)
            && name
                .bytes()
                .all(|byte| is_first(byte) || byte.is_ascii_digit());
        is_name && (places.is_empty() || is_places(places))
    };
    text.len() <= CALLBACK_MAX && text.split('.').all(is_part)
}

/// Tells whether a text is `[0]`, once or more.
fn is_places(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let is_place = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    inner.is_some_and(|inner| inner.split("][").all(is_place))
}

fn method(jsonp: &Jsonp, query: &str) -> Result<Method, JsonpError> {
    let Some(encoded) = value_of(query, "_method") else {
        let usual = match jsonp.mode {
            JsonpMode::Basic => Method::POST,
            JsonpMode::Extended => Method::GET,
        };
        return Ok(jsonp.default_method.clone().unwrap_or(usual));
    };
    decoded(encoded)
        .and_then(|name| Method::from_bytes(&name).ok())
        .filter(|method| *method != Method::CONNECT)
        .ok_or(JsonpError::Method)
}

fn headers(query: &str) -> Result<HeaderMap, JsonpError> {
    let mut headers = HeaderMap::new();
    let Some(encoded) = value_of(query, "_headers") else {
        return Ok(headers);
    };
    let json = decoded(encoded).ok_or(JsonpError::Headers)?;
    let written: BTreeMap<String, String> =
        serde_json::from_slice(&json).map_err(|_| JsonpError::Headers)?;
    if written.len() > HEADERS_MAX {
        return Err(JsonpError::Headers);
    }
    for (name, value) in written {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| JsonpError::Headers)?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| JsonpError::Headers)?;
        let is_own = NOT_FROM_QUERY.contains(&name.as_str());
        if !is_own && !name.as_str().starts_with("x-forwarded-") {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

/// Finds the encoded value of the first parameter with a name; empty without a `=`.
pub(super) fn value_of<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut pieces = query.split('&').map(pair);
    pieces
        .find(|(key, _)| is_named(key, name))
        .map(|(_, value)| value)
}

fn pair(piece: &str) -> (&str, &str) {
    piece.split_once('=').unwrap_or((piece, ""))
}

fn is_named(key: &str, name: &str) -> bool {
    key == name || decoded(key).is_some_and(|key| *key == *name.as_bytes())
}

/// Cuts parameters out, and the `?` if none is left; the others stay byte for byte.
pub(super) fn without(path: &str, query: &str, used: &[&str]) -> String {
    let is_left = |piece: &&str| !used.iter().any(|name| is_named(pair(piece).0, name));
    let left: Vec<&str> = query.split('&').filter(is_left).collect();
    match left.as_slice() {
        [] => path.to_owned(),
        left => format!("{path}?{}", left.join("&")),
    }
}

/// Decodes percent-encoding; a `+` stays one. `None` if an escape is broken.
fn decoded(text: &str) -> Option<Cow<'_, [u8]>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(Cow::Owned(out))
}

pub(super) fn decoded_text(text: &str) -> Option<String> {
    String::from_utf8(decoded(text)?.into_owned()).ok()
}

/// The function call that an answer becomes the argument of.
///
/// **Shape**: `/**/name(argument);` and a line feed, in a response that is always `200 OK`. The
/// argument is JSON, safe inside a `<script>`; in basic mode it is missing if the body is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    callback: String,
    mode: JsonpMode,
}

impl Call {
    /// Wraps an answer that was passed on or made by P-8.
    ///
    /// **Shape**, extended: `{"code": 200, "reason": "OK", "headers": {...}, "body": "..."}`, of
    /// each header the first value.
    pub fn wrap_passed(
        &self,
        status: u16,
        reason: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Response {
        let argument = match self.mode {
            JsonpMode::Basic => argument(body),
            JsonpMode::Extended => format!(
                "{{\"code\": {status}, \"reason\": {}, \"headers\": {}, \"body\": {}}}",
                quoted(reason.as_bytes()),
                header_object(headers, |values| values.into_iter().next()),
                quoted(body),
            ),
        };
        let mut outer = HeaderMap::new();
        for value in headers.get_all(CACHE_CONTROL) {
            outer.append(CACHE_CONTROL, value.clone());
        }
        self.script(outer, &argument)
    }

    /// Wraps the answer of a hold, whose headers stay outside too.
    ///
    /// **Shape**, extended: `{"body":"...","code":200,"headers":{...},"reason":"OK"}`, repeated
    /// headers joined by `, `.
    pub fn wrap_held(&self, response: &Response) -> Response {
        let argument = match self.mode {
            JsonpMode::Basic => argument(&response.body),
            JsonpMode::Extended => format!(
                "{{\"body\":{},\"code\":{},\"headers\":{},\"reason\":{}}}",
                quoted(&response.body),
                response.status,
                header_object(&response.headers, |values| Some(values.join(", "))),
                quoted(response.reason_phrase().as_bytes()),
            ),
        };
        let mut headers = response.headers.clone();
        for of_body in [
            CONTENT_TYPE,
            CONTENT_ENCODING,
            CONTENT_LENGTH,
            CONTENT_RANGE,
        ] {
            headers.remove(of_body);
        }
        self.script(headers, &argument)
    }

    fn script(&self, mut headers: HeaderMap, argument: &str) -> Response {
        headers.insert(CONTENT_TYPE, SCRIPT);
        let no_sniffing = HeaderValue::from_static("nosniff");
        headers.insert(X_CONTENT_TYPE_OPTIONS, no_sniffing);
        Response {
            status: 200,
            reason: None,
            headers,
            body: Bytes::from(format!("/**/{}({argument});\n", self.callback)),
        }
    }
}

/// Makes a body an argument: JSON as it is but for a last line feed, anything else as a string.
fn argument(body: &[u8]) -> String {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    match std::str::from_utf8(body) {
        Ok("") => String::new(),
        Ok(text) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => safe(text),
        _ => quoted(body),
    }
}

/// Writes a JSON string; what is not UTF-8 becomes U+FFFD.
fn quoted(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    safe(&serde_json::to_string(&text).unwrap_or_default())
}

fn header_object(headers: &HeaderMap, choose: impl Fn(Vec<String>) -> Option<String>) -> String {
    let object: BTreeMap<String, String> = headers
        .keys()
        .filter_map(|name| {
            let values = headers.get_all(name).iter();
            let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            Some((wire::title_case(name.as_str()), choose(values.collect())?))
        })
        .collect();
    safe(&serde_json::to_string(&object).unwrap_or_default())
}

/// Escapes what ends a script or, in older JavaScript, a line; in JSON these stand only in strings.
fn safe(json: &str) -> String {
    json.replace("</", "<\\/")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests;
