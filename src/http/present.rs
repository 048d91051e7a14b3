//! Answers to pages of other origins: cross-origin headers on what leaves, or the whole of it as JSON-P.
//!
//! Held answers are presented by their session (`actors::held`), heads of streams when they begin.

use std::rc::Rc;

use actix_web::{body::to_bytes_limited, HttpRequest, HttpResponse};
use bytes::Bytes;

use super::{
    border,
    exchange::{log_access, Front, Outcome},
    hold::plain,
    reply::{self, Manners},
};
use crate::{
    engine::{
        cross_origin,
        jsonp::{Call, JsonpError, Rewritten},
        presentation::Presentation,
        route::Route,
    },
    stats::counters::Refused,
};

/// Longest body that is gathered and wrapped for JSON-P, in bytes.
pub const WRAP_MAX: usize = 1_000_000;

/// What a request says about how its answer is shown.
#[derive(Default)]
pub struct Asked {
    /// How it is shown; none: as it is.
    pub presentation: Option<Rc<Presentation>>,
    /// What the backend is asked instead.
    pub rewritten: Option<Box<Rewritten>>,
}

impl Asked {
    /// Reads a request. Routes that offer neither cross-origin headers nor JSON-P cost nothing.
    pub fn of(request: &HttpRequest, route: &Route) -> (Self, Option<JsonpError>) {
        if !Presentation::is_wanted(route) {
            return (Self::default(), None);
        }
        let method = border::method_in(request.method());
        let path_and_query = border::path_and_query(request);
        let headers = border::only_in(request.headers(), &cross_origin::READ);
        let (presentation, rewritten) = Presentation::of(route, &method, path_and_query, &headers);
        let presentation = Some(Rc::new(presentation));
        let (rewritten, error) = match rewritten {
            Ok(rewritten) => (rewritten.map(Box::new), None),
            Err(error) => (None, Some(error)),
        };
        let asked = Self {
            presentation,
            rewritten,
        };
        (asked, error)
    }

    /// Returns the body that is sent in place of the client's.
    pub fn body(&self) -> Option<Bytes> {
        self.rewritten.as_ref()?.body.clone()
    }
}

impl Front {
    /// Refuses a JSON-P request that makes no sense.
    pub fn refuse_jsonp(&self, request: &HttpRequest, error: JsonpError) -> Outcome {
        self.edge.counters().refuse(Refused::Jsonp, 1);
        log_access(request, None, 400, error.code());
        reply::text(400, error.code(), &error.to_string()).into()
    }

    /// Shows a response that is not of a hold.
    pub async fn present(
        &self,
        outcome: Outcome,
        presentation: &Presentation,
        manners: Manners,
    ) -> Outcome {
        let mut response = match outcome {
            Outcome::Response(response) => response,
            outcome => return outcome,
        };
        if let Some(call) = presentation.call() {
            return Outcome::Held(self.wrap(call, response, manners).await);
        }
        if let Some(cross_origin) = presentation.cross_origin() {
            let added = cross_origin.additions(&border::headers_in(response.headers()));
            border::append_out(&mut response, &added);
        }
        Outcome::Held(response)
    }

    async fn wrap(&self, call: &Call, response: HttpResponse, manners: Manners) -> HttpResponse {
        let (head, body) = response.into_parts();
        let reason = match to_bytes_limited(body, WRAP_MAX).await {
            Ok(Ok(body)) => return wrapped(call, &head, &body),
            Ok(Err(error)) => {
                let why = error.to_string();
                reply::bad_backend("body-cut", &why, manners)
            }
            Err(_) => {
                let why = format!(
                    "the answer is too large for JSON-P, expected at most {WRAP_MAX} bytes"
                );
                reply::bad_backend("jsonp-answer-too-large", &why, manners)
            }
        };
        self.edge.counters().refuse(Refused::JsonpAnswer, 1);
        log::warn!(reason = reason.reason; "a backend's answer could not be wrapped for JSON-P");
        let (head, body) = reason.response.into_parts();
        let body = to_bytes_limited(body, WRAP_MAX).await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        wrapped(call, &head, &body)
    }
}

fn wrapped(call: &Call, head: &HttpResponse<()>, body: &Bytes) -> HttpResponse {
    let reason = head.head().reason();
    let headers = border::headers_in(head.headers());
    plain(&call.wrap_passed(head.status().as_u16(), reason, &headers, body))
}
