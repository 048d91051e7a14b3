//! A bound socket of ZeroMQ's: made, or open already, and what connects to it.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream as StdUnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::{
    engine::zmq::endpoint::Endpoint,
    http::{listener::ListeningSocket, parked::probes},
};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 128;

/// Idle time after which the kernel probes a peer.
pub(super) const PROBE_AFTER: Duration = Duration::from_secs(60);

/// A socket that listens, not yet on the thread of its actor.
pub struct BoundListener {
    socket: ListeningSocket,
    file: Option<SocketFile>,
}

/// A unix socket's file; it goes with the socket, unless another has taken its place.
pub(super) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_own = |found: fs::Metadata| found.ino() == self.inode;
        if fs::symlink_metadata(&self.path).is_ok_and(is_own) {
            let _ = fs::remove_file(&self.path);
        }
    }
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
        let (socket, file) = match endpoint {
            Endpoint::Tcp(address) => (bind_tcp(*address)?, None),
            Endpoint::Named(..) => return Err(io::ErrorKind::InvalidInput.into()),
            Endpoint::Ipc(path) => {
                let (socket, file) = bind_ipc(path, mode)?;
                (socket, Some(file))
            }
        };
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let socket = match file {
            Some(_) => ListeningSocket::Unix(socket.into()),
            None => ListeningSocket::Tcp(socket.into()),
        };
        Ok(BoundListener { socket, file })
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
                stream.set_nodelay(true)?;
                SockRef::from(&stream).set_tcp_keepalive(&probes(PROBE_AFTER))?;
                Ok(Stream::Tcp(stream))
            }
            Listener::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Binds a unix socket; its mode is right before anybody can connect.
fn bind_ipc(path: &Path, mode: Option<u32>) -> io::Result<(Socket, SocketFile)> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile {
        path: path.to_owned(),
        inode: fs::symlink_metadata(path)?.ino(),
    };
    if let Some(mode) = mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok((socket, file))
}

/// Removes the file of a socket that nobody listens on any more.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = |found: fs::Metadata| found.file_type().is_socket();
    if !fs::symlink_metadata(path).is_ok_and(is_socket) {
        return Ok(());
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}
