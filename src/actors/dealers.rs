//! Where backends that connect to P-8 are asked, from any thread: the sockets bound for them, by
//! address, and what is counted of them.
//!
//! The http floor binds the sockets (`http/zmq`).

use std::{
    collections::HashMap,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc, Mutex, PoisonError,
    },
};

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::engine::zmq::{dealing::RequestId, endpoint::Endpoint, zhttp::Packet};

/// A worker to the dealer of a socket: asks one of its backends.
///
/// Nobody waits for it any more once the receiver of the reply is dropped. **Full, Closed**: no backend
/// has got it, so another target may have it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Ask {
    /// Its name, which comes back with the answer.
    pub id: RequestId,
    /// What the backend gets.
    pub packet: Bytes,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Packet, AskFailure>>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskFailure {
    /// Too many requests wait already; no backend has got this one.
    Full,
    /// The backend that had it went away.
    Lost,
}

/// The sockets of a broker.
#[derive(Clone, Default)]
pub struct Dealers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    by_endpoint: Mutex<HashMap<Endpoint, Recipient<Ask>>>,
    backends: AtomicU64,
    bad_packets: AtomicU64,
}

impl Dealers {
    /// Enters a socket that has been bound.
    pub fn enter(&self, endpoint: Endpoint, dealer: Recipient<Ask>) {
        let by_endpoint = self.0.by_endpoint.lock();
        by_endpoint
            .unwrap_or_else(PoisonError::into_inner)
            .insert(endpoint, dealer);
    }

    /// Forgets a socket that nobody is to ask any more.
    pub fn leave(&self, endpoint: &Endpoint) {
        let by_endpoint = self.0.by_endpoint.lock();
        by_endpoint
            .unwrap_or_else(PoisonError::into_inner)
            .remove(endpoint);
    }

    /// Finds the dealer of a socket.
    pub fn find(&self, endpoint: &Endpoint) -> Option<Recipient<Ask>> {
        let by_endpoint = self.0.by_endpoint.lock();
        let by_endpoint = by_endpoint.unwrap_or_else(PoisonError::into_inner);
        by_endpoint.get(endpoint).cloned()
    }

    /// Counts a backend that has connected.
    pub fn note_backend(&self) {
        self.0.backends.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a backend that is gone.
    pub fn note_backend_gone(&self) {
        self.0.backends.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a packet that is no answer to anything.
    pub fn note_bad_packet(&self) {
        self.0.bad_packets.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many backends are connected now.
    pub fn backends(&self) -> u64 {
        self.0.backends.load(Ordering::Relaxed)
    }

    /// Returns how many packets were no answer to anything.
    pub fn bad_packets(&self) -> u64 {
        self.0.bad_packets.load(Ordering::Relaxed)
    }
}
