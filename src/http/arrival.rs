//! What an accepted socket goes through before its first request: its place among the most clients,
//! its turn, the PROXY header, the TLS handshake.
//!
//! ```text
//! accepted ─▶ place ─▶ turn ─▶ PROXY header ─▶ TLS handshake ─▶ Connection
//!               └ 503    └ 503     └ closed         └ closed
//! ```
//!
//! The last three only where they are wanted: a plain connection begins at once.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    ops::Deref,
    pin::Pin,
    rc::Rc,
    sync::{atomic::Ordering, Arc, Mutex, PoisonError},
    time::Duration,
};

use actix::clock::timeout;
use actix_rt::net::TcpStream;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    client_socket::ClientSocket,
    connection::{Connection, Worker},
    tls::PortTls,
    tls_socket::TlsSocket,
};
use crate::{
    engine::{
        accept_rate::AcceptRate,
        proxy_header::{self, Believed, ProxyHeaderError, Verdict},
    },
    stats::counters::{Refused, Total},
};

/// One client connection as actix-server runs it.
pub type Conversation = Pin<Box<dyn Future<Output = Result<(), ()>>>>;

/// How the clients of one listener come in.
#[derive(Clone)]
pub struct Door {
    /// TLS is spoken.
    pub tls: Option<Arc<PortTls>>,
    /// Whose turn it is, over all listeners.
    pub turns: Arc<Mutex<AcceptRate>>,
}

/// What a client that comes in goes through.
struct Entrance {
    tls: Option<Arc<ServerConfig>>,
    turns: Option<Arc<Mutex<AcceptRate>>>,
    believed: Arc<Believed>,
    /// How long a client may take to be let in.
    patience: Duration,
}

/// What a client over `connections_max` is told.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
    P8-Reason: too-many-connections\r\nRetry-After: 1\r\nContent-Length: 22\r\n\
    Connection: close\r\n\r\nToo many connections.\n";

/// What a client is told whose turn would come too late.
const TOO_FAST: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
    P8-Reason: accept-rate\r\nRetry-After: 1\r\nContent-Length: 26\r\n\
    Connection: close\r\n\r\nToo many new connections.\n";

/// One of the places for client connections; it is free again when this is dropped.
pub struct Place(Rc<Worker>);

impl Place {
    fn take(worker: &Rc<Worker>, connections_max: usize) -> Option<Self> {
        let before = worker.broker.connections().fetch_add(1, Ordering::Relaxed);
        worker.edge.note_connection();
        let place = Self(worker.clone());
        (before < connections_max).then_some(place)
    }
}

impl Deref for Place {
    type Target = Rc<Worker>;

    fn deref(&self) -> &Rc<Worker> {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let connections = self.0.broker.connections();
        connections.fetch_sub(1, Ordering::Relaxed);
        self.0.edge.note_connection_ended();
    }
}

/// What keeps a client out.
enum Refusal {
    /// Its turn would come too late.
    Rate(u32),
    /// The proxy that it came through did not say who it is.
    ProxyHeader(ProxyHeaderError),
    /// It speaks no TLS.
    Handshake(io::Error),
}

impl Door {
    /// Lets a client in, and serves it.
    pub fn open(&self, socket: ClientSocket, worker: &Rc<Worker>) -> Conversation {
        let options = worker.broker.options();
        let clients = &options.clients;
        let limit = clients.connections_max;
        let Some(place) = Place::take(worker, limit) else {
            worker.edge.turn_away(Refused::Connections, limit as u64);
            if self.tls.is_some() {
                return Box::pin(std::future::ready(Ok(())));
            }
            turn_away(&socket, &clients.believed, TOO_MANY);
            return Box::pin(leave(socket, worker.clone()));
        };
        let rate = clients.accept_rate;
        if self.tls.is_none() && rate == 0 && clients.believed.is_empty() {
            return speak(socket, place);
        }
        let entrance = Entrance {
            tls: self.tls.as_ref().map(|tls| tls.current()),
            turns: (rate > 0).then(|| self.turns.clone()),
            believed: clients.believed.clone(),
            patience: clients.requests.patience.head,
        };
        let arriving = Box::pin(entrance.let_in(socket, worker.clone(), rate));
        Box::pin(async move {
            // Boxed, and so gone when the client is in.
            let arrived = arriving.await;
            match arrived {
                Ok(socket) => speak(socket, place).await,
                Err(refusal) => refuse(&place, &refusal),
            }
        })
    }
}

/// Clients of a worker that are told no and may still be sending.
const LEAVING_MAX: usize = 128;

/// How long a client that was told no is listened to, and to how many bytes.
const LEAVING: Duration = Duration::from_secs(1);
const LEAVING_BYTES: usize = 1 << 20;

/// Lets a client read what it was told: a socket that is closed with something unread resets its
/// connection, and the answer may be lost with it.
async fn leave(mut socket: ClientSocket, worker: Rc<Worker>) -> Result<(), ()> {
    let leaving = Leaving::enter(&worker);
    if leaving.0.leaving.get() > LEAVING_MAX || socket.shutdown().await.is_err() {
        return Ok(());
    }
    let listening = async {
        let mut ignored = [0; 1_024];
        let mut bytes = 0;
        while bytes < LEAVING_BYTES {
            match socket.read(&mut ignored).await {
                Ok(n) if n > 0 => bytes += n,
                _ => return,
            }
        }
    };
    let _ = timeout(LEAVING, listening).await;
    Ok(())
}

/// One of the clients that are leaving.
struct Leaving(Rc<Worker>);

impl Leaving {
    fn enter(worker: &Rc<Worker>) -> Self {
        worker.leaving.set(worker.leaving.get() + 1);
        Self(worker.clone())
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let leaving = &self.0.leaving;
        leaving.set(leaving.get().saturating_sub(1));
    }
}

/// Says no, if the client can understand it.
fn turn_away(socket: &ClientSocket, believed: &Believed, answer: &[u8]) {
    let peer = socket.peer().map(|peer| peer.ip());
    if !believed.must_say(peer) {
        socket.send_at_once(answer);
    }
}

impl Entrance {
    async fn let_in(
        self,
        mut socket: ClientSocket,
        worker: Rc<Worker>,
        rate: u32,
    ) -> Result<ClientSocket, Refusal> {
        if let Some(turns) = &self.turns {
            let now = actix::clock::Instant::now().into_std();
            let turn = {
                let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
                turns.set_rate(rate);
                turns.turn(now)
            };
            let Some(wait) = turn else {
                if self.tls.is_none() {
                    turn_away(&socket, &self.believed, TOO_FAST);
                }
                return Err(Refusal::Rate(rate));
            };
            if !wait.is_zero() {
                worker.edge.counters().add(Total::ConnectionsDelayed, 1);
                actix::clock::sleep(wait).await;
            }
        }
        let mut client = None;
        if self.believed.must_say(socket.peer().map(|peer| peer.ip())) {
            let said = timeout(self.patience, said(&mut socket)).await;
            client = said
                .unwrap_or(Err(ProxyHeaderError::Late))
                .map_err(Refusal::ProxyHeader)?;
            worker.edge.counters().add(Total::ProxyHeaders, 1);
        }
        let socket = match (socket, self.tls) {
            (ClientSocket::Tcp(socket), Some(tls)) => {
                let secured = handshake(socket, tls, self.patience).await;
                let secured = secured.map_err(Refusal::Handshake)?;
                worker.edge.counters().add(Total::TlsHandshakes, 1);
                secured.into()
            }
            (socket, _) => socket,
        };
        Ok(match client {
            Some(client) => socket.on_behalf_of(client),
            None => socket,
        })
    }
}

/// Begins what a client wants to speak; whether that is HTTP/2 is known by its preface.
fn speak(socket: ClientSocket, place: Place) -> Conversation {
    Connection::new(socket, place)
}

/// Reads a PROXY header, and not a byte more.
async fn said(socket: &mut ClientSocket) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let mut header = Vec::new();
    loop {
        let mut ahead = [0; 512];
        let come = socket.peek(&mut ahead).await;
        let come = ahead.get_mut(..come.unwrap_or(0)).unwrap_or_default();
        if come.is_empty() {
            return Err(ProxyHeaderError::Missing);
        }
        let before = header.len();
        header.extend_from_slice(come);
        let (of_header, client) = match proxy_header::read(&header) {
            Verdict::Refuse(error) => return Err(error),
            Verdict::NeedMore => (come.len(), None),
            Verdict::Header { len, client } => (len.saturating_sub(before), Some(client)),
        };
        let taken = come.get_mut(..of_header).unwrap_or_default();
        let read = socket.read_exact(taken).await;
        read.map_err(|_| ProxyHeaderError::Missing)?;
        if let Some(client) = client {
            return Ok(client);
        }
    }
}

async fn handshake(
    socket: TcpStream,
    tls: Arc<ServerConfig>,
    patience: Duration,
) -> io::Result<TlsSocket> {
    let _ = socket.set_nodelay(true);
    let accepted = timeout(patience, TlsSocket::accept(socket, tls)).await;
    accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A client that cannot even say what it wants.
fn refuse(place: &Place, refusal: &Refusal) -> Result<(), ()> {
    let kind = match refusal {
        Refusal::Rate(limit) => {
            place.edge.turn_away(Refused::AcceptRate, (*limit).into());
            return Ok(());
        }
        Refusal::ProxyHeader(error) => {
            log::info!(reason = error.code(); "a proxy did not say who its client is: closed");
            Refused::ProxyHeader
        }
        Refusal::Handshake(error) => {
            log::debug!(error:%; "a TLS handshake failed");
            Refused::Tls
        }
    };
    place.edge.counters().refuse(kind, 1);
    Ok(())
}
