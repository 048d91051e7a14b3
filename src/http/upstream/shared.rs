//! HTTP/2 connections: many requests share one, each as a stream of its own.
//!
//! ```text
//! lease ─┬─ a connection with room ─────────────────────▶ Lease ─ a stream ─ dropped: room again
//!        └─ none: one is opened for all that wait for it ─┘
//! ```
//!
//! A connection that is too old, going away or idle for too long gets no further stream; those it has
//! come to their end. A stream that is not read holds back its own window only: the connection's is as
//! large as those of all its streams.
//!
//! Not its concern: what is sent (`http2.rs`). Source: RFC 9113.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::{poll_fn, Future},
    pin::Pin,
    rc::Rc,
    task::{ready, Poll},
    time::{Duration, Instant},
};

use futures_util::{
    future::{LocalBoxFuture, Shared as OneForAll, WeakShared},
    FutureExt,
};
use http::Response;
use hyper::{
    body::Incoming,
    client::conn::{
        http2::{self, Builder, SendRequest},
        TrySendError,
    },
    rt::Executor,
};
use hyper_util::rt::TokioIo;

use crate::{actors::fetch_error::FetchError, engine::route::TargetKind};

use super::{
    connect::BUFFER_BYTES_MAX,
    key::Key,
    message::{Message, RequestBody},
    pool::PoolOptions,
    stream::Stream,
    wire::Wire,
};

/// Most requests at a time on one connection; fewer if the server says so.
pub(super) const STREAMS_MAX: usize = 100;
/// As many until the server has said how many it takes, which it does first of all: those that it would
/// refuse are not sent.
const STREAMS_AT_FIRST: usize = 0;
/// Most bytes of an answer's body that arrive before the client has taken any.
const STREAM_WINDOW: u32 = 128 * 1024;
/// How long a server that chose HTTP/1 is not asked for HTTP/2 again.
const HTTP1_REMEMBERED: Duration = Duration::from_secs(60);
/// Most servers that are remembered so.
const HTTP1_REMEMBERED_MAX: usize = 1024;

/// HTTP/2 on a connection, as its driver polls it.
type Undriven = http2::Connection<TokioIo<Wire>, RequestBody, OnThisThread>;
/// The opening of a connection, awaited by all that want it.
pub(super) type Opening = OneForAll<LocalBoxFuture<'static, Result<(), FetchError>>>;
type WeakOpening = WeakShared<LocalBoxFuture<'static, Result<(), FetchError>>>;

/// Runs what HTTP/2 does in the background on the worker's own thread.
#[derive(Clone)]
pub(super) struct OnThisThread;

impl<F: Future<Output = ()> + 'static> Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(future));
    }
}

/// Returns the HTTP/2 settings that every connection shares.
fn settings() -> Builder<OnThisThread> {
    let mut http2 = Builder::new(OnThisThread);
    http2
        .initial_max_send_streams(STREAMS_AT_FIRST)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * STREAMS_MAX as u32)
        .max_send_buf_size(BUFFER_BYTES_MAX)
        .max_header_list_size(BUFFER_BYTES_MAX as u32);
    http2
}

/// One connection.
struct Connection {
    sender: SendRequest<RequestBody>,
    /// None when it has ended: requests that wait in it are then given back.
    connection: Rc<RefCell<Option<Undriven>>>,
    target: String,
    born: Instant,
    streams: Cell<usize>,
    streams_max: Cell<usize>,
    idle_since: Cell<Instant>,
    was_used: Cell<bool>,
    /// It gets no further stream.
    is_retired: Cell<bool>,
}

impl Connection {
    /// Speaks HTTP/2 on a stream.
    async fn open(stream: Stream, key: &Key, now: Instant) -> Result<Rc<Connection>, FetchError> {
        let target = key.target.to_string();
        let io = TokioIo::new(Wire::new(stream, Rc::default()));
        let (sender, connection) = match settings().handshake(io).await {
            Ok(opened) => opened,
            Err(error) => {
                let why = error.to_string();
                return Err(FetchError::Connect { target, why });
            }
        };
        let connection = Rc::new(RefCell::new(Some(connection)));
        let driven = connection.clone();
        drop(tokio::task::spawn_local(poll_fn(move |cx| {
            let mut driven = driven.borrow_mut();
            let Some(connection) = driven.as_mut() else {
                return Poll::Ready(());
            };
            if let Err(error) = ready!(Pin::new(connection).poll(cx)) {
                log::trace!(why:% = error; "backend connection ended");
            }
            *driven = None;
            Poll::Ready(())
        })));
        Ok(Rc::new(Connection {
            sender,
            connection,
            target,
            born: now,
            streams: Cell::new(0),
            streams_max: Cell::new(STREAMS_MAX),
            idle_since: Cell::new(now),
            was_used: Cell::new(false),
            is_retired: Cell::new(false),
        }))
    }

    fn is_idle(&self) -> bool {
        self.streams.get() == 0
    }

    fn is_usable(&self, now: Instant, options: &PoolOptions) -> bool {
        let idle = now.saturating_duration_since(self.idle_since.get());
        !self.is_retired.get()
            && !self.sender.is_closed()
            && now.saturating_duration_since(self.born) < options.age_limit
            && (!self.is_idle() || idle < options.idle_limit)
    }

    fn has_room(&self) -> bool {
        let connection = self.connection.try_borrow();
        let connection = connection.as_ref().map(|connection| connection.as_ref());
        let theirs = match connection {
            Ok(None) => return false,
            Ok(Some(connection)) => connection.current_max_send_streams(),
            // It is being driven by a caller of this.
            Err(_) => STREAMS_AT_FIRST,
        };
        let theirs = match theirs {
            STREAMS_AT_FIRST => STREAMS_MAX,
            said => said,
        };
        self.streams.get() < self.streams_max.get().min(theirs)
    }
}

/// A place for one request on a connection; dropping it makes room.
pub(super) struct Lease {
    connection: Rc<Connection>,
    all: Rc<SharedConnections>,
    idle_max: usize,
    /// The connection had brought an answer before.
    pub(super) is_reused: bool,
}

impl Lease {
    /// Sends a request.
    pub(super) async fn send(
        &self,
        message: Message,
    ) -> Result<Response<Incoming>, TrySendError<Message>> {
        let mut sender = self.connection.sender.clone();
        let answer = sender.try_send_request(message).await;
        if answer.is_ok() {
            self.connection.was_used.set(true);
        }
        answer
    }

    /// Has the connection used no more: it goes away, or has gone.
    pub(super) fn retire(&self) {
        self.connection.is_retired.set(true);
    }

    /// Notes that the server took fewer requests than it had.
    pub(super) fn note_refused(&self) {
        let fewer = self.connection.streams.get().saturating_sub(1).max(1);
        self.connection.streams_max.set(fewer);
    }

    /// Names where the connection leads.
    pub(super) fn target(&self) -> &str {
        &self.connection.target
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection
            .streams
            .set(connection.streams.get().saturating_sub(1));
        if connection.is_idle() {
            connection.idle_since.set(Instant::now());
            self.all.close_beyond(self.idle_max);
        }
    }
}

/// The HTTP/2 connections of a worker.
#[derive(Default)]
pub(super) struct SharedConnections {
    by_key: RefCell<HashMap<Key, Vec<Rc<Connection>>>>,
    opening: RefCell<HashMap<Key, WeakOpening>>,
    speak_http1: RefCell<HashMap<Key, Instant>>,
}

impl SharedConnections {
    /// Takes a place on a connection that has one.
    pub(super) fn join(
        self: &Rc<Self>,
        key: &Key,
        now: Instant,
        options: &PoolOptions,
    ) -> Option<Lease> {
        let mut by_key = self.by_key.borrow_mut();
        let connections = by_key.get_mut(key)?;
        connections.retain(|connection| connection.is_usable(now, options));
        let connection = connections
            .iter()
            .find(|connection| connection.has_room())?;
        connection.streams.set(connection.streams.get() + 1);
        Some(Lease {
            connection: connection.clone(),
            all: self.clone(),
            idle_max: options.idle_max,
            is_reused: connection.was_used.get(),
        })
    }

    /// Returns the opening that is under way for a key, or begins one; true if it is new.
    pub(super) fn opening(
        &self,
        key: &Key,
        open: impl FnOnce() -> LocalBoxFuture<'static, Result<(), FetchError>>,
    ) -> (Opening, bool) {
        let mut opening = self.opening.borrow_mut();
        let under_way = opening.get(key).and_then(WeakShared::upgrade);
        // One that has ended is taken for none: who waited for it holds it a little longer.
        if let Some(under_way) = under_way.filter(|one| one.peek().is_none()) {
            return (under_way, false);
        }
        opening.retain(|_, other| other.upgrade().is_some_and(|one| one.peek().is_none()));
        let new = open().shared();
        if let Some(weak) = new.downgrade() {
            opening.insert(key.clone(), weak);
        }
        (new, true)
    }

    /// Speaks HTTP/2 on a stream, for all that ask for this key.
    pub(super) async fn add(&self, key: &Key, stream: Stream) -> Result<(), FetchError> {
        let connection = Connection::open(stream, key, Instant::now()).await?;
        let mut by_key = self.by_key.borrow_mut();
        by_key.entry(key.clone()).or_default().push(connection);
        Ok(())
    }

    /// Remembers that a server chose HTTP/1.
    pub(super) fn note_http1(&self, key: &Key, now: Instant) {
        let mut speak_http1 = self.speak_http1.borrow_mut();
        if speak_http1.len() >= HTTP1_REMEMBERED_MAX {
            speak_http1.clear();
        }
        speak_http1.insert(key.clone(), now);
    }

    /// Tells whether a server chose HTTP/1 lately.
    pub(super) fn speaks_http1(&self, key: &Key, now: Instant) -> bool {
        let speak_http1 = self.speak_http1.borrow();
        let since = speak_http1.get(key);
        since.is_some_and(|since| now.saturating_duration_since(*since) < HTTP1_REMEMBERED)
    }

    /// Closes the longest idle connections as long as there are more idle ones than this.
    fn close_beyond(&self, idle_max: usize) {
        let Ok(mut by_key) = self.by_key.try_borrow_mut() else {
            return;
        };
        let idle = by_key
            .values()
            .flatten()
            .filter(|connection| connection.is_idle());
        let Some(excess) = idle
            .count()
            .checked_sub(idle_max)
            .filter(|excess| *excess > 0)
        else {
            return;
        };
        for _ in 0..excess {
            let idle = by_key
                .values()
                .flatten()
                .filter(|connection| connection.is_idle());
            let Some(longest) = idle.min_by_key(|one| one.idle_since.get()).cloned() else {
                return;
            };
            for connections in by_key.values_mut() {
                connections.retain(|connection| !Rc::ptr_eq(connection, &longest));
            }
        }
        by_key.retain(|_, connections| !connections.is_empty());
    }

    /// Drops what is closed, too long idle or too old; what has streams ends with them.
    pub(super) fn sweep(&self, now: Instant, options: &PoolOptions) {
        self.by_key.borrow_mut().retain(|_, connections| {
            connections.retain(|connection| connection.is_usable(now, options));
            !connections.is_empty()
        });
    }

    /// Has no connection used any more.
    pub(super) fn forget(&self) {
        self.by_key.borrow_mut().clear();
        self.speak_http1.borrow_mut().clear();
    }

    /// Counts those of them that lead to a target.
    pub(super) fn idle_to(&self, target: &TargetKind) -> usize {
        let by_key = self.by_key.borrow();
        let keys = by_key.iter().filter(|(key, _)| key.target == *target);
        let connections = keys.flat_map(|(_, connections)| connections);
        connections
            .filter(|connection| connection.is_idle())
            .count()
    }

    /// Counts the connections that have no stream now.
    pub(super) fn idle(&self) -> usize {
        let by_key = self.by_key.borrow();
        let idle = by_key
            .values()
            .flatten()
            .filter(|connection| connection.is_idle());
        idle.count()
    }
}
