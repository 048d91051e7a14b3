//! The sockets of a server: bound from its settings, and where they are.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::Error;
use crate::{
    config::HttpSettings,
    http::{
        certificates::Certificates,
        listener::{ClientListener, ListeningSocket},
        tls,
    },
};

/// Connections that the kernel keeps for a listener until they are accepted.
const BACKLOG: i32 = 1_024;

/// Where clients are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientAddress {
    /// The address.
    pub address: SocketAddr,
    /// TLS is spoken there.
    pub is_secure: bool,
}

/// Binds every socket for clients.
pub(super) fn clients(
    http: &HttpSettings,
    certificates: &Arc<Certificates>,
) -> Result<(Vec<ClientListener>, Vec<ClientAddress>), Error> {
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    let plain = http.listen.iter().map(|address| (address, false));
    let secure = http.tls_listen.iter().map(|address| (address, true));
    for (address, is_secure) in plain.chain(secure) {
        let key = if is_secure {
            "[http] tls_listen"
        } else {
            "[http] listen"
        };
        let socket = bind(*address, key)?;
        let address = socket.local_addr()?;
        let config = || tls::server_config(certificates, address.port(), http.tls.min_version);
        let tls = is_secure.then(config).transpose()?;
        addresses.push(ClientAddress { address, is_secure });
        let socket = ListeningSocket::Tcp(socket);
        listeners.push(ClientListener { socket, tls });
    }
    Ok((listeners, addresses))
}

/// Binds one address; `key` is the setting it comes from.
pub(super) fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, Error> {
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
