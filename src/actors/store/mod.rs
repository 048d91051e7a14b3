//! What outlives a crash on an edge worker: its held sessions, its channels, the item in flight.
//!
//! It lives beside the `Hub` actor, not in it: a hub that panicked finds everything here and goes on
//! behind the session it was serving. Same thread only. No rule is made here: places, order and
//! bounds are decided by `engine`. Here: who is subscribed to what. `delivery.rs`: the item in flight.
//! `rated.rs`: what a rate lets wait. `outlets.rs`: what waits to be written, and when sessions are woken.

mod delivery;
mod losses;
mod outlets;
mod places;
mod rated;

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use slab::Slab;
use tokio::sync::oneshot;

pub use self::rated::Release;
use self::{losses::Losses, places::Places, rated::Rated};
use super::{
    delivery_rate::SharedRate,
    messages::{Depth, Encoded, Join, SessionEvent, SessionKind, ToSession},
    ports::Outlet,
};
use crate::{
    engine::{
        delivery_rate::QueueIndex,
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

/// A subscription to begin or end at the channel.
#[derive(Debug, PartialEq, Eq)]
pub struct ChannelChange {
    /// Which channel.
    pub channel: ChannelName,
    /// Which subscription.
    pub generation: u64,
}

/// A session that was entered in the tables.
pub struct Entered {
    /// Its name on this worker.
    pub key: SessionKey,
    /// Names the hold, for ever.
    pub hold: u64,
    /// Resolves when every channel has acknowledged; none if all had before.
    pub ready: Option<oneshot::Receiver<()>>,
}

/// The tables of one worker.
pub struct HubStore {
    sessions: Slab<Entry>,
    channels: Slab<LocalChannel>,
    names: HashMap<ChannelName, u32>,
    joining: HashMap<SessionKey, Joining>,
    dirty: VecDeque<SessionKey>,
    timetable: Timetable,
    in_flight: Option<InFlight>,
    /// Members served since the worker's other work last had its turn.
    served: usize,
    generations: u64,
    holds: u64,
    /// The server is stopping: a hold that still begins ends at once.
    is_draining: bool,
    /// Losses since the last line about them in the log.
    losses: Losses,
    counters: Rc<Counters>,
    /// Only if a rate is set.
    rated: Option<Rated>,
    /// The different outbox limits in use: one for each slow-client policy.
    limits: Vec<OutboxLimits>,
    since: Instant,
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

/// A session that waits for acknowledgements.
struct Joining {
    pending: usize,
    ready: oneshot::Sender<()>,
}

struct InFlight {
    channel: u32,
    encoded: Arc<Encoded>,
    #[cfg(feature = "chaos")]
    served: u64,
}

struct Entry {
    /// Names the hold for ever, while keys are used again.
    hold: u64,
    outbox: Outbox,
    outlet: Option<Rc<dyn Outlet>>,
    session: actix::Recipient<ToSession>,
    places: Places,
    deadline: Option<Instant>,
    /// Milliseconds since the store was made.
    last_sent_ms: u64,
    /// Which of the store's outbox limits.
    limits: u16,
    /// Where its deliveries wait if a rate is set.
    queue: QueueIndex,
    kind: SessionKind,
    body_end: BodyEnd,
    is_filtered: bool,
    is_dirty: bool,
    /// Nothing more is accepted: the response's end is queued, or the session is doomed.
    is_closing: bool,
}

impl HubStore {
    /// Makes empty tables; with a rate, deliveries may have to wait for their turn.
    pub fn new(counters: Rc<Counters>, rate: Option<Arc<SharedRate>>) -> Self {
        Self {
            sessions: Slab::new(),
            channels: Slab::new(),
            names: HashMap::new(),
            joining: HashMap::new(),
            dirty: VecDeque::new(),
            timetable: Timetable::default(),
            in_flight: None,
            served: 0,
            generations: 0,
            holds: 0,
            is_draining: false,
            losses: Losses::default(),
            rated: rate.map(Rated::new),
            counters,
            limits: Vec::new(),
            since: actix::clock::Instant::now().into_std(),
            session_mailbox: Depth::default(),
        }
    }

    /// Enters a session; `subscribe` hears of each channel that is new on this worker.
    pub fn join(&mut self, join: Join, mut subscribe: impl FnMut(ChannelChange)) -> Entered {
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
        let limits = self.limits_index(join.limits);
        let last_sent_ms = self.now_ms();
        let ready = (pending > 0).then(|| {
            let (ready, receiver) = oneshot::channel();
            self.joining.insert(key, Joining { pending, ready });
            receiver
        });
        self.holds += 1;
        let hold = self.holds;
        self.sessions.insert(Entry {
            hold,
            outbox: Outbox::default(),
            outlet: None,
            session: join.session,
            places: Places::new(places),
            limits,
            queue: join.queue,
            deadline: None,
            last_sent_ms,
            kind: join.kind,
            body_end: join.body_end,
            is_filtered: join.is_filtered,
            is_dirty: false,
            is_closing: false,
        });
        self.counters.add(Total::Sessions, 1);
        Entered { key, hold, ready }
    }

    /// Tables that were large give their memory back when they are empty.
    fn give_back_memory(&mut self) {
        if self.sessions.is_empty() && self.sessions.capacity() > 64 {
            self.sessions = Slab::new();
            self.dirty = VecDeque::new();
        }
        if self.channels.is_empty() && self.channels.capacity() > 64 {
            self.channels = Slab::new();
            self.names = HashMap::new();
        }
    }

    fn now_ms(&self) -> u64 {
        let now = actix::clock::Instant::now().into_std();
        now.duration_since(self.since).as_millis() as u64
    }

    fn limits_index(&mut self, limits: OutboxLimits) -> u16 {
        let known = self.limits.iter().position(|known| *known == limits);
        known.unwrap_or_else(|| {
            self.limits.push(limits);
            self.limits.len() - 1
        }) as u16
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
        self.joining.remove(&key);
        self.forget_waiting(entry.queue, key);
        self.counters.subtract(Total::Sessions, 1);
        self.counters
            .drop_items(Dropped::ClientGone, entry.outbox.items() as u64);
        for &(index, place) in entry.places.all() {
            let Some(channel) = self.channels.get_mut(index as usize) else {
                continue;
            };
            channel.waiters.retain(|waiter| *waiter != key);
            let sessions = &mut self.sessions;
            channel.members.leave(place, |moved, to| {
                let Some(entry) = sessions.get_mut(moved.0 as usize) else {
                    return;
                };
                for known in entry.places.all_mut() {
                    if known.0 == index {
                        known.1 = to;
                    }
                }
            });
            if channel.members.is_empty() {
                if self.names.get(&channel.name) == Some(&index) {
                    self.names.remove(&channel.name);
                }
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
        self.give_back_memory();
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
            let Some(joining) = self.joining.get_mut(&key) else {
                continue;
            };
            joining.pending = joining.pending.saturating_sub(1);
            if joining.pending == 0 {
                let ready = self.joining.remove(&key).map(|joining| joining.ready);
                let _ = ready.map(|ready| ready.send(()));
            }
        }
    }

    /// The channel cannot be made: sessions that wait for it are refused, and it is forgotten with them.
    pub fn refuse(&mut self, name: &ChannelName, generation: u64) {
        let index = self.names.get(name).copied();
        let Some(channel) = index.and_then(|index| self.channels.get_mut(index as usize)) else {
            return;
        };
        if channel.subscription.generation() != generation {
            return;
        }
        for key in std::mem::take(&mut channel.waiters) {
            self.joining.remove(&key);
        }
        self.names.remove(name);
    }

    /// Lists the largest channels, for `/admin`.
    pub fn channels(&self) -> Vec<ChannelSnapshot> {
        let mut all: Vec<_> = self
            .channels
            .iter()
            .map(|(_, c)| (c.members.len(), &c.name))
            .collect();
        // Only the largest are put in order: a look at `/admin` must not stop the worker.
        if all.len() > CHANNELS_MAX {
            all.select_nth_unstable_by(CHANNELS_MAX, |a, b| b.0.cmp(&a.0));
            all.truncate(CHANNELS_MAX);
        }
        all.sort_unstable_by(|a, b| b.cmp(a));
        let snapshot = |(subscribers, name): (usize, &ChannelName)| ChannelSnapshot {
            name: name.as_str().to_owned(),
            subscribers,
        };
        all.into_iter().map(snapshot).collect()
    }

    /// Sends what a session must hear; at most a few of these exist for each session.
    #[expect(
        clippy::disallowed_methods,
        reason = "losing the end of a session would hang it"
    )]
    fn tell(&self, key: SessionKey, event: SessionEvent) {
        if let Some(entry) = self.sessions.get(key.0 as usize) {
            let (hold, waiting) = (entry.hold, self.session_mailbox.enter());
            entry.session.do_send(ToSession {
                hold,
                event,
                waiting,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_entry_stays_small() {
        assert!(std::mem::size_of::<super::Entry>() <= 144);
    }
}
