//! What outlives a crash on an edge worker: its held sessions, its channels, the item in flight.
//!
//! It lives beside the `Hub` actor, not in it: a hub that panicked finds everything here and goes on
//! behind the session it was serving. Same thread only. No rule is made here: places, order and
//! bounds are decided by `engine`. Here: who is subscribed to what. `delivery.rs`: the item in flight.
//! `outlets.rs`: what waits to be written, and when sessions are woken.

mod delivery;
mod outlets;

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use slab::Slab;
use tokio::sync::oneshot;

use super::{
    messages::{Depth, Encoded, Join, Joined, SessionKind, ToSession},
    ports::Outlet,
};
use crate::{
    engine::{
        fan_out::{Members, SessionKey},
        outbox::{Outbox, OutboxLimits},
        subscription::Subscription,
        timetable::Timetable,
        wire::BodyEnd,
    },
    grip::channel::ChannelName,
    stats::{
        counters::{Counters, Dropped, Total},
        snapshot::{ChannelSnapshot, CHANNELS_MAX},
    },
};

/// Sessions served between two looks at the rest of the worker's work.
pub const FAN_OUT_SLICE: usize = 1_024;

/// A subscription to begin or end at the channel.
#[derive(Debug, PartialEq, Eq)]
pub struct ChannelChange {
    /// Which channel.
    pub channel: ChannelName,
    /// Which subscription.
    pub generation: u64,
}

/// The tables of one worker.
pub struct HubStore {
    sessions: Slab<Entry>,
    channels: Slab<LocalChannel>,
    names: HashMap<ChannelName, u32>,
    dirty: VecDeque<SessionKey>,
    timetable: Timetable,
    in_flight: Option<InFlight>,
    generations: u64,
    counters: Rc<Counters>,
    /// Messages on their way to sessions.
    pub session_mailbox: Depth,
}

struct LocalChannel {
    name: ChannelName,
    subscription: Subscription,
    members: Members,
    /// Sessions that wait for the acknowledgement.
    waiters: Vec<SessionKey>,
}

struct InFlight {
    channel: u32,
    encoded: Arc<Encoded>,
    #[cfg(feature = "chaos")]
    served: u64,
}

struct Entry {
    outbox: Outbox,
    outlet: Option<Rc<dyn Outlet>>,
    session: actix::Recipient<ToSession>,
    places: Box<[(u32, u32)]>,
    ready: Option<oneshot::Sender<()>>,
    limits: OutboxLimits,
    deadline: Option<Instant>,
    last_sent: Instant,
    pending: u32,
    kind: SessionKind,
    body_end: BodyEnd,
    is_dirty: bool,
    /// Nothing more is accepted: the response's end is queued, or the session is doomed.
    is_closing: bool,
}

impl HubStore {
    /// Makes empty tables.
    pub fn new(counters: Rc<Counters>) -> Self {
        Self {
            sessions: Slab::new(),
            channels: Slab::new(),
            names: HashMap::new(),
            dirty: VecDeque::new(),
            timetable: Timetable::default(),
            in_flight: None,
            generations: 0,
            counters,
            session_mailbox: Depth::default(),
        }
    }

    /// Enters a session; `subscribe` hears of each channel that is new on this worker.
    pub fn join(&mut self, join: Join, mut subscribe: impl FnMut(ChannelChange)) -> Joined {
        let key = SessionKey(self.sessions.vacant_key() as u32);
        let mut pending = 0;
        let mut places = Vec::with_capacity(join.channels.len());
        for name in join.channels {
            let index = self.channel_index(name, &mut subscribe);
            let Some(channel) = self.channels.get_mut(index as usize) else {
                continue;
            };
            places.push((index, channel.members.join(key)));
            if !channel.subscription.is_live() {
                channel.waiters.push(key);
                pending += 1;
            }
        }
        let (ready, receiver) = match pending {
            0 => (None, None),
            _ => {
                let (sender, receiver) = oneshot::channel();
                (Some(sender), Some(receiver))
            }
        };
        self.sessions.insert(Entry {
            outbox: Outbox::default(),
            outlet: None,
            session: join.session,
            places: places.into_boxed_slice(),
            ready,
            limits: join.limits,
            deadline: None,
            last_sent: actix::clock::Instant::now().into_std(),
            pending,
            kind: join.kind,
            body_end: join.body_end,
            is_dirty: false,
            is_closing: false,
        });
        self.counters.add(Total::Sessions, 1);
        Joined {
            key,
            ready: receiver,
        }
    }

    fn channel_index(
        &mut self,
        name: ChannelName,
        subscribe: &mut impl FnMut(ChannelChange),
    ) -> u32 {
        if let Some(index) = self.names.get(&name) {
            return *index;
        }
        self.generations += 1;
        let generation = self.generations;
        let index = self.channels.insert(LocalChannel {
            name: name.clone(),
            subscription: Subscription::new(generation),
            members: Members::default(),
            waiters: Vec::new(),
        }) as u32;
        self.names.insert(name.clone(), index);
        subscribe(ChannelChange {
            channel: name,
            generation,
        });
        index
    }

    /// Takes a session out; `unsubscribe` hears of each channel nobody here is subscribed to any more.
    pub fn leave(&mut self, key: SessionKey, mut unsubscribe: impl FnMut(ChannelChange)) {
        let Some(entry) = self.sessions.try_remove(key.0 as usize) else {
            return;
        };
        self.timetable.change(key, entry.deadline, None);
        self.counters.subtract(Total::Sessions, 1);
        if !entry.is_closing {
            self.counters
                .drop_items(Dropped::ClientGone, entry.outbox.len() as u64);
        }
        for (index, place) in entry.places {
            let Some(channel) = self.channels.get_mut(index as usize) else {
                continue;
            };
            channel.waiters.retain(|waiter| *waiter != key);
            let sessions = &mut self.sessions;
            channel.members.leave(place, |moved, to| {
                let places = sessions
                    .get_mut(moved.0 as usize)
                    .map(|entry| &mut entry.places);
                for known in places
                    .into_iter()
                    .flatten()
                    .filter(|known| known.0 == index)
                {
                    known.1 = to;
                }
            });
            if channel.members.is_empty() {
                self.names.remove(&channel.name);
                let channel = self.channels.remove(index as usize);
                self.in_flight
                    .take_if(|in_flight| in_flight.channel == index);
                let generation = channel.subscription.generation();
                unsubscribe(ChannelChange {
                    channel: channel.name,
                    generation,
                });
            }
        }
    }

    /// Takes a channel's acknowledgement; sessions for which it was the last one are ready.
    pub fn acknowledge(&mut self, name: &ChannelName, generation: u64, epoch: u64, next: u64) {
        let Some(channel) = self
            .names
            .get(name)
            .and_then(|i| self.channels.get_mut(*i as usize))
        else {
            return;
        };
        if !channel
            .subscription
            .on_acknowledged(generation, epoch, next)
        {
            return;
        }
        for key in std::mem::take(&mut channel.waiters) {
            let Some(entry) = self.sessions.get_mut(key.0 as usize) else {
                continue;
            };
            entry.pending = entry.pending.saturating_sub(1);
            if entry.pending == 0 {
                let _ = entry.ready.take().map(|ready| ready.send(()));
            }
        }
    }

    /// Lists the largest channels, for `/admin`.
    pub fn channels(&self) -> Vec<ChannelSnapshot> {
        let mut all: Vec<_> = self
            .channels
            .iter()
            .map(|(_, c)| (c.members.len(), &c.name))
            .collect();
        all.sort_by(|a, b| b.cmp(a));
        let snapshot = |(subscribers, name): (usize, &ChannelName)| ChannelSnapshot {
            name: name.as_str().to_owned(),
            subscribers,
        };
        all.into_iter().take(CHANNELS_MAX).map(snapshot).collect()
    }

    /// Sends what a session must hear; at most a few of these exist for each session.
    #[expect(
        clippy::disallowed_methods,
        reason = "losing the end of a session would hang it"
    )]
    fn tell(&self, key: SessionKey, message: ToSession) {
        if let Some(entry) = self.sessions.get(key.0 as usize) {
            self.session_mailbox.add();
            entry.session.do_send(message);
        }
    }
}
