//! The byte stream under one backend connection, with the two things HTTP needs to know of it.
//!
//! It remembers whether a byte came back since a request began (only then a retry is ruled out), and
//! it hides a failed write while an answer can still be read: a backend that answers 413 and closes
//! resets the writing side, and its answer must not be lost for that.
//!
//! Not its concern: HTTP itself, opening and keeping connections.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{ready, Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// What is known of a stream beyond its bytes; shared with whoever holds the connection.
#[derive(Default)]
pub(super) struct WireState {
    answered: Cell<bool>,
    read_ended: Cell<bool>,
    write_failed: Cell<Option<io::ErrorKind>>,
}

impl WireState {
    /// Notes that a request begins.
    pub(super) fn begin(&self) {
        self.answered.set(false);
    }

    /// Returns whether a byte came back since the request began.
    pub(super) fn answered(&self) -> bool {
        self.answered.get()
    }
}

/// A stream that keeps its `WireState` up to date.
pub(super) struct Wire {
    stream: Stream,
    state: Rc<WireState>,
}

impl Wire {
    /// Wraps a connected stream.
    pub(super) fn new(stream: Stream, state: Rc<WireState>) -> Wire {
        Wire { stream, state }
    }

    /// Gives the stream up.
    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Passes a write's result on, except for a failure while the answer may still be waiting.
    fn written(
        &self,
        result: Poll<io::Result<usize>>,
        cx: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Err(error)) if !self.state.read_ended.get() => {
                self.state.write_failed.set(Some(error.kind()));
                // What is left to read ends the exchange, one way or the other.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            other => other,
        }
    }

    /// Returns what every write gives once one failed.
    fn write_failed(&self) -> Option<Poll<io::Result<usize>>> {
        let kind = self.state.write_failed.get()?;
        Some(match self.state.read_ended.get() {
            true => Poll::Ready(Err(kind.into())),
            false => Poll::Pending,
        })
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        if buf.filled().len() > before {
            self.state.answered.set(true);
        } else {
            self.state.read_ended.set(true);
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(failed) = self.write_failed() {
            return failed;
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(failed) = self.write_failed() {
            return failed;
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
