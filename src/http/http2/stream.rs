//! What the parts of one HTTP/2 request share: its session, and the request to be asked again.
//!
//! It is to a stream what the slot is to an HTTP/1 connection, without a socket.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use actix::Addr;
use actix_web::dev::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use hyper::upgrade::OnUpgrade;
use tokio::sync::oneshot;

use super::{connection::Served, cut::Cut};
use crate::{
    actors::{
        edge::Edge,
        ports::{Flushed, Outlet},
        session::{Session, SessionState},
    },
    engine::outbox::Outbox,
};

/// Longest request body that is kept so that the request can be asked again.
const RECORD_MAX: usize = 100_000;

/// One request of an HTTP/2 connection.
pub struct Stream {
    /// What its session knows of a hold.
    pub state: Rc<RefCell<SessionState>>,
    /// The client's address.
    pub peer: Option<SocketAddr>,
    /// Ends it, whatever is still to be sent.
    pub cut: Rc<Cut>,
    /// Nobody on the way can read what is sent.
    pub is_secure: bool,
    session: RefCell<Option<Addr<Session>>>,
    /// Gives the stream to a WebSocket, once its response has been sent.
    socket: Cell<Option<OnUpgrade>>,
    body: RefCell<Record>,
    /// Its client sends nothing more of a body that is waited for.
    is_silent: Cell<bool>,
    /// Who answers it, until its response begins.
    answering: Cell<Option<Waker>>,
    served: Rc<Served>,
}

/// The body of a request, as far as it was read.
#[derive(Default)]
struct Record {
    bytes: BytesMut,
    is_whole: bool,
    is_too_long: bool,
}

impl Stream {
    /// Makes what the parts of a request share.
    pub(super) fn new(
        (peer, is_secure): (Option<SocketAddr>, bool),
        socket: Option<OnUpgrade>,
        served: Rc<Served>,
    ) -> Rc<Self> {
        Rc::new(Self {
            state: served.state.clone(),
            cut: served.cut.clone(),
            peer,
            is_secure,
            session: RefCell::default(),
            socket: Cell::new(socket),
            body: RefCell::default(),
            is_silent: Cell::new(false),
            answering: Cell::new(None),
            served,
        })
    }

    /// Returns its session's address, starting the session on first use.
    pub fn session(&self, edge: &Edge) -> Addr<Session> {
        let mut session = self.session.borrow_mut();
        let start = || Session::start(self.state.clone(), edge);
        session.get_or_insert_with(start).clone()
    }

    /// Tells whether its client asked for a WebSocket that nobody has taken yet.
    pub fn is_socket(&self) -> bool {
        let socket = self.socket.take();
        let is_socket = socket.is_some();
        self.socket.set(socket);
        is_socket
    }

    /// Takes the stream for a WebSocket.
    pub fn take_socket(&self) -> Option<OnUpgrade> {
        self.socket.take()
    }

    /// Its client sends nothing more of a body that is waited for: it is told so, or cut if its response
    /// has begun.
    pub(super) fn fall_silent(&self) {
        if self.is_silent.replace(true) {
            return;
        }
        match self.answering.take() {
            Some(answering) => answering.wake(),
            None => self.served.cut_silent(),
        }
    }

    /// Ends if the request's body takes too long before its response begins.
    pub fn poll_silence(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_silent.get() {
            return Poll::Ready(());
        }
        self.answering.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Its response begins.
    pub fn begin_response(&self) {
        self.answering.set(None);
    }

    /// Notes a part of the request's body; none at its end.
    pub fn record(&self, part: Option<&[u8]>) {
        let mut body = self.body.borrow_mut();
        match part {
            None => body.is_whole = true,
            Some(part) if body.is_too_long || body.bytes.len() + part.len() > RECORD_MAX => {
                body.is_too_long = true;
                body.bytes = BytesMut::new();
            }
            Some(part) => body.bytes.extend_from_slice(part),
        }
    }

    /// Tells whether the request can be asked again.
    pub fn can_retry(&self) -> bool {
        let body = self.body.borrow();
        body.is_whole && !body.is_too_long
    }

    /// Returns the request's body once more.
    pub fn body_again(&self) -> Payload {
        let body = self.body.borrow().bytes.clone().freeze();
        if body.is_empty() {
            return Payload::None;
        }
        let part: Result<Bytes, actix_web::error::PayloadError> = Ok(body);
        Payload::Stream {
            payload: Box::pin(stream::iter([part])),
        }
    }
}

impl Drop for Stream {
    /// A request that was being asked again when its client left.
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            if state.is_retried() {
                state.abandon();
            }
        }
    }
}

/// The way out of a long-poll whose answer is handed to its request's handler: it can be asked again.
pub struct Again(Cell<Option<oneshot::Sender<()>>>);

impl Again {
    /// Makes it, and what hears that the request is to be asked again.
    pub fn new() -> (Rc<Self>, oneshot::Receiver<()>) {
        let (again, asked) = oneshot::channel();
        (Rc::new(Self(Cell::new(Some(again)))), asked)
    }
}

impl Outlet for Again {
    fn flush(&self, _: &mut Outbox) -> (Flushed, usize) {
        (Flushed::Drained, 0)
    }

    fn release(&self) {}

    fn abort(&self) {}

    fn can_retry(&self) -> bool {
        true
    }

    fn retry(&self) {
        let _ = self.0.take().map(|again| again.send(()));
    }
}
