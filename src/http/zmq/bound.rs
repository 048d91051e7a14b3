//! A bound socket of ZeroMQ's: made, or open already, and what connects to it.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::{
    engine::zmq::endpoint::Endpoint,
    http::{
        listener::ListeningSocket,
        parked::probes,
        socket_file::{Access, SocketFile},
    },
};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 128;

/// Idle time after which the kernel probes a peer.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// A socket that listens, not yet on the thread of its actor.
pub struct BoundListener {
    socket: ListeningSocket,
    file: Option<SocketFile>,
}

/// A socket that connections are accepted from.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "kept for its drop")] Option<SocketFile>,
    ),
}

/// A connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl BoundListener {
    /// Wraps a socket that is open already; its file, if it has one, is another's.
    pub fn open(socket: ListeningSocket) -> BoundListener {
        BoundListener { socket, file: None }
    }

    /// Binds a socket.
    pub(super) fn bind(endpoint: &Endpoint, mode: Option<u32>) -> io::Result<BoundListener> {
        match endpoint {
            Endpoint::Tcp(address) => {
                let socket = bind_tcp(*address)?;
                Ok(BoundListener::open(ListeningSocket::Tcp(socket.into())))
            }
            Endpoint::Named(..) => Err(io::ErrorKind::InvalidInput.into()),
            Endpoint::Ipc(path) => bind_ipc(path, mode),
        }
    }

    pub(super) fn into_tokio(self) -> io::Result<Listener> {
        Ok(match self.socket {
            ListeningSocket::Tcp(socket) => Listener::Tcp(TcpListener::from_std(socket)?),
            ListeningSocket::Unix(socket) => {
                Listener::Unix(UnixListener::from_std(socket)?, self.file)
            }
        })
    }
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                Stream::tcp(stream)
            }
            Listener::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

impl Stream {
    /// Has the kernel send at once, and notice a peer that vanished.
    pub(super) fn tcp(stream: TcpStream) -> io::Result<Stream> {
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_keepalive(&probes(PROBE_AFTER))?;
        Ok(Stream::Tcp(stream))
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn bind_ipc(path: &Path, mode: Option<u32>) -> io::Result<BoundListener> {
    let access = Access {
        mode,
        ..Access::default()
    };
    let (socket, file) = SocketFile::listen(path, access, BACKLOG)?;
    Ok(BoundListener {
        socket: ListeningSocket::Unix(socket.into()),
        file: Some(file),
    })
}
