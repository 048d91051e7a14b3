//! What the http floor fills in: the way out to a client, and the way to a backend.
//!
//! Actors reach the network only through these traits, so they are tested without one.

use std::{future::Future, net::SocketAddr, pin::Pin, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OwnedSemaphorePermit,
};
use uuid::Uuid;

pub use super::{fetch_error::FetchError, targets::Ticket};
use crate::{
    engine::{
        filtering::Filtering,
        outbox::Outbox,
        plan::Wanted,
        prev_ids::PrevIds,
        route::TargetKind,
        session::{Asked, FilterAnswer},
        ws_over_http::{AnswerFacts, Post},
    },
    grip::{
        filter::FilterError,
        instruct::{KeepAlive, NextLink},
        network_filter::Question,
        ws::Event,
    },
};

/// What became of an attempt to write an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing waits any more.
    Drained,
    /// Some was written and the client takes more.
    Partly,
    /// The client takes nothing now; the outlet's owner watches for it to change.
    Blocked,
    /// The client is gone.
    Gone,
}

/// The way out to one client.
pub trait Outlet {
    /// Writes what waits, without blocking and at most one system call; returns the bytes written too.
    fn flush(&self, outbox: &mut Outbox) -> (Flushed, usize);

    /// Everything is written: gives the connection back for the next request, or ends it.
    fn release(&self);

    /// Cuts the response off, so that the client can tell.
    fn abort(&self);

    /// The connection takes no further request after this response.
    fn close_after(&self) {}

    /// Returns where the client is, if that is known.
    fn peer(&self) -> Option<SocketAddr> {
        None
    }

    /// Tells whether the client came over TLS.
    fn is_secure(&self) -> bool {
        false
    }

    /// Tells whether the request can be asked again.
    fn can_retry(&self) -> bool {
        false
    }

    /// Asks the backend again with the same request; nothing has been written yet.
    fn retry(&self) {}
}

/// One of the few requests that a worker's sessions may have with a route's backend at a time to ask it
/// again; dropping it lets the next session ask.
pub type Turn = OwnedSemaphorePermit;

/// What a port promises, on the worker's own thread.
pub type Promise<T> = Pin<Box<dyn Future<Output = T>>>;

/// The way from a held session back to its backend.
pub trait Backend {
    /// Waits for a turn to ask the backend again.
    fn turn(&self) -> Promise<Turn>;

    /// Asks the next link; none if it could not be asked or the answer is of no use.
    ///
    /// The turn is over when the answer is there, or is another's who asks the same.
    fn follow(&self, asked: Asked, turn: Option<Turn>) -> Promise<Option<Followed>>;

    /// Tells the gone link that the session has ended.
    fn tell_gone(&self, link: &str) -> Promise<()>;

    /// Asks the backend what a filter makes of an item.
    fn ask_filter(&self, question: Question) -> Promise<Result<FilterAnswer, FilterError>>;
}

/// The way from a WebSocket session to its backend.
pub trait SocketBackend {
    /// Sends events to it.
    fn post(self: Rc<Self>, post: Post) -> Promise<Result<PostAnswer, PostFailure>>;

    /// Asks it what a filter makes of an item; none if there is no way to.
    fn ask_filter(&self, question: Question) -> Option<Promise<Result<FilterAnswer, FilterError>>>;

    /// Returns the id that the backend knows the WebSocket by, if it has one.
    fn connection_id(&self) -> Option<Uuid> {
        None
    }

    /// Takes a place among the sessions that have ended and whose backends are still told so; none if
    /// there are too many.
    fn ending(&self) -> Option<Ending>;
}

/// A place among the sessions whose end is still told; dropping it gives it to another.
pub type Ending = OwnedSemaphorePermit;

/// What a backend has answered to events.
pub struct PostAnswer {
    /// What it says about the events it was sent.
    pub facts: AnswerFacts,
    /// Its own, in order.
    pub events: Vec<Event>,
}

/// Events that a backend did not take.
pub struct PostFailure {
    /// It has not had them all, so they may be sent again.
    pub may_retry: bool,
    /// What went wrong, for the log.
    pub why: String,
}

/// What a next link was answered.
pub struct Followed {
    /// It asks for a stream hold.
    pub is_hold: bool,
    /// The body, as far as it was gathered.
    pub body: Bytes,
    /// The rest of a body that is too large to gather.
    pub rest: Option<BodyStream>,
    /// What to subscribe to.
    pub channels: Vec<Wanted>,
    /// The same channels as the session sees them.
    pub prev_ids: PrevIds,
    /// The filters from now on.
    pub filtering: Filtering,
    /// The keep-alive from now on.
    pub keep_alive: Option<KeepAlive>,
    /// The next link from now on.
    pub next: Option<NextLink>,
}

/// A body on its way, with back-pressure.
pub type BodyStream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = std::io::Error>>>;

/// A request for a backend.
pub struct BackendRequest {
    /// Where it goes.
    pub target: TargetKind,
    /// Its method.
    pub method: Method,
    /// Path and query, as they go on the wire.
    pub uri: String,
    /// Its headers, `Host` among them; no framing.
    pub headers: HeaderMap,
    /// Its body.
    pub body: BackendBody,
}

/// The body of a [`BackendRequest`].
pub enum BackendBody {
    /// None.
    Empty,
    /// All there; can be sent again.
    Full(Bytes),
    /// Still arriving from the client.
    Stream {
        /// The bytes.
        body: BodyStream,
        /// How many there will be, if the client said.
        length: Option<u64>,
    },
}

/// A backend's answer, its body still to come.
pub struct BackendResponse {
    /// Final status.
    pub status: u16,
    /// The reason phrase, if it is not the usual one.
    pub reason: Option<String>,
    /// All headers as received.
    pub headers: HeaderMap,
    /// The body; an exact size hint is its `Content-Length`.
    pub body: BodyStream,
    /// Counts the request as under way to its target, if it is a route's.
    pub ticket: Option<Ticket>,
}

/// What a backend made of a request to switch protocols.
pub enum Upgrade {
    /// It switched.
    Switched(Switched),
    /// It answered as if it had not been asked to.
    Refused(BackendResponse),
}

/// A connection that speaks another protocol from now on; dropping the stream closes it.
pub struct Switched {
    /// The reason phrase of the 101, if it is not the usual one.
    pub reason: Option<String>,
    /// All headers of the 101 as received.
    pub headers: HeaderMap,
    /// The connection.
    pub stream: Box<dyn BackendStream>,
    /// What the backend sent right behind the 101; it comes before what the stream gives.
    pub read: Bytes,
}

/// A byte stream to a backend.
pub trait BackendStream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> BackendStream for T {}

/// Hears of every interim response but 100 and 101.
pub type Informational = Rc<dyn Fn(u16, &HeaderMap)>;

/// What a [`Fetch`] promises.
pub type Fetching = Promise<Result<BackendResponse, FetchFailure>>;

/// The way to backends.
pub trait Fetch {
    /// Returns the same way with another limit for connecting.
    fn connecting_within(&self, limit: Duration) -> Rc<dyn Fetch>;

    /// Sends a request to its target; dropping the future or the body cancels it.
    fn fetch(&self, request: BackendRequest, informational: Option<Informational>) -> Fetching;

    /// Sends a request that asks to switch protocols, over a connection of its own; its headers say to
    /// which, and its body is empty. Interim responses are dropped; dropping the future cancels it.
    fn upgrade(&self, request: BackendRequest) -> Promise<Result<Upgrade, FetchFailure>>;
}

/// The connections to a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Those that are open: idle, with requests, and those that speak another protocol by now.
    pub open: u64,
    /// Those among them that wait for a request.
    pub idle: u64,
}

/// Who has connections to targets.
pub trait Pooled {
    /// Returns those of each target that there have been any to.
    fn connections(&self) -> Vec<(TargetKind, Connections)>;
}

/// A request that got no answer.
pub struct FetchFailure {
    /// Why.
    pub error: FetchError,
    /// The request, if none of it was sent: another target may have it.
    pub unsent: Option<BackendRequest>,
}
