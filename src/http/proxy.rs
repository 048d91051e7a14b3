//! The proxy: takes a client's request to its backend, and passes the answer on or holds the request.
//!
//! Not its concern: how bytes travel (`body`, `upstream`), what a hold does (`hold`), what errors look
//! like (`reply`). Source: `docs/life-of-a-request.md`.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    http::header,
    web::{self, ServiceConfig},
    HttpRequest, HttpResponse,
};

use super::{
    body::{self, Gathered, Progress, Relay, Tracked},
    border, builtin,
    hold::{self, Client, HoldPlan},
    reply::{self, Manners, OwnAnswer},
    slot::Slot,
    upstream::{Pool, PoolOptions},
};
use crate::{
    actors::{
        broker::Broker,
        edge::Edge,
        ports::{BackendBody, BackendRequest, BackendResponse, Fetch, Informational},
        upstream::{Assignment, Unanswered, Upstream},
    },
    engine::{
        forward::{self, ClientRequest},
        route::{Proto, Query, Route, Target, TargetKind},
        wire,
    },
    grip::{instruct, sig},
    stats::counters::{Refused, Total},
};

/// Most bytes of a request or response body that GRIP looks at.
pub const GRIP_BODY_MAX: usize = 100_000;

/// How long a `Grip-Sig` is good for, in seconds.
const SIG_SECS: u64 = 3_600;

/// Mounts the proxy as an actix-web app's default service: whatever the app does not serve itself goes
/// to the broker's routes.
pub fn proxy(broker: &Broker) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let broker = broker.clone();
    move |config| {
        config.app_data(Front::new(broker.clone()));
        config.default_service(web::to(handle));
    }
}

/// What request handlers of a worker share.
pub struct Front {
    /// The broker.
    pub broker: Broker,
    /// Its part on this thread.
    pub edge: Rc<Edge>,
    fetch: Rc<dyn Fetch>,
    signatures: RefCell<HashMap<usize, (u64, http::HeaderValue)>>,
}

/// What became of a request.
pub enum Outcome {
    /// The socket was taken; the returned response never leaves.
    Parked,
    /// This is the response.
    Response(HttpResponse),
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
    /// Its route.
    pub route: Arc<Route>,
    /// How errors are told.
    pub manners: Manners,
}

async fn handle(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let Some(front) = request.app_data::<Rc<Front>>().cloned() else {
        return HttpResponse::InternalServerError().finish();
    };
    let slot = request.conn_data::<Rc<Slot>>().cloned();
    front.edge.counters().add(Total::Requests, 1);
    let is_http10 = request.version() == actix_web::http::Version::HTTP_10;
    let mut response = match front.answer(request, payload, slot.clone()).await {
        Outcome::Parked => return HttpResponse::Ok().finish(),
        Outcome::Response(response) => response,
    };
    response.head_mut().set_camel_case_headers(true);
    if is_http10 && response.body().size() == BodySize::Stream {
        // Its end can only be told by closing.
        response.head_mut().no_chunking(true);
        response
            .head_mut()
            .set_connection_type(actix_http::ConnectionType::Close);
    }
    match slot {
        Some(slot) => response.map_body(|_, body| BoxBody::new(Tracked::new(body, slot))),
        None => response,
    }
}

impl Front {
    fn new(broker: Broker) -> Rc<Self> {
        let options = &broker.options().backend;
        let fetch = Rc::new(Pool::new(PoolOptions {
            idle_max: options.pool_idle_max,
            idle_limit: options.pool_idle,
            age_limit: options.pool_age,
            connect_timeout: options.connect_timeout,
        }));
        let edge = broker.edge();
        Rc::new(Self {
            broker,
            edge,
            fetch,
            signatures: RefCell::default(),
        })
    }

    async fn answer(
        &self,
        request: HttpRequest,
        payload: web::Payload,
        slot: Option<Rc<Slot>>,
    ) -> Outcome {
        if let Some(refusal) = slot.as_ref().and_then(|slot| slot.take_refusal()) {
            self.edge.counters().refuse(Refused::Request, 1);
            log::info!(target: "p8::access", peer:? = slot.and_then(|slot| slot.peer()), code = refusal.status(),
                reason = refusal.code(); "request refused");
            return reply::malformed(&refusal).into();
        }
        let mut manners = manners(&request);
        let Some(route) = self.route(&request) else {
            self.edge.counters().refuse(Refused::NoRoute, 1);
            let answer = reply::no_route(manners);
            log_access(
                &request,
                None,
                answer.response.status().as_u16(),
                answer.reason,
            );
            return answer.into();
        };
        manners.debug = route.debug || self.broker.options().backend.debug;
        manners.may_see_targets |= manners.debug;
        manners.offer_demo = self.offers_demo();
        if request.headers().get(header::UPGRADE).is_some_and(|value| {
            value
                .to_str()
                .is_ok_and(|value| value.eq_ignore_ascii_case("websocket"))
        }) {
            return reply::no_websockets().into();
        }
        let exchange = Exchange {
            request,
            slot,
            route,
            manners,
        };
        match exchange.route.targets.first().map(|target| &target.kind) {
            Some(TargetKind::Test) => builtin::test(self, exchange).await,
            Some(TargetKind::Demo) => builtin::demo(self, exchange, payload).await,
            _ => self.forward(exchange, payload).await,
        }
    }

    fn route(&self, request: &HttpRequest) -> Option<Arc<Route>> {
        let authority = request
            .uri()
            .authority()
            .map(|authority| authority.as_str());
        let host = authority.or_else(|| request.headers().get(header::HOST)?.to_str().ok());
        let query = Query {
            host: host.unwrap_or_default(),
            path: request.uri().path(),
            proto: Proto::Http,
            ssl: self.is_secure(request),
        };
        self.broker.options().routes.find(&query)
    }

    fn is_secure(&self, request: &HttpRequest) -> bool {
        let options = &self.broker.options().backend.forward;
        options.accept_x_forwarded_protocol
            && forward::is_secure(&border::headers_in(request.headers()), false, options)
    }

    fn offers_demo(&self) -> bool {
        let query = Query {
            host: "localhost",
            path: super::pages::DEMO_PATH,
            proto: Proto::Http,
            ssl: false,
        };
        let route = self.broker.options().routes.find(&query);
        route.is_some_and(|route| {
            route
                .targets
                .first()
                .is_some_and(|target| target.kind == TargetKind::Demo)
        })
    }

    async fn forward(&self, exchange: Exchange, payload: web::Payload) -> Outcome {
        let (body, progress) = match self.request_body(&exchange, payload).await {
            Ok(read) => read,
            Err(_) => return reply::bad_body().into(),
        };
        let Some(assignment) = self.assignment(&exchange, body) else {
            return reply::no_route(exchange.manners).into();
        };
        let (counters, crashes) = (self.edge.counters().clone(), &self.edge.crashes().upstream);
        let result = Upstream::start(assignment, self.fetch.clone(), counters, crashes.clone());
        match result.await {
            Ok(Ok(answered)) => {
                self.edge.counters().add(Total::Proxied, 1);
                let target = exchange
                    .route
                    .targets
                    .iter()
                    .find(|t| t.kind == answered.target);
                let Some(target) = target else {
                    return reply::no_route(exchange.manners).into();
                };
                self.on_response(&exchange, target, answered.response, &progress)
                    .await
            }
            Ok(Err(unanswered)) => self.on_unanswered(&exchange, &unanswered),
            Err(_) => {
                let why = "the request's upstream crashed";
                reply::bad_backend("upstream-crashed", why, exchange.manners).into()
            }
        }
    }

    fn on_unanswered(&self, exchange: &Exchange, unanswered: &Unanswered) -> Outcome {
        self.edge.counters().refuse(Refused::Backend, 1);
        let answer = reply::unanswered(unanswered, exchange.manners);
        let code = answer.response.status().as_u16();
        log::warn!(route:? = exchange.route.id, error:% = unanswered.error, reason = answer.reason;
            "no backend answered");
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
        let headers = exchange.request.headers();
        let length = headers.get(header::CONTENT_LENGTH).map(|length| {
            length
                .to_str()
                .ok()
                .and_then(|length| length.parse::<u64>().ok())
                .unwrap_or(0)
        });
        if length.is_none() && !headers.contains_key(header::TRANSFER_ENCODING) {
            return Ok((BackendBody::Empty, body::no_body()));
        }
        body::request_body(payload.into_inner(), length).await
    }

    /// Makes the request for the first target, and the hosts of the others.
    fn assignment(&self, exchange: &Exchange, body: BackendBody) -> Option<Assignment> {
        let Exchange {
            request,
            slot,
            route,
            ..
        } = exchange;
        let (first, others) = route.targets.split_first()?;
        let options = &self.broker.options().backend;
        let mut headers = border::headers_in(request.headers());
        if let Some(authority) = request.uri().authority() {
            let host = http::HeaderValue::from_str(authority.as_str()).ok()?;
            headers.insert(http::header::HOST, host);
        }
        let client_host = headers.get(http::header::HOST).cloned();
        let others = others
            .iter()
            .map(|other| {
                (
                    other.kind.clone(),
                    forward::host(client_host.as_ref(), route, other),
                )
            })
            .collect();
        let method = border::method_in(request.method());
        let secure = options.forward.accept_x_forwarded_protocol
            && forward::is_secure(&headers, false, &options.forward);
        let client_method = method.clone();
        let forwarded = forward::request(
            ClientRequest {
                method: &client_method,
                path_and_query: request
                    .uri()
                    .path_and_query()
                    .map_or("/", |path| path.as_str()),
                headers,
                peer: request.peer_addr().map(|peer| peer.ip()),
                secure,
                trusted: false,
            },
            route,
            first,
            &options.forward,
            self.signature(route),
        );
        let uri = forwarded.path_and_query.into_owned();
        let request = BackendRequest {
            target: first.kind.clone(),
            method,
            uri,
            headers: forwarded.headers,
            body,
        };
        let informational = slot.clone().map(|slot| self.pass_on_interim(slot));
        Some(Assignment {
            request,
            others,
            timeout: options.response_timeout,
            informational,
        })
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
    fn signature(&self, route: &Arc<Route>) -> Option<http::HeaderValue> {
        let signing = forward::sig(route, &self.broker.options().backend.forward)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
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

    async fn on_response(
        &self,
        exchange: &Exchange,
        target: &Target,
        response: BackendResponse,
        progress: &Rc<Progress>,
    ) -> Outcome {
        if exchange.route.no_grip || !instruct::is_instruct(&response.headers) {
            log_access(&exchange.request, Some(&target.kind), response.status, "");
            return Outcome::Response(relay(exchange, response));
        }
        let BackendResponse {
            status,
            reason,
            headers,
            body,
        } = response;
        let (whole, rest) = match body::gather(body, GRIP_BODY_MAX).await {
            Ok(Gathered::Whole(whole)) => (whole, None),
            Ok(Gathered::TooLarge(first, rest)) => (first, Some(rest)),
            Err(error) => {
                return reply::bad_backend("body-cut", &error.to_string(), exchange.manners).into()
            }
        };
        let mut instruct = match instruct::parse(status, reason.as_deref(), &headers, whole) {
            Ok(instruct) => instruct,
            Err(error) => {
                self.edge.counters().refuse(Refused::Instruct, 1);
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
        let client = Client::of(exchange, progress.is_ended());
        let plan = HoldPlan {
            route: &exchange.route,
            target,
            instruct,
            rest,
        };
        if plan.instruct.hold.is_some() && !progress.is_ended_within(GRIP_BODY_MAX as u64) {
            return reply::request_too_large().into();
        }
        hold::follow(self, client, plan, exchange.manners).await
    }
}

/// Passes a backend's response on as it arrives.
fn relay(exchange: &Exchange, response: BackendResponse) -> HttpResponse {
    let BackendResponse {
        status,
        reason,
        mut headers,
        body,
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
    builder.body(Relay::new(
        body,
        bodiless,
        if is_head { length } else { None },
    ))
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

/// Writes the access log's line for a request.
pub fn log_access(request: &HttpRequest, target: Option<&TargetKind>, code: u16, reason: &str) {
    log::info!(target: "p8::access",
        method = request.method().as_str(), uri:% = request.uri(),
        backend = target.map(ToString::to_string).unwrap_or_default().as_str(), code, reason;
        "request");
}
