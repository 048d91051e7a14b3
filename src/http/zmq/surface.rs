//! A ZeroMQ socket by which publishers and operators reach P-8, or it them: one actor for all kinds,
//! whose role says what a message means.
//!
//! It keeps its connections, and what its role knows, over a crash: only the message is lost.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

use actix::prelude::*;
use bytes::Bytes;

use super::{
    peer::{PeerGone, PeerReady, PeerSent},
    queue::Queue,
};
use crate::{
    actors::{
        task::Task,
        worker_report::{TakeReport, WorkerReport},
    },
    engine::zmq::{dealing::PeerId, zmtp::SocketKind},
    stats::{counters::Total, shared_counters::SharedCounters},
};

/// What is done about a message before the next one of its connection is read.
pub(super) type Work = Pin<Box<dyn Future<Output = ()>>>;

/// What a socket is for.
pub(super) trait Role: Unpin + 'static {
    /// What kind of socket it is.
    const KIND: SocketKind;

    /// A connection is ready.
    fn on_ready(&mut self, _peer: PeerId, _queue: &Queue) {}

    /// A message has come; none if there is nothing more to do about it.
    fn on_message(&mut self, from: (PeerId, &Queue), frames: Vec<Bytes>) -> Option<Work>;

    /// A connection has ended.
    fn on_gone(&mut self, _peer: PeerId) {}

    /// A worker tells of its channels; returns the connections that are to end.
    fn on_report(&mut self, _report: &WorkerReport) -> Vec<PeerId> {
        Vec::new()
    }
}

/// Messages that may wait for the actor; past it connections are not read.
const MAILBOX: usize = 1_000;

/// The actor.
pub(super) struct Surface<R> {
    role: R,
    peers: BTreeMap<PeerId, Queue>,
    last: PeerId,
    counters: Arc<SharedCounters>,
    /// What accepts connections or makes them.
    _tasks: Vec<Task>,
}

impl<R: Role> Surface<R> {
    /// Makes the actor; the tasks feed it.
    pub(super) fn new(role: R, counters: Arc<SharedCounters>, tasks: Vec<Task>) -> Self {
        Self {
            role,
            peers: BTreeMap::new(),
            last: 0,
            counters,
            _tasks: tasks,
        }
    }

    /// Returns what the socket is for.
    pub(super) fn role(&mut self) -> &mut R {
        &mut self.role
    }

    fn forget(&mut self, peer: PeerId) {
        if self.peers.remove(&peer).is_some() {
            self.counters.subtract_one(Total::ZmqPeers);
            self.role.on_gone(peer);
        }
    }
}

impl<R: Role> Handler<TakeReport> for Surface<R> {
    type Result = ();

    fn handle(&mut self, TakeReport(report): TakeReport, _: &mut Self::Context) {
        for peer in self.role.on_report(&report) {
            self.forget(peer);
        }
    }
}

impl<R: Role> Actor for Surface<R> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
    }
}

impl<R: Role> Supervised for Surface<R> {}

impl<R: Role> Handler<PeerReady> for Surface<R> {
    type Result = MessageResult<PeerReady>;

    fn handle(&mut self, PeerReady { queue }: PeerReady, _: &mut Self::Context) -> Self::Result {
        self.last += 1;
        self.counters.add(Total::ZmqPeers, 1);
        self.role.on_ready(self.last, &queue);
        self.peers.insert(self.last, queue);
        MessageResult(self.last)
    }
}

impl<R: Role> Handler<PeerSent> for Surface<R> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, PeerSent { peer, frames }: PeerSent, _: &mut Self::Context) -> Work {
        let queue = self.peers.get(&peer);
        let work = queue.and_then(|queue| self.role.on_message((peer, queue), frames));
        work.unwrap_or_else(|| Box::pin(std::future::ready(())))
    }
}

impl<R: Role> Handler<PeerGone> for Surface<R> {
    type Result = ();

    fn handle(&mut self, PeerGone { peer }: PeerGone, _: &mut Self::Context) {
        self.forget(peer);
    }
}
