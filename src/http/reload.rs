//! `POST /admin/reload`: the configuration is read again, or only looked at (`?dry_run=1`).
//!
//! What a reload is decided by whoever mounts it. A page of another site that an operator has open must
//! not bring one about: requests that browsers send for such a page are refused. Source:
//! `docs/admin.md#reload`.

use std::{net::IpAddr, sync::Arc};

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
    let sent = |name: &str| {
        let value = request.headers().get(name);
        value.map(|value| value.to_str().unwrap_or("\u{fffd}"))
    };
    if is_cross_site(sent("sec-fetch-site"), sent("origin"), sent("host")) {
        log::warn!(peer:? = request.peer_addr(), origin:? = sent("origin");
            "a reload for a page of another site was refused");
        return refused(403, "cross-site", "pages of other sites may not reload");
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

/// Tells whether a browser asks for a page of another site, or may be made to believe that it does not.
///
/// A name that leads here is no proof that the page does: its owner may point it anywhere. So a browser
/// is believed only if it came by an address, or by `localhost`.
fn is_cross_site(fetch_site: Option<&str>, origin: Option<&str>, host: Option<&str>) -> bool {
    if fetch_site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return true;
    }
    let Some(origin) = origin else {
        return false;
    };
    let of_origin = origin.split_once("://").map(|(_, authority)| authority);
    of_origin.is_none() || of_origin != host || !host.is_some_and(is_own_name)
}

/// Tells whether a `Host` is an address or `localhost`, whatever its port.
fn is_own_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    name == "localhost" || bare.unwrap_or(name).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_told_from_programs_and_own_pages() {
        let own = "127.0.0.1:5561";
        for (fetch_site, origin, host, is_refused) in [
            (None, None, Some(own), false),
            (None, None, None, false),
            (Some("none"), None, Some(own), false),
            (
                Some("same-origin"),
                Some("http://127.0.0.1:5561"),
                Some(own),
                false,
            ),
            (None, Some("http://[::1]:5561"), Some("[::1]:5561"), false),
            (
                None,
                Some("http://localhost:5561"),
                Some("localhost:5561"),
                false,
            ),
            (None, Some("http://localhost"), Some("localhost"), false),
            (Some("cross-site"), None, Some(own), true),
            (Some("same-site"), None, Some(own), true),
            (None, Some("http://evil.example"), Some(own), true),
            (None, Some("http://127.0.0.1:8000"), Some(own), true),
            (None, Some("null"), Some(own), true),
            (None, Some("\u{fffd}"), Some(own), true),
            (None, Some("http://127.0.0.1:5561"), None, true),
            (
                None,
                Some("http://rebound.example:5561"),
                Some("rebound.example:5561"),
                true,
            ),
        ] {
            let found = is_cross_site(fetch_site, origin, host);
            assert_eq!(found, is_refused, "{fetch_site:?} {origin:?} {host:?}");
        }
    }
}
