//! What is sent to a client beside the dispatcher's own bytes: interim responses before them, pieces of a
//! large body behind them.
//!
//! The dispatcher copies all of a body into its buffer. A piece that is put here instead leaves right
//! behind what that buffer holds, head and first piece by one system call.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{ready, Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::client_socket::ClientSocket;

/// What is on its way beside the dispatcher; at most one of each.
#[derive(Default)]
pub struct Sending {
    /// Interim responses that the client has not taken yet.
    interim: Bytes,
    /// What is left of a piece of the body.
    piece: Bytes,
    /// Nothing of the dispatcher's is to leave before the piece.
    is_piece_next: bool,
    /// Who waits until the piece has left.
    waiter: Option<Waker>,
}

impl Sending {
    /// Tells whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.interim.is_empty() && self.piece.is_empty()
    }

    /// Writes an interim response, as far as the client takes it now; false if one waits already.
    pub fn send_interim(&mut self, socket: &mut ClientSocket, interim: &Bytes) -> bool {
        if !self.interim.is_empty() {
            return false;
        }
        let written = socket.try_write(interim).unwrap_or(0);
        self.interim = interim.slice(written..);
        true
    }

    /// Writes what is left of an interim response.
    pub fn poll_interim(
        &mut self,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        poll_write_all(&mut self.interim, socket, cx)
    }

    /// Puts a piece of the body behind what the dispatcher has not written yet.
    pub fn put(&mut self, piece: Bytes) {
        debug_assert!(self.piece.is_empty());
        self.piece = piece;
        self.is_piece_next = false;
    }

    /// Waits until the piece has left.
    pub fn poll_piece_left(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.piece.is_empty() {
            return Poll::Ready(());
        }
        self.waiter = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Writes bytes of the dispatcher, and what comes behind them.
    pub fn poll_write(
        &mut self,
        bytes: &[u8],
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.is_piece_next {
            ready!(self.poll_piece(socket, cx))?;
        }
        if self.piece.is_empty() {
            return Pin::new(socket).poll_write(cx, bytes);
        }
        let both = [IoSlice::new(bytes), IoSlice::new(&self.piece)];
        let written = ready!(Pin::new(socket).poll_write_vectored(cx, &both))?;
        let of_dispatcher = written.min(bytes.len());
        self.piece.advance(written - of_dispatcher);
        Poll::Ready(Ok(of_dispatcher))
    }

    /// Writes the rest of the piece: the dispatcher has nothing before it any more.
    pub fn poll_piece(
        &mut self,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_piece_next = true;
        ready!(poll_write_all(&mut self.piece, socket, cx))?;
        let _ = self.waiter.take().map(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

fn poll_write_all(
    bytes: &mut Bytes,
    socket: &mut ClientSocket,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !bytes.is_empty() {
        match ready!(Pin::new(&mut *socket).poll_write(cx, bytes))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => bytes.advance(written),
        }
    }
    // What it was cut from may be used again.
    *bytes = Bytes::new();
    Poll::Ready(Ok(()))
}
