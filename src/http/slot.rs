//! What a client connection's parts share: its socket, its reader, its session; and who has the socket now.
//!
//! While requests are served the socket belongs to whoever serves them (`http1`). A request handler may
//! `park` it: then serving ends with that request, and the session owns it (`parked`), until it is given
//! back for the next request, or for the same one to be asked again. Or it leaves the socket for good to
//! something that speaks no HTTP (`leave_to`), which the connection's task then runs.
//!
//! ```text
//! Serving ──park()──▶ Parked ──release()──▶ Released ──serve_again()──▶ Serving
//!                       ├──retry()──▶ Retried ──serve_again()──▶ Serving
//!                       └──abort()──▶ Aborted
//! Serving ──HTTP/2's preface──▶ Http2
//! ```

use std::{
    cell::{Cell, RefCell},
    future::{poll_fn, Future},
    net::SocketAddr,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use actix::{Addr, WeakAddr};
use bytes::Bytes;

use super::{
    client_socket::ClientSocket,
    connection::Serving,
    http1::{Came, Incoming, Input, Reader},
};
use crate::{
    actors::session::{Session, SessionState},
    engine::{client_limits::RequestLimits, framing::Upgrade, wire::Reply},
};

/// Who has the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Whoever serves its requests.
    Serving,
    /// The session of a held request.
    Parked,
    /// Nobody: the held response is complete.
    Released,
    /// Nobody: the held request is to be asked again.
    Retried,
    /// Nobody: the client is to be cut off.
    Aborted,
    /// Nobody: the client speaks HTTP/2.
    Http2,
}

/// The shared part of one client connection.
pub struct Slot {
    pub(super) socket: RefCell<Option<ClientSocket>>,
    pub(super) reader: RefCell<Option<Box<Reader>>>,
    session: WeakAddr<Session>,
    /// What the session knows of a hold.
    pub state: Rc<RefCell<SessionState>>,
    /// The connection's task, while the socket is parked, or its handler waits for it.
    pub(super) watcher: Cell<Option<Waker>>,
    kept: Cell<Option<Box<Kept>>>,
    pub(super) owner: Cell<Owner>,
    pub(super) is_blocked: Cell<bool>,
    pub(super) has_begun_response: Cell<bool>,
    pub(super) can_retry: Cell<bool>,
    pub(super) keep_alive: Cell<bool>,
    is_web_socket: Cell<bool>,
}

/// What is kept for after serving; never both, and most of the time neither.
enum Kept {
    /// The held request as received, if it can be asked again.
    Request(Box<[u8]>),
    /// What has the socket from now on.
    Successor(Serving),
}

impl Slot {
    /// Makes the slot of a new connection.
    pub fn new(
        socket: ClientSocket,
        limits: RequestLimits,
        session: WeakAddr<Session>,
        state: Rc<RefCell<SessionState>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            socket: RefCell::new(Some(socket)),
            reader: RefCell::new(Some(Box::new(Reader::new(limits)))),
            session,
            state,
            watcher: Cell::default(),
            kept: Cell::default(),
            owner: Cell::new(Owner::Serving),
            is_blocked: Cell::new(false),
            has_begun_response: Cell::new(false),
            can_retry: Cell::new(false),
            keep_alive: Cell::new(false),
            is_web_socket: Cell::new(false),
        })
    }

    /// Returns the client's address.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.socket.borrow().as_ref()?.peer()
    }

    /// Tells whether nobody on the way can read what is sent.
    pub fn is_secure(&self) -> bool {
        self.socket
            .borrow()
            .as_ref()
            .is_some_and(ClientSocket::is_secure)
    }

    /// Returns the address of the session; none if its connection is gone.
    pub fn session(&self) -> Option<Addr<Session>> {
        self.session.upgrade()
    }

    /// Tells who has the socket.
    pub fn owner(&self) -> Owner {
        self.owner.get()
    }

    /// Tells whether the connection takes another request after the hold.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive.get()
    }

    pub(super) fn with_reader<T: Default>(&self, use_reader: impl FnOnce(&mut Reader) -> T) -> T {
        let mut reader = self.reader.borrow_mut();
        reader.as_deref_mut().map(use_reader).unwrap_or_default()
    }

    /// Waits for the next request's head.
    pub(super) fn poll_head(&self, scratch: &mut [u8], cx: &mut Context<'_>) -> Poll<Came> {
        let (mut socket, mut reader) = (self.socket.borrow_mut(), self.reader.borrow_mut());
        match (socket.as_mut(), reader.as_mut()) {
            (Some(socket), Some(reader)) => reader.poll_head(socket, scratch, cx),
            _ => Poll::Ready(Came::Nothing),
        }
    }

    /// Reads on while a request is answered.
    pub(super) fn poll_input(
        &self,
        incoming: Option<&Incoming>,
        scratch: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Input> {
        let (mut socket, mut reader) = (self.socket.borrow_mut(), self.reader.borrow_mut());
        match (socket.as_mut(), reader.as_mut()) {
            (Some(socket), Some(reader)) => reader.poll_input(incoming, socket, scratch, cx),
            _ => Poll::Ready(Input::Gone),
        }
    }

    /// Returns how a response to the current request is written.
    pub fn reply(&self) -> Reply {
        let facts = self.with_reader(|reader| reader.facts);
        facts.map_or(Reply::CLOSING, |facts| Reply {
            http10: facts.http10,
            keep_alive: facts.keep_alive,
            head_only: facts.method_is_head,
        })
    }

    /// Tells whether the socket could be taken away now without losing a byte.
    pub fn is_parkable(&self) -> bool {
        self.owner() == Owner::Serving
            && self.socket.borrow().is_some()
            && self.with_reader(|reader| reader.is_settled())
    }

    /// Takes the socket away; the last act of a request handler. False if it cannot.
    ///
    /// `can_retry` keeps the request, so that the backend can be asked again.
    pub fn park(&self, keep_alive: bool, can_retry: bool) -> bool {
        if !self.is_parkable() {
            return false;
        }
        let request = self.with_reader(|reader| can_retry.then(|| reader.recorded()));
        let request = request.unwrap_or_default();
        self.can_retry.set(!request.is_empty());
        let kept = (!request.is_empty()).then(|| Box::new(Kept::Request(request)));
        self.kept.set(kept);
        self.keep_alive.set(keep_alive);
        self.owner.set(Owner::Parked);
        true
    }

    /// Tells whether the current request asks for a protocol that only its backend knows.
    pub fn wants_switch(&self) -> bool {
        let facts = self.with_reader(|reader| reader.facts);
        facts.is_some_and(|facts| facts.upgrade == Upgrade::Other)
    }

    /// Waits until all that was sent before the current response has left.
    pub async fn flushed(&self) {
        poll_fn(|cx| {
            let (mut socket, mut reader) = (self.socket.borrow_mut(), self.reader.borrow_mut());
            match (socket.as_mut(), reader.as_mut()) {
                (Some(socket), Some(reader)) => reader.poll_unsent(socket, cx),
                _ => Poll::Ready(()),
            }
        })
        .await;
    }

    /// Takes the socket away for good; the last act of a request handler. False if it cannot. The
    /// connection's task ends with what is made of the socket and of what the client sent ahead.
    pub fn leave_to<F>(&self, make: impl FnOnce(ClientSocket, Bytes) -> F) -> bool
    where
        F: Future<Output = ()> + 'static,
    {
        if !self.is_parkable() {
            return false;
        }
        let Some(socket) = self.socket.take() else {
            return false;
        };
        let ahead = self.with_reader(Reader::take_ahead);
        self.owner.set(Owner::Parked);
        let successor: Serving = Box::pin(make(socket, ahead));
        self.kept.set(Some(Box::new(Kept::Successor(successor))));
        true
    }

    /// Returns what the socket was left to.
    pub fn take_successor(&self) -> Option<Serving> {
        let kept = self.kept.take()?;
        match *kept {
            Kept::Successor(successor) => Some(successor),
            Kept::Request(_) => {
                self.kept.set(Some(kept));
                None
            }
        }
    }

    /// Takes the socket of a client that speaks HTTP/2, and what was read of it.
    pub fn take_http2(&self) -> Option<(ClientSocket, Bytes)> {
        if self.owner() != Owner::Http2 {
            return None;
        }
        let ahead = self.with_reader(Reader::take_ahead);
        Some((self.socket.take()?, ahead))
    }

    /// Serving has ended: gives back what only serving needs.
    pub fn slim_down(&self) {
        let mut reader = self.reader.borrow_mut();
        reader.take_if(|reader| reader.is_ahead_empty());
    }

    /// Gives the socket back to be served, for the next request or for the held one once more.
    pub fn serve_again(&self, limits: RequestLimits) {
        let kept = self.kept.take();
        let mut reader = self.reader.borrow_mut();
        let reader = reader.get_or_insert_with(|| Box::new(Reader::after_hold(limits)));
        match kept.as_deref() {
            Some(Kept::Request(again)) if self.owner() == Owner::Retried => reader.replay(again),
            _ => reader.next_request(),
        }
        self.watcher.take();
        self.owner.set(Owner::Serving);
        self.is_blocked.set(false);
        self.has_begun_response.set(false);
    }

    /// Notes that the current request's response is complete.
    pub(super) fn answered(&self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.answered();
        }
    }

    /// Goes on to the next request.
    pub(super) fn next_request(&self) {
        self.with_reader(Reader::next_request);
        self.has_begun_response.set(false);
    }

    /// Notes that the client speaks WebSocket from now on.
    pub fn become_web_socket(&self) {
        self.is_web_socket.set(true);
    }

    /// Tells whether the client speaks WebSocket.
    pub fn is_web_socket(&self) -> bool {
        self.is_web_socket.get()
    }

    /// Gives out what the client has sent beyond the held request, and the reader with it.
    pub fn take_ahead(&self) -> Option<Bytes> {
        self.reader
            .borrow_mut()
            .take()
            .map(|mut reader| reader.take_ahead())
    }

    /// Keeps what a held client sends for after the hold; false if it is too much.
    pub fn keep_ahead(&self, bytes: &[u8], limits: RequestLimits) -> bool {
        let mut reader = self.reader.borrow_mut();
        let reader = reader.get_or_insert_with(|| Box::new(Reader::after_hold(limits)));
        reader.keep_ahead(bytes)
    }

    /// Writes an interim response before the response, if nothing else is on its way out.
    pub fn send_interim(&self, interim: &Bytes) -> bool {
        let mut socket = self.socket.borrow_mut();
        let socket = socket.as_mut();
        socket.is_some_and(|socket| self.with_reader(|reader| reader.send_interim(socket, interim)))
    }

    /// After a crash: says 500 if the client has seen nothing of the response yet.
    pub fn say_crashed(&self) {
        let socket = self.socket.borrow_mut().take();
        let reader = self.reader.borrow();
        let is_waited_for = match reader.as_ref() {
            Some(reader) => !reader.is_between_requests(),
            None => self.owner() == Owner::Parked,
        };
        if let (Some(mut socket), false, true) =
            (socket, self.has_begun_response.get(), is_waited_for)
        {
            let answer = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n\
                Content-Length: 16\r\nConnection: close\r\n\r\nInternal error.\n";
            let _ = socket.try_write(answer);
            socket.end_sending();
        }
    }
}
