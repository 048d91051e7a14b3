//! Opens connections to backends: resolves the name, tries each address, starts HTTP/1 on it.
//!
//! Not its concern: keeping connections (`pool.rs`) and using them (`fetch.rs`).

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::{Duration, Instant},
};

use hyper::client::conn::http1::{self, Builder, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{net::TcpStream, sync::oneshot, task::JoinHandle, time::timeout};

use crate::{
    actors::fetch_error::FetchError,
    engine::{link_target::is_public, route::TargetKind},
    http::parked::probes,
};

use super::{
    message::RequestBody,
    wire::{Wire, WireState},
};

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;
/// How long a backend's socket is silent before it is probed.
const PROBE_AFTER: Duration = Duration::from_secs(60);
/// Most headers of an answer.
const HEADERS_MAX: usize = 256;
/// Most bytes of an answer's head, and of a body buffered here while the client does not read.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// One open connection. Dropping it closes the socket at once.
pub(super) struct Connection {
    /// Where requests go in.
    pub(super) sender: SendRequest<RequestBody>,
    /// What is known of its byte stream.
    pub(super) wire: Rc<WireState>,
    /// Where it leads.
    pub(super) target: Rc<TargetKind>,
    /// When it was opened.
    pub(super) born: Instant,
    /// The task that reads and writes.
    driver: JoinHandle<()>,
}

/// HTTP/1 on a connection, yet without the task that drives it.
type Undriven = http1::Connection<TokioIo<Wire>, RequestBody>;

/// Brings the socket when HTTP has ended on it.
pub(super) type GivenBack = oneshot::Receiver<Parts<TokioIo<Wire>>>;

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Returns the HTTP/1 settings that every connection shares.
pub(super) fn http1() -> Builder {
    let mut http1 = Builder::new();
    http1.title_case_headers(true).max_headers(HEADERS_MAX);
    // The second bound is exact, the first one is not.
    http1
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_header_size(BUFFER_BYTES_MAX);
    http1
}

/// Opens a connection to a target.
///
/// **Bounds**: resolving and connecting to all addresses share `limit`.
pub(super) async fn open(
    target: &TargetKind,
    http1: &Builder,
    limit: Duration,
) -> Result<Connection, FetchError> {
    let stream = connect(target, limit).await?;
    start(stream, http1, target, |connection| async move {
        // Whoever waits for an answer or a body is told by hyper; nobody else needs to know.
        if let Err(error) = connection.await {
            log::trace!(why:% = error; "backend connection ended");
        }
    })
    .await
}

/// Opens a connection to a target that may switch protocols; the socket is given back when HTTP ends.
///
/// **Bounds**: those of [`open`].
pub(super) async fn open_for_switch(
    target: &TargetKind,
    http1: &Builder,
    limit: Duration,
) -> Result<(Connection, GivenBack), FetchError> {
    let stream = connect(target, limit).await?;
    let (give, given) = oneshot::channel();
    let connection = start(stream, http1, target, |connection| async move {
        match connection.without_shutdown().await {
            // Nobody takes it unless the protocol was switched: it is closed then.
            Ok(parts) => drop(give.send(parts)),
            Err(error) => log::trace!(why:% = error; "backend connection ended"),
        }
    });
    Ok((connection.await?, given))
}

/// Connects to a target within a time.
async fn connect(target: &TargetKind, limit: Duration) -> Result<TcpStream, FetchError> {
    let (host, port) = match target {
        TargetKind::Http {
            host,
            port,
            tls: false,
        }
        | TargetKind::Public {
            host,
            port,
            tls: false,
        } => (host, *port),
        TargetKind::Http { .. } | TargetKind::Public { .. } => {
            return Err(FetchError::TlsUnsupported {
                target: target.to_string(),
            })
        }
        _ => {
            return Err(FetchError::NoAddress {
                target: target.to_string(),
            })
        }
    };
    match timeout(limit, dial(host, port, target)).await {
        Ok(stream) => stream,
        Err(_elapsed) => Err(FetchError::ConnectTimeout {
            target: target.to_string(),
        }),
    }
}

/// Resolves a host and connects to the first of its addresses that accepts.
async fn dial(host: &str, port: u16, target: &TargetKind) -> Result<TcpStream, FetchError> {
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
    let mut last = None;
    for address in addresses {
        if matches!(target, TargetKind::Public { .. }) && !is_public(address.ip()) {
            last = Some(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "expected a public address: the target is untrusted, or only the client named the host",
            ));
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
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) => failed(target, &error),
        None => FetchError::Resolve {
            target: target.to_string(),
            why: "it has no address".to_owned(),
        },
    })
}

/// Lets the kernel notice a backend that vanishes without a word, be it amid a tunnel or a WebSocket.
fn probe(stream: &TcpStream) {
    // A kernel that refuses it costs only that.
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&probes(PROBE_AFTER)) {
        log::debug!(option = "keepalive", error:%; "socket option refused");
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

/// Starts HTTP/1 on a connected stream, and the task that drives it.
async fn start<F: Future<Output = ()> + 'static>(
    stream: TcpStream,
    http1: &Builder,
    target: &TargetKind,
    drive: impl FnOnce(Undriven) -> F,
) -> Result<Connection, FetchError> {
    let wire = Rc::new(WireState::default());
    let io = TokioIo::new(Wire::new(stream, Rc::clone(&wire)));
    let (sender, connection) = http1
        .handshake(io)
        .await
        .map_err(|error| FetchError::Connect {
            target: target.to_string(),
            why: error.to_string(),
        })?;
    Ok(Connection {
        sender,
        wire,
        target: Rc::new(target.clone()),
        born: Instant::now(),
        driver: tokio::task::spawn_local(drive(connection)),
    })
}
