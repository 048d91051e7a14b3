//! The guard of the control listener: every request passes it, whatever it asks for.
//!
//! It carries out what `engine::control_access` decides. Embedding services that mount
//! [`control`](super::control()) or [`admin`](super::admin()) in a listener of their own guard it
//! themselves. Source: `docs/control-api.md#who-may`.

use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderValue},
    middleware::Next,
    HttpResponse,
};

use super::reply::REASON_HEADER;
use crate::{
    actors::broker::Broker,
    engine::control_access::{AccessError, Asked},
    stats::counters::Refused,
};

/// Paths that say nothing but whether P-8 lives, to whoever asks.
const OPEN_PATHS: [&str; 2] = ["/live", "/ready"];

/// Lets a request through, or answers it.
pub async fn guard(
    broker: Broker,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if OPEN_PATHS.contains(&request.path()) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_unix_secs = now.map_or(0, |now| now.as_secs());
    let checked = {
        let access = &broker.options().control_access;
        let checked = access.check(&asked(request.headers()), now_unix_secs);
        checked.map_err(|error| (error, refusal(error, access.challenges())))
    };
    match checked {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err((error, refusal)) => {
            broker
                .shared_counters()
                .refuse(match error.wants_credentials() {
                    true => Refused::Unauthorized,
                    false => Refused::CrossSite,
                });
            log::warn!(peer:? = request.peer_addr(), reason = error.code(),
                origin:? = said(request.headers(), "origin"), host:? = said(request.headers(), "host"),
                method:% = request.method(), path:? = request.path();
                "a request to the control port was refused");
            Ok(request.into_response(refusal).map_into_right_body())
        }
    }
}

fn asked(headers: &HeaderMap) -> Asked<'_> {
    Asked {
        host: said(headers, "host"),
        origin: said(headers, "origin"),
        fetch_site: said(headers, "sec-fetch-site"),
        authorization: said(headers, "authorization"),
    }
}

/// Returns the only value of a header; what cannot be read, or is there twice, is nothing good.
fn said<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().unwrap_or("\u{fffd}");
    Some(match values.next() {
        Some(_) => "\u{fffd}",
        None => value,
    })
}

fn refusal(error: AccessError, challenges: impl Iterator<Item = &'static str>) -> HttpResponse {
    let mut builder = match error.wants_credentials() {
        true => HttpResponse::Unauthorized(),
        false => HttpResponse::Forbidden(),
    };
    if error.wants_credentials() {
        for challenge in challenges {
            let challenge = HeaderValue::from_static(challenge);
            builder.append_header((header::WWW_AUTHENTICATE, challenge));
        }
    }
    builder
        .insert_header(("Content-Type", "text/plain"))
        .insert_header(("Cache-Control", "no-store"))
        .insert_header((REASON_HEADER, error.code()))
        .body(format!("{error}\n"))
}
