//! The machine of a socket that deals requests out to the backends connected to it.
//!
//! ```text
//! request ─▶ the backend with the fewest under way, in turn among equals ─▶ answer, by its id
//!    └─ none is there, or all are full: it waits, first come first served
//! ```
//!
//! A backend that goes away loses what it had under way: it may have acted on it, so nobody else gets
//! it. A request that nobody waits for any more stays under way at its backend, which is busy with it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

/// Names a connected backend.
pub type PeerId = u64;

/// Names a request, as it comes back with the answer.
pub type RequestId = Box<str>;

/// What a socket is bounded by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DealingLimits {
    /// Requests that are waited for.
    pub requests_max: usize,
    /// Bytes of requests that no backend has been given.
    pub waiting_bytes_max: usize,
    /// Requests under way at one backend.
    pub under_way_max: usize,
}

impl Default for DealingLimits {
    fn default() -> Self {
        Self {
            requests_max: 1_000,
            waiting_bytes_max: 67_108_864,
            under_way_max: 100,
        }
    }
}

/// A packet for a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deal {
    /// To whom.
    pub peer: PeerId,
    /// What.
    pub packet: Bytes,
}

/// There are too many requests already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The machine.
#[derive(Debug, Default)]
pub struct Dealing {
    limits: DealingLimits,
    /// The most requests that were ever allowed.
    requests_max_before: usize,
    /// How many requests are under way at each backend.
    peers: BTreeMap<PeerId, usize>,
    /// Who was dealt to last.
    last: PeerId,
    under_way: HashMap<RequestId, UnderWay>,
    /// Of those under way, the ones that somebody waits for.
    awaited: usize,
    waiting: VecDeque<(RequestId, Bytes)>,
    waiting_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    peer: PeerId,
    is_awaited: bool,
}

impl Dealing {
    /// Makes a machine without backends.
    pub fn new(limits: DealingLimits) -> Dealing {
        Dealing {
            limits,
            ..Dealing::default()
        }
    }

    /// Sets how many requests are waited for from now on; more that are there already stay.
    pub fn set_requests_max(&mut self, max: usize) {
        self.requests_max_before = self.requests_max_before.max(self.limits.requests_max);
        self.limits.requests_max = max;
        self.check_invariants();
    }

    /// Takes a request.
    ///
    /// **Errors**: there are too many.
    pub fn on_request(&mut self, id: RequestId, packet: Bytes) -> Result<Option<Deal>, Full> {
        let bytes = self.waiting_bytes.saturating_add(packet.len());
        let is_full = self.awaited + self.waiting.len() >= self.limits.requests_max;
        if is_full || bytes > self.limits.waiting_bytes_max {
            return Err(Full);
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back((id, packet));
        let deal = self.deal();
        self.check_invariants();
        Ok(deal)
    }

    /// A backend has connected; what waits goes to it, up to its bound.
    pub fn on_peer(&mut self, peer: PeerId) -> Vec<Deal> {
        self.peers.insert(peer, 0);
        let deals = std::iter::from_fn(|| self.deal()).collect();
        self.check_invariants();
        deals
    }

    /// A backend has answered. Tells whether somebody waits for that; and what is dealt next.
    pub fn on_answer(&mut self, peer: PeerId, id: &str) -> (bool, Option<Deal>) {
        let is_its_own = self
            .under_way
            .get(id)
            .is_some_and(|known| known.peer == peer);
        let known = is_its_own.then(|| self.under_way.remove(id)).flatten();
        let Some(known) = known else {
            return (false, None);
        };
        if known.is_awaited {
            self.awaited -= 1;
        }
        if let Some(count) = self.peers.get_mut(&peer) {
            *count -= 1;
        }
        let deal = self.deal();
        self.check_invariants();
        (known.is_awaited, deal)
    }

    /// A backend is gone; returns the requests that are lost with it.
    pub fn on_peer_gone(&mut self, peer: PeerId) -> Vec<RequestId> {
        self.peers.remove(&peer);
        let mut lost = Vec::new();
        self.under_way.retain(|id, known| {
            if known.peer == peer && known.is_awaited {
                lost.push(id.clone());
            }
            known.peer != peer
        });
        self.awaited -= lost.len();
        self.check_invariants();
        lost
    }

    /// Nobody waits for a request any more.
    pub fn on_given_up(&mut self, id: &str) {
        if let Some(known) = self.under_way.get_mut(id) {
            if std::mem::take(&mut known.is_awaited) {
                self.awaited -= 1;
            }
        } else {
            let waiting_bytes = &mut self.waiting_bytes;
            self.waiting.retain(|(known, packet)| {
                let stays = **known != *id;
                if !stays {
                    *waiting_bytes -= packet.len();
                }
                stays
            });
        }
        self.check_invariants();
    }

    /// Returns how many backends are connected.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// Deals the first request that waits, if a backend has room.
    fn deal(&mut self) -> Option<Deal> {
        self.waiting.front()?;
        let last = self.last;
        let max = self.limits.under_way_max;
        let with_room = self.peers.iter_mut().filter(|(_, count)| **count < max);
        let (peer, count) =
            with_room.min_by_key(|(peer, count)| (**count, **peer <= last, **peer))?;
        let (id, packet) = self.waiting.pop_front()?;
        *count += 1;
        self.last = *peer;
        self.waiting_bytes -= packet.len();
        self.awaited += 1;
        let under_way = UnderWay {
            peer: self.last,
            is_awaited: true,
        };
        self.under_way.insert(id, under_way);
        Some(Deal {
            peer: self.last,
            packet,
        })
    }

    fn check_invariants(&self) {
        let bytes: usize = self.waiting.iter().map(|(_, packet)| packet.len()).sum();
        debug_assert_eq!(self.waiting_bytes, bytes);
        let awaited = self.under_way.values().filter(|known| known.is_awaited);
        debug_assert_eq!(self.awaited, awaited.count());
        debug_assert_eq!(self.under_way.len(), self.peers.values().sum::<usize>());
        let max = self.limits.requests_max.max(self.requests_max_before);
        debug_assert!(self.awaited + self.waiting.len() <= max);
    }
}

#[cfg(test)]
mod tests;
