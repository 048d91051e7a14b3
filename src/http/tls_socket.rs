//! A client's TLS connection, written to without waiting.
//!
//! What rustls took and the kernel did not is at most `UNSENT_MAX` bytes; whoever writes asks
//! `has_unsent`, and `poll_writable` sends it when the socket takes bytes again.

use std::{
    io::{self, IoSlice, Write},
    net::Shutdown,
    pin::Pin,
    sync::Arc,
    task::{ready, Context, Poll},
};

use actix_rt::net::TcpStream;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{server::TlsStream, TlsAcceptor};

/// Most bytes that rustls keeps for one client.
const UNSENT_MAX: usize = 32_768;

/// A TLS connection whose handshake is over.
pub struct TlsSocket(TlsStream<TcpStream>);

impl TlsSocket {
    /// Agrees with a client on keys; takes as long as the client likes.
    pub async fn accept(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let accepting = TlsAcceptor::from(config).accept_with(socket, |session| {
            session.set_buffer_limit(Some(UNSENT_MAX));
        });
        accepting.await.map(Self)
    }

    /// Returns the socket underneath.
    pub fn socket(&self) -> &TcpStream {
        self.0.get_ref().0
    }

    /// Tells whether something waits that was taken as written.
    pub fn has_unsent(&self) -> bool {
        self.0.get_ref().1.wants_write()
    }

    /// Sends what waits, as far as the socket takes it now.
    pub fn try_flush(&mut self) -> io::Result<()> {
        let (socket, session) = self.0.get_mut();
        while session.wants_write() {
            if session.write_tls(&mut Direct(socket))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Takes of several buffers what fits; nothing while something waits.
    pub fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_flush()?;
        let taken = self.0.get_mut().1.writer().write_vectored(slices)?;
        match self.try_flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// Waits until all that waited was sent and the socket takes more.
    pub fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.socket().poll_write_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            match self.try_flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Reads into a buffer; a client that ends without saying so has ended too.
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut into = ReadBuf::new(into);
        let read = Pin::new(&mut self.0).poll_read(cx, &mut into);
        if self.has_unsent() {
            // Such as the answer to a change of keys; what the socket does not take goes with the next write.
            let _ = self.try_flush();
        }
        match ready!(read) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(into.filled().len())),
        }
    }

    /// Says that nothing more is sent.
    pub fn end_sending(&mut self) {
        self.0.get_mut().1.send_close_notify();
        let _ = self.try_flush();
        let _ = SockRef::from(self.socket()).shutdown(Shutdown::Write);
    }
}

impl AsyncRead for TlsSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(self.get_mut().poll_receive(cx, buf.initialize_unfilled()))?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

/// Writes what a socket takes now.
struct Direct<'a>(&'a TcpStream);

impl Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a held client keeps beside rustls's own buffers.
    #[test]
    fn a_socket_stays_small() {
        assert!(std::mem::size_of::<TlsSocket>() <= 1_536);
    }
}
