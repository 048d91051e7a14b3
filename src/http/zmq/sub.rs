//! The socket that takes what publishers publish, subscribed to the channels that somebody here is
//! subscribed to.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    intake::Intake,
    queue::Queue,
    surface::{Role, Work},
};
use crate::{
    actors::worker_report::WorkerReport,
    engine::zmq::{
        dealing::PeerId,
        item,
        local_channels::LocalChannels,
        zmtp::{self, SocketKind},
    },
};

/// What a SUB socket does.
pub(super) struct Sub {
    intake: Intake,
    local: LocalChannels,
    /// Where subscriptions go.
    publishers: BTreeMap<PeerId, Queue>,
}

impl Sub {
    pub(super) fn new(intake: Intake) -> Sub {
        Sub {
            intake,
            local: LocalChannels::default(),
            publishers: BTreeMap::new(),
        }
    }
}

impl Role for Sub {
    const KIND: SocketKind = SocketKind::Sub;

    /// Tells a new publisher of everything.
    fn on_ready(&mut self, peer: PeerId, queue: &Queue) {
        let names = self.local.names();
        let subscriptions = names.map(|name| zmtp::subscription(name.as_str().as_bytes(), true));
        let all: Vec<u8> = subscriptions.flatten().collect();
        if all.is_empty() || queue.push(all.into()).is_ok() {
            self.publishers.insert(peer, queue.clone());
        }
    }

    fn on_message(&mut self, _: (PeerId, &Queue), frames: Vec<Bytes>) -> Option<Work> {
        self.intake.take(item::read_published(&frames))
    }

    fn on_gone(&mut self, peer: PeerId) {
        self.publishers.remove(&peer);
    }

    /// Subscribes to what is new and ends what is gone.
    fn on_report(&mut self, report: &WorkerReport) -> Vec<PeerId> {
        let mut changes = Vec::new();
        for (channel, sessions) in &report.channels {
            let (before, after) = self.local.on_report(report.worker, channel, *sessions);
            if before.is_some() != after.is_some() {
                let topic = channel.as_str().as_bytes();
                changes.extend_from_slice(&zmtp::subscription(topic, after.is_some()));
            }
        }
        if changes.is_empty() {
            return Vec::new();
        }
        let changes = Bytes::from(changes);
        let lost = |(peer, queue): (&PeerId, &Queue)| {
            let sent = queue.push(changes.clone());
            sent.is_err().then_some(*peer)
        };
        let lost: Vec<PeerId> = self.publishers.iter().filter_map(lost).collect();
        for peer in &lost {
            self.publishers.remove(peer);
            log::warn!(socket = "SUB";
                "a publisher does not read its subscriptions: its connection is closed");
        }
        lost
    }
}
