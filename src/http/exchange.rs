//! One request being answered: what is known about it, what may become of it, and what its worker shares.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use log::{Level, LevelFilter};

use super::{
    border, http2,
    link_sharing::LinkSharing,
    present::Asked,
    reply::{Manners, OwnAnswer},
    slot::Slot,
    turns::Turns,
    upstream::Pool,
    worker_options::LastSeen,
};
use crate::{
    actors::{broker::Broker, edge::Edge, ports::Fetch, session::SessionState},
    engine::{
        request_id::RequestIds,
        route::{Route, TargetKind},
    },
};

/// What request handlers of a worker share.
pub struct Front {
    /// The broker.
    pub broker: Broker,
    /// Its part on this thread.
    pub edge: Rc<Edge>,
    /// The way to backends.
    pub fetch: Rc<dyn Fetch>,
    /// The pool behind it.
    pub pool: Pool,
    /// Next links that sessions ask together.
    pub link_sharing: LinkSharing,
    /// Requests of P-8's own at a time.
    pub turns: Turns,
    /// The options that it has seen last.
    pub(super) seen: LastSeen,
    /// Ids of requests that have none.
    pub request_ids: RequestIds,
    /// Signatures made this second, by route.
    pub signatures: RefCell<HashMap<usize, (u64, http::HeaderValue)>>,
}

/// What became of a request.
pub enum Outcome {
    /// The socket was taken; the returned response never leaves.
    Parked,
    /// This is the response; it is yet to be presented.
    Response(HttpResponse),
    /// This is the response as it leaves: a stream, or what a hold was answered with.
    Held(HttpResponse),
    /// It was held on an HTTP/2 stream, and is to be asked again.
    Again,
}

impl From<OwnAnswer> for Outcome {
    fn from(answer: OwnAnswer) -> Self {
        Self::Response(answer.response)
    }
}

/// A client's request and what is known about it.
pub struct Exchange {
    /// The request.
    pub request: HttpRequest,
    /// Its connection, if it is one of P-8's own listener.
    pub slot: Option<Rc<Slot>>,
    /// Its stream, if it came over HTTP/2 to P-8's own listener.
    pub stream: Option<Rc<http2::Stream>>,
    /// Its route.
    pub route: Arc<Route>,
    /// It came over TLS, here or at a proxy that is believed.
    pub is_secure: bool,
    /// Its client is a GRIP proxy that proved itself: it follows instructions, P-8 does not.
    pub is_trusted: bool,
    /// The id that it goes by.
    pub request_id: Option<http::HeaderValue>,
    /// How errors are told.
    pub manners: Manners,
    /// How the answer is shown to pages of other origins, and what is asked instead for that.
    pub asked: Asked,
    /// How its client would speak WebSocket.
    pub speech: Speech,
}

/// How a client speaks WebSocket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Speech {
    /// As it is.
    #[default]
    Plain,
    /// In SockJS's frames; its backend is asked for this path and query.
    Framed(String),
    /// As it is, by a SockJS client; likewise.
    Raw(String),
    /// By SockJS's polls; likewise.
    Polled(String),
}

impl Exchange {
    /// Returns what its session knows of a hold, if its client is P-8's own.
    pub fn state(&self) -> Option<&Rc<RefCell<SessionState>>> {
        match (&self.slot, &self.stream) {
            (Some(slot), _) => Some(&slot.state),
            (None, stream) => stream.as_ref().map(|stream| &stream.state),
        }
    }

    /// Tells whether its client can be given a WebSocket.
    pub fn can_be_socket(&self) -> bool {
        let stream = self.stream.as_ref();
        self.slot.is_some() || stream.is_some_and(|stream| stream.is_socket())
    }

    /// Returns the method that the backend is asked with.
    pub fn method(&self) -> http::Method {
        match &self.asked.rewritten {
            Some(rewritten) => rewritten.method.clone(),
            None => border::method_in(self.request.method()),
        }
    }

    /// Returns the path and query that the backend is asked for, before the route's edits.
    pub fn path_and_query(&self) -> &str {
        match (&self.speech, &self.asked.rewritten) {
            (Speech::Framed(path) | Speech::Raw(path) | Speech::Polled(path), _) => path,
            (Speech::Plain, Some(rewritten)) => &rewritten.path_and_query,
            (Speech::Plain, None) => border::path_and_query(&self.request),
        }
    }

    /// Copies the headers that the backend is sent, before they are edited; the host is that of the
    /// target if it names one, as in HTTP/2.
    pub fn headers(&self) -> http::HeaderMap {
        let headers = border::headers_in(self.request.headers());
        let mut headers = match &self.asked.rewritten {
            Some(rewritten) => rewritten.merge_headers(headers),
            None => headers,
        };
        if let Some(authority) = self.request.uri().authority() {
            let host = http::HeaderValue::from_str(authority.as_str());
            headers.extend(host.ok().map(|host| (http::header::HOST, host)));
        }
        headers
    }
}

/// Returns a request's connection, if it is one of P-8's own listener that speaks HTTP/1.
pub fn slot_of(request: &HttpRequest) -> Option<Rc<Slot>> {
    request.extensions().get::<Rc<Slot>>().cloned()
}

/// Returns a request's stream, if it came over HTTP/2 to P-8's own listener.
pub fn stream_of(request: &HttpRequest) -> Option<Rc<http2::Stream>> {
    request.extensions().get::<Rc<http2::Stream>>().cloned()
}

/// What the lines of a request in the access log say besides; kept with the request.
struct LogBy {
    route: Option<Arc<Route>>,
    id: Option<http::HeaderValue>,
}

/// The target of the access log's lines.
const ACCESS: &str = "p8::access";
/// Longest `traceparent` that is logged, in bytes; the standard's have 55.
const TRACEPARENT_BYTES_MAX: usize = 128;

/// Lets a request's lines in the access log be as its route says, and name its id.
pub fn log_by(request: &HttpRequest, route: Option<&Arc<Route>>, id: Option<&http::HeaderValue>) {
    let route = route.filter(|route| route.id.is_some() || route.log_level != LevelFilter::Info);
    let level = route.map_or(Some(Level::Info), |route| route.log_level.to_level());
    let is_logged = level.is_some_and(|level| log::log_enabled!(target: ACCESS, level));
    // Whoever is not logged is remembered only if its lines would be otherwise.
    let id = id.filter(|_| is_logged).cloned();
    if route.is_some() || id.is_some() {
        let route = route.cloned();
        request.extensions_mut().insert(LogBy { route, id });
    }
}

/// Writes the access log's line for a request.
pub fn log_access(request: &HttpRequest, target: Option<&TargetKind>, code: u16, reason: &str) {
    let extensions = request.extensions();
    let by = extensions.get::<LogBy>();
    let route = by.and_then(|by| by.route.as_deref());
    let level = route.map_or(Some(Level::Info), |route| route.log_level.to_level());
    let Some(level) = level else { return };
    let route = route.and_then(|route| route.id.as_deref());
    let id = by.and_then(|by| by.id.as_ref()?.to_str().ok());
    let traceparent = request.headers().get("traceparent");
    let traceparent = traceparent
        .filter(|value| value.len() <= TRACEPARENT_BYTES_MAX)
        .and_then(|value| value.to_str().ok());
    let slot = extensions.get::<Rc<Slot>>().map(|slot| &slot.state);
    let stream = || Some(&extensions.get::<Rc<http2::Stream>>()?.state);
    let state = slot.or_else(stream);
    let retry = state.is_some_and(|state| state.borrow().is_retried());
    log::log!(target: ACCESS, level,
        method = request.method().as_str(), uri:% = request.uri(),
        backend = target.map(ToString::to_string).unwrap_or_default().as_str(),
        route = route.unwrap_or_default(), code, reason, retry,
        request_id = id.unwrap_or_default(), traceparent = traceparent.unwrap_or_default();
        "request");
}
