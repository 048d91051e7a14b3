//! What a client has sent, request by request: read, judged, recorded so that it could be asked again.
//!
//! It exists while a connection's requests are served; a held connection gives it back. No buffer stays
//! while nothing of a request has come.

use std::{
    io,
    pin::Pin,
    task::{ready, Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::payload::Incoming;
use crate::{
    engine::{
        client_limits::RequestLimits,
        framing::{Fields, Framing, FramingError, HeadFacts, Verdict},
    },
    http::{client_socket::ClientSocket, patience::Silence, record::Record},
};

/// Most bytes kept of requests that a client sends before the current one is answered.
pub const AHEAD_MAX: usize = 16_384;

/// The reader of one connection.
pub struct Reader {
    framing: Framing,
    limits: RequestLimits,
    /// A request was held before.
    was_held: bool,
    silence: Silence,
    has_read_head: bool,
    /// Received, not read.
    waiting: BytesMut,
    /// Interim responses that the client has not taken yet.
    unsent: Bytes,
    /// What the current request's head says about the connection.
    pub facts: Option<HeadFacts>,
    record: Record,
}

/// A head that was judged.
pub struct Head {
    /// What is read in place of what came.
    pub bytes: Bytes,
    /// Where its parts lie.
    pub fields: Fields,
    /// What it says about the connection and the body.
    pub facts: HeadFacts,
}

/// What comes of waiting for a request.
pub enum Came {
    /// Its head.
    Head(Head),
    /// What makes no request.
    Refused(FramingError),
    /// HTTP/2's preface.
    Http2,
    /// Nothing more: the client has left, or is idle for too long.
    Nothing,
}

/// What comes of reading on while a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Input {
    /// Its body is whole.
    Whole,
    /// Its body is no body, or takes too long.
    Refused(FramingError),
    /// The client has left.
    Gone,
}

impl Reader {
    /// Makes the reader of a connection without a request.
    pub fn new(limits: RequestLimits) -> Self {
        Self {
            framing: Framing::new(limits.framing),
            limits,
            was_held: false,
            silence: Silence::default(),
            has_read_head: false,
            waiting: BytesMut::new(),
            unsent: Bytes::new(),
            facts: None,
            record: Record::default(),
        }
    }

    /// Makes the reader of a connection whose held request is over.
    pub fn after_hold(limits: RequestLimits) -> Self {
        Self {
            was_held: true,
            ..Self::new(limits)
        }
    }

    /// Tells whether the current request was read whole, and nothing waits to be written.
    pub fn is_settled(&self) -> bool {
        self.unsent.is_empty() && self.framing.is_request_complete()
    }

    /// Tells whether the current request was read whole.
    pub(in crate::http) fn is_request_whole(&self) -> bool {
        self.framing.is_request_complete()
    }

    /// Tells whether another request is waited for.
    pub(in crate::http) fn can_keep_alive(&self) -> bool {
        !self.limits.patience.keep_alive.is_zero()
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

    /// Goes on to the next request, once the current one was read whole.
    pub fn next_request(&mut self) {
        self.framing.next_request();
        self.record = Record::default();
        if self.waiting.is_empty() {
            self.waiting = BytesMut::new();
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
    /// False if it cannot have one, or has not taken the last.
    pub fn send_interim(&mut self, socket: &mut ClientSocket, interim: &Bytes) -> bool {
        let is_http11 = self.facts.is_some_and(|facts| !facts.http10);
        if !is_http11 || !self.unsent.is_empty() {
            return false;
        }
        let written = socket.try_write(interim).unwrap_or(0);
        self.unsent = interim.slice(written..);
        true
    }

    /// Takes what is to leave before the response.
    pub(in crate::http) fn take_unsent(&mut self) -> Bytes {
        std::mem::take(&mut self.unsent)
    }

    /// Writes what is to leave before the response; ends when it has left, or cannot.
    pub fn poll_unsent(&mut self, socket: &mut ClientSocket, cx: &mut Context<'_>) -> Poll<()> {
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut *socket).poll_write(cx, &self.unsent)) {
                Ok(written) if written > 0 => self.unsent.advance(written),
                _ => break,
            }
        }
        Poll::Ready(())
    }

    /// Waits for the next request's head; `scratch` is what the socket is read into.
    pub fn poll_head(
        &mut self,
        socket: &mut ClientSocket,
        scratch: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Came> {
        loop {
            if !self.waiting.is_empty() {
                let waiting = std::mem::take(&mut self.waiting);
                let (came, read) = self.judge(&waiting);
                self.waiting = waiting;
                self.waiting.advance(read);
                if let Some(came) = came {
                    return Poll::Ready(came);
                }
            }
            let Poll::Ready(received) = poll_read(socket, scratch, cx) else {
                ready!(self.poll_head_silence(cx));
                let is_begun = !self.waiting.is_empty();
                let late = Came::Refused(FramingError::HeadTooSlow);
                return Poll::Ready(if is_begun { late } else { Came::Nothing });
            };
            let received = match received {
                Ok(0) | Err(_) => return Poll::Ready(Came::Nothing),
                Ok(n) => scratch.get(..n).unwrap_or_default(),
            };
            if !self.waiting.is_empty() {
                self.waiting.extend_from_slice(received);
                continue;
            }
            // A head is timed from its first byte.
            self.silence.restart_head();
            let (came, read) = self.judge(received);
            self.waiting
                .extend_from_slice(received.get(read..).unwrap_or_default());
            if let Some(came) = came {
                return Poll::Ready(came);
            }
        }
    }

    /// Judges what has come of a head; returns what it is, if that is known, and how long.
    fn judge(&mut self, waiting: &[u8]) -> (Option<Came>, usize) {
        match self.framing.on_bytes(waiting) {
            Verdict::PassHead {
                len,
                rewritten,
                head: facts,
                fields,
            } => {
                let received = Bytes::copy_from_slice(waiting.get(..len).unwrap_or_default());
                let bytes = rewritten.unwrap_or_else(|| received.clone());
                self.record.begin(received);
                self.facts = Some(facts);
                self.has_read_head = true;
                self.silence.restart_head();
                let head = Head {
                    bytes,
                    fields,
                    facts,
                };
                (Some(Came::Head(head)), len)
            }
            Verdict::Refuse(FramingError::Http2) if self.begins_http2(waiting) => {
                (Some(Came::Http2), 0)
            }
            Verdict::Refuse(error) => {
                self.facts = None;
                (Some(Came::Refused(error)), waiting.len())
            }
            Verdict::NeedMore | Verdict::PassBody { .. } | Verdict::Complete => (None, 0),
        }
    }

    /// Tells whether the preface's first line is all that the client has begun with.
    fn begins_http2(&self, waiting: &[u8]) -> bool {
        let is_first = self.limits.http2 && !self.has_read_head;
        is_first && waiting.starts_with(b"PRI * HTTP/2.0\r\n")
    }

    /// Ends when the client has been silent for too long.
    fn poll_head_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self.limits.patience;
        let is_kept = self.was_held || self.has_read_head;
        let limit = match is_kept && self.waiting.is_empty() {
            true => patience.keep_alive,
            false => patience.head,
        };
        self.silence.poll_head(limit, cx)
    }

    /// Puts what has come already of the current request's body.
    pub(in crate::http) fn feed_received(&mut self, incoming: &Incoming) {
        while !self.waiting.is_empty() {
            let Verdict::PassBody { len, content } = self.framing.on_bytes(&self.waiting) else {
                break;
            };
            let passed = self.waiting.split_to(len).freeze();
            self.record.add(&passed);
            incoming.put(passed.slice(content));
        }
        if self.is_request_whole() {
            incoming.end();
        }
    }

    /// Reads on while a request is answered: its body, as far as it is wanted, then what is sent ahead, so
    /// that a client that leaves is noticed.
    pub(in crate::http) fn poll_input(
        &mut self,
        incoming: Option<&Incoming>,
        socket: &mut ClientSocket,
        scratch: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Input> {
        let incoming = match incoming {
            Some(incoming) if !self.is_request_whole() => incoming,
            _ => return self.poll_ahead(socket, scratch, cx),
        };
        loop {
            match self.framing.on_bytes(&self.waiting) {
                Verdict::PassBody { len, content } => {
                    let passed = self.waiting.split_to(len).freeze();
                    self.record.add(&passed);
                    incoming.put(passed.slice(content));
                    if self.is_request_whole() {
                        incoming.end();
                        return Poll::Ready(Input::Whole);
                    }
                }
                Verdict::Refuse(error) => return Poll::Ready(Input::Refused(error)),
                _ if !incoming.is_wanted(cx) => {
                    self.silence.body_moved();
                    return Poll::Pending;
                }
                _ => match poll_read(socket, scratch, cx) {
                    Poll::Pending => {
                        ready!(self.silence.poll_body(self.limits.patience.body, cx));
                        return Poll::Ready(Input::Refused(FramingError::BodyTooSlow));
                    }
                    Poll::Ready(Ok(0) | Err(_)) => {
                        incoming.cut();
                        return Poll::Ready(Input::Gone);
                    }
                    Poll::Ready(Ok(n)) => {
                        self.silence.body_moved();
                        let received = scratch.get(..n).unwrap_or_default();
                        self.waiting.extend_from_slice(received);
                    }
                },
            }
        }
    }

    fn poll_ahead(
        &mut self,
        socket: &mut ClientSocket,
        scratch: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Input> {
        while self.waiting.len() < AHEAD_MAX {
            let room = scratch.len().min(AHEAD_MAX - self.waiting.len());
            let into = scratch.get_mut(..room).unwrap_or_default();
            match ready!(poll_read(socket, into, cx)) {
                Ok(0) | Err(_) => return Poll::Ready(Input::Gone),
                Ok(n) => self
                    .waiting
                    .extend_from_slice(into.get(..n).unwrap_or_default()),
            }
        }
        Poll::Pending
    }
}

/// Reads what has come. A read that does not fill the buffer is not tried again before more has come.
fn poll_read(
    socket: &mut ClientSocket,
    into: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut into = ReadBuf::new(into);
    ready!(Pin::new(socket).poll_read(cx, &mut into))?;
    Poll::Ready(Ok(into.filled().len()))
}
