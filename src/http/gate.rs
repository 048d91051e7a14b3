//! The buffers around the framing guard: what a client sent, what may pass, what could be sent again.
//!
//! It exists while a connection's requests are served; a parked connection gives it back.

use std::{
    io,
    pin::Pin,
    task::{ready, Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use super::{client_socket::ClientSocket, patience::Silence, record::Record, sending::Sending};
use crate::engine::{
    client_limits::RequestLimits,
    framing::{Framing, FramingError, HeadFacts, Verdict},
};

/// Most bytes kept of requests that a client sends before the current one is answered.
pub const AHEAD_MAX: usize = 16_384;

/// What stands in for a refused head: the handler answers it with the refusal.
const REFUSED: Bytes = Bytes::from_static(b"GET / HTTP/1.0\r\n\r\n");

/// The guard of one connection with its buffers.
pub struct Gate {
    framing: Framing,
    limits: RequestLimits,
    /// A request was held before: the dispatcher is new and its timer does not run.
    was_held: bool,
    /// The client speaks HTTP/2: the dispatcher is then at its end.
    pub is_http2: bool,
    silence: Silence,
    has_passed_head: bool,
    /// Received, not passed.
    waiting: BytesMut,
    /// Passed, not yet read by the dispatcher.
    passing: Bytes,
    /// What is sent beside the dispatcher.
    pub sending: Sending,
    /// What the current request's head says about the connection.
    pub facts: Option<HeadFacts>,
    refusal: Option<FramingError>,
    is_refused: bool,
    /// The client was too slow: nothing more of it passes.
    is_slow: bool,
    phase: Phase,
    reader: Option<Waker>,
    record: Record,
}

/// How far the response to the current request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing of it is decided: a fault in the request's body can still be answered.
    Open,
    /// It is on its way: such a fault cuts the connection.
    Begun,
    /// It is complete, or there was no request yet.
    Over,
}

impl Gate {
    /// Makes the gate of a connection without a request.
    pub fn new(limits: RequestLimits) -> Self {
        Self {
            framing: Framing::new(limits.framing),
            limits,
            was_held: false,
            is_http2: false,
            silence: Silence::default(),
            has_passed_head: false,
            waiting: BytesMut::new(),
            passing: Bytes::new(),
            sending: Sending::default(),
            facts: None,
            refusal: None,
            is_refused: false,
            is_slow: false,
            phase: Phase::Over,
            reader: None,
            record: Record::default(),
        }
    }

    /// Makes the gate of a connection whose held request is over.
    pub fn after_hold(limits: RequestLimits) -> Self {
        Self {
            was_held: true,
            ..Self::new(limits)
        }
    }

    /// Returns why the current request was refused, once.
    pub fn take_refusal(&mut self) -> Option<FramingError> {
        self.refusal.take()
    }

    /// Tells whether a response was cut because its request's body took too long.
    pub fn has_cut_slow(&self) -> bool {
        self.is_slow && !self.is_refused
    }

    /// Tells whether the current request is with the handler whole, and nothing waits to be written.
    pub fn is_settled(&self) -> bool {
        self.sending.is_empty() && self.passing.is_empty() && self.framing.is_request_complete()
    }

    /// Tells whether no request has begun.
    pub fn is_between_requests(&self) -> bool {
        self.framing.is_between_requests()
    }

    /// Tells whether the client has sent nothing beyond the current request.
    pub fn is_ahead_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes what the client sent beyond the current request.
    pub fn take_ahead(&mut self) -> Bytes {
        self.waiting.split().freeze()
    }

    /// Returns the current request as received, or nothing if it is too large to keep.
    pub fn recorded(&self) -> Box<[u8]> {
        self.record.keep()
    }

    /// Notes that the response is decided: a fault in the request's body cuts the connection from now on.
    pub fn begin_response(&mut self) {
        self.phase = Phase::Begun;
    }

    /// Lets the next request pass, once the current one has passed whole.
    pub fn next_request(&mut self) {
        self.phase = Phase::Over;
        self.framing.next_request();
        if self.is_refused || !self.waiting.is_empty() {
            let _ = self.reader.take().map(Waker::wake);
        }
    }

    /// Puts a request before everything that waits, as if the client had sent it again.
    pub fn replay(&mut self, request: &[u8]) {
        let mut again = BytesMut::with_capacity(request.len() + self.waiting.len());
        again.extend_from_slice(request);
        again.extend_from_slice(&self.waiting);
        self.waiting = again;
        self.framing.next_request();
    }

    /// Keeps what a held client sends for after the hold; false if it is too much.
    pub fn keep_ahead(&mut self, bytes: &[u8]) -> bool {
        let fits = self.waiting.len() + bytes.len() <= AHEAD_MAX;
        if fits {
            self.waiting.extend_from_slice(bytes);
        }
        fits
    }

    /// Writes an interim response, as far as the client takes it now; the rest leaves before the response.
    pub fn send_interim(&mut self, socket: &mut ClientSocket, interim: &Bytes) -> bool {
        let is_http11 = self.facts.is_some_and(|facts| !facts.http10);
        is_http11 && self.sending.send_interim(socket, interim)
    }

    /// Gives the dispatcher bytes of the current request, and of the next one once that may pass.
    pub fn poll_read(
        &mut self,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.is_slow {
                return self.refuse(self.lateness(), cx, buf);
            }
            if !self.passing.is_empty() {
                let n = self.passing.len().min(buf.remaining());
                buf.put_slice(&self.passing.split_to(n));
                return Poll::Ready(Ok(()));
            }
            if let (Some(left), true) = (self.framing.counted_body_left(), self.waiting.is_empty())
            {
                let read = self.poll_counted_body(left, socket, cx, buf);
                if read.is_ready() {
                    return read;
                }
                ready!(self.poll_silence(cx));
                continue;
            }
            let received = match self.framing.on_bytes(&self.waiting) {
                Verdict::PassHead {
                    len,
                    rewritten,
                    head,
                } => {
                    let received = self.waiting.split_to(len).freeze();
                    self.record.begin(received.clone());
                    self.passing = rewritten.unwrap_or(received);
                    self.facts = Some(head);
                    self.has_passed_head = true;
                    self.silence.restart_head();
                    self.silence.body_moved();
                    self.phase = Phase::Open;
                    continue;
                }
                Verdict::PassBody(len) => {
                    self.passing = self.waiting.split_to(len).freeze();
                    self.record.add(&self.passing);
                    continue;
                }
                Verdict::Refuse(FramingError::Http2) if self.begins_http2() => {
                    self.is_http2 = true;
                    return Poll::Ready(Ok(()));
                }
                Verdict::Refuse(error) => return self.refuse(error, cx, buf),
                Verdict::NeedMore => match ready!(self.poll_more(socket, cx)) {
                    Some(received) => received?,
                    None if self.is_slow => continue,
                    // End of file: the dispatcher closes the connection.
                    None => 0,
                },
                // The response was complete before the request.
                Verdict::Complete if self.phase == Phase::Over => {
                    self.framing.next_request();
                    continue;
                }
                Verdict::Complete => ready!(self.poll_ahead(socket, cx))?,
            };
            if received == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Reads a counted body from the socket straight to the dispatcher.
    fn poll_counted_body(
        &mut self,
        left: u64,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buf.remaining());
        let mut into = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(Pin::new(socket).poll_read(cx, &mut into))?;
        self.record.add(into.filled());
        let n = into.filled().len();
        self.silence.body_moved();
        buf.advance(n);
        self.framing.on_counted_body(n as u64);
        Poll::Ready(Ok(()))
    }

    /// Reads more of a request; nothing of it if the client is silent for too long.
    fn poll_more(
        &mut self,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<usize>>> {
        let is_first = self.waiting.is_empty();
        let Poll::Ready(received) = self.poll_receive(socket, cx) else {
            return self.poll_silence(cx).map(|()| None);
        };
        if is_first {
            // A head is timed from its first byte.
            self.silence.restart_head();
        }
        self.silence.body_moved();
        Poll::Ready(Some(received))
    }

    /// Reads on while a request is answered, so that a client that leaves is noticed.
    fn poll_ahead(
        &mut self,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.waiting.len() < AHEAD_MAX {
            let received = self.poll_receive(socket, cx);
            if received.is_ready() {
                return received;
            }
        }
        if !self.waiting.is_empty() {
            self.reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Ends when the client has been silent for too long; if it has begun something, it is told so.
    ///
    /// While nothing of a head has come on a kept connection, the dispatcher's own timer runs.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self.limits.patience;
        if !self.framing.is_between_requests() {
            ready!(self.silence.poll_body(patience.body, cx));
            self.is_slow = true;
            return Poll::Ready(());
        }
        let has_begun = !self.waiting.is_empty();
        if self.has_passed_head && !has_begun {
            return Poll::Pending;
        }
        let limit = match self.was_held && !has_begun {
            true => patience.keep_alive,
            false => patience.head,
        };
        ready!(self.silence.poll_head(limit, cx));
        self.is_slow = has_begun;
        Poll::Ready(())
    }

    fn lateness(&self) -> FramingError {
        match self.framing.is_between_requests() {
            true => FramingError::HeadTooSlow,
            false => FramingError::BodyTooSlow,
        }
    }

    fn poll_receive(
        &mut self,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let room = if self.waiting.is_empty() {
            1_024
        } else {
            4_096
        };
        self.waiting.reserve(room);
        tokio_util::io::poll_read_buf(Pin::new(socket), cx, &mut self.waiting)
    }

    /// Tells whether the preface's first line is all that the client has begun with.
    fn begins_http2(&self) -> bool {
        let is_first = self.limits.http2 && !self.has_passed_head;
        is_first && self.waiting.starts_with(b"PRI * HTTP/2.0\r\n")
    }

    /// What is refused is answered by the request handler, unless the response has begun already; then
    /// the connection ends.
    fn refuse(
        &mut self,
        error: FramingError,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_refused && self.phase == Phase::Over {
            return Poll::Ready(Ok(()));
        }
        if !self.is_refused {
            if error.is_in_body() && self.phase != Phase::Open {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
            self.is_refused = true;
            self.waiting.clear();
            self.refusal = Some(error);
            if !error.is_in_body() {
                self.facts = None;
                buf.put_slice(&REFUSED);
                return Poll::Ready(Ok(()));
            }
        }
        // The dispatcher polls the handler next, which asks for the refusal; it reads again once that
        // is answered.
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}
