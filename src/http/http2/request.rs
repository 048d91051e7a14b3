//! One stream: its request taken to the service that HTTP/1.1 requests reach, and the response back.

use std::{panic::AssertUnwindSafe, rc::Rc};

use actix_http::HttpMessage;
use actix_web::{
    body::{BodySize, MessageBody},
    HttpResponse,
};
use base64::engine::{general_purpose::STANDARD, Engine};
use futures_util::FutureExt;
use http::{
    header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING, UPGRADE},
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response,
};
use http_body::Body as _;
use hyper::{body::Incoming, ext::Protocol};

use super::{
    body::{self, StreamBody},
    connection::{Connection, Served},
    cut::Cut,
    stream::Stream,
};
use crate::{
    engine::framing::{FramingError, SameRequest, StreamHead},
    http::{border, reply},
    stats::counters::{Refused, Total},
};

/// Headers that only mean something on an HTTP/1 connection.
const OF_HTTP1: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Answers a stream's request.
pub(super) async fn answer(
    connection: Rc<Connection>,
    cut: Rc<Cut>,
    request: Request<Incoming>,
) -> Response<StreamBody> {
    let is_head = *request.method() == Method::HEAD;
    let Some(served) = connection.enter(cut) else {
        let answer = reply::too_many_connections();
        return response(answer.response, is_head, None);
    };
    let answered = AssertUnwindSafe(handled(&connection, &served, request)).catch_unwind();
    let answer = match answered.await {
        Ok(answer) => answer,
        Err(panic) => {
            let edge = &connection.http2.edge;
            let consequence = "a session panicked: its client is answered 500";
            edge.crashes().session.note(&*panic, consequence);
            edge.counters().add(Total::SessionPanics, 1);
            reply::text(500, "session-crashed", "Internal error.").response
        }
    };
    served.answered();
    response(answer, is_head, Some(served))
}

async fn handled(
    connection: &Connection,
    served: &Rc<Served>,
    request: Request<Incoming>,
) -> HttpResponse {
    let actix = match taken(connection, served, request) {
        Ok(taken) => taken,
        Err(error) => return refuse(connection, &error),
    };
    let answered = (connection.http2.answer)(actix).await;
    match answered {
        Some(answered) => answered.into_parts().1,
        None => HttpResponse::InternalServerError().finish(),
    }
}

/// Makes of a stream's request the one that the service takes.
fn taken(
    connection: &Connection,
    served: &Rc<Served>,
    mut request: Request<Incoming>,
) -> Result<actix_http::Request, FramingError> {
    let socket = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let protocol = parts.extensions.get::<Protocol>();
    let head = StreamHead {
        method: parts.method,
        uri: parts.uri,
        protocol: protocol.map(|protocol| protocol.as_str().to_owned()),
        headers: parts.headers,
        has_body: !body.is_end_stream(),
    };
    let SameRequest {
        method,
        target,
        mut headers,
        is_websocket,
    } = head.into_same_request(connection.limits.framing)?;
    if is_websocket {
        let key = STANDARD.encode(uuid::Uuid::new_v4().as_bytes());
        let key = HeaderValue::from_str(&key).map_err(|_| FramingError::InvalidHeaderValue)?;
        headers.insert(SEC_WEBSOCKET_KEY, key);
    }
    let actix = border::request_out(&method, &target, &headers);
    let mut actix = actix.ok_or(FramingError::InvalidTarget)?;
    actix.head_mut().version = actix_web::http::Version::HTTP_2;
    actix.head_mut().peer_addr = connection.peer;
    let client = (connection.peer, connection.is_secure);
    let stream = Stream::new(client, is_websocket.then_some(socket), served.clone());
    *actix.payload() = body::payload(body, &stream, connection.limits.patience.body);
    actix.extensions_mut().insert(stream);
    Ok(actix)
}

fn refuse(connection: &Connection, error: &FramingError) -> HttpResponse {
    connection.http2.edge.counters().refuse(Refused::Request, 1);
    log::info!(target: "p8::access", peer:? = connection.peer, code = error.status(),
        reason = error.code(); "request refused");
    reply::malformed(error).response
}

/// Makes of the service's response the one that a stream is sent.
fn response(
    answer: HttpResponse,
    is_head: bool,
    served: Option<Rc<Served>>,
) -> Response<StreamBody> {
    let head = border::response_in(&answer);
    let (_, body) = answer.into_parts();
    let (mut parts, ()) = head.into_parts();
    let length = match body.size() {
        BodySize::None => None,
        BodySize::Sized(length) => Some(length),
        BodySize::Stream => return whole(parts, StreamBody::new(body, None, served)),
    };
    set_length(&mut parts.headers, length);
    let body = match (is_head, length) {
        (true, _) | (_, None | Some(0)) => StreamBody::empty(served),
        (false, length) => StreamBody::new(body, length, served),
    };
    whole(parts, body)
}

fn whole(mut parts: http::response::Parts, body: StreamBody) -> Response<StreamBody> {
    for name in &OF_HTTP1 {
        parts.headers.remove(name);
    }
    Response::from_parts(parts, body)
}

/// The length is what the body says, as with HTTP/1.1.
fn set_length(headers: &mut HeaderMap, length: Option<u64>) {
    match length {
        Some(length) => drop(headers.insert(CONTENT_LENGTH, HeaderValue::from(length))),
        None => drop(headers.remove(CONTENT_LENGTH)),
    }
}
