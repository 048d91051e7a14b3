//! A response on its way to the client: its head, then its body as it comes.
//!
//! Small pieces are gathered, large ones leave from where they are, with what stands before them in one
//! system call. No more of a body is asked for while the client does not take what there is.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{ready, Context, Poll},
};

use actix_web::body::{BoxBody, MessageBody};
use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use crate::{
    engine::answer::{put_chunk_line, Framed},
    http::{client_socket::ClientSocket, slot::Slot},
};

/// From this many bytes on a piece is written in place: that costs less than a copy.
const LARGE: usize = 8_192;

/// Bytes that are gathered of small pieces.
const GATHERED_MAX: usize = 16_384;

/// The response that is being written.
pub(super) struct Writer {
    /// What is written first, and how much of it has been.
    out: Vec<u8>,
    written: usize,
    /// What is written behind it.
    piece: Bytes,
    /// The piece is a chunk, whose end is still to be written.
    is_chunk_open: bool,
    framed: Framed,
    /// None: nothing more follows.
    body: Option<BoxBody>,
    has_failed: bool,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The client has been sent all of it.
    Whole,
    /// It cannot be completed: its connection has to end.
    Cut,
}

impl Writer {
    /// Begins with a head; `out` is that, with what stands before it.
    pub(super) fn new(out: Vec<u8>, framed: Framed, body: BoxBody) -> Self {
        Self {
            out,
            written: 0,
            piece: Bytes::new(),
            is_chunk_open: false,
            framed,
            body: (framed != Framed::Nothing).then_some(body),
            has_failed: false,
        }
    }

    /// Gives back the buffer.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.out
    }

    /// Asks for no more of the body: only what is here leaves.
    pub(super) fn cut(&mut self) {
        if self.body.take().is_some() {
            self.has_failed = true;
        }
    }

    /// Writes the response, as far as it has come and the client takes it.
    pub(super) fn poll(&mut self, slot: &Slot, cx: &mut Context<'_>) -> Poll<Written> {
        loop {
            let is_waiting = self.gather(cx).is_pending();
            let flushed = {
                let mut socket = slot.socket.borrow_mut();
                let Some(socket) = socket.as_mut() else {
                    return Poll::Ready(Written::Cut);
                };
                match ready!(self.poll_write(slot, socket, cx)) {
                    Ok(()) if is_waiting || self.body.is_none() => Pin::new(socket).poll_flush(cx),
                    Ok(()) => continue,
                    Err(error) => Poll::Ready(Err(error)),
                }
            };
            if ready!(flushed).is_err() {
                return Poll::Ready(Written::Cut);
            }
            if is_waiting {
                return Poll::Pending;
            }
            return Poll::Ready(match self.has_failed {
                true => Written::Cut,
                false => Written::Whole,
            });
        }
    }

    /// Takes of the body what is there; pending if that is nothing.
    fn gather(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.piece.is_empty() && self.out.len() < GATHERED_MAX {
            let Some(body) = &mut self.body else { break };
            match ready!(Pin::new(body).poll_next(cx)) {
                Some(Ok(piece)) => self.put(piece),
                Some(Err(error)) => {
                    log::debug!(error:%; "a body broke off");
                    self.fail();
                }
                None => self.end(),
            }
        }
        Poll::Ready(())
    }

    fn put(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        match &mut self.framed {
            Framed::Counted(left) => match left.checked_sub(piece.len() as u64) {
                Some(rest) => *left = rest,
                // It is not as long as its head says.
                None => return self.fail(),
            },
            Framed::Chunked => put_chunk_line(&mut self.out, piece.len()),
            Framed::ToTheEnd | Framed::Nothing => {}
        }
        let is_chunk = self.framed == Framed::Chunked;
        if piece.len() >= LARGE {
            self.piece = piece;
            self.is_chunk_open = is_chunk;
            return;
        }
        self.out.extend_from_slice(&piece);
        if is_chunk {
            self.out.extend_from_slice(b"\r\n");
        }
    }

    fn end(&mut self) {
        match self.framed {
            Framed::Counted(left) if left > 0 => return self.fail(),
            Framed::Chunked => self.out.extend_from_slice(b"0\r\n\r\n"),
            _ => {}
        }
        self.body = None;
    }

    fn fail(&mut self) {
        self.body = None;
        self.has_failed = true;
    }

    /// Writes all that is here.
    fn poll_write(
        &mut self,
        slot: &Slot,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut socket = Pin::new(socket);
        loop {
            let first = self.out.get(self.written..).unwrap_or_default();
            let n = match (first.is_empty(), self.piece.is_empty()) {
                (true, true) => break,
                (false, true) => ready!(socket.as_mut().poll_write(cx, first))?,
                (true, false) => ready!(socket.as_mut().poll_write(cx, &self.piece))?,
                (false, false) => {
                    let both = [IoSlice::new(first), IoSlice::new(&self.piece)];
                    ready!(socket.as_mut().poll_write_vectored(cx, &both))?
                }
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            slot.has_begun_response.set(true);
            let of_first = n.min(first.len());
            self.written += of_first;
            self.piece.advance(n - of_first);
            if self.written == self.out.len() {
                self.out.clear();
                self.written = 0;
            }
            if self.piece.is_empty() {
                // What it was cut from may be used again.
                self.piece = Bytes::new();
                if std::mem::take(&mut self.is_chunk_open) {
                    self.out.extend_from_slice(b"\r\n");
                    // It leaves with what comes next.
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
