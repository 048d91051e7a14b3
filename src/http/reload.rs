//! `POST /admin/reload`: the configuration is read again, or only looked at (`?dry_run=1`).
//!
//! What a reload is decided by whoever mounts it. Source: `docs/admin.md#reload`.

use std::sync::Arc;

use actix_web::{
    http::{header, Method, StatusCode},
    web::{self, ServiceConfig},
    HttpRequest, HttpResponse,
};
use serde_json::{json, Value};

use super::{admin, reply::REASON_HEADER};
use crate::actors::broker::Broker;

/// What reads the configuration again.
pub trait Reload: Send + Sync {
    /// Applies the configuration as it is now, or only compares; returns what differs.
    ///
    /// **Errors**: what is wrong with it, and then nothing has changed.
    fn reload(&self, is_dry_run: bool) -> Result<Value, Refusal>;
}

/// Why a reload was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// There is nothing that could be read.
    pub is_impossible: bool,
    /// The stable word.
    pub code: &'static str,
    /// The whole text.
    pub text: String,
}

/// Mounts `/admin/reload`; before `/admin`, which would hide it.
pub fn reload(reload: Arc<dyn Reload>) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config.service(
            web::resource("/admin/reload")
                .app_data(web::Data::from(reload.clone()))
                .to(answer),
        );
    }
}

async fn answer(request: HttpRequest, reload: web::Data<dyn Reload>) -> HttpResponse {
    if *request.method() != Method::POST {
        let mut refusal = refused(405, "method-not-allowed", "expected POST");
        let allowed = header::HeaderValue::from_static("POST");
        refusal.headers_mut().insert(header::ALLOW, allowed);
        return refusal;
    }
    let is_dry_run = match request.query_string() {
        "" | "dry_run=0" => false,
        "dry_run=1" => true,
        _ => return refused(400, "bad-query", "expected no query or dry_run=1"),
    };
    if let Some(broker) = request.app_data::<web::Data<Broker>>() {
        let what = if is_dry_run { "dry run" } else { "" };
        admin::audit(&request, broker, "reload", what);
    }
    let reload = reload.into_inner();
    match web::block(move || reload.reload(is_dry_run)).await {
        Ok(Ok(report)) => told(200, &report),
        Ok(Err(Refusal {
            is_impossible,
            code,
            text,
        })) => refused(if is_impossible { 409 } else { 422 }, code, &text),
        Err(_) => refused(503, "reload-crashed", "the reload crashed: see the log"),
    }
}

fn refused(status: u16, code: &'static str, why: &str) -> HttpResponse {
    let mut refusal = told(status, &json!({"error": why, "code": code}));
    let reason = header::HeaderValue::from_static(code);
    if let Ok(name) = header::HeaderName::try_from(REASON_HEADER) {
        refusal.headers_mut().insert(name, reason);
    }
    refusal
}

fn told(status: u16, body: &Value) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status)
        .insert_header(("Content-Type", "application/json"))
        .insert_header(("Cache-Control", "no-store"))
        .body(format!("{body}\n"))
}
