//! The I/O that actix-http sees: a client's socket behind the framing guard.
//!
//! Bytes reach the dispatcher only as far as they belong to the current request (`gate`), so nothing
//! unread can be lost with the dispatcher when the socket is parked: it reads end of file and ends.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{ready, Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::slot::{Owner, Slot};

/// The I/O that actix-http is given.
pub struct Detachable(pub Rc<Slot>);

impl AsyncRead for Detachable {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (mut socket, mut gate) = (self.0.socket.borrow_mut(), self.0.gate.borrow_mut());
        match (socket.as_mut(), gate.as_mut()) {
            (Some(socket), Some(gate)) if self.0.owner() == Owner::Serving => {
                let read = gate.poll_read(socket, cx, buf);
                if gate.is_http2 {
                    self.0.owner.set(Owner::Http2);
                }
                read
            }
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Detachable {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let slot = &self.0;
        let (mut socket, mut gate) = (slot.socket.borrow_mut(), slot.gate.borrow_mut());
        // A parked connection's dispatcher ends by this.
        let (Some(socket), Some(gate), Owner::Serving) =
            (socket.as_mut(), gate.as_mut(), slot.owner())
        else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        slot.is_flushed.set(false);
        ready!(gate.sending.poll_interim(socket, cx))?;
        slot.has_begun_response.set(true);
        gate.sending.poll_write(bytes, socket, cx)
    }

    /// The dispatcher calls this when its own buffer is empty.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let slot = &self.0;
        let (mut socket, mut gate) = (slot.socket.borrow_mut(), slot.gate.borrow_mut());
        if let (Some(socket), Owner::Serving) = (socket.as_mut(), slot.owner()) {
            if let Some(gate) = gate.as_mut() {
                ready!(gate.sending.poll_piece(socket, cx))?;
            }
            ready!(Pin::new(socket).poll_flush(cx))?;
        }
        if !slot.is_flushed.replace(true) {
            let _ = slot.watcher.take().map(Waker::wake);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.socket.borrow_mut().as_mut() {
            Some(socket) if self.0.owner() == Owner::Serving => Pin::new(socket).poll_shutdown(cx),
            _ => Poll::Ready(Ok(())),
        }
    }
}
