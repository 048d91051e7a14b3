//! The proxy: takes a client's request to its backend, and passes the answer on or holds the request.
//!
//! Not its concern: which route a request has (`front`), how bytes travel (`body`, `upstream`), what a
//! hold does (`hold`), what errors look like (`reply`). Source: `docs/life-of-a-request.md`.

use std::{
    rc::Rc,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::{http::header, web, HttpResponse};

use super::{
    body::{self, Gathered, Progress, Relay, GRIP_BODY_MAX},
    border,
    exchange::{log_access, Exchange, Front, Outcome},
    hold::{self, Client, HoldPlan},
    reply,
    slot::Slot,
};
use crate::{
    actors::{
        ports::{BackendBody, BackendRequest, BackendResponse, Informational},
        upstream::{Answered, Assignment, Other, Times, Unanswered, Upstream},
    },
    engine::{
        forward::{self, ClientRequest},
        overload::Admission,
        route::{Route, Target},
        wire,
    },
    grip::{instruct, sig},
    stats::counters::{Refused, Total},
};

/// How long a `Grip-Sig` is good for, in seconds.
const SIG_SECS: u64 = 3_600;

impl Front {
    /// Asks the route's targets, and passes the answer on or follows its instructions.
    pub async fn forward(self: &Rc<Self>, exchange: Exchange, payload: web::Payload) -> Outcome {
        let (body, progress) = match self.request_body(&exchange, payload).await {
            Ok(read) => read,
            Err(_) => return reply::bad_body("request-body-cut").into(),
        };
        let Some(assignment) = self.assignment(&exchange, body) else {
            return reply::no_route(exchange.manners).into();
        };
        let (targets, crashes) = (self.edge.targets().clone(), &self.edge.crashes().upstream);
        let upstream = Upstream::run(assignment, self.fetch.clone(), targets, crashes.clone());
        let answered = upstream.await;
        if let Some(state) = exchange.state() {
            state.borrow_mut().on_backend_answered();
        }
        match self.answered(&exchange, answered) {
            Ok((response, target)) => {
                self.on_response(&exchange, target, response, &progress)
                    .await
            }
            Err(outcome) => *outcome,
        }
    }

    /// Returns an upstream's answer and the target that gave it, or what the client is told instead.
    pub(super) fn answered<'e, A>(
        &self,
        exchange: &'e Exchange,
        answered: Option<Result<Answered<A>, Unanswered>>,
    ) -> Result<(A, &'e Target), Box<Outcome>> {
        let outcome = match answered {
            Some(Ok(Answered { response, target })) => {
                self.edge.counters().add(Total::Proxied, 1);
                match exchange.route.targets.get(target) {
                    Some(target) => return Ok((response, target)),
                    None => reply::no_route(exchange.manners).into(),
                }
            }
            Some(Err(unanswered)) => self.on_unanswered(exchange, &unanswered),
            None => {
                let why = "the request's upstream crashed";
                reply::bad_backend("upstream-crashed", why, exchange.manners).into()
            }
        };
        Err(Box::new(outcome))
    }

    /// Tells a client that no target answered.
    pub(super) fn on_unanswered(&self, exchange: &Exchange, unanswered: &Unanswered) -> Outcome {
        let answer = reply::unanswered(unanswered, exchange.manners);
        let code = answer.response.status().as_u16();
        let error = &unanswered.error;
        if error.is_busy() {
            self.edge.refuse_busy(error);
        } else {
            self.edge.counters().refuse(Refused::Backend, 1);
            log::warn!(route:? = exchange.route.id, error:%, reason = answer.reason;
                "no backend answered");
        }
        log_access(
            &exchange.request,
            unanswered.tried.last(),
            code,
            answer.reason,
        );
        answer.into()
    }

    async fn request_body(
        &self,
        exchange: &Exchange,
        payload: web::Payload,
    ) -> Result<(BackendBody, Rc<Progress>), actix_web::error::PayloadError> {
        if let Some(body) = exchange.asked.body() {
            return Ok((BackendBody::Full(body), Progress::no_body()));
        }
        let headers = exchange.request.headers();
        let length = headers.get(header::CONTENT_LENGTH).map(|length| {
            length
                .to_str()
                .ok()
                .and_then(|length| length.parse::<u64>().ok())
                .unwrap_or(0)
        });
        if length.is_none() && !headers.contains_key(header::TRANSFER_ENCODING) {
            return Ok((BackendBody::Empty, Progress::no_body()));
        }
        body::request_body(payload.into_inner(), length).await
    }

    /// Makes the request for the first target, and the hosts of the others.
    pub(super) fn assignment(&self, exchange: &Exchange, body: BackendBody) -> Option<Assignment> {
        let Exchange {
            request,
            slot,
            route,
            is_secure,
            is_trusted,
            ..
        } = exchange;
        let mut order = self.edge.targets().order(route).into_iter();
        let at = order.next()?;
        let first = route.targets.get(at)?;
        let options = self.options();
        let options = &options.backend;
        let headers = exchange.headers();
        let client_host = headers.get(http::header::HOST).cloned();
        let others = self.other_targets(client_host.as_ref(), route, order);
        let state = exchange.state().map(|state| state.borrow());
        let last = state.as_ref().map_or(&[][..], |state| state.last());
        let is_retried = state.as_ref().is_some_and(|state| state.is_retried());
        let forwarded = forward::request(
            ClientRequest {
                path_and_query: exchange.path_and_query(),
                headers,
                peer: request.peer_addr().map(|peer| peer.ip()),
                secure: *is_secure,
                is_websocket: false,
                trusted: *is_trusted,
                last,
                id: exchange.request_id.as_ref(),
            },
            route,
            first,
            &options.forward,
            (!is_trusted).then(|| self.signature(route)).flatten(),
        );
        let uri = forwarded.path_and_query.into_owned();
        let request = BackendRequest {
            target: first.kind.clone(),
            method: exchange.method(),
            uri,
            headers: forwarded.headers,
            body,
        };
        let informational = slot.clone().map(|slot| self.pass_on_interim(slot));
        let (times, admission) = self.terms(route, is_retried);
        Some(Assignment {
            request,
            at,
            others,
            times,
            ejection: Some(options.ejection),
            admission,
            informational,
        })
    }

    /// Returns the targets at these positions, each with the `Host` it wants.
    pub(super) fn other_targets(
        &self,
        client_host: Option<&http::HeaderValue>,
        route: &Route,
        positions: impl Iterator<Item = usize>,
    ) -> Vec<Other> {
        let with_host = |at: usize| {
            let other = route.targets.get(at)?;
            Some(Other {
                at,
                target: other.kind.clone(),
                host: forward::host(client_host, route, other),
            })
        };
        positions.filter_map(with_host).collect()
    }

    /// Returns how long a request of a route may take.
    pub(super) fn times(&self, route: &Route) -> Times {
        let default = self.options().backend.response_timeout;
        Times {
            connect: route.times.connect,
            response: route.times.response.unwrap_or(default),
            whole: route.times.whole,
        }
    }

    /// Returns how long a client's request may take and whether it may wait; one that is held is asked again.
    fn terms(&self, route: &Route, is_retried: bool) -> (Times, Admission) {
        let mut times = self.times(route);
        if !is_retried {
            return (times, self.admission(route));
        }
        times.response = self.options().backend.recovery_timeout;
        (times, Admission::Always)
    }

    /// Returns whether a new client's request to a route's targets may wait.
    pub(super) fn admission(&self, route: &Route) -> Admission {
        let default = self.options().backend.requests_max;
        Admission::Below(route.requests_max.unwrap_or(default))
    }

    fn pass_on_interim(&self, slot: Rc<Slot>) -> Informational {
        let counters = self.edge.counters().clone();
        Rc::new(move |code, headers: &http::HeaderMap| {
            let mut headers = headers.clone();
            forward::response_headers(&mut headers);
            if slot.send_interim(&wire::interim_response(code, &headers)) {
                counters.add(Total::Interim, 1);
            }
        })
    }

    /// Returns the route's `Grip-Sig`; made once a second at most, for its text is then the same.
    pub(super) fn signature(&self, route: &Arc<Route>) -> Option<http::HeaderValue> {
        let options = self.options();
        let signing = forward::sig(route, &options.backend.forward)?;
        let now = unix_secs();
        let mut signatures = self.signatures.borrow_mut();
        let key = Arc::as_ptr(route) as usize;
        if let Some((at, signature)) = signatures.get(&key) {
            if *at == now {
                return Some(signature.clone());
            }
        }
        let made = sig::sign(&signing.key, &signing.iss, now + SIG_SECS);
        let signature = made
            .ok()
            .and_then(|token| http::HeaderValue::from_str(&token).ok())?;
        signatures.insert(key, (now, signature.clone()));
        Some(signature)
    }

    /// Passes an answer on, or follows its instructions.
    pub(super) async fn on_response(
        self: &Rc<Self>,
        exchange: &Exchange,
        target: &Target,
        response: BackendResponse,
        progress: &Rc<Progress>,
    ) -> Outcome {
        let is_relayed = exchange.is_trusted || exchange.route.no_grip;
        if is_relayed || !instruct::is_instruct(&response.headers) {
            log_access(&exchange.request, Some(&target.kind), response.status, "");
            return Outcome::Response(relay(exchange, response));
        }
        // Boxed, so that what is rarer does not make every request's future large.
        Box::pin(self.on_instruct(exchange, target, response, progress)).await
    }

    async fn on_instruct(
        self: &Rc<Self>,
        exchange: &Exchange,
        target: &Target,
        response: BackendResponse,
        progress: &Rc<Progress>,
    ) -> Outcome {
        let BackendResponse {
            status,
            reason,
            headers,
            body,
            ..
        } = response;
        let (whole, rest) = match body::gather(body, GRIP_BODY_MAX).await {
            Ok(Gathered::Whole(whole)) => (whole, None),
            Ok(Gathered::TooLarge(first, rest)) => (first, Some(rest)),
            Err(error) => {
                log_access(&exchange.request, Some(&target.kind), 502, "body-cut");
                return reply::bad_backend("body-cut", &error.to_string(), exchange.manners).into();
            }
        };
        let mut instruct = match instruct::parse(status, reason.as_deref(), &headers, whole) {
            Ok(instruct) => instruct,
            Err(error) => {
                self.edge.counters().refuse(Refused::Instruct, 1);
                log_access(&exchange.request, Some(&target.kind), 502, error.code());
                log::warn!(error:%, target:% = target.kind; "bad instructions from a backend");
                return reply::bad_instruct(&error, exchange.manners).into();
            }
        };
        forward::response_headers(&mut instruct.response.headers);
        log_access(
            &exchange.request,
            Some(&target.kind),
            instruct.response.status,
            "",
        );
        if instruct.hold.is_some() || instruct.next.is_some() {
            // A backend may answer before it has read the request.
            progress.settled(GRIP_BODY_MAX as u64).await;
            if !progress.is_ended_within(GRIP_BODY_MAX as u64) {
                return reply::request_too_large().into();
            }
        }
        let client = Client::of(exchange, progress.is_ended());
        let plan = HoldPlan {
            exchange,
            target,
            instruct,
            rest,
        };
        hold::follow(self, client, plan).await
    }
}

/// Returns the time in seconds since 1970.
pub(super) fn unix_secs() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Passes a backend's response on as it arrives.
pub(super) fn relay(exchange: &Exchange, response: BackendResponse) -> HttpResponse {
    let BackendResponse {
        status,
        reason,
        mut headers,
        body,
        ticket,
    } = response;
    forward::response_headers(&mut headers);
    let length = headers
        .get(http::header::CONTENT_LENGTH)
        .and_then(|length| {
            length
                .to_str()
                .ok()
                .and_then(|length| length.trim().parse::<u64>().ok())
        });
    let is_head = *exchange.request.method() == actix_web::http::Method::HEAD;
    let bodiless = is_head || wire::is_bodiless(status);
    let mut builder = border::response_out(status, reason.as_deref(), &headers);
    let length = if is_head { length } else { None };
    builder.body(Relay::new(body, bodiless, length).counted(ticket))
}
