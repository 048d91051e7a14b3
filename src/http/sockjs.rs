//! SockJS clients: the requests below a route's `sockjs` path.
//!
//! ```text
//! /info, /iframe*.html          answered here
//! /<server>/<session>/xhr ...   to the session, wherever it lives; the first poll opens it
//! WebSocket                     as any, in SockJS's frames or raw
//! ```
//!
//! What the bytes mean is known by `engine::sockjs`. Source: `docs/websockets.md#sockjs`.

use std::rc::Rc;

use actix_web::{http::Method, web, HttpRequest, HttpResponse};
use bytes::Bytes;
use http::{header, HeaderMap};
use tokio::sync::oneshot;

use super::{
    border,
    exchange::{log_access, Exchange, Front, Outcome, Speech},
    reply, websocket,
};
use crate::{
    actors::{
        polled_sessions::{Found, Place, Reached},
        web_socket::{Asking, Reply, SocketEvent},
    },
    engine::{
        route::Route,
        sockjs::{
            decode, encode::SENT, pages, Callback, Close, Endpoint, SessionId, SockJsError,
            SocketEndpoint, Wrapping, REQUEST_MAX,
        },
    },
    stats::counters::Refused,
};

/// Tells whether a request is for the route's SockJS clients.
pub fn is_asked(request: &HttpRequest, route: &Route) -> bool {
    below(request, route).is_some()
}

fn below<'r>(request: &'r HttpRequest, route: &Route) -> Option<&'r str> {
    route.sockjs.as_ref()?.below(request.path())
}

/// The headers that answers look at.
fn read(request: &HttpRequest) -> HeaderMap {
    border::only_in(request.headers(), &[header::ORIGIN, header::IF_NONE_MATCH])
}

/// Opens a WebSocket of a SockJS client.
pub async fn open(front: &Rc<Front>, mut exchange: Exchange) -> Outcome {
    let endpoint = below(&exchange.request, &exchange.route).and_then(SocketEndpoint::parse);
    let Some(endpoint) = endpoint else {
        log_access(&exchange.request, None, 404, "no-sockjs-resource");
        return reply::text(404, "no-sockjs-resource", "Not Found").into();
    };
    let path = backend_path(&exchange, true, exchange.request.query_string());
    exchange.speech = match endpoint {
        SocketEndpoint::Framed => {
            ends_here(&mut exchange);
            Speech::Framed(path)
        }
        SocketEndpoint::Raw => Speech::Raw(path),
    };
    websocket::open(front, exchange).await
}

/// In SockJS's frames nobody behind can speak GRIP: that is done here, whoever the client is.
fn ends_here(exchange: &mut Exchange) {
    exchange.is_trusted = false;
}

fn backend_path(exchange: &Exchange, is_websocket: bool, query: &str) -> String {
    let sockjs = exchange.route.sockjs.as_ref();
    let path = sockjs.map(|sockjs| sockjs.backend_path(is_websocket));
    let mut path = path.unwrap_or_default().into_owned();
    if !query.is_empty() && !query.starts_with('?') {
        path.push('?');
    }
    path.push_str(query);
    path
}

/// Answers an ordinary request of a SockJS client.
pub async fn serve(front: &Rc<Front>, exchange: Exchange, payload: web::Payload) -> Outcome {
    let request = exchange.request.clone();
    let method = request.method().clone();
    if method == Method::OPTIONS {
        return answer(&request, 204, Some("text/plain"), Bytes::new());
    }
    let endpoint = below(&request, &exchange.route).and_then(Endpoint::parse);
    let endpoint = endpoint.filter(|endpoint| endpoint.allows(&border::method_in(&method)));
    let Some(endpoint) = endpoint else {
        return refuse(front, &request, SockJsError::NotFound);
    };
    match endpoint {
        Endpoint::Info => {
            let abilities = pages::abilities(fastrand::u32(..));
            answer(&request, 200, Some("text/plain"), abilities)
        }
        Endpoint::Iframe => iframe(front, &request),
        Endpoint::Xhr(session) => poll(front, exchange, session, Wrapping::Xhr).await,
        Endpoint::Jsonp(session) => match Callback::of_query(request.query_string()) {
            Ok(callback) => poll(front, exchange, session, Wrapping::Jsonp(callback)).await,
            Err(error) => refuse(front, &request, error),
        },
        Endpoint::XhrSend(session) => {
            let body = payload.to_bytes_limited(REQUEST_MAX).await;
            match body {
                Ok(Ok(body)) => send(front, &exchange, session, &body).await,
                _ => refuse(front, &request, SockJsError::RequestTooLarge),
            }
        }
        Endpoint::JsonpSend(session) if method == Method::GET => {
            let sent = decode::jsonp_query(request.query_string());
            send(front, &exchange, session, &sent).await
        }
        Endpoint::JsonpSend(session) => {
            let content_type = request.headers().get("content-type");
            let content_type = content_type.map(|value| value.as_bytes());
            match payload.to_bytes_limited(REQUEST_MAX).await {
                Ok(Ok(body)) => {
                    let sent = decode::jsonp_body(content_type, &body);
                    send(front, &exchange, session, &sent).await
                }
                _ => refuse(front, &request, SockJsError::RequestTooLarge),
            }
        }
    }
}

fn iframe(front: &Front, request: &HttpRequest) -> Outcome {
    let options = front.options();
    let Some(page) = &options.sockjs_page else {
        return refuse(front, request, SockJsError::NoIframe);
    };
    let (status, headers, body) = page.answer(&read(request));
    log_access(request, None, status, "");
    Outcome::Held(border::response_out(status, None, &headers).body(body))
}

/// Lets a poll wait for its session's answer; the first one opens the session.
async fn poll(
    front: &Rc<Front>,
    exchange: Exchange,
    session: SessionId,
    wrapping: Wrapping,
) -> Outcome {
    let request = exchange.request.clone();
    let name = (std::sync::Arc::as_ptr(&exchange.route) as usize, session);
    let (asking, asked) = oneshot::channel();
    let found = front.broker.polled_sessions().find_or_take(name);
    let leaving = match found {
        Found::Open(reached) => {
            reached.tell(SocketEvent::Poll(asking));
            Some(LeaveOnDrop(reached))
        }
        Found::Opening => {
            let body = wrapping.body(&Close::still_open().frame());
            return answer(&request, 200, Some(wrapping.content_type()), body);
        }
        Found::TooMany => {
            front.edge.counters().refuse(Refused::Connections, 1);
            log::warn!("too many sessions of polling SockJS clients: refused");
            return reply::text(503, "too-many-sockjs-sessions", "Too many sessions.").into();
        }
        Found::New(place) => {
            let begun = begin(front, exchange, &wrapping, (place, asking)).await;
            if let Err(outcome) = begun {
                return opened(&request, *outcome);
            }
            None
        }
    };
    let told = asked.await;
    drop(leaving);
    told_of_poll(
        front,
        &request,
        &wrapping,
        told.unwrap_or(Err(SockJsError::Terminated)),
    )
}

async fn begin(
    front: &Rc<Front>,
    mut exchange: Exchange,
    wrapping: &Wrapping,
    (place, asking): (Place, Asking),
) -> Result<(), Box<Outcome>> {
    let query = exchange.request.query_string();
    let query = match wrapping {
        Wrapping::Xhr => query.to_owned(),
        Wrapping::Jsonp(_) => Callback::cut_from(query),
    };
    exchange.speech = Speech::Polled(backend_path(&exchange, false, &query));
    ends_here(&mut exchange);
    let exchange = Rc::new(exchange);
    let accepted = websocket::connect(front, &exchange).await?;
    let begun = websocket::begin_polled(front, &exchange, accepted, (place, asking)).await;
    begun.map_err(|error| Box::new(reply::not_joined(error).into()))
}

fn told_of_poll(front: &Front, request: &HttpRequest, wrapping: &Wrapping, told: Reply) -> Outcome {
    match told {
        Ok(frame) => {
            let body = wrapping.body(&frame);
            answer(request, 200, Some(wrapping.content_type()), body)
        }
        Err(error) => refuse(front, request, error),
    }
}

/// Tells a session that the client of its poll has gone, if it goes before the answer.
struct LeaveOnDrop(Reached);

impl Drop for LeaveOnDrop {
    fn drop(&mut self) {
        self.0.tell(SocketEvent::PollGone);
    }
}

/// Takes a client's messages to its session.
async fn send(front: &Front, exchange: &Exchange, session: SessionId, payload: &[u8]) -> Outcome {
    let request = &exchange.request;
    let name = (std::sync::Arc::as_ptr(&exchange.route) as usize, session);
    let Some(reached) = front.broker.polled_sessions().find(&name) else {
        return refuse(front, request, SockJsError::NotFound);
    };
    let messages = match decode::messages(payload) {
        Ok(messages) => messages,
        Err(error) => return refuse(front, request, error),
    };
    let (asking, asked) = oneshot::channel();
    reached.tell(SocketEvent::ClientSent(messages, asking));
    match asked.await.unwrap_or(Err(SockJsError::NotFound)) {
        Ok(sent) if sent == SENT => answer(request, 200, Some("text/plain"), sent),
        Ok(close) => answer(request, 200, Some("text/plain"), Wrapping::Xhr.body(&close)),
        Err(error) => refuse(front, request, error),
    }
}

fn answer(
    request: &HttpRequest,
    status: u16,
    content_type: Option<&'static str>,
    body: Bytes,
) -> Outcome {
    log_access(request, None, status, "");
    let headers = pages::headers(&read(request), content_type);
    let mut builder = border::response_out(status, None, &headers);
    Outcome::Held(match status {
        204 => builder.finish(),
        _ => builder.body(body),
    })
}

fn refuse(front: &Front, request: &HttpRequest, error: SockJsError) -> Outcome {
    front.edge.counters().refuse(Refused::SockJs, 1);
    log_access(request, None, error.status(), error.code());
    let answer = reply::text(error.status(), error.code(), &error.to_string());
    opened(request, answer.into())
}

/// Lets pages of any origin read an answer.
fn opened(request: &HttpRequest, outcome: Outcome) -> Outcome {
    let (Outcome::Response(mut response) | Outcome::Held(mut response)) = outcome else {
        return outcome;
    };
    let mut headers = HeaderMap::new();
    pages::open(&read(request), &mut headers);
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    remove(&mut response, "cache-control");
    border::append_out(&mut response, &headers);
    Outcome::Held(response)
}

fn remove(response: &mut HttpResponse, name: &str) {
    response.headers_mut().remove(name);
}
