//! What an accepted socket goes through before its first request: its place among the most clients, the
//! TLS handshake.
//!
//! ```text
//! accepted ─▶ place ─▶ TLS handshake ─▶ Connection
//!               └ 503      └ closed, counted
//! ```

use std::{
    future::Future,
    io,
    ops::Deref,
    pin::Pin,
    rc::Rc,
    sync::{atomic::Ordering, Arc},
    time::Duration,
};

use actix::clock::timeout;
use actix_rt::net::TcpStream;
use rustls::ServerConfig;

use super::{
    client_socket::ClientSocket,
    connection::{Connection, Worker},
    tls_socket::TlsSocket,
};
use crate::stats::counters::{Refused, Total};

/// One client connection as actix-server runs it.
pub type Conversation = Pin<Box<dyn Future<Output = Result<(), ()>>>>;

/// How the clients of one listener come in.
#[derive(Clone)]
pub struct Door {
    /// Client connections at a time, over all workers; more are answered 503.
    pub connections_max: usize,
    /// How long a client may take to be let in.
    pub patience: Duration,
    /// TLS is spoken.
    pub tls: Option<Arc<ServerConfig>>,
}

/// What a client over `connections_max` is told.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
    P8-Reason: too-many-connections\r\nRetry-After: 1\r\nContent-Length: 22\r\n\
    Connection: close\r\n\r\nToo many connections.\n";

/// One of the places for client connections; it is free again when this is dropped.
pub struct Place(Rc<Worker>);

impl Place {
    fn take(worker: &Rc<Worker>, connections_max: usize) -> Option<Self> {
        let before = worker.broker.connections().fetch_add(1, Ordering::Relaxed);
        worker.edge.counters().add(Total::Connections, 1);
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
        self.0.edge.counters().subtract(Total::Connections, 1);
    }
}

impl Door {
    /// Lets a client in, and serves it.
    pub fn open(&self, socket: ClientSocket, worker: &Rc<Worker>) -> Conversation {
        let Some(place) = Place::take(worker, self.connections_max) else {
            let limit = self.connections_max;
            worker.edge.counters().refuse(Refused::Connections, 1);
            log::warn!(limit; "too many client connections: refused");
            if self.tls.is_none() {
                socket.send_at_once(TOO_MANY);
            }
            return Box::pin(std::future::ready(Ok(())));
        };
        match (socket, &self.tls) {
            (ClientSocket::Tcp(socket), Some(tls)) => {
                let handshake = Box::pin(handshake(socket, tls.clone(), self.patience));
                Box::pin(async move {
                    // Boxed, and so gone when the client is in.
                    let accepted = handshake.await;
                    match accepted {
                        Ok(socket) => {
                            place.edge.counters().add(Total::TlsHandshakes, 1);
                            speak(socket.into(), place).await
                        }
                        Err(error) => refuse(&place, &error),
                    }
                })
            }
            (socket, _) => speak(socket, place),
        }
    }
}

/// Begins what a client wants to speak: the one place that looks at what was agreed on.
fn speak(socket: ClientSocket, place: Place) -> Conversation {
    Connection::new(socket, place)
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
fn refuse(place: &Place, error: &io::Error) -> Result<(), ()> {
    place.edge.counters().refuse(Refused::Tls, 1);
    log::debug!(error:%; "a TLS handshake failed");
    Ok(())
}
