//! The sockets of a server: bound from its settings, and where they are.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::PathBuf,
    sync::Arc,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{inherited::Inherited, Error};
use crate::{
    config::{HttpSettings, UnixSocket},
    http::{
        certificates::Certificates,
        listener::{ClientListener, ListeningSocket},
        socket_file::{Access, SocketFile},
        tls::{PortTls, Spoken},
    },
};

/// Connections that the kernel keeps for a listener until they are accepted.
const BACKLOG: i32 = 1_024;

/// Where clients are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAddress {
    /// By TCP.
    Tcp {
        /// The address.
        address: SocketAddr,
        /// TLS is spoken there.
        is_secure: bool,
    },
    /// By a unix socket with this path.
    Unix(PathBuf),
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, is_secure } => {
                let scheme = if *is_secure { "https" } else { "http" };
                write!(f, "{scheme}://{address}/")
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The sockets for clients.
#[derive(Default)]
pub(super) struct Clients {
    pub(super) listeners: Vec<ClientListener>,
    pub(super) addresses: Vec<ClientAddress>,
    /// How TLS is spoken on those that speak it.
    pub(super) tls: Vec<Arc<PortTls>>,
    /// What is removed when the server ends.
    pub(super) files: Vec<SocketFile>,
}

/// Sockets as they are opened: inherited or bound, and each kept to be handed over later.
#[derive(Default)]
pub(super) struct Sockets {
    inherited: Inherited,
    kept: Vec<(&'static str, OwnedFd)>,
}

impl Sockets {
    pub(super) fn new(inherited: Inherited) -> Self {
        Self {
            inherited,
            kept: Vec::new(),
        }
    }

    /// Opens the socket of an address; `key` is the setting it comes from.
    pub(super) fn tcp(
        &mut self,
        address: SocketAddr,
        key: &'static str,
    ) -> Result<TcpListener, Error> {
        let socket = match self.inherited.take_tcp(address, key) {
            Some(socket) => socket,
            None => bind(address, key)?,
        };
        self.kept.push((key, socket.try_clone()?.into()));
        Ok(socket)
    }

    /// Opens a unix socket; its file is another's if that has opened it for this process.
    pub(super) fn unix(
        &mut self,
        unix: &UnixSocket,
        key: &'static str,
    ) -> Result<(UnixListener, Option<SocketFile>), Error> {
        let opened = self.open_unix(unix, key);
        opened.map_err(|source| Error::ListenUnix {
            path: unix.path.clone(),
            key,
            source,
        })
    }

    fn open_unix(
        &mut self,
        unix: &UnixSocket,
        key: &'static str,
    ) -> io::Result<(UnixListener, Option<SocketFile>)> {
        let (socket, file) = match self.inherited.take_unix(&unix.path) {
            Some(socket) if self.inherited.has_predecessor() => {
                (socket, Some(SocketFile::adopt(&unix.path)?))
            }
            Some(socket) => (socket, None),
            None => {
                let access = Access {
                    mode: unix.mode,
                    user: unix.user,
                    group: unix.group,
                };
                let (socket, file) = SocketFile::listen(&unix.path, access, BACKLOG)?;
                (socket.into(), Some(file))
            }
        };
        self.kept.push((key, socket.try_clone()?.into()));
        Ok((socket, file))
    }

    /// Closes what was inherited and is not wanted; returns what is kept, and who waits for word.
    pub(super) fn finish(mut self) -> (Vec<(&'static str, OwnedFd)>, Inherited) {
        self.inherited.finish();
        (self.kept, self.inherited)
    }
}

/// Opens every socket for clients.
pub(super) fn clients(
    http: &HttpSettings,
    certificates: &Arc<Certificates>,
    sockets: &mut Sockets,
) -> Result<Clients, Error> {
    let mut clients = Clients::default();
    let plain = http.listen.iter().map(|address| (address, false));
    let secure = http.tls_listen.iter().map(|address| (address, true));
    for (address, is_secure) in plain.chain(secure) {
        let key = match is_secure {
            true => "[http] tls_listen",
            false => "[http] listen",
        };
        let socket = sockets.tcp(*address, key)?;
        let address = socket.local_addr()?;
        let tls = || PortTls::new(certificates, address.port(), spoken(http)).map(Arc::new);
        let tls = is_secure.then(tls).transpose()?;
        clients.tls.extend(tls.clone());
        let socket = ListeningSocket::Tcp(socket);
        clients.listeners.push(ClientListener { socket, tls });
        clients
            .addresses
            .push(ClientAddress::Tcp { address, is_secure });
    }
    for unix in &http.unix_listen {
        let opened = sockets.unix(unix, "[http] unix_listen")?;
        clients.files.extend(opened.1);
        let socket = ListeningSocket::Unix(opened.0);
        clients.listeners.push(ClientListener { socket, tls: None });
        clients
            .addresses
            .push(ClientAddress::Unix(unix.path.clone()));
    }
    Ok(clients)
}

/// Returns what TLS is spoken with.
pub(super) fn spoken(http: &HttpSettings) -> Spoken {
    (http.tls.min_version, http.http2)
}

fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, Error> {
    let listen = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    listen().map_err(|source: io::Error| Error::Listen {
        address,
        key,
        source,
    })
}
