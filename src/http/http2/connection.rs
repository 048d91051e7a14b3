//! One HTTP/2 connection: its settings and bounds, its idle time, its end.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::{pin, Pin},
    rc::Rc,
    sync::atomic::Ordering,
    time::Duration,
};

use actix::clock::{sleep_until, Instant};
use actix_http::Request;
use actix_server::GracefulShutdownSignal;
use actix_web::dev::ServiceResponse;
use bytes::Bytes;
use futures_util::FutureExt;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use slab::Slab;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
};

use super::{
    cut::{Cut, Local},
    goaway::Watched,
    request,
};
use crate::{
    actors::{broker::Broker, edge::Edge, session::SessionState},
    engine::{
        client_limits::{ClientLimits, RequestLimits},
        framing::FramingError,
        rate::Rate,
    },
    stats::counters::{Refused, Total},
};

/// Bytes that a client may send of one request body, and of all on a connection, before they are read.
const STREAM_WINDOW: u32 = 131_072;
const CONNECTION_WINDOW: u32 = 2_097_152;

/// Bytes of one response that wait for the client in hyper.
const SEND_BUFFER: usize = 65_536;

/// Streams that the client resets before hyper has looked at them; past that the connection ends.
const RESETS_UNSEEN_MAX: usize = 20;
/// Streams that are reset because the client broke the protocol; past that the connection ends.
const RESETS_OF_FAULTS_MAX: usize = 256;
/// Requests that a client takes back within a second before they are answered; past that the connection
/// ends.
const RESETS_PER_SEC: u32 = 1_000;

/// How long a connection without streams may take to end.
const LINGER: Duration = Duration::from_secs(2);

/// What becomes of a request.
pub(super) type Answering = Pin<Box<dyn Future<Output = Option<ServiceResponse>>>>;

/// What every HTTP/2 connection of a worker needs.
pub struct Http2 {
    /// The broker.
    pub broker: Broker,
    /// Its part on this thread.
    pub edge: Rc<Edge>,
    /// The server stops.
    pub stopping: GracefulShutdownSignal,
    /// Answers a request.
    pub answer: Box<dyn Fn(Request) -> Answering>,
}

/// What the streams of a connection share.
pub(super) struct Connection {
    pub(super) http2: Rc<Http2>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) is_secure: bool,
    /// As they were when it began.
    pub(super) limits: RequestLimits,
    streams: Cell<usize>,
    idle_since: Cell<Instant>,
    resets: RefCell<Rate>,
    flooded: Notify,
    /// What ends now ends with it.
    is_over: Cell<bool>,
    /// Of all its streams.
    sessions: RefCell<Slab<Rc<RefCell<SessionState>>>>,
}

impl Http2 {
    /// Serves a client that begins with HTTP/2's preface; `ahead` was read of it already.
    pub async fn serve<IO>(
        self: Rc<Self>,
        io: IO,
        ahead: Bytes,
        (peer, is_secure): (Option<SocketAddr>, bool),
    ) where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let local = Local::default();
        let (builder, limits) = {
            let clients = &self.broker.options().clients;
            (builder(clients, local.clone()), clients.requests)
        };
        let connection = Connection::new(self.clone(), (peer, is_secure), limits);
        let counters = self.edge.counters();
        counters.add(Total::Http2Connections, 1);
        counters.add(Total::Http2ConnectionsCurrent, 1);
        let _counted = OnDrop(|| {
            connection.is_over.set(true);
            counters.subtract(Total::Http2ConnectionsCurrent, 1);
        });
        // Boxed, so that nothing of it is left in the task of a stream that is held.
        let answer = service_fn(|request: hyper::Request<Incoming>| {
            let cut = Rc::<Cut>::default();
            local.look_at(&cut);
            let answered = request::answer(connection.clone(), cut, request);
            Box::pin(answered.map(Ok::<_, Infallible>))
        });
        let leaving = Rc::<Notify>::default();
        let io = Watched::new(ahead, io, leaving.clone());
        let served = builder.serve_connection(TokioIo::new(io), answer);
        let mut served = pin!(served);
        let idle = limits.patience.keep_alive;
        let mut is_ending = false;
        loop {
            let limit = if is_ending { LINGER } else { idle };
            let due = connection.idle_from() + limit;
            let end = tokio::select! {
                served = served.as_mut() => {
                    if let Err(error) = served {
                        connection.note_end(&error);
                    }
                    return;
                }
                () = connection.flooded.notified() => return,
                () = leaving.notified() => {
                    connection.end_sessions();
                    !is_ending
                }
                () = self.stopping.notified(), if !is_ending => true,
                () = sleep_until(due) => connection.is_idle(limit),
            };
            if end && is_ending {
                // It was told to end, has nothing left to do, and does not close.
                return;
            }
            if end {
                is_ending = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Makes what serves a connection within these bounds.
fn builder(clients: &ClientLimits, local: Local) -> http2::Builder<Local> {
    let head_max = clients.requests.framing.head_bytes_max;
    let mut builder = http2::Builder::new(local);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(clients.http2.streams_max)
        .max_header_list_size(u32::try_from(head_max).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS_UNSEEN_MAX)
        .max_local_error_reset_streams(RESETS_OF_FAULTS_MAX)
        .keep_alive_interval(clients.http2.ping_after)
        .keep_alive_timeout(clients.http2.ping_timeout)
        .enable_connect_protocol();
    builder
}

impl Connection {
    fn new(
        http2: Rc<Http2>,
        (peer, is_secure): (Option<SocketAddr>, bool),
        limits: RequestLimits,
    ) -> Rc<Self> {
        Rc::new(Self {
            peer,
            is_secure,
            limits,
            streams: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            resets: RefCell::new(Rate::new(RESETS_PER_SEC)),
            flooded: Notify::new(),
            is_over: Cell::new(false),
            sessions: RefCell::default(),
            http2,
        })
    }

    /// Begins a stream; none if there are too many in the process.
    pub(super) fn enter(self: &Rc<Self>, cut: Rc<Cut>) -> Option<Rc<Served>> {
        let Http2 { broker, edge, .. } = &*self.http2;
        let before = broker.connections().fetch_add(1, Ordering::Relaxed);
        let state = Rc::<RefCell<SessionState>>::default();
        let served = Rc::new(Served {
            key: self.sessions.borrow_mut().insert(state.clone()),
            state,
            cut,
            connection: self.clone(),
            is_answered: Cell::new(false),
        });
        self.streams.set(self.streams.get() + 1);
        edge.counters().add(Total::Http2Streams, 1);
        let max = broker.options().clients.connections_max;
        if before < max {
            return Some(served);
        }
        served.answered();
        edge.turn_away(Refused::Connections, max as u64);
        None
    }

    /// Its client is leaving: what is held ends in good order, requests under way are answered.
    fn end_sessions(&self) {
        let sessions = self.sessions.borrow();
        let sessions: Vec<_> = sessions.iter().map(|(_, state)| state.clone()).collect();
        for state in sessions {
            if let Ok(mut state) = state.try_borrow_mut() {
                state.drain();
            }
        }
    }

    /// Returns since when it has had no stream; a busy one may be looked at again later.
    fn idle_from(&self) -> Instant {
        match self.streams.get() {
            0 => self.idle_since.get(),
            _ => Instant::now(),
        }
    }

    fn is_idle(&self, limit: Duration) -> bool {
        self.streams.get() == 0 && self.idle_since.get() + limit <= Instant::now()
    }

    fn leave(&self, key: usize, is_answered: bool) {
        drop(self.sessions.borrow_mut().try_remove(key));
        self.streams.set(self.streams.get().saturating_sub(1));
        self.idle_since.set(Instant::now());
        let Http2 { broker, edge, .. } = &*self.http2;
        broker.connections().fetch_sub(1, Ordering::Relaxed);
        edge.counters().subtract(Total::Http2Streams, 1);
        if is_answered || self.is_over.get() {
            return;
        }
        let is_allowed = self.resets.borrow_mut().take(Instant::now().into_std());
        if !is_allowed {
            edge.counters().refuse(Refused::Flood, 1);
            log::warn!(peer:? = self.peer, limit = RESETS_PER_SEC;
                "a client takes back too many requests: its connection is closed");
            self.is_over.set(true);
            self.flooded.notify_one();
        }
    }

    /// Counts what ended the connection, if that was the client breaking rules.
    fn note_end(&self, error: &hyper::Error) {
        let cause = std::error::Error::source(error);
        let cause = cause.and_then(|cause| cause.downcast_ref::<h2::Error>());
        let Some(cause) = cause.filter(|cause| cause.is_library()) else {
            log::debug!(peer:? = self.peer, error:%; "an http/2 connection broke off");
            return;
        };
        let counters = self.http2.edge.counters();
        if cause.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM) {
            counters.refuse(Refused::Flood, 1);
            log::warn!(peer:? = self.peer, error:% = cause;
                "a client floods its http/2 connection: closed");
        } else {
            counters.refuse(Refused::Request, 1);
            log::info!(peer:? = self.peer, error:% = cause;
                "a client breaks the rules of http/2: closed");
        }
    }
}

/// One stream that is served.
pub(super) struct Served {
    connection: Rc<Connection>,
    key: usize,
    /// What its session knows of a hold.
    pub(super) state: Rc<RefCell<SessionState>>,
    /// Ends it.
    pub(super) cut: Rc<Cut>,
    is_answered: Cell<bool>,
}

impl Served {
    /// Counts a request whose body takes too long, and cuts its response.
    pub(super) fn cut_silent(&self) {
        let connection = &self.connection;
        connection.http2.edge.counters().refuse(Refused::Slow, 1);
        log::info!(peer:? = connection.peer, reason = FramingError::BodyTooSlow.code();
            "a response is cut: its request does not end");
        self.cut.cut();
    }

    /// Its response has begun: taking it back is no flood.
    pub(super) fn answered(&self) {
        self.is_answered.set(true);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.connection.leave(self.key, self.is_answered.get());
    }
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
