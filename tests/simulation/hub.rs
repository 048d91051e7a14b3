//! The hub of a worker: who is subscribed to what, as `actors::store` does it.

use std::{collections::BTreeMap, time::Duration};

use p8::{
    engine::{
        fan_out::{Members, SessionKey},
        lingering::{Lingerer, Lingering},
        session::Published,
        subscription::{Receipt, Subscription},
    },
    grip::channel::ItemId,
};

use super::{
    backend::Sent,
    world::{Event, Link, Told, World},
};

const LINGER_MS: u64 = 2_000;

/// What a channel sends to a hub.
#[derive(Debug)]
pub enum FromChannel {
    Subscribed {
        channel: usize,
        generation: u64,
        epoch: u64,
        last: Option<ItemId>,
    },
    /// With epoch and number.
    Deliver(Sent, u64, u64),
    Refresh(usize),
}

struct Local {
    subscription: Subscription,
    members: Members,
    waiters: Vec<u32>,
    last: Option<ItemId>,
    linger_until: Option<u64>,
    is_lingering: bool,
}

/// A session in the tables; its key names it for ever.
pub struct Entry {
    seat: u64,
    is_poll: bool,
    places: Vec<(usize, u32)>,
    pending: usize,
    checks: Vec<(usize, ItemId)>,
    pub conflicts: Vec<usize>,
}

pub struct Hub {
    channels: BTreeMap<usize, Local>,
    pub entries: BTreeMap<u32, Entry>,
    lingering: Lingering,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            channels: BTreeMap::new(),
            entries: BTreeMap::new(),
            lingering: Lingering::new(3),
        }
    }
}

impl World {
    /// Enters a session; it is ready when every channel has acknowledged.
    pub fn join(&mut self, hub: usize, seat: u64, wanted: Vec<(usize, Option<ItemId>)>) -> u32 {
        self.names += 1;
        let key = self.names as u32;
        let entry = Entry {
            seat,
            is_poll: !self.clients[self.seats[&seat].client].is_stream,
            places: Vec::new(),
            pending: 0,
            checks: Vec::new(),
            conflicts: Vec::new(),
        };
        self.hubs[hub].entries.insert(key, entry);
        self.change_channels(hub, key, wanted);
        key
    }

    /// Changes what a session listens to; it goes on in the channels that stay.
    pub fn change_channels(&mut self, hub: usize, key: u32, wanted: Vec<(usize, Option<ItemId>)>) {
        let Some(entry) = self.hubs[hub].entries.get_mut(&key) else {
            return;
        };
        entry.conflicts.clear();
        let stays = |place: &(usize, u32)| wanted.iter().any(|(channel, _)| *channel == place.0);
        let places = std::mem::take(&mut entry.places);
        let (staying, leaving): (Vec<_>, Vec<_>) = places.into_iter().partition(stays);
        entry.places = staying.clone();
        for (channel, prev_id) in wanted {
            if staying.iter().all(|(known, _)| *known != channel) {
                self.enter(hub, key, channel, prev_id);
            }
        }
        for (channel, place) in leaving {
            self.leave_place(hub, key, (channel, place), false);
        }
        self.ready_if_acknowledged(hub, key);
    }

    fn enter(&mut self, hub: usize, key: u32, channel: usize, prev_id: Option<ItemId>) {
        if !self.hubs[hub].channels.contains_key(&channel) {
            self.names += 1;
            let generation = self.names;
            let local = Local {
                subscription: Subscription::new(generation),
                members: Members::default(),
                waiters: Vec::new(),
                last: None,
                linger_until: None,
                is_lingering: false,
            };
            self.hubs[hub].channels.insert(channel, local);
            let subscribe = Event::Subscribe(hub, channel, generation);
            self.send(Link::HubToHandler(hub), subscribe);
        }
        let Hub {
            channels, entries, ..
        } = &mut self.hubs[hub];
        let (Some(local), Some(entry)) = (channels.get_mut(&channel), entries.get_mut(&key)) else {
            return;
        };
        entry
            .places
            .push((channel, local.members.join(SessionKey(key))));
        if !local.subscription.is_live() {
            local.waiters.push(key);
            entry.pending += 1;
            entry.checks.extend(prev_id.map(|id| (channel, id)));
        } else if let Some(prev_id) = prev_id {
            self.check(hub, key, channel, &prev_id);
        }
    }

    /// A session's prev-id against the hub's last item.
    fn check(&mut self, hub: usize, key: u32, channel: usize, prev_id: &ItemId) {
        let Hub {
            channels, entries, ..
        } = &mut self.hubs[hub];
        let Some(local) = channels.get_mut(&channel) else {
            return;
        };
        if local.last.is_none() {
            let seat = entries.get(&key).map(|entry| entry.seat);
            let seat = seat.and_then(|seat| self.seats.get_mut(&seat));
            seat.map(|seat| seat.unsure.insert(channel));
        }
        if local.last.as_ref().is_none_or(|last| last == prev_id) {
            return;
        }
        if let Some(entry) = entries.get_mut(&key) {
            entry.conflicts.push(channel);
        }
        self.tally.count("conflicts", 1);
    }

    fn ready_if_acknowledged(&mut self, hub: usize, key: u32) {
        let entry = self.hubs[hub].entries.get(&key);
        if let Some(entry) = entry.filter(|entry| entry.pending == 0) {
            let seat = entry.seat;
            self.send(Link::HubToSeat(seat), Event::Ready(seat, key));
        }
    }

    pub fn on_leave(&mut self, hub: usize, key: u32) {
        let Some(entry) = self.hubs[hub].entries.remove(&key) else {
            return;
        };
        for (channel, place) in entry.places {
            let is_poll = entry.is_poll;
            self.leave_place(hub, key, (channel, place), is_poll);
        }
    }

    fn leave_place(&mut self, hub: usize, key: u32, (channel, place): (usize, u32), is_poll: bool) {
        let Hub {
            channels, entries, ..
        } = &mut self.hubs[hub];
        let Some(local) = channels.get_mut(&channel) else {
            return;
        };
        local.waiters.retain(|waiter| *waiter != key);
        local.members.leave(place, |moved, to| {
            let moved = entries.get_mut(&moved.0);
            for known in moved.into_iter().flat_map(|entry| &mut entry.places) {
                if known.0 == channel {
                    known.1 = to;
                }
            }
        });
        if is_poll {
            local.linger_until = Some(self.now + LINGER_MS);
        }
        if local.members.is_empty() {
            self.linger(hub, channel);
        }
    }

    fn linger(&mut self, hub: usize, channel: usize) {
        let (now, start) = (self.now, self.instant(0));
        let Hub {
            channels,
            lingering,
            ..
        } = &mut self.hubs[hub];
        let Some(local) = channels.get_mut(&channel) else {
            return;
        };
        let until = local.linger_until.filter(|until| *until > now);
        let Some(until) = until.filter(|_| local.subscription.is_live()) else {
            return self.end_channel(hub, channel);
        };
        if std::mem::replace(&mut local.is_lingering, true) {
            return;
        }
        let lingerer = Lingerer {
            index: channel as u32,
            generation: local.subscription.generation(),
        };
        let oldest = lingering.keep(start + Duration::from_millis(until), lingerer);
        self.tally.count("lingered", 1);
        self.at(until, Event::Linger(hub));
        if let Some(oldest) = oldest {
            self.stop_lingering(hub, oldest, true);
        }
    }

    pub fn on_linger(&mut self, hub: usize) {
        let now = self.instant(self.now);
        while let Some(lingerer) = self.hubs[hub].lingering.due(now) {
            self.stop_lingering(hub, lingerer, false);
        }
    }

    fn stop_lingering(&mut self, hub: usize, lingerer: Lingerer, is_cut: bool) {
        let channel = lingerer.index as usize;
        let Some(local) = self.hubs[hub].channels.get_mut(&channel) else {
            return;
        };
        if local.subscription.generation() != lingerer.generation {
            return;
        }
        local.is_lingering = false;
        let is_used_again = !is_cut && local.linger_until.is_some_and(|at| at > self.now);
        if local.members.is_empty() {
            match is_used_again {
                true => self.linger(hub, channel),
                false => self.end_channel(hub, channel),
            }
        }
    }

    fn end_channel(&mut self, hub: usize, channel: usize) {
        if let Some(local) = self.hubs[hub].channels.remove(&channel) {
            let generation = local.subscription.generation();
            let unsubscribe = Event::Unsubscribe(hub, channel, generation);
            self.send(Link::HubToHandler(hub), unsubscribe);
        }
    }

    pub fn on_hub_forget(&mut self, hub: usize, channel: usize) {
        let local = self.hubs[hub].channels.get_mut(&channel);
        if let Some(last) = local.and_then(|local| local.last.take()) {
            self.send(Link::HubToHandler(hub), Event::ForgetLast(channel, last));
        }
    }

    pub fn on_channel_message(&mut self, hub: usize, message: FromChannel) {
        match message {
            FromChannel::Subscribed {
                channel,
                generation,
                epoch,
                last,
            } => self.on_subscribed(hub, channel, (generation, epoch), last),
            FromChannel::Deliver(sent, epoch, sequence) => {
                self.on_delivery(hub, &sent, (epoch, sequence));
            }
            FromChannel::Refresh(channel) => {
                let local = self.hubs[hub].channels.get(&channel);
                let members: Vec<_> = local
                    .into_iter()
                    .flat_map(|local| local.members.iter())
                    .collect();
                for SessionKey(key) in members {
                    self.tally.count("refreshed", 1);
                    self.tell_seat(hub, key, Told::Refresh);
                }
            }
        }
    }

    fn on_subscribed(
        &mut self,
        hub: usize,
        channel: usize,
        (generation, epoch): (u64, u64),
        last: Option<ItemId>,
    ) {
        let Some(local) = self.hubs[hub].channels.get_mut(&channel) else {
            return;
        };
        if !local.subscription.on_acknowledged(generation, epoch, 0) {
            return;
        }
        local.last = last;
        for key in std::mem::take(&mut local.waiters) {
            let Some(entry) = self.hubs[hub].entries.get_mut(&key) else {
                continue;
            };
            entry.pending -= 1;
            let check = entry.checks.iter().find(|(of, _)| *of == channel).cloned();
            if let Some((_, prev_id)) = check {
                self.check(hub, key, channel, &prev_id);
            }
            self.ready_if_acknowledged(hub, key);
        }
    }

    fn on_delivery(&mut self, hub: usize, sent: &Sent, (epoch, sequence): (u64, u64)) {
        let Some(local) = self.hubs[hub].channels.get_mut(&sent.channel) else {
            return self.tally.count("stale", 1);
        };
        match local.subscription.on_delivery(epoch, sequence) {
            Receipt::InOrder => {}
            Receipt::Stale => return self.tally.count("stale", 1),
            Receipt::AfterGap(missed) => panic!("{missed} deliveries to hub {hub} were lost"),
        }
        local.last.clone_from(&sent.item().id);
        local.members.begin();
        let mut keys = Vec::new();
        while let Some(SessionKey(key)) = local.members.next_to_serve() {
            keys.push(key);
        }
        for key in keys {
            self.tell_seat(hub, key, Told::Item(sent.clone()));
        }
    }

    fn tell_seat(&mut self, hub: usize, key: u32, told: Told) {
        if let Some(entry) = self.hubs[hub].entries.get(&key) {
            let seat = entry.seat;
            self.send(Link::HubToSeat(seat), Event::ToSeat(seat, key, told));
        }
    }
}
