//! How `/admin/api` answers: JSON, never kept, errors with a stable word.

use actix_web::{
    http::{header, Method, StatusCode},
    HttpRequest, HttpResponse,
};
use serde::Serialize;
use serde_json::json;

use super::{super::reply::REASON_HEADER, query::BadQuery};

/// Answers with a document.
pub(super) fn told(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(body)
}

/// Refuses, with the stable word and what was expected.
pub(super) fn refused(status: u16, code: &'static str, why: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status)
        .insert_header((REASON_HEADER, code))
        .insert_header(("Cache-Control", "no-store"))
        .json(json!({"error": why, "code": code}))
}

impl From<BadQuery> for HttpResponse {
    fn from(BadQuery(why): BadQuery) -> Self {
        refused(400, "bad-query", &why)
    }
}

/// Refuses a method.
pub(super) fn only(allowed: Method) -> HttpResponse {
    let why = format!("expected {allowed}");
    let mut refusal = refused(405, "method-not-allowed", &why);
    if let Ok(allowed) = header::HeaderValue::from_str(allowed.as_str()) {
        refusal.headers_mut().insert(header::ALLOW, allowed);
    }
    refusal
}

/// There is nothing of that name.
pub(super) async fn not_found(request: HttpRequest) -> HttpResponse {
    let path: String = request.path().chars().take(100).collect();
    refused(
        404,
        "not-found",
        &format!("there is no {path}: see openapi.json"),
    )
}
