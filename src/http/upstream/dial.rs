//! Connects to a backend: resolves the name, tries each address, speaks TLS; or opens a unix socket.
//!
//! Not its concern: HTTP (`connect.rs`, `shared.rs`).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{
    actors::fetch_error::FetchError,
    engine::{
        link_target::is_public,
        route::{Address, Server, TargetKind},
    },
    http::parked::probes,
};

use super::{
    key::Key,
    open::OpenConnections,
    stream::{Stream, Transport},
    tls::{self, TlsConfigs},
};

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;
/// How long a backend's socket is silent before it is probed.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// Connects to a target, and asks a server with TLS for HTTP/2 if that is wanted.
///
/// **Bounds**: resolving, connecting to all addresses and the handshake share `limit`.
pub(super) async fn dial(
    key: &Key,
    (tls, counts): (&TlsConfigs, &OpenConnections),
    limit: Duration,
    wants_http2: bool,
) -> Result<Stream, FetchError> {
    let TargetKind::Server(server) = &key.target else {
        return Err(FetchError::NoAddress {
            target: key.target.to_string(),
        });
    };
    match timeout(limit, connect(key, server, tls, wants_http2)).await {
        Ok(stream) => Ok(Stream::new(stream?, counts.count(&key.target))),
        Err(_elapsed) => Err(FetchError::ConnectTimeout {
            target: key.target.to_string(),
        }),
    }
}

async fn connect(
    key: &Key,
    server: &Server,
    configs: &TlsConfigs,
    wants_http2: bool,
) -> Result<Transport, FetchError> {
    let (host, port) = match &server.address {
        Address::Unix(path) => return unix(path, server, &key.target).await,
        Address::Tcp { host, port } => (host, *port),
    };
    let stream = tcp(host, port, &key.target).await?;
    let (Some(tls), Some(name)) = (&server.tls, &key.name) else {
        return Ok(Transport::Tcp(stream));
    };
    let handshake = configs.handshake(stream, tls, name.clone(), wants_http2);
    match handshake.await {
        Ok(stream) => Ok(Transport::Tls(Box::new(stream))),
        Err(fault) => Err(tls::failed(&key.target, fault)),
    }
}

async fn unix(path: &Path, server: &Server, target: &TargetKind) -> Result<Transport, FetchError> {
    if server.is_public {
        return Err(blocked(target));
    }
    match UnixStream::connect(path).await {
        Ok(stream) => Ok(Transport::Unix(stream)),
        Err(error) => Err(failed(target, &error)),
    }
}

/// Resolves a host and connects to the first of its addresses that accepts.
async fn tcp(host: &str, port: u16, target: &TargetKind) -> Result<TcpStream, FetchError> {
    let resolved = match host.parse::<IpAddr>() {
        Ok(ip) => return first_of([SocketAddr::new(ip, port)], target).await,
        Err(_name) => tokio::net::lookup_host((host, port)).await,
    };
    match resolved {
        Ok(addresses) => first_of(addresses.take(ADDRESSES_MAX), target).await,
        Err(error) => Err(FetchError::Resolve {
            target: target.to_string(),
            why: error.to_string(),
        }),
    }
}

/// Connects to the first address that accepts; the last error counts.
pub(super) async fn first_of(
    addresses: impl IntoIterator<Item = SocketAddr>,
    target: &TargetKind,
) -> Result<TcpStream, FetchError> {
    let only_public = matches!(target, TargetKind::Server(server) if server.is_public);
    let mut last = None;
    for address in addresses {
        if only_public && !is_public(address.ip()) {
            last.get_or_insert_with(|| blocked(target));
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Without it small writes wait for the backend's delayed acknowledgements.
                stream
                    .set_nodelay(true)
                    .map_err(|error| failed(target, &error))?;
                probe(&stream);
                return Ok(stream);
            }
            Err(error) => last = Some(failed(target, &error)),
        }
    }
    Err(last.unwrap_or_else(|| FetchError::Resolve {
        target: target.to_string(),
        why: "it has no address".to_owned(),
    }))
}

/// Lets the kernel notice a backend that vanishes without a word, be it amid a tunnel or a WebSocket.
fn probe(stream: &TcpStream) {
    // A kernel that refuses it costs only that.
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&probes(PROBE_AFTER)) {
        log::debug!(option = "keepalive", error:%; "socket option refused");
    }
}

fn blocked(target: &TargetKind) -> FetchError {
    FetchError::AddressBlocked {
        target: target.to_string(),
    }
}

/// Names the cause of a failed connect.
fn failed(target: &TargetKind, error: &io::Error) -> FetchError {
    let target = target.to_string();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => FetchError::ConnectRefused { target },
        io::ErrorKind::TimedOut => FetchError::ConnectTimeout { target },
        _ => FetchError::Connect {
            target,
            why: error.to_string(),
        },
    }
}
