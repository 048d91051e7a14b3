//! The border between `http` 0.2, which actix speaks, and `http` 1.x, which the rest of P-8 speaks.

use std::{collections::HashSet, sync::Mutex};

use actix_web::{http as http02, HttpRequest, HttpResponse, HttpResponseBuilder};

use crate::grip::status;

/// Most reason phrases kept for ever, and the longest of them in bytes.
const REASONS_MAX: usize = 1_024;
const REASON_BYTES_MAX: usize = 64;

/// Phrases that backends sent instead of the usual ones; actix wants them to live as long as it does.
static REASONS: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);

/// Copies request headers in; names and values that came through actix's parser are all valid.
pub fn headers_in(headers: &http02::header::HeaderMap) -> http::HeaderMap {
    let mut copy = http::HeaderMap::with_capacity(headers.len() + 8);
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = http::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            copy.append(name, value);
        }
    }
    copy
}

/// Copies in only the headers with these names.
pub fn only_in(headers: &http02::header::HeaderMap, names: &[http::HeaderName]) -> http::HeaderMap {
    let mut copy = http::HeaderMap::new();
    for name in names {
        for value in headers.get_all(name.as_str()) {
            if let Ok(value) = http::HeaderValue::from_bytes(value.as_bytes()) {
                copy.append(name, value);
            }
        }
    }
    copy
}

/// Adds headers to a response.
pub fn append_out(response: &mut HttpResponse, headers: &[(http::HeaderName, http::HeaderValue)]) {
    for (name, value) in headers {
        let name = http02::header::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = http02::header::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().append(name, value);
        }
    }
}

/// Returns the encoded path and query; of an absolute URI without scheme and authority.
pub fn path_and_query(request: &HttpRequest) -> &str {
    let path_and_query = request.uri().path_and_query();
    path_and_query.map_or("/", |path| path.as_str())
}

/// Copies a method in.
pub fn method_in(method: &http02::Method) -> http::Method {
    match *method {
        http02::Method::GET => http::Method::GET,
        http02::Method::POST => http::Method::POST,
        _ => http::Method::from_bytes(method.as_str().as_bytes()).unwrap_or(http::Method::GET),
    }
}

/// Makes a request for actix's services; none if `http` 0.2 takes its method or target for invalid.
pub fn request_out(
    method: &http::Method,
    target: &[u8],
    headers: &http::HeaderMap,
) -> Option<actix_http::Request> {
    let mut request = actix_http::Request::new();
    let head = request.head_mut();
    head.method = http02::Method::from_bytes(method.as_str().as_bytes()).ok()?;
    head.uri = http02::Uri::try_from(target).ok()?;
    for (name, value) in headers {
        let name = http02::header::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = http02::header::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            head.headers.append(name, value);
        }
    }
    Some(request)
}

/// Copies a response's status and headers in; its reason phrase stays behind.
pub fn response_in<B>(response: &HttpResponse<B>) -> http::Response<()> {
    let mut copy = http::Response::new(());
    *copy.status_mut() = http::StatusCode::from_u16(response.status().as_u16())
        .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    *copy.headers_mut() = headers_in(response.headers());
    copy
}

/// Begins a response with this status line and these headers.
pub fn response_out(
    code: u16,
    reason: Option<&str>,
    headers: &http::HeaderMap,
) -> HttpResponseBuilder {
    let known = http02::StatusCode::from_u16(code);
    let mut builder = HttpResponse::build(known.unwrap_or(http02::StatusCode::BAD_GATEWAY));
    let usual = status::canonical(code);
    builder.reason(
        reason
            .filter(|reason| *reason != usual)
            .map_or(usual, intern),
    );
    for (name, value) in headers {
        let name = http02::header::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = http02::header::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            builder.append_header((name, value));
        }
    }
    builder
}

/// Keeps a reason phrase, or gives the usual one once too many were kept.
fn intern(reason: &str) -> &'static str {
    let fallback = "Undefined Reason";
    if reason.len() > REASON_BYTES_MAX {
        return fallback;
    }
    let Ok(mut reasons) = REASONS.lock() else {
        return fallback;
    };
    let reasons = reasons.get_or_insert_default();
    if let Some(known) = reasons.get(reason) {
        return known;
    }
    if reasons.len() >= REASONS_MAX {
        return fallback;
    }
    let kept: &'static str = Box::leak(reason.to_owned().into_boxed_str());
    reasons.insert(kept);
    kept
}
