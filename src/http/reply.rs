//! The only place where errors become statuses and bodies that clients see.
//!
//! Texts are Pushpin's where Pushpin has one. Every answer that P-8 makes itself carries
//! `P8-Reason: <stable word>`, and the same word is in the log. Source: `docs/operations.md#reason-codes`.

use actix_web::{
    http::{header, StatusCode},
    HttpResponse, HttpResponseBuilder,
};

use super::pages;
use crate::{
    actors::{edge::JoinError, ports::FetchError, upstream::Unanswered},
    engine::{framing::FramingError, route::TargetKind, zmq::zhttp::Condition},
    grip::{status, InstructError},
};

/// The header that names why P-8 answered itself.
pub const REASON_HEADER: &str = "P8-Reason";

/// How a client wants to be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manners {
    /// Errors explain themselves.
    pub debug: bool,
    /// The client is a browser.
    pub wants_html: bool,
    /// The client may see which backends were tried: it is on this machine, or the route is debugged.
    pub may_see_targets: bool,
    /// The demo is mounted where pages lead to.
    pub offer_demo: bool,
}

/// An answer of P-8's own, and the word for it.
pub struct OwnAnswer {
    /// The stable word, for the log.
    pub reason: &'static str,
    /// The answer.
    pub response: HttpResponse,
}

/// Answers with a line of text.
pub fn text(code: u16, reason: &'static str, line: &str) -> OwnAnswer {
    let mut body = line.to_owned();
    body.push('\n');
    own(code, reason, pages::TEXT, body)
}

fn own(code: u16, reason: &'static str, content_type: &'static str, body: String) -> OwnAnswer {
    let mut builder = begin(code);
    builder
        .insert_header((REASON_HEADER, reason))
        .insert_header(("Content-Type", content_type))
        .insert_header(("Cache-Control", "no-store"));
    if content_type == pages::HTML {
        page_headers(&mut builder);
    }
    OwnAnswer {
        reason,
        response: builder.body(body),
    }
}

fn begin(code: u16) -> HttpResponseBuilder {
    let known = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::build(known);
    builder.reason(status::canonical(code));
    builder
}

/// Sets what every page of P-8 is sent with.
pub fn page_headers(builder: &mut HttpResponseBuilder) {
    builder
        .insert_header(("Content-Security-Policy", pages::CONTENT_SECURITY_POLICY))
        .insert_header(("X-Content-Type-Options", "nosniff"));
}

/// A request that is not HTTP as P-8 reads it; the connection is closed after the answer.
pub fn malformed(error: &FramingError) -> OwnAnswer {
    closing(text(error.status(), error.code(), &error.to_string()))
}

/// A WebSocket handshake in somebody else's server, whose sockets are not P-8's to take.
pub fn no_websockets() -> OwnAnswer {
    let line = "WebSockets are not served here.";
    closing(text(501, "websocket-not-served", line))
}

/// What asks for a WebSocket and is no handshake.
pub fn bad_handshake() -> OwnAnswer {
    let line =
        "Request contained an Upgrade header with value \"websocket\" but the request was not \
        a valid WebSocket request.";
    closing(text(400, "bad-handshake", line))
}

/// A client that sends a WebSocket's events itself.
pub fn events_not_allowed() -> OwnAnswer {
    let line = "Client not allowed to send WebSocket events directly.";
    text(403, "events-not-allowed", line)
}

fn closing(mut answer: OwnAnswer) -> OwnAnswer {
    let head = answer.response.head_mut();
    head.set_connection_type(actix_http::ConnectionType::Close);
    answer
}

/// One more stream than `client_maxconn` lets in.
pub fn too_many_connections() -> OwnAnswer {
    soon(text(503, "too-many-connections", "Too many connections."))
}

/// Says that it is worth trying again, and when.
fn soon(mut answer: OwnAnswer) -> OwnAnswer {
    let headers = answer.response.headers_mut();
    headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    answer
}

/// As many requests wait for the backend as may.
fn busy(reason: &'static str, manners: Manners) -> OwnAnswer {
    let (content_type, body) = pages::busy(reason, manners.wants_html);
    soon(own(503, reason, content_type, body))
}

/// The request has been here before.
pub fn looped() -> OwnAnswer {
    text(508, "loop-detected", "Loop detected")
}

/// No route takes the request.
pub fn no_route(manners: Manners) -> OwnAnswer {
    let (content_type, body) = pages::no_route(manners.wants_html);
    own(502, "no-route", content_type, body)
}

/// No backend answered.
pub fn unanswered(unanswered: &Unanswered, manners: Manners) -> OwnAnswer {
    let Unanswered { error, tried } = unanswered;
    if let FetchError::RequestBodyCut { .. } = error {
        return bad_body(error.code());
    }
    if error.is_busy() {
        return busy(error.code(), manners);
    }
    if let Some(answer) = from_zmq(error, manners) {
        return answer;
    }
    let code = match error {
        FetchError::AnswerTimeout | FetchError::RequestTimeout => 504,
        _ => 502,
    };
    if let (true, FetchError::AddressBlocked { .. }) = (manners.debug, error) {
        return text(code, error.code(), "Error: Origin host/IP blocked.");
    }
    let tried: Vec<_> = tried.iter().map(TargetKind::to_string).collect();
    if manners.debug && !manners.wants_html && error.before_sending() {
        let line = format!(
            "Unable to connect to any targets. Tried: {}",
            tried.join(", ")
        );
        return text(code, error.code(), &line);
    }
    let (content_type, body) = pages::bad_gateway(&pages::BadGateway {
        what_tried: if manners.may_see_targets {
            tried
        } else {
            Vec::new()
        },
        reason_code: error.code(),
        reason_text: &error.to_string(),
        offer_demo: manners.offer_demo,
        wants_html: manners.wants_html,
    });
    own(code, error.code(), content_type, body)
}

/// What only ZeroMQ backends do, in Pushpin's words.
fn from_zmq(error: &FetchError, manners: Manners) -> Option<OwnAnswer> {
    let explanation = match error {
        FetchError::LengthRequired { .. } => {
            let line = "Must provide Content-Length header.";
            return Some(text(411, error.code(), line));
        }
        FetchError::TooLargeForZhttpreq => {
            let line = "Request body too large for its backend.";
            return Some(text(413, error.code(), line));
        }
        FetchError::ZhttpUnreachable { .. } => "Error: zhttp service for route is unreachable.",
        FetchError::ZhttpreqWebSocket { .. } => "WebSockets cannot be used with zhttpreq target",
        FetchError::ZhttpCondition {
            condition: Condition::PolicyViolation,
            ..
        } => "Error: Origin host/IP blocked.",
        _ => return None,
    };
    manners.debug.then(|| text(502, error.code(), explanation))
}

/// The backend's answer broke off, or P-8's own part crashed on it.
pub fn bad_backend(reason: &'static str, explanation: &str, manners: Manners) -> OwnAnswer {
    if manners.debug {
        return text(502, reason, explanation);
    }
    text(502, reason, "Error while proxying to origin.")
}

/// The backend's instructions cannot be followed.
pub fn bad_instruct(error: &InstructError, manners: Manners) -> OwnAnswer {
    let explanation = format!("Failed to parse accept instructions: {error}");
    bad_backend(error.code(), &explanation, manners)
}

/// The request is too large to be held.
pub fn request_too_large() -> OwnAnswer {
    text(
        400,
        "request-too-large-to-hold",
        "Request too large to accept GRIP instruct.",
    )
}

/// The client's body broke off.
pub fn bad_body(reason: &'static str) -> OwnAnswer {
    let line = "Failed to parse request: the body ended too early";
    text(400, reason, line)
}

/// The session could not be subscribed.
pub fn not_joined(error: JoinError) -> OwnAnswer {
    let reason = match error {
        JoinError::HubUnavailable => "hub-unavailable",
        JoinError::ChannelUnavailable => "channel-unavailable",
    };
    soon(text(503, reason, "Accept service unavailable."))
}
