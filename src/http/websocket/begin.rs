//! How a WebSocket session begins: subscribe first, then take the socket, then the 101.
//!
//! A session that its backend has accepted and that does not come about is told to the backend as one
//! that has ended.

use std::{cell::RefCell, rc::Rc};

use actix::Addr;
use bytes::Bytes;
use http::HeaderMap;

use super::{note_accepted, Exchange, Front, Outcome, Speech};
use crate::{
    actors::{
        edge::{Edge, JoinError, Membership},
        held::{Held, Machine},
        messages::{Join, SessionKind},
        polled_sessions::{Place, Reached},
        ports::SocketBackend,
        session::{Session, SessionState},
        web_socket::{abandon, Asking, Dialect, DirectLink, Parts, Polled, Socket},
    },
    engine::{
        backend_options::BackendOptions,
        forward::{self, websocket::Speaks},
        sockjs,
        web_socket::{Backend, FromBackend, Terms, WebSocket},
        wire::{self, BodyEnd},
        ws::{self, Decoder, DecoderOptions, Sender},
    },
    grip::{
        channel::ChannelName,
        ws::{grip_extension, GripExtension},
    },
    http::{
        border,
        http2::{self, Stream},
        reply,
    },
};

/// A handshake that a backend has accepted; dropping it tells the backend that its client is gone.
pub struct Accepted {
    parts: Option<Parts>,
    edge: Rc<Edge>,
    reason: Option<String>,
    headers: HeaderMap,
    target: usize,
    extensions: Option<&'static str>,
}

/// What a backend accepted with.
pub(super) struct Acceptance {
    /// Its reason phrase, if it is not the usual one.
    pub(super) reason: Option<String>,
    /// Its headers as received.
    pub(super) headers: HeaderMap,
    /// Which target it is.
    pub(super) target: usize,
    /// How it is reached.
    pub(super) backend: Backend,
    /// The way to it.
    pub(super) way: Rc<dyn SocketBackend>,
    /// Its own WebSocket, if it has one.
    pub(super) direct: Option<Box<DirectLink>>,
    /// What it said when it accepted, in order.
    pub(super) said: Vec<FromBackend>,
}

impl Accepted {
    /// Makes the session, and lets it hear what its backend has said already.
    pub(super) fn new(front: &Front, exchange: &Exchange, acceptance: Acceptance) -> Self {
        let Acceptance {
            reason,
            mut headers,
            target,
            backend,
            way,
            direct,
            said,
        } = acceptance;
        let options = front.options();
        let route = exchange.route.clone();
        let is_trusted = exchange.is_trusted;
        let speaks = Speaks::of(route.no_grip, is_trusted);
        let grip = spoken(speaks, &headers);
        let offered = [http::header::SEC_WEBSOCKET_EXTENSIONS];
        let offered = border::only_in(exchange.request.headers(), &offered);
        forward::websocket::accepted(&mut headers, is_trusted, &offered);
        let is_plain = matches!(exchange.speech, Speech::Plain | Speech::Raw(_));
        let deflate = (options.allow_compression && is_plain)
            .then(|| deflate(exchange))
            .flatten();
        let message_max = message_max(&backend, is_plain, &options.backend);
        let terms = Terms {
            implicit: implicit(exchange, target),
            route,
            subscriptions_max: options.subscriptions_max,
            waiting_max: options.outbox.items_max,
            prefix: grip.map(|grip| grip.prefix),
            is_attentive: !is_plain,
        };
        let mut machine = WebSocket::new(terms, backend);
        let moment = crate::actors::held::moment();
        for said in said {
            machine.on_backend(said, moment);
        }
        let has_deflate = deflate.is_some();
        let parts = Parts {
            machine,
            decoder: Decoder::new(DecoderOptions {
                sender: Sender::Client,
                message_max,
                has_deflate,
            }),
            dialect: match is_plain {
                true => Dialect::Frames { has_deflate },
                false => Dialect::framed(),
            },
            backend: way,
            direct,
            deflating: has_deflate.then(|| front.edge.enter_deflating()),
            named: None,
        };
        Self {
            parts: Some(parts),
            edge: front.edge.clone(),
            reason,
            headers,
            target,
            extensions: deflate,
        }
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            abandon(parts, self.edge.counters());
        }
    }
}

/// Returns the channels that a session has from the start; those of a trusted client are its own affair.
fn implicit(exchange: &Exchange, target: usize) -> Vec<ChannelName> {
    let target = exchange.route.targets.get(target);
    let target = target.filter(|_| !exchange.is_trusted);
    target.map(|target| target.subs.clone()).unwrap_or_default()
}

/// Returns how long a message of the client may be.
fn message_max(backend: &Backend, is_plain: bool, options: &BackendOptions) -> usize {
    match backend {
        _ if !is_plain => sockjs::FRAME_MAX,
        Backend::OverHttp(_) => options.ws_message_max,
        Backend::Direct(_) | Backend::Detached => usize::MAX,
    }
}

/// Returns how GRIP is spoken with a backend that has accepted with these headers; none if it is not.
fn spoken(speaks: Speaks, headers: &HeaderMap) -> Option<GripExtension> {
    let values = headers.get_all(http::header::SEC_WEBSOCKET_EXTENSIONS);
    let values = values.iter().map(|value| value.as_bytes());
    grip_extension(values).filter(|_| speaks == Speaks::Own)
}

/// Returns what a client that offers compression is answered.
fn deflate(exchange: &Exchange) -> Option<&'static str> {
    let offers = exchange
        .request
        .headers()
        .get_all("sec-websocket-extensions");
    ws::accept_deflate(offers.map(|offer| offer.as_bytes()))
}

/// Begins the session on the client's socket.
pub(super) async fn on_socket(
    front: &Rc<Front>,
    exchange: &Exchange,
    mut accepted: Accepted,
) -> Outcome {
    let Some(slot) = exchange.slot.clone() else {
        return reply::no_websockets().into();
    };
    slot.flushed().await;
    slot.state
        .borrow_mut()
        .expect(front.options().outbox.items_max);
    let Some(session) = slot.session() else {
        return reply::not_joined(JoinError::HubUnavailable).into();
    };
    let membership = match join(front, exchange, &mut accepted, session).await {
        Ok(membership) => membership,
        Err(error) => return reply::not_joined(error).into(),
    };
    if !slot.park(false, false) {
        return reply::not_joined(JoinError::HubUnavailable).into();
    }
    // From here on nothing may be awaited.
    slot.become_web_socket();
    note_accepted(front, exchange, exchange.route.targets.get(accepted.target));
    membership.begin(slot.clone(), head(exchange, &mut accepted));
    if let Some(parts) = accepted.parts.take() {
        let machine = Machine::Socket(Socket::new(parts));
        let held = Held::new(membership, Some(slot.clone()), machine);
        slot.state.borrow_mut().begin(held, Vec::new());
    }
    Outcome::Parked
}

/// Begins the session on the client's HTTP/2 stream.
pub(super) async fn on_stream(
    front: &Rc<Front>,
    exchange: &Exchange,
    mut accepted: Accepted,
    stream: &Rc<Stream>,
) -> Outcome {
    let Some(upgrade) = stream.take_socket() else {
        return reply::no_websockets().into();
    };
    let items_max = front.broker.options().outbox.items_max;
    stream.state.borrow_mut().expect(items_max);
    let (session, outlet) = http2::hold_socket(stream, &front.edge, upgrade);
    let membership = match join(front, exchange, &mut accepted, session).await {
        Ok(membership) => membership,
        Err(error) => return reply::not_joined(error).into(),
    };
    note_accepted(front, exchange, exchange.route.targets.get(accepted.target));
    membership.begin(outlet.clone(), Bytes::new());
    if let Some(parts) = accepted.parts.take() {
        let machine = Machine::Socket(Socket::new(parts));
        let held = Held::new(membership, Some(outlet), machine);
        stream.state.borrow_mut().begin(held, Vec::new());
    }
    let headers = &mut accepted.headers;
    forward::websocket::add_extensions(headers, accepted.extensions);
    Outcome::Held(border::response_out(200, None, headers).finish())
}

/// Begins a session whose client polls; its first poll is answered as the session says.
pub async fn begin_polled(
    front: &Rc<Front>,
    exchange: &Exchange,
    mut accepted: Accepted,
    (place, poll): (Place, Asking),
) -> Result<(), JoinError> {
    let state = Rc::<RefCell<SessionState>>::default();
    state.borrow_mut().expect(front.options().outbox.items_max);
    let session = Session::start(state.clone(), &front.edge);
    let membership = join(front, exchange, &mut accepted, session.clone()).await?;
    note_accepted(front, exchange, exchange.route.targets.get(accepted.target));
    let hold = membership.hold();
    if let Some(mut parts) = accepted.parts.take() {
        place.open(Reached { session, hold });
        parts.dialect = Dialect::Polled(Polled::new(place, poll));
        let held = Held::new(membership, None, Machine::Socket(Socket::new(parts)));
        state.borrow_mut().begin(held, Vec::new());
    }
    Ok(())
}

async fn join(
    front: &Rc<Front>,
    exchange: &Exchange,
    accepted: &mut Accepted,
    session: Addr<Session>,
) -> Result<Membership, JoinError> {
    let options = front.options();
    let machine = accepted.parts.as_mut().map(|parts| &mut parts.machine);
    let machine = machine.map(|machine| {
        machine.share_names(|name| front.edge.known_name(name));
        &*machine
    });
    let mut limits = options.outbox;
    limits.policy = exchange.route.slow_client;
    let has_deflate = accepted.extensions.is_some();
    let join = Join {
        session,
        kind: SessionKind::Socket { has_deflate },
        body_end: BodyEnd::Outside,
        is_attentive: machine.is_some_and(WebSocket::is_attentive),
        limits,
        queue: front.broker.queue(exchange.route.id.as_deref()),
        channels: machine.map(WebSocket::channels).unwrap_or_default(),
        route: Some(exchange.route.clone()),
    };
    let (membership, _) = front.edge.join(join).await?;
    if let Some(parts) = &mut accepted.parts {
        let id = parts.backend.connection_id();
        let named = id.and_then(|id| front.edge.name_connection(id, membership.place()));
        parts.named = named.map(Box::new);
    }
    Ok(membership)
}

fn head(exchange: &Exchange, accepted: &mut Accepted) -> Bytes {
    let key = exchange.request.headers().get("sec-websocket-key");
    let key = key.map(|key| key.as_bytes()).unwrap_or_default();
    let headers = &mut accepted.headers;
    forward::websocket::add_switch(headers, &ws::accept_key(key), accepted.extensions);
    wire::switching_protocols(accepted.reason.as_deref(), headers)
}
