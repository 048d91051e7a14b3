//! The I/O that actix-http sees: a client's socket behind the framing guard, and a way to take it away.
//!
//! Bytes reach the dispatcher only as far as they belong to the current request ([`Framing`]), so when
//! a request becomes a hold, nothing unread can be lost with the dispatcher: the socket is taken out of
//! the [`Slot`], the dispatcher reads end of file and ends, and the session owns the socket.
//!
//! ```text
//! socket ─▶ waiting ─▶ Framing ─▶ passing ─▶ dispatcher ─▶ request handler ──park()──▶ ParkedSocket
//! ```

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{ready, Context, Poll, Waker},
};

use actix::Addr;
use actix_rt::net::TcpStream;
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::parked::ParkedSocket;
use crate::{
    actors::session::{Session, SessionState},
    engine::{
        framing::{Framing, FramingError, FramingLimits, HeadFacts, Verdict},
        wire::Reply,
    },
};

/// Most bytes kept of requests that a client sends before the current one is answered.
pub const AHEAD_MAX: usize = 16_384;

/// What stands in for a refused head: the handler answers it with the refusal.
const REFUSED: Bytes = Bytes::from_static(b"GET / HTTP/1.0\r\n\r\n");

/// What a connection's I/O, request handlers and session share.
pub struct Slot {
    socket: RefCell<Option<TcpStream>>,
    gate: RefCell<Gate>,
    parked: RefCell<Option<Rc<ParkedSocket>>>,
    is_flushed: Cell<bool>,
    has_begun_response: Cell<bool>,
    /// The client's address.
    pub peer: Option<SocketAddr>,
    /// The session of this connection.
    pub session: Addr<Session>,
    /// What the session knows of a hold.
    pub state: Rc<RefCell<SessionState>>,
}

struct Gate {
    framing: Framing,
    /// Received, not passed.
    waiting: BytesMut,
    /// Passed, not yet read by the dispatcher.
    passing: Bytes,
    /// Interim responses that the client has not taken yet.
    unsent: Bytes,
    facts: Option<HeadFacts>,
    refusal: Option<FramingError>,
    is_refused: bool,
    reader: Option<Waker>,
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
            peer: socket.peer_addr().ok(),
            socket: RefCell::new(Some(socket)),
            gate: RefCell::new(Gate {
                framing: Framing::new(limits),
                waiting: BytesMut::new(),
                passing: Bytes::new(),
                unsent: Bytes::new(),
                facts: None,
                refusal: None,
                is_refused: false,
                reader: None,
            }),
            parked: RefCell::new(None),
            is_flushed: Cell::new(true),
            has_begun_response: Cell::new(false),
            session,
            state,
        })
    }

    /// Returns why the current request's head was refused, once.
    pub fn take_refusal(&self) -> Option<FramingError> {
        self.gate.borrow_mut().refusal.take()
    }

    /// Returns what the current request's head says about the connection.
    pub fn facts(&self) -> Option<HeadFacts> {
        self.gate.borrow().facts
    }

    /// Returns how a response to the current request is written.
    pub fn reply(&self) -> Reply {
        self.facts().map_or(Reply::CLOSING, |facts| Reply {
            http10: facts.http10,
            keep_alive: facts.keep_alive,
            head_only: facts.method_is_head,
        })
    }

    /// Tells whether the socket could be taken away now without losing a byte.
    pub fn is_parkable(&self) -> bool {
        let gate = self.gate.borrow();
        self.is_flushed.get()
            && gate.unsent.is_empty()
            && gate.passing.is_empty()
            && gate.framing.is_request_complete()
            && self.socket.borrow().is_some()
    }

    /// Takes the socket away from the dispatcher; the last act of a request handler.
    pub fn park(&self, keep_alive: bool) -> Option<Rc<ParkedSocket>> {
        if !self.is_parkable() {
            return None;
        }
        let parked = Rc::new(ParkedSocket::new(
            self.socket.borrow_mut().take()?,
            keep_alive,
        ));
        *self.parked.borrow_mut() = Some(parked.clone());
        Some(parked)
    }

    /// Returns the socket that was parked since the last call.
    pub fn take_parked(&self) -> Option<Rc<ParkedSocket>> {
        self.parked.borrow_mut().take()
    }

    /// Takes the socket back after a hold; the next request may come.
    pub fn unpark(&self, socket: TcpStream) {
        *self.socket.borrow_mut() = Some(socket);
        self.response_ended();
    }

    /// Notes that the current request's response is complete: the next request may pass.
    pub fn response_ended(&self) {
        let mut gate = self.gate.borrow_mut();
        gate.framing.next_request();
        self.has_begun_response.set(false);
        if !gate.waiting.is_empty() {
            let _ = gate.reader.take().map(Waker::wake);
        }
    }

    /// Keeps what a held client sends for after the hold; false if it is too much.
    pub fn keep_ahead(&self, bytes: &[u8]) -> bool {
        let mut gate = self.gate.borrow_mut();
        let fits = gate.waiting.len() + bytes.len() <= AHEAD_MAX;
        if fits {
            gate.waiting.extend_from_slice(bytes);
        }
        fits
    }

    /// Writes an interim response before the response, if nothing else is on its way out.
    pub fn send_interim(&self, interim: &Bytes) -> bool {
        let mut gate = self.gate.borrow_mut();
        let is_http11 = gate.facts.is_some_and(|facts| !facts.http10);
        if !is_http11 || !self.is_flushed.get() || !gate.unsent.is_empty() {
            return false;
        }
        let socket = self.socket.borrow();
        let Some(socket) = socket.as_ref() else {
            return false;
        };
        let written = socket.try_write(interim).unwrap_or(0);
        gate.unsent = interim.slice(written..);
        true
    }

    /// After a crash: says 500 if the client has seen nothing of the response yet.
    pub fn say_crashed(&self) {
        let socket = self.socket.borrow_mut().take();
        let is_waited_for = !self.gate.borrow().framing.is_between_requests();
        if let (Some(socket), false, true) = (socket, self.has_begun_response.get(), is_waited_for)
        {
            let answer = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n\
                Content-Length: 16\r\nConnection: close\r\n\r\nInternal error.\n";
            let _ = socket.try_write(answer);
        }
    }

    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = self.socket.borrow();
        let Some(socket) = socket.as_ref() else {
            return Poll::Ready(Ok(()));
        };
        let mut gate = self.gate.borrow_mut();
        loop {
            if !gate.passing.is_empty() {
                let n = gate.passing.len().min(buf.remaining());
                buf.put_slice(&gate.passing.split_to(n));
                return Poll::Ready(Ok(()));
            }
            if let (Some(left), true) = (gate.framing.counted_body_left(), gate.waiting.is_empty())
            {
                let room = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(buf.remaining());
                let n = ready!(poll_try_read(socket, cx, buf.initialize_unfilled_to(room)))?;
                buf.advance(n);
                gate.framing.on_counted_body(n as u64);
                return Poll::Ready(Ok(()));
            }
            let Gate {
                framing, waiting, ..
            } = &mut *gate;
            let n = match framing.on_bytes(waiting) {
                Verdict::PassHead {
                    len,
                    rewritten,
                    head,
                } => {
                    let received = gate.waiting.split_to(len).freeze();
                    gate.passing = rewritten.unwrap_or(received);
                    gate.facts = Some(head);
                    continue;
                }
                Verdict::PassBody(len) => {
                    gate.passing = gate.waiting.split_to(len).freeze();
                    continue;
                }
                Verdict::Refuse(error) => {
                    return gate.refuse(error, buf);
                }
                Verdict::NeedMore => ready!(gate.poll_receive(socket, cx))?,
                Verdict::Complete if gate.waiting.len() >= AHEAD_MAX => {
                    gate.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Verdict::Complete => {
                    let received = gate.poll_receive(socket, cx);
                    if received.is_pending() && !gate.waiting.is_empty() {
                        gate.reader = Some(cx.waker().clone());
                    }
                    ready!(received)?
                }
            };
            if n == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut socket = self.socket.borrow_mut();
        // A parked connection's dispatcher has nothing to say any more.
        let Some(socket) = socket.as_mut() else {
            return Poll::Ready(Ok(bytes.len()));
        };
        self.is_flushed.set(false);
        let mut gate = self.gate.borrow_mut();
        while !gate.unsent.is_empty() {
            let n = ready!(Pin::new(&mut *socket).poll_write(cx, &gate.unsent))?;
            gate.unsent.advance(n);
        }
        self.has_begun_response.set(true);
        Pin::new(socket).poll_write(cx, bytes)
    }
}

impl Gate {
    fn poll_receive(
        &mut self,
        socket: &TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.waiting.reserve(if self.waiting.is_empty() {
            1_024
        } else {
            4_096
        });
        loop {
            ready!(socket.poll_read_ready(cx))?;
            match socket.try_read_buf(&mut self.waiting) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// A bad head is answered by the request handler; a bad body cuts the connection.
    fn refuse(&mut self, error: FramingError, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if error.is_in_body() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        if self.is_refused {
            return Poll::Pending;
        }
        self.is_refused = true;
        self.waiting.clear();
        self.facts = None;
        self.refusal = Some(error);
        buf.put_slice(&REFUSED);
        Poll::Ready(Ok(()))
    }
}

fn poll_try_read(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    into: &mut [u8],
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_read_ready(cx))?;
        match socket.try_read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
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
