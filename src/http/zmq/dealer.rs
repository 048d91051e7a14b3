//! The dealer: owns a bound socket and its backends, gives each request to one of them, and takes the
//! answers to those who wait.

use std::{collections::HashMap, time::Duration};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{
    peer::{PeerGone, PeerReady, PeerSent},
    queue::Queue,
};

use crate::{
    actors::{
        dealers::{Ask, AskFailure, Dealers},
        task::Task,
    },
    engine::zmq::{
        dealing::{Deal, Dealing, DealingLimits, PeerId, RequestId},
        endpoint::Endpoint,
        zhttp::Packet,
        zmtp,
    },
};

/// How often requests are looked through for those that nobody waits for any more.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Messages that may wait for a dealer; past it requests go to another target and peers are not read.
const MAILBOX: usize = 1_000;

/// The owner of the sockets to a dealer: no backend is accepted any more, and it ends once it has
/// answered what it has.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Unbind;

/// The owner of the sockets to a dealer: so many requests are waited for from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SetRequestsMax(pub(super) usize);

/// The actor.
pub(super) struct Dealer {
    endpoint: Endpoint,
    limits: DealingLimits,
    dealing: Dealing,
    peers: HashMap<PeerId, Queue>,
    replies: HashMap<RequestId, oneshot::Sender<Result<Packet, AskFailure>>>,
    next_peer: PeerId,
    dealers: Dealers,
    /// Accepts connections, and has them; none once it is unbound.
    listening: Option<Task>,
    is_unbound: bool,
}

impl Dealer {
    /// Makes a dealer; `listening` feeds it.
    pub(super) fn new(
        endpoint: Endpoint,
        limits: DealingLimits,
        dealers: Dealers,
        listening: Option<Task>,
    ) -> Self {
        Self {
            endpoint,
            limits,
            dealing: Dealing::new(limits),
            peers: HashMap::new(),
            replies: HashMap::new(),
            next_peer: 1,
            dealers,
            listening,
            is_unbound: false,
        }
    }

    fn send(&mut self, deals: impl IntoIterator<Item = Deal>) {
        for Deal { peer, packet } in deals {
            let sent = self.peers.get(&peer).map(|queue| {
                // Full: it reads nothing, and its requests run out of time. Closed: it is leaving.
                queue.push(zmtp::message(&[&[], &packet[..]]))
            });
            if !matches!(sent, Some(Ok(()))) {
                log::debug!(peer; "a ZeroMQ backend left as it was given a request");
            }
        }
    }

    fn forget_peer(&mut self, peer: PeerId) {
        if self.peers.remove(&peer).is_none() {
            return;
        }
        self.dealers.note_backend_gone();
        let lost = self.dealing.on_peer_gone(peer);
        if !lost.is_empty() {
            log::warn!(endpoint:% = self.endpoint, requests = lost.len();
                "a ZeroMQ backend left with requests it had not answered");
        }
        for id in lost {
            if let Some(reply) = self.replies.remove(&id) {
                let _ = reply.send(Err(AskFailure::Lost));
            }
        }
    }

    fn bad_packet(&self, why: &str) {
        self.dealers.note_bad_packet();
        log::warn!(endpoint:% = self.endpoint, why; "a packet of a ZeroMQ backend is dropped");
    }

    fn sweep(&mut self, context: &mut Context<Self>) {
        let closed = self.replies.iter().filter(|(_, reply)| reply.is_closed());
        let closed: Vec<RequestId> = closed.map(|(id, _)| id.clone()).collect();
        for id in closed {
            self.replies.remove(&id);
            self.dealing.on_given_up(&id);
        }
        if self.is_unbound && self.replies.is_empty() {
            context.stop();
        }
    }
}

impl Actor for Dealer {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
        context.run_interval(SWEEP_INTERVAL, Self::sweep);
    }
}

impl Supervised for Dealer {
    /// Begins anew: the backends connect again, and who waits is told.
    fn restarting(&mut self, context: &mut Self::Context) {
        for _ in self.peers.drain() {
            self.dealers.note_backend_gone();
        }
        self.dealing = Dealing::new(self.limits);
        for (_, reply) in self.replies.drain() {
            let _ = reply.send(Err(AskFailure::Lost));
        }
        context.run_interval(SWEEP_INTERVAL, Self::sweep);
    }
}

impl Drop for Dealer {
    fn drop(&mut self) {
        for _ in &self.peers {
            self.dealers.note_backend_gone();
        }
    }
}

impl Handler<SetRequestsMax> for Dealer {
    type Result = ();

    fn handle(&mut self, SetRequestsMax(max): SetRequestsMax, _: &mut Self::Context) {
        self.limits.requests_max = max;
        self.dealing.set_requests_max(max);
    }
}

impl Handler<Ask> for Dealer {
    type Result = ();

    fn handle(&mut self, ask: Ask, _: &mut Self::Context) {
        #[cfg(feature = "chaos")]
        crate::actors::chaos::maybe_fail_blind("dealer");
        if ask.reply.is_closed() {
            return;
        }
        match self.dealing.on_request(ask.id.clone(), ask.packet) {
            Ok(deal) => {
                self.replies.insert(ask.id, ask.reply);
                self.send(deal);
            }
            Err(_full) => {
                let _ = ask.reply.send(Err(AskFailure::Full));
            }
        }
    }
}

impl Handler<PeerReady> for Dealer {
    type Result = MessageResult<PeerReady>;

    fn handle(&mut self, ready: PeerReady, _: &mut Self::Context) -> Self::Result {
        let peer = self.next_peer;
        self.next_peer += 1;
        self.peers.insert(peer, ready.queue);
        self.dealers.note_backend();
        log::debug!(endpoint:% = self.endpoint, peer; "a ZeroMQ backend is connected");
        let deals = self.dealing.on_peer(peer);
        self.send(deals);
        MessageResult(peer)
    }
}

impl Handler<PeerSent> for Dealer {
    type Result = ();

    fn handle(&mut self, PeerSent { peer, frames }: PeerSent, _: &mut Self::Context) {
        let [envelope, packet] = frames.as_slice() else {
            return self.bad_packet("expected an empty frame and a packet");
        };
        if !envelope.is_empty() {
            return self.bad_packet("expected an empty frame first");
        }
        let packet = match Packet::read(packet) {
            Ok(packet) => packet,
            Err(error) => return self.bad_packet(&error.to_string()),
        };
        let id = String::from_utf8_lossy(&packet.id).into_owned();
        let (is_awaited, deal) = self.dealing.on_answer(peer, &id);
        let reply = is_awaited.then(|| self.replies.remove(id.as_str()));
        match reply.flatten() {
            Some(reply) => drop(reply.send(Ok(packet))),
            None => self.bad_packet("nobody waits for an answer of that id"),
        }
        self.send(deal);
    }
}

impl Handler<PeerGone> for Dealer {
    type Result = ();

    fn handle(&mut self, PeerGone { peer }: PeerGone, _: &mut Self::Context) {
        self.forget_peer(peer);
    }
}

impl Handler<Unbind> for Dealer {
    type Result = ();

    fn handle(&mut self, _: Unbind, context: &mut Self::Context) {
        self.is_unbound = true;
        self.listening = None;
        self.sweep(context);
    }
}
