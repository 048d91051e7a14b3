//! WebSocket clients: their handshake, taken to a backend by requests that carry events or by a handshake
//! of P-8's own, and the parked session that follows.
//!
//! ```text
//! open ─▶ each target: over_http::open | direct::open | builtin ─▶ Accepted ─▶ begin: join, park, 101
//!                                └▶ its refusal, relayed
//! ```
//!
//! The client hears nothing before its backend has accepted. Not its concern: what a session does
//! (`engine::web_socket`) and what frames are (`engine::ws`). Source: `docs/websockets.md`.

mod begin;
mod builtin;
mod compact;
mod direct;
mod over_http;

use std::{rc::Rc, sync::Arc};

use actix_web::HttpResponse;
use http::HeaderMap;

pub use self::begin::{begin_polled, Accepted};
use self::compact::Compact;
use super::{
    border,
    exchange::{log_access, Exchange, Front, Outcome, Speech},
    proxy::relay,
    reply,
    way_back::WayBack,
};
use crate::{
    actors::{
        ports::{Backend as _, BackendBody, BackendRequest, BackendResponse, Promise},
        upstream::{Assignment, Times, Unanswered},
    },
    engine::{
        forward::{self, ClientRequest},
        overload::Admission,
        route::{Route, Target, TargetKind},
        session::FilterAnswer,
        ws,
    },
    grip::{filter::FilterError, network_filter::Question},
    stats::counters::{Refused, Total},
};

/// What became of a handshake at one target.
enum Attempt {
    /// It accepted.
    Accepted(Accepted),
    /// It answered something else, which the client gets.
    Refused(BackendResponse),
    /// Its answer is none.
    Bad {
        /// The stable word for it.
        reason: &'static str,
        /// For the client of a debugged route.
        why: String,
    },
    /// The built-in target has no such WebSocket.
    NoResource,
    /// It was not reached, or broke off.
    Unanswered(Unanswered),
}

impl Attempt {
    fn bad(reason: &'static str, why: impl Into<String>) -> Self {
        let why = why.into();
        Self::Bad { reason, why }
    }
}

/// Takes a handshake to the route's targets, and begins a session with the first that accepts.
pub async fn open(front: &Rc<Front>, exchange: Exchange) -> Outcome {
    let exchange = Rc::new(exchange);
    if !exchange.can_be_socket() {
        return reply::no_websockets().into();
    }
    let headers = border::headers_in(exchange.request.headers());
    let method = border::method_in(exchange.request.method());
    if !ws::is_valid_handshake(&method, &headers) {
        front.edge.counters().refuse(Refused::Handshake, 1);
        log_access(&exchange.request, None, 400, "bad-handshake");
        return reply::bad_handshake().into();
    }
    match connect(front, &exchange).await {
        Ok(accepted) => match exchange.stream.clone() {
            Some(stream) => begin::on_stream(front, &exchange, accepted, &stream).await,
            None => begin::on_socket(front, &exchange, accepted).await,
        },
        Err(outcome) => *outcome,
    }
}

/// Asks the route's targets to accept, in its order, until one was reached.
///
/// **Errors**: what the client is answered instead.
pub async fn connect(front: &Rc<Front>, exchange: &Rc<Exchange>) -> Result<Accepted, Box<Outcome>> {
    let mut tried = Vec::new();
    let mut order = front.edge.targets().order(&exchange.route).into_iter();
    while let Some(target) = order.next() {
        let Some(attempt) = attempt(front, exchange, target).await else {
            continue;
        };
        let outcome = match attempt {
            Attempt::Accepted(accepted) => return Ok(accepted),
            Attempt::Unanswered(unanswered) => {
                tried.extend(unanswered.tried);
                let error = unanswered.error;
                if order.len() > 0 && error.before_sending() {
                    front.edge.counters().add(Total::Failovers, 1);
                    continue;
                }
                front.on_unanswered(exchange, &Unanswered { error, tried })
            }
            Attempt::Refused(response) => refused(exchange, target, response),
            Attempt::NoResource => {
                log_access(&exchange.request, None, 404, "no-test-resource");
                reply::text(404, "no-test-resource", "no such test resource").into()
            }
            Attempt::Bad { reason, why } => bad(front, exchange, reason, &why),
        };
        return Err(Box::new(outcome));
    }
    Err(Box::new(reply::no_route(exchange.manners).into()))
}

async fn attempt(front: &Rc<Front>, exchange: &Rc<Exchange>, at: usize) -> Option<Attempt> {
    let target = exchange.route.targets.get(at)?;
    Some(match target.kind {
        TargetKind::Test | TargetKind::Demo => builtin::open(front, exchange, target),
        _ if target.over_http => over_http::open(front, exchange, at).await,
        _ => direct::open(front, exchange, at).await,
    })
}

fn refused(exchange: &Exchange, target: usize, response: BackendResponse) -> Outcome {
    let target = exchange.route.targets.get(target);
    let kind = target.map(|target| &target.kind);
    log_access(&exchange.request, kind, response.status, "");
    let mut response = relay(exchange, response);
    if let Speech::Polled(_) = exchange.speech {
        return Outcome::Response(response);
    }
    close_after(&mut response);
    Outcome::Response(response)
}

fn bad(front: &Front, exchange: &Exchange, reason: &'static str, why: &str) -> Outcome {
    front.edge.counters().refuse(Refused::Backend, 1);
    log_access(&exchange.request, None, 502, reason);
    log::warn!(route:? = exchange.route.id, reason, why; "a backend's answer to a WebSocket is of no use");
    let mut answer = reply::bad_backend(reason, why, exchange.manners);
    close_after(&mut answer.response);
    answer.into()
}

/// All that follows a handshake belongs to it, so its connection takes no further request.
fn close_after(response: &mut HttpResponse) {
    let head = response.head_mut();
    head.set_connection_type(actix_http::ConnectionType::Close);
}

/// Returns path and headers of the handshake as the target sees them, unsigned.
fn forwarded(front: &Front, exchange: &Exchange, target: &Target) -> (String, HeaderMap) {
    let Exchange {
        request,
        route,
        is_secure,
        is_trusted,
        ..
    } = exchange;
    let forwarded = forward::request(
        ClientRequest {
            path_and_query: exchange.path_and_query(),
            headers: exchange.headers(),
            peer: request.peer_addr().map(|peer| peer.ip()),
            secure: *is_secure,
            is_websocket: true,
            trusted: *is_trusted,
            last: &[],
            id: exchange.request_id.as_ref(),
        },
        route,
        target,
        &front.options().backend.forward,
        None,
    );
    (forwarded.path_and_query.into_owned(), forwarded.headers)
}

/// Asks a filter's question on the way back of a WebSocket; none if there is no way.
fn ask_filter(
    front: &Rc<Front>,
    target: (&Arc<Route>, &Target),
    (is_secure, handshake): (bool, &Compact),
    question: Question,
) -> Option<Promise<Result<FilterAnswer, FilterError>>> {
    let (path, headers) = handshake.unpack();
    let way_back = WayBack::of(front, target, is_secure, (&path, &headers))?;
    Some(way_back.ask_filter(question))
}

/// Makes a request to one target of a route.
fn assignment(
    front: &Front,
    (route, target): (&Route, &Target),
    parts: (http::Method, String, HeaderMap),
    body: BackendBody,
    admission: Admission,
) -> Assignment {
    let (method, uri, headers) = parts;
    Assignment {
        request: BackendRequest {
            target: target.kind.clone(),
            method,
            uri,
            headers,
            body,
        },
        at: 0,
        others: Vec::new(),
        times: Times {
            whole: None,
            ..front.times(route)
        },
        ejection: Some(front.options().backend.ejection),
        admission,
        informational: None,
    }
}

/// Counts and logs an accepted handshake.
fn note_accepted(front: &Front, exchange: &Exchange, target: Option<&Target>) {
    front.edge.counters().add(Total::Proxied, 1);
    log_access(
        &exchange.request,
        target.map(|target| &target.kind),
        if exchange.stream.is_some() { 200 } else { 101 },
        "",
    );
}

type RouteRef = Arc<Route>;
