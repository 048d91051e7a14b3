//! A client's socket, whatever it came by: TCP, TLS over it, or a unix socket.
//!
//! One type for all, because it is kept as it is for as long as a client is held.

use std::{
    io::{self, IoSlice},
    net::{Shutdown, SocketAddr},
    os::fd::AsRawFd,
    pin::Pin,
    task::{ready, Context, Poll},
};

use actix_rt::net::{TcpStream, UnixStream};
use nix::sys::socket::{recv, MsgFlags};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use super::tls_socket::TlsSocket;

/// An accepted connection.
pub enum ClientSocket {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connection to a unix socket; boxed, so that TCP connections do not pay for the difference.
    Unix(Box<UnixStream>),
    /// A TCP connection that speaks TLS.
    Tls(Box<TlsSocket>),
    /// One of these that came through a proxy, which said whose it is.
    Proxied(Box<Proxied>),
}

/// A proxy's connection, and for whom it is.
pub struct Proxied {
    socket: ClientSocket,
    client: SocketAddr,
}

impl From<TcpStream> for ClientSocket {
    fn from(socket: TcpStream) -> Self {
        Self::Tcp(socket)
    }
}

impl From<UnixStream> for ClientSocket {
    fn from(socket: UnixStream) -> Self {
        Self::Unix(Box::new(socket))
    }
}

impl From<TlsSocket> for ClientSocket {
    fn from(socket: TlsSocket) -> Self {
        Self::Tls(Box::new(socket))
    }
}

impl ClientSocket {
    /// Notes for whom a proxy has made the connection.
    pub fn on_behalf_of(self, client: SocketAddr) -> Self {
        let socket = self;
        Self::Proxied(Box::new(Proxied { socket, client }))
    }

    /// Returns the client's address; a unix socket's client has none.
    pub fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.peer_addr().ok(),
            Self::Unix(_) => None,
            Self::Tls(socket) => socket.socket().peer_addr().ok(),
            Self::Proxied(proxied) => Some(proxied.client),
        }
    }

    /// Tells whether nobody on the way can read what is sent.
    pub fn is_secure(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            Self::Tls(_) => true,
            Self::Proxied(proxied) => proxied.socket.is_secure(),
        }
    }

    /// Sets an option of a TCP connection; a unix socket has none of them.
    pub fn set_tcp_option(
        &self,
        set: impl FnOnce(SockRef<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => set(SockRef::from(socket)),
            Self::Tls(socket) => set(SockRef::from(socket.socket())),
            Self::Proxied(proxied) => proxied.socket.set_tcp_option(set),
            Self::Unix(_) => Ok(()),
        }
    }

    /// Reads into a buffer that is there only for this call; nothing else stays allocated while
    /// nothing comes.
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            // This replaces the waker that a finished dispatcher left in the socket.
            let read = match self {
                Self::Tcp(socket) => {
                    ready!(socket.poll_read_ready(cx))?;
                    socket.try_read(into)
                }
                Self::Unix(socket) => {
                    ready!(socket.poll_read_ready(cx))?;
                    socket.try_read(into)
                }
                Self::Tls(socket) => return socket.poll_receive(cx, into),
                Self::Proxied(proxied) => return proxied.socket.poll_receive(cx, into),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }

    /// Waits until the socket takes bytes again, and what it was given before has left it.
    pub fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(socket) => socket.poll_write_ready(cx).map(drop),
            Self::Unix(socket) => socket.poll_write_ready(cx).map(drop),
            Self::Tls(socket) => socket.poll_writable(cx),
            Self::Proxied(proxied) => proxied.socket.poll_writable(cx),
        }
    }

    /// Looks at what has come, once something has, and leaves it there; nothing at the connection's end.
    pub async fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        let look = |socket: &dyn AsRawFd, into: &mut [u8]| {
            Ok(recv(socket.as_raw_fd(), into, MsgFlags::MSG_PEEK)?)
        };
        match self {
            Self::Tcp(socket) => {
                let read = || look(socket, into);
                socket.async_io(Interest::READABLE, read).await
            }
            Self::Unix(socket) => {
                let read = || look(socket, into);
                socket.async_io(Interest::READABLE, read).await
            }
            // What it is carried in has been looked at.
            Self::Tls(_) | Self::Proxied(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Sends a few bytes through a socket that nothing was written to yet.
    pub fn send_at_once(&self, bytes: &[u8]) {
        let socket = match self {
            Self::Tcp(socket) => SockRef::from(socket),
            Self::Unix(socket) => SockRef::from(socket),
            Self::Tls(_) => return,
            Self::Proxied(proxied) => return proxied.socket.send_at_once(bytes),
        };
        let _ = socket.send(bytes);
    }

    /// Tells whether the connection has failed, without reading from it.
    pub fn has_failed(&self) -> bool {
        let socket = match self {
            Self::Tcp(socket) => SockRef::from(socket),
            Self::Unix(socket) => SockRef::from(&**socket),
            Self::Tls(socket) => SockRef::from(socket.socket()),
            Self::Proxied(proxied) => return proxied.socket.has_failed(),
        };
        !matches!(socket.take_error(), Ok(None))
    }

    /// Tells whether something waits here that was taken as written.
    pub fn has_unsent(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            Self::Tls(socket) => socket.has_unsent(),
            Self::Proxied(proxied) => proxied.socket.has_unsent(),
        }
    }

    /// Sends what waits here, as far as it can leave now.
    pub fn try_flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
            Self::Tls(socket) => socket.try_flush(),
            Self::Proxied(proxied) => proxied.socket.try_flush(),
        }
    }

    /// Writes what the socket takes now.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.try_write(bytes),
            Self::Unix(socket) => socket.try_write(bytes),
            Self::Tls(socket) => socket.try_write_vectored(&[IoSlice::new(bytes)]),
            Self::Proxied(proxied) => proxied.socket.try_write(bytes),
        }
    }

    /// Writes of several buffers what the socket takes now.
    pub fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.try_write_vectored(slices),
            Self::Unix(socket) => socket.try_write_vectored(slices),
            Self::Tls(socket) => socket.try_write_vectored(slices),
            Self::Proxied(proxied) => proxied.socket.try_write_vectored(slices),
        }
    }

    /// Says that nothing more is sent; what the client sends may still be read.
    pub fn end_sending(&mut self) {
        let socket = match self {
            Self::Tcp(socket) => SockRef::from(&*socket),
            Self::Unix(socket) => SockRef::from(&**socket),
            Self::Tls(socket) => return socket.end_sending(),
            Self::Proxied(proxied) => return proxied.socket.end_sending(),
        };
        let _ = socket.shutdown(Shutdown::Write);
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Unix(socket) => Pin::new(&mut **socket).poll_read(cx, buf),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_read(cx, buf),
            Self::Proxied(proxied) => Pin::new(&mut proxied.socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Unix(socket) => Pin::new(&mut **socket).poll_write(cx, bytes),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_write(cx, bytes),
            Self::Proxied(proxied) => Pin::new(&mut proxied.socket).poll_write(cx, bytes),
        }
    }

    /// A TLS connection takes one buffer at a time.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Self::Unix(socket) => Pin::new(&mut **socket).poll_write_vectored(cx, slices),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_write_vectored(cx, slices),
            Self::Proxied(proxied) => Pin::new(&mut proxied.socket).poll_write_vectored(cx, slices),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Self::Unix(socket) => Pin::new(&mut **socket).poll_flush(cx),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_flush(cx),
            Self::Proxied(proxied) => Pin::new(&mut proxied.socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Unix(socket) => Pin::new(&mut **socket).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_shutdown(cx),
            Self::Proxied(proxied) => Pin::new(&mut proxied.socket).poll_shutdown(cx),
        }
    }
}
