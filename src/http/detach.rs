//! The I/O that actix-http sees: a client's socket behind the framing guard, and a way to take it away.
//!
//! Bytes reach the dispatcher only as far as they belong to the current request (`gate`), so when a
//! request becomes a hold, nothing unread can be lost with the dispatcher: the socket is taken out of
//! the [`Slot`], the dispatcher reads end of file and ends, and the session owns the socket.
//!
//! ```text
//! socket ─▶ Gate ─▶ dispatcher ─▶ request handler ──park()──▶ ParkedSocket ──unpark(), replay()──▶ Gate
//! ```

use std::{
    cell::{Cell, RefCell, RefMut},
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{ready, Context, Poll},
};

use actix::{Addr, Recipient};
use actix_rt::net::TcpStream;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{gate::Gate, parked::ParkedSocket};
use crate::{
    actors::{
        messages::ToSession,
        session::{Session, SessionState},
    },
    engine::{
        framing::{FramingError, FramingLimits},
        wire::Reply,
    },
};

/// What a connection's I/O, request handlers and session share.
pub struct Slot {
    socket: RefCell<Option<TcpStream>>,
    gate: RefCell<Option<Box<Gate>>>,
    parked: RefCell<Option<Rc<ParkedSocket>>>,
    limits: FramingLimits,
    is_flushed: Cell<bool>,
    has_begun_response: Cell<bool>,
    /// The session of this connection; while it is held, only its hub has the address.
    session: RefCell<Option<Addr<Session>>>,
    /// What the session knows of a hold.
    pub state: Rc<RefCell<SessionState>>,
}

impl Slot {
    /// Makes the slot of a new connection.
    pub fn new(
        socket: TcpStream,
        limits: FramingLimits,
        session: Addr<Session>,
        state: Rc<RefCell<SessionState>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            socket: RefCell::new(Some(socket)),
            gate: RefCell::new(None),
            parked: RefCell::new(None),
            limits,
            is_flushed: Cell::new(true),
            has_begun_response: Cell::new(false),
            session: RefCell::new(Some(session)),
            state,
        })
    }

    /// Returns the client's address.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.socket.borrow().as_ref()?.peer_addr().ok()
    }

    /// Takes the address of the session for a hold; it is given back with the socket.
    pub fn take_session(&self) -> Option<Recipient<ToSession>> {
        self.session.borrow_mut().take().map(Addr::recipient)
    }

    /// Gives the address of the session back, if it was taken.
    pub fn give_session(&self, address: impl FnOnce() -> Addr<Session>) {
        self.session.borrow_mut().get_or_insert_with(address);
    }

    fn gate(&self) -> RefMut<'_, Gate> {
        RefMut::map(self.gate.borrow_mut(), |gate| {
            &mut **gate.get_or_insert_with(|| Box::new(Gate::new(self.limits)))
        })
    }

    /// Returns why the current request's head was refused, once.
    pub fn take_refusal(&self) -> Option<FramingError> {
        self.gate().take_refusal()
    }

    /// Returns how a response to the current request is written.
    pub fn reply(&self) -> Reply {
        self.gate().facts.map_or(Reply::CLOSING, |facts| Reply {
            http10: facts.http10,
            keep_alive: facts.keep_alive,
            head_only: facts.method_is_head,
        })
    }

    /// Tells whether the socket could be taken away now without losing a byte.
    pub fn is_parkable(&self) -> bool {
        self.is_flushed.get() && self.gate().is_settled() && self.socket.borrow().is_some()
    }

    /// Takes the socket away from the dispatcher; the last act of a request handler.
    ///
    /// `can_retry` keeps the request, so that the backend can be asked again.
    pub fn park(&self, keep_alive: bool, can_retry: bool) -> Option<Rc<ParkedSocket>> {
        if !self.is_parkable() {
            return None;
        }
        let request = if can_retry {
            self.gate().recorded()
        } else {
            Bytes::new()
        };
        let socket = self.socket.borrow_mut().take()?;
        let parked = Rc::new(ParkedSocket::new(socket, keep_alive, request));
        *self.parked.borrow_mut() = Some(parked.clone());
        Some(parked)
    }

    /// Returns the socket that was parked since the last call, and gives the gate's memory back.
    pub fn take_parked(&self) -> Option<Rc<ParkedSocket>> {
        let parked = self.parked.borrow_mut().take()?;
        self.session.borrow_mut().take();
        self.gate.borrow_mut().take_if(|gate| gate.is_ahead_empty());
        Some(parked)
    }

    /// Takes the socket back after a hold; the next request may come.
    pub fn unpark(&self, socket: TcpStream) {
        *self.socket.borrow_mut() = Some(socket);
        self.is_flushed.set(true);
        self.gate().next_request();
        self.has_begun_response.set(false);
    }

    /// Takes the socket back during a hold, and lets the held request come again.
    pub fn replay(&self, socket: TcpStream, request: &[u8]) {
        *self.socket.borrow_mut() = Some(socket);
        self.is_flushed.set(true);
        self.gate().replay(request);
        self.has_begun_response.set(false);
    }

    /// Notes that the current request's response is complete: the next request may pass.
    pub fn response_ended(&self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.answered();
        }
        self.gate().next_request();
        self.has_begun_response.set(false);
    }

    /// Keeps what a held client sends for after the hold; false if it is too much.
    pub fn keep_ahead(&self, bytes: &[u8]) -> bool {
        self.gate().keep_ahead(bytes)
    }

    /// Writes an interim response before the response, if nothing else is on its way out.
    pub fn send_interim(&self, interim: &Bytes) -> bool {
        let socket = self.socket.borrow();
        let socket = socket.as_ref().filter(|_| self.is_flushed.get());
        socket.is_some_and(|socket| self.gate().send_interim(socket, interim))
    }

    /// After a crash: says 500 if the client has seen nothing of the response yet.
    pub fn say_crashed(&self) {
        let socket = self.socket.borrow_mut().take();
        let is_waited_for = !self.gate().is_between_requests();
        if let (Some(socket), false, true) = (socket, self.has_begun_response.get(), is_waited_for)
        {
            let answer = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n\
                Content-Length: 16\r\nConnection: close\r\n\r\nInternal error.\n";
            let _ = socket.try_write(answer);
        }
    }

    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = self.socket.borrow();
        // A parked connection's dispatcher reads end of file.
        let Some(socket) = socket.as_ref() else {
            return Poll::Ready(Ok(()));
        };
        self.gate().poll_read(socket, cx, buf)
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut socket = self.socket.borrow_mut();
        // A parked connection's dispatcher ends by this.
        let Some(socket) = socket.as_mut() else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        self.is_flushed.set(false);
        ready!(self
            .gate()
            .poll_unsent(|rest| Pin::new(&mut *socket).poll_write(cx, rest)))?;
        self.has_begun_response.set(true);
        Pin::new(socket).poll_write(cx, bytes)
    }
}

/// The I/O that actix-http is given.
pub struct Detachable(pub Rc<Slot>);

impl AsyncRead for Detachable {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buf)
    }
}

impl AsyncWrite for Detachable {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    /// The dispatcher calls this when its own buffer is empty.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.is_flushed.set(true);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.socket.borrow_mut().as_mut() {
            Some(socket) => Pin::new(socket).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
