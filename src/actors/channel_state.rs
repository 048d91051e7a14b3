//! What outlives a crash of a channel: its hubs with their numbers, and the order of its items.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    messages::{FromChannel, HubLink},
    tally::Tally,
};
use crate::{
    engine::{backlog::Backlog, sequencer::Sequencer},
    grip::channel::{ChannelName, ItemId},
    stats::views::ChannelRow,
};

/// How long after the first subscription the sessions ask again.
const REFRESH_DELAY: Duration = Duration::from_secs(1);

/// What lives beside a channel.
#[derive(Default)]
pub struct ChannelState {
    hubs: Vec<Subscriber>,
    /// The order of the items, and those that wait for another.
    pub sequencer: Sequencer,
    /// When the sessions of a channel that is new here ask their backends again.
    refresh_at: Option<Instant>,
    /// How far its queue is behind.
    pub backlog: Backlog,
    /// Items that it sent out.
    pub items: u64,
    /// Items that it dropped as they came out of order.
    pub unordered: u64,
}

struct Subscriber {
    link: HubLink,
    generation: u64,
    next: u64,
    tally: Arc<Tally>,
}

impl ChannelState {
    /// Tells whether no worker is subscribed.
    pub fn is_empty(&self) -> bool {
        self.hubs.is_empty()
    }

    /// Forgets the last id: this one if it still is, or whatever it is.
    pub fn forget_last(&mut self, only: Option<&ItemId>) {
        if only.is_none() || self.sequencer.last() == only {
            self.sequencer.forget_last();
        }
    }

    /// Subscribes a hub and returns the number of its next delivery: the first, unless it is subscribed
    /// already and says so once more.
    pub fn subscribe(&mut self, link: HubLink, generation: u64, tally: Arc<Tally>) -> u64 {
        let is_it =
            |known: &&Subscriber| known.link.id == link.id && known.generation == generation;
        if let Some(known) = self.hubs.iter().find(is_it) {
            return known.next;
        }
        self.hubs.retain(|known| known.link.id != link.id);
        let next = 0;
        self.hubs.push(Subscriber {
            link,
            generation,
            next,
            tally,
        });
        next
    }

    /// Plans the refresh of a channel that is new here.
    pub fn plan_refresh(&mut self, now: Instant) {
        self.refresh_at = Some(now + REFRESH_DELAY);
    }

    /// Unsubscribes a hub: whatever its subscription, or only this one.
    pub fn unsubscribe(&mut self, hub_id: u64, generation: Option<u64>) {
        let is_other = |known: &Subscriber| {
            known.link.id != hub_id || generation.is_some_and(|ended| known.generation != ended)
        };
        self.hubs.retain(is_other);
    }

    /// Forgets what only matters to subscribers; returns how many items were waiting.
    pub fn clear(&mut self) -> usize {
        self.refresh_at = None;
        self.sequencer.clear()
    }

    /// Tells whether a subscribed hub has sessions that take compressed messages.
    pub fn has_deflating(&self) -> bool {
        let mut hubs = self.hubs.iter();
        hubs.any(|subscriber| subscriber.link.deflating.get() > 0)
    }

    /// Addresses a message to every subscribed hub, each with its own number.
    pub fn deliveries(
        &mut self,
        deliver: impl Fn(u64) -> FromChannel,
    ) -> Vec<(HubLink, FromChannel)> {
        let numbered = |subscriber: &mut Subscriber| {
            let sequence = subscriber.next;
            subscriber.next += 1;
            (subscriber.link.clone(), deliver(sequence))
        };
        self.hubs.iter_mut().map(numbered).collect()
    }

    /// Addresses the refresh to every subscribed hub, if its time has come.
    pub fn due_refreshes(
        &mut self,
        channel: &ChannelName,
        epoch: u64,
        now: Instant,
    ) -> Vec<(HubLink, FromChannel)> {
        if self.refresh_at.take_if(|at| *at <= now).is_none() {
            return Vec::new();
        }
        let refresh = |subscriber: &Subscriber| {
            let channel = channel.clone();
            (
                subscriber.link.clone(),
                FromChannel::Refresh { channel, epoch },
            )
        };
        self.hubs.iter().map(refresh).collect()
    }

    /// Returns its sessions: long-polls, streams, WebSockets.
    pub fn subscribers(&self) -> [u64; 3] {
        let tallies = self.hubs.iter().map(|known| known.tally.sessions());
        tallies.fold([0; 3], |[a, b, c], [x, y, z]| [a + x, b + y, c + z])
    }

    /// Returns how many of its items were dropped.
    pub fn dropped(&self) -> u64 {
        let lost = self.hubs.iter().map(|known| known.tally.dropped());
        self.unordered + lost.sum::<u64>()
    }

    /// Returns what operators see of it.
    pub fn row(&self, name: &ChannelName) -> ChannelRow {
        let [response, stream, socket] = self.subscribers();
        ChannelRow {
            name: name.as_str().to_owned(),
            subscribers: response + stream + socket,
            response,
            stream,
            socket,
            items: self.items,
            last_id: self.sequencer.last().map(ToString::to_string),
            waiting: self.sequencer.waiting() as u64,
            dropped: self.dropped(),
            workers: self.hubs.len(),
        }
    }

    /// Returns when something is due.
    pub fn deadline(&self) -> Option<Instant> {
        let (order, refresh) = (self.sequencer.deadline(), self.refresh_at);
        order.into_iter().chain(refresh).min()
    }
}
