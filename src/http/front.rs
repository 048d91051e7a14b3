//! The front of the proxy: where a worker's requests come in, and what their handlers share.
//!
//! It finds a request's route and refuses what nobody serves. Not its concern: how a backend is asked
//! (`proxy`), what a hold does (`hold`), what errors look like (`reply`). Source:
//! `docs/life-of-a-request.md`.

use std::{
    cell::RefCell,
    future::{poll_fn, Future},
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
};

use actix_web::{
    body::{BodySize, MessageBody},
    http::header,
    web::{self, ServiceConfig},
    FromRequest, HttpRequest, HttpResponse,
};
use http::HeaderValue;

use super::{
    border, builtin,
    exchange::{log_access, log_by, slot_of, stream_of, Exchange, Front, Outcome, Speech},
    http2,
    link_sharing::LinkSharing,
    present::Asked,
    proxy::unix_secs,
    reply::{self, Manners, OwnAnswer},
    slot::Slot,
    sockjs, tunnel,
    turns::Turns,
    websocket,
    worker_options::{pool, LastSeen, WorkerOptions},
    zmq::WithDealers,
};
use crate::{
    actors::broker::Broker,
    engine::{
        forward,
        framing::FramingError,
        request_id::{self, RequestIds},
        route::{Proto, Query, Route, TargetKind},
    },
    grip::ws::events,
    stats::counters::{Counters, Refused, Total},
};

/// Mounts the proxy as an actix-web app's default service: whatever the app does not serve itself goes
/// to the broker's routes.
pub fn proxy(broker: &Broker) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let broker = broker.clone();
    move |config| {
        config.app_data(Front::new(broker.clone()));
        config.default_service(web::to(handle));
    }
}

async fn handle(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let Some(front) = request.app_data::<Rc<Front>>().cloned() else {
        return HttpResponse::InternalServerError().finish();
    };
    let slot = slot_of(&request);
    if !slot.as_ref().is_some_and(is_retry) {
        front.edge.counters().add(Total::Requests, 1);
    }
    let is_http10 = request.version() == actix_web::http::Version::HTTP_10;
    let outcome = match (slot, stream_of(&request)) {
        (None, Some(stream)) => front.answer_or_cut(&stream, request, payload).await,
        (slot, _) => front.answer(request, payload, (slot, None)).await,
    };
    let mut response = match outcome {
        Outcome::Parked | Outcome::Again => return HttpResponse::Ok().finish(),
        Outcome::Response(response) | Outcome::Held(response) => response,
    };
    response.head_mut().set_camel_case_headers(true);
    if front.edge.is_draining() {
        let close = actix_http::ConnectionType::Close;
        response.head_mut().set_connection_type(close);
    }
    if is_http10 && response.body().size() == BodySize::Stream {
        // Its end can only be told by closing.
        response.head_mut().no_chunking(true);
        response
            .head_mut()
            .set_connection_type(actix_http::ConnectionType::Close);
    }
    response
}

/// Refuses what makes no request, or none that may come so slowly.
pub(super) fn refuse(
    counters: &Counters,
    peer: Option<SocketAddr>,
    refusal: &FramingError,
) -> HttpResponse {
    let kind = match refusal.is_slow() {
        true => Refused::Slow,
        false => Refused::Request,
    };
    counters.refuse(kind, 1);
    log::info!(target: "p8::access", peer:?, code = refusal.status(),
        reason = refusal.code(); "request refused");
    reply::malformed(refusal).response
}

impl Front {
    fn new(broker: Broker) -> Rc<Self> {
        let seen = LastSeen::new(&broker);
        let options = seen.options();
        let edge = broker.edge();
        let pool = pool(&options.backend, edge.targets());
        let counters = edge.counters().clone();
        Rc::new(Self {
            fetch: Rc::new(WithDealers::new(Rc::new(pool.clone()), &broker, counters)),
            pool,
            edge,
            broker,
            link_sharing: LinkSharing::default(),
            turns: Turns::new(options.turns()),
            seen,
            request_ids: RequestIds::new(uuid::Uuid::new_v4().as_u128()),
            signatures: RefCell::default(),
        })
    }

    /// Answers a stream's request, or refuses it if its body takes too long before there is an answer.
    async fn answer_or_cut(
        self: &Rc<Self>,
        stream: &Rc<http2::Stream>,
        request: HttpRequest,
        payload: web::Payload,
    ) -> Outcome {
        let mut answer = pin!(self.answer_stream(stream, request, payload));
        let outcome = poll_fn(|cx| match stream.poll_silence(cx) {
            Poll::Ready(()) => {
                let late = refuse(
                    self.edge.counters(),
                    stream.peer,
                    &FramingError::BodyTooSlow,
                );
                Poll::Ready(Outcome::Response(late))
            }
            Poll::Pending => answer.as_mut().poll(cx),
        })
        .await;
        stream.begin_response();
        outcome
    }

    /// Answers a stream's request, which may have to be asked again while it is held.
    async fn answer_stream(
        self: &Rc<Self>,
        stream: &Rc<http2::Stream>,
        request: HttpRequest,
        mut payload: web::Payload,
    ) -> Outcome {
        loop {
            let came_by = (None, Some(stream.clone()));
            let outcome = self.answer(request.clone(), payload, came_by).await;
            if !matches!(outcome, Outcome::Again) {
                let mut state = stream.state.borrow_mut();
                if !state.is_held() {
                    state.answered();
                }
                return outcome;
            }
            let mut again = stream.body_again();
            match web::Payload::from_request(&request, &mut again).await {
                Ok(again) => payload = again,
                Err(_) => return outcome,
            }
        }
    }

    async fn answer(
        self: &Rc<Self>,
        request: HttpRequest,
        payload: web::Payload,
        (slot, stream): (Option<Rc<Slot>>, Option<Rc<http2::Stream>>),
    ) -> Outcome {
        let options = self.options();
        let mut manners = manners(&request);
        let request_id = self.request_id(&request, &options);
        if is_loop(&request, &options) {
            log_by(&request, None, request_id.as_ref());
            return self.refuse_unrouted(&request, Refused::Loop, reply::looped());
        }
        let is_tls = match (&slot, &stream) {
            (Some(slot), _) => slot.is_secure(),
            (None, Some(stream)) => stream.is_secure,
            (None, None) => request.app_config().secure(),
        };
        let is_secure = is_tls || is_said_to_be_secure(&request, &options);
        let Some(route) = route(&request, is_secure, &options) else {
            let answer = reply::no_route(manners);
            log_by(&request, None, request_id.as_ref());
            return self.refuse_unrouted(&request, Refused::NoRoute, answer);
        };
        log_by(&request, Some(&route), request_id.as_ref());
        manners.debug = route.debug || options.backend.debug;
        manners.may_see_targets |= manners.debug;
        manners.offer_demo = options.offers_demo;
        let mut exchange = Exchange {
            request,
            slot,
            stream,
            route,
            is_secure,
            is_trusted: false,
            request_id,
            manners,
            asked: Asked::default(),
            speech: Speech::Plain,
        };
        exchange.is_trusted = self.is_trusted(&exchange, &options);
        let is_websocket = wants_websocket(&exchange.request);
        if is_websocket || sockjs::is_asked(&exchange.request, &exchange.route) {
            // Boxed, so that what is rare does not make every request's future large.
            return Box::pin(self.speak(exchange, is_websocket, payload)).await;
        }
        if !exchange.is_trusted && is_event_post(&exchange.request, &exchange.route) {
            self.edge.counters().refuse(Refused::Events, 1);
            log_access(&exchange.request, None, 403, "events-not-allowed");
            return reply::events_not_allowed().into();
        }
        let (asked, error) = Asked::of(&exchange.request, &exchange.route);
        manners.wants_html &= asked.rewritten.is_none();
        let presentation = asked.presentation.clone();
        (exchange.asked, exchange.manners) = (asked, manners);
        let outcome = match error {
            Some(error) => self.refuse_jsonp(&exchange.request, error),
            None => self.exchange(exchange, payload).await,
        };
        match presentation {
            None => outcome,
            Some(shown) => Box::pin(self.present(outcome, &shown, manners)).await,
        }
    }

    fn refuse_unrouted(
        &self,
        request: &HttpRequest,
        refused: Refused,
        answer: OwnAnswer,
    ) -> Outcome {
        self.edge.counters().refuse(refused, 1);
        let code = answer.response.status().as_u16();
        log_access(request, None, code, answer.reason);
        answer.into()
    }

    /// Answers a client that speaks WebSocket, by itself or through SockJS.
    async fn speak(
        self: &Rc<Self>,
        exchange: Exchange,
        is_websocket: bool,
        payload: web::Payload,
    ) -> Outcome {
        match (
            sockjs::is_asked(&exchange.request, &exchange.route),
            is_websocket,
        ) {
            (false, _) => websocket::open(self, exchange).await,
            (true, true) => sockjs::open(self, exchange).await,
            (true, false) => sockjs::serve(self, exchange, payload).await,
        }
    }

    async fn exchange(self: &Rc<Self>, exchange: Exchange, payload: web::Payload) -> Outcome {
        match exchange.route.targets.first().map(|target| &target.kind) {
            // Boxed, so that what is rare does not make every request's future large.
            Some(TargetKind::Test) => Box::pin(builtin::test(self, exchange)).await,
            Some(TargetKind::Demo) => Box::pin(builtin::demo(self, exchange, payload)).await,
            _ if tunnel::is_wanted(&exchange) => Box::pin(self.tunnel(exchange)).await,
            _ => self.forward(exchange, payload).await,
        }
    }

    /// Returns the id that a request goes by.
    fn request_id(&self, request: &HttpRequest, options: &WorkerOptions) -> Option<HeaderValue> {
        let said = request.headers().get(request_id::NAME.as_str());
        let mode = options.backend.forward.request_ids;
        self.request_ids.id(mode, said.map(|id| id.as_bytes()))
    }

    /// Tells whether the client is a GRIP proxy that proves itself.
    fn is_trusted(&self, exchange: &Exchange, options: &WorkerOptions) -> bool {
        let options = &options.backend.forward;
        let grip_sig = exchange.request.headers().get("grip-sig");
        let Some(grip_sig) = grip_sig.filter(|_| options.upstream_key.is_some()) else {
            return false;
        };
        let is_trusted = forward::is_trusted(Some(grip_sig.as_bytes()), options, unix_secs());
        if !is_trusted {
            log::debug!("a Grip-Sig does not verify: its client is not trusted");
        } else if !exchange
            .state()
            .is_some_and(|state| state.borrow().is_retried())
        {
            self.edge.counters().add(Total::Trusted, 1);
        }
        is_trusted
    }
}

fn route(request: &HttpRequest, is_secure: bool, options: &WorkerOptions) -> Option<Arc<Route>> {
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let host = authority.or_else(|| request.headers().get(header::HOST)?.to_str().ok());
    let is_accepted = options.backend.forward.accept_pushpin_route;
    let id = is_accepted.then(|| request.headers().get("pushpin-route"));
    let id = id.flatten().map(|id| id.to_str().unwrap_or("?"));
    let query = Query {
        host: host.unwrap_or_default(),
        path: request.uri().path(),
        proto: match wants_websocket(request) {
            true => Proto::Ws,
            false => Proto::Http,
        },
        ssl: is_secure,
        id: id.map(str::trim),
    };
    options.routes.find(&query)
}

fn is_loop(request: &HttpRequest, options: &WorkerOptions) -> bool {
    let seen = request.headers().get_all("cdn-loop");
    forward::is_loop(seen.map(|value| value.as_bytes()), &options.backend.forward)
}

/// Tells whether a proxy in front says that the client's connection is secure, and is believed.
fn is_said_to_be_secure(request: &HttpRequest, options: &WorkerOptions) -> bool {
    let options = &options.backend.forward;
    options.accept_x_forwarded_protocol
        && forward::is_secure(&border::headers_in(request.headers()), false, options)
}

fn is_retry(slot: &Rc<Slot>) -> bool {
    slot.state.borrow().is_retried()
}

/// Tells whether a request is a WebSocket handshake, in whoever's server it arrived.
fn wants_websocket(request: &HttpRequest) -> bool {
    let upgrade = request.headers().get(header::UPGRADE);
    upgrade
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// Tells whether a client sends events of a WebSocket by itself to a backend that would believe them.
fn is_event_post(request: &HttpRequest, route: &Route) -> bool {
    let is_post = *request.method() == actix_web::http::Method::POST;
    if !is_post || !route.targets.iter().any(|target| target.over_http) {
        return false;
    }
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next());
    media_type.is_some_and(|found| found.trim().eq_ignore_ascii_case(events::CONTENT_TYPE))
}

fn manners(request: &HttpRequest) -> Manners {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    Manners {
        wants_html: accept.is_some_and(|accept| accept.contains("text/html")),
        may_see_targets: request
            .peer_addr()
            .is_some_and(|peer| peer.ip().is_loopback()),
        ..Manners::default()
    }
}
