//! The handler: ids seen lately, and the order of each channel's items.

use std::time::Duration;

use p8::{
    engine::{
        id_cache::{IdCache, Sighting},
        sequencer::{Outcome, Sequencer, SequencerLimits},
        session::Published,
    },
    grip::channel::ItemId,
};

use super::{
    backend::{channel_of, full_name, number_of, Sent},
    hub::FromChannel,
    world::{Event, Link, Told, World},
};

#[derive(Default)]
struct Channel {
    sequencer: Sequencer,
    /// Hub, generation and number of its next delivery.
    hubs: Vec<(usize, u64, u64)>,
    deliveries: u64,
    epoch: u64,
    due: Option<u64>,
    /// The next item crashes it.
    is_doomed: bool,
}

pub struct Handler {
    channels: Vec<Channel>,
    ids: IdCache,
    limits: SequencerLimits,
    /// Sessions of a channel that is new ask their backends again.
    refreshes: bool,
}

impl Handler {
    pub fn new(channels: usize, is_calm: bool, rng: &mut fastrand::Rng) -> Self {
        Self {
            channels: (0..channels).map(|_| Channel::default()).collect(),
            ids: IdCache::new(Duration::from_secs(60), 1_000),
            limits: SequencerLimits {
                wait: Duration::from_millis(1_000),
                items_max: if is_calm { 100 } else { 5 },
            },
            refreshes: rng.bool(),
        }
    }
}

impl World {
    /// An item comes to its channel.
    pub fn on_publish(&mut self, sent: Sent) {
        let now = self.instant(self.now);
        let limits = self.handler.limits;
        let at = sent.channel;
        let id = sent.item().id.clone();
        if let Some(id) = &id {
            let name = full_name(at);
            if self.handler.ids.on_item(&name, id, now) == Sighting::Repeat {
                return self.tally.count("repeated", 1);
            }
        }
        let channel = &mut self.handler.channels[at];
        if channel.hubs.is_empty() {
            return self.tally.count("unsubscribed", 1);
        }
        if std::mem::take(&mut channel.is_doomed) {
            self.tally.count("crashed", 1);
            if let Some(id) = &id {
                self.handler.ids.forget(&full_name(at), id);
            }
            return;
        }
        match channel.sequencer.on_item(sent.item().clone(), now, &limits) {
            Outcome::Deliver(_) => self.deliver(sent),
            Outcome::Wait => {}
            Outcome::TooMany(_) | Outcome::Repeat(_) => self.tally.count("out of order", 1),
        }
        self.on_channel_due(at);
    }

    /// Sends an item to every hub, with the number of the delivery.
    fn deliver(&mut self, mut sent: Sent) {
        let at = sent.channel;
        let channel = &mut self.handler.channels[at];
        channel.sequencer.on_delivered(sent.item());
        channel.deliveries += 1;
        sent.delivery = channel.deliveries;
        let epoch = channel.epoch;
        let hubs: Vec<_> = channel
            .hubs
            .iter_mut()
            .map(|(hub, _, next)| {
                *next += 1;
                (*hub, *next - 1)
            })
            .collect();
        for (hub, sequence) in hubs {
            let deliver = FromChannel::Deliver(sent.clone(), epoch, sequence);
            self.send(Link::ChannelToHub(at, hub), Event::ToHub(hub, deliver));
        }
    }

    /// Whatever may go out goes out.
    pub fn on_channel_due(&mut self, at: usize) {
        let now = self.instant(self.now);
        while let Some((item, follows)) = self.handler.channels[at].sequencer.on_timer(now) {
            if !follows {
                self.tally.count("given up", 1);
            }
            let number = number_of(item.id.as_ref().expect("what waits has an id"));
            let sent = self.backend.item(channel_of(&item.channel), number);
            self.deliver(sent);
        }
        let due = self.handler.channels[at].sequencer.deadline();
        let due = due.map(|due| self.ms(due));
        let channel = &mut self.handler.channels[at];
        if channel.due != due {
            channel.due = due;
            if let Some(due) = due {
                self.at(due, Event::ChannelDue(at));
            }
        }
    }

    pub fn on_subscribe(&mut self, hub: usize, at: usize, generation: u64) {
        let channel = &mut self.handler.channels[at];
        let is_new = channel.hubs.is_empty();
        channel.hubs.retain(|(known, _, _)| *known != hub);
        channel.hubs.push((hub, generation, 0));
        let subscribed = FromChannel::Subscribed {
            channel: at,
            generation,
            epoch: channel.epoch,
            last: channel.sequencer.last().cloned(),
        };
        if is_new && self.handler.refreshes {
            self.at(self.now + 1_000, Event::ChannelRefresh(at));
        }
        self.send(Link::ChannelToHub(at, hub), Event::ToHub(hub, subscribed));
    }

    pub fn on_unsubscribe(&mut self, hub: usize, at: usize, generation: u64) {
        let channel = &mut self.handler.channels[at];
        channel
            .hubs
            .retain(|(known, of, _)| *known != hub || *of != generation);
        if channel.hubs.is_empty() {
            let thrown_away = channel.sequencer.clear();
            channel.epoch += 1;
            self.tally.count("unsubscribed", thrown_away);
        }
    }

    pub fn on_channel_refresh(&mut self, at: usize) {
        let hubs: Vec<_> = self.handler.channels[at].hubs.clone();
        for (hub, _, _) in hubs {
            let refresh = FromChannel::Refresh(at);
            self.send(Link::ChannelToHub(at, hub), Event::ToHub(hub, refresh));
        }
    }

    pub fn on_forget_last(&mut self, at: usize, last: &ItemId) {
        let sequencer = &mut self.handler.channels[at].sequencer;
        if sequencer.last() == Some(last) {
            sequencer.forget_last();
            self.tally.count("forgotten", 1);
        }
    }

    /// The next item of a channel is lost with it; its state stays.
    pub fn crash(&mut self, at: usize) {
        self.handler.channels[at].is_doomed = true;
    }

    /// A channel loses what it remembers, and what waits.
    pub fn lose(&mut self, at: usize) {
        let lost = self.handler.channels[at].sequencer.clear();
        self.tally.count("lost with a handler", 1 + lost);
    }

    /// Whatever is remembered is forgotten, and every session asks.
    pub fn recover(&mut self) {
        self.tally.count("recovered", 1);
        for channel in &mut self.handler.channels {
            channel.sequencer.forget_last();
        }
        let seats: Vec<_> = self.seats.iter().collect();
        let keys: Vec<_> = seats
            .iter()
            .filter_map(|(seat, s)| Some((**seat, s.key?)))
            .collect();
        for (seat, key) in keys {
            self.send(
                Link::HubToSeat(seat),
                Event::ToSeat(seat, key, Told::Refresh),
            );
        }
    }
}
