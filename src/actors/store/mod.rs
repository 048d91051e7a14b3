//! What outlives a crash on an edge worker: its held sessions, its channels, the item in flight.
//!
//! It lives beside the `Hub` actor, not in it: a hub that panicked finds everything here and goes on
//! behind the session it was serving. Same thread only. No rule is made here: places, order and
//! bounds are decided by `engine`. `subscribing.rs`: who is subscribed to what; `lingerers.rs`: until when.
//! `delivery.rs`: the item in flight. `reannouncing.rs`: what a fresh handler hears. `rated.rs`: what a
//! rate lets wait. `outlets.rs`: what waits to be written, and when sessions are woken. `notices.rs`:
//! what all hear. `watch.rs`: what those are told who follow.

mod delivery;
mod lingerers;
mod looking;
mod notices;
mod outlets;
mod places;
mod rated;
mod reannouncing;
mod route_names;
mod subscribing;
mod watch;

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use slab::Slab;
use tokio::sync::oneshot;

use self::{
    places::Places, rated::Rated, reannouncing::Reannounced, route_names::RouteNames, watch::Watch,
};
pub use self::{rated::Release, watch::Watched};
use super::{
    connection_ids::ConnectionIds,
    delivery_rate::SharedRate,
    messages::{Depth, Encoded, SessionEvent, SessionKind, ToHub, ToSession},
    ports::Outlet,
    session::Session,
    tally::Tally,
};
use crate::{
    engine::{
        delivery_rate::QueueIndex,
        fan_out::{Members, SessionKey},
        lingering::Lingering,
        log_tally::LogTally,
        outbox::{Outbox, OutboxLimits},
        subscription::Subscription,
        timetable::Timetable,
        wire::BodyEnd,
    },
    grip::channel::{ChannelName, ItemId},
    stats::{
        counters::Counters,
        snapshot::{ChannelSnapshot, CHANNELS_MAX},
    },
};

/// Something that a channel must hear.
#[derive(Debug, PartialEq, Eq)]
pub enum ChannelChange {
    /// A subscription begins.
    Subscribe {
        /// To what.
        channel: ChannelName,
        /// Which subscription.
        generation: u64,
    },
    /// A subscription ends.
    Unsubscribe {
        /// From what.
        channel: ChannelName,
        /// Which subscription.
        generation: u64,
    },
    /// Its last id misleads.
    Forget {
        /// Of what.
        channel: ChannelName,
        /// The id.
        last: ItemId,
    },
}

/// Bounds of a worker's tables.
#[derive(Clone, Copy, Debug)]
pub struct HubOptions {
    /// How long the subscription of a long-poll outlives its last session.
    pub linger: Duration,
    /// Most subscriptions without a session; past it the oldest ends.
    pub lingering_max: usize,
    /// WebSockets can be found by the ids that their backends know.
    pub has_connection_ids: bool,
    /// What followers are told of; as it is when the worker starts.
    pub watched: Watched,
}

/// The same for all workers of a broker, and replaced for all at once.
pub type SharedHubOptions = Arc<ArcSwap<HubOptions>>;

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            linger: Duration::from_secs(60),
            lingering_max: 100_000,
            has_connection_ids: false,
            watched: Watched::Nothing,
        }
    }
}

/// The tables of one worker.
pub struct HubStore {
    sessions: Slab<Entry>,
    channels: Slab<LocalChannel>,
    names: HashMap<ChannelName, u32>,
    joining: HashMap<SessionKey, Joining>,
    dirty: VecDeque<SessionKey>,
    timetable: Timetable,
    lingering: Lingering,
    /// Bounds as they are now.
    options: SharedHubOptions,
    /// What channels must hear of, until the hub tells them.
    changes: Vec<ChannelChange>,
    /// The timer must look again.
    is_timer_stale: bool,
    /// The hub has been told that subscriptions have lingered, and has not seen to it yet.
    is_ending_told: bool,
    /// What channels sent, behind the item in flight.
    incoming: VecDeque<ToHub>,
    in_flight: Option<InFlight>,
    /// What fresh handlers are told, and were.
    reannounced: Reannounced,
    /// When the items were sent out that are in all their outboxes and not written yet.
    to_write: Vec<Instant>,
    /// Members served since the worker's other work last had its turn.
    served: usize,
    generations: u64,
    holds: u64,
    /// The server is stopping: a hold that still begins ends at once.
    is_draining: bool,
    /// Only if somebody follows.
    watch: Option<Box<Watch>>,
    /// Losses since the last line about them in the log.
    losses: LogTally,
    counters: Rc<Counters>,
    rated: Rated,
    /// The different outbox limits in use: one for each slow-client policy.
    limits: Vec<OutboxLimits>,
    /// The routes that sessions came by.
    routes: RouteNames,
    since: Instant,
    /// Messages on their way to sessions.
    pub session_mailbox: Depth,
    /// Sessions that take compressed messages.
    pub deflating: Depth,
    /// WebSockets by the ids that their backends know.
    pub connection_ids: ConnectionIds,
}

struct LocalChannel {
    name: ChannelName,
    subscription: Subscription,
    members: Members,
    /// Sessions that wait for the acknowledgement.
    waiters: Vec<SessionKey>,
    /// The id of the last item that came in order, if it had one.
    last: Option<ItemId>,
    /// Its sessions, for operators.
    tally: Arc<Tally>,
    /// Until when it stays without sessions.
    linger_until: Option<Instant>,
    is_lingering: bool,
}

/// A session that waits for acknowledgements.
struct Joining {
    pending: usize,
    /// The prev-ids of the channels it waits for.
    checks: Vec<(ChannelName, ItemId)>,
    conflicts: Vec<ChannelName>,
    ready: oneshot::Sender<Vec<ChannelName>>,
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
    session: actix::Addr<Session>,
    places: Places,
    deadline: Option<Instant>,
    /// Milliseconds since the store was made.
    last_sent_ms: u64,
    sent_bytes: u64,
    /// Seconds since the store was made.
    begun_secs: u32,
    /// By which route it came, in the store's `routes`.
    route: u16,
    /// Which of the store's outbox limits.
    limits: u16,
    /// Where its deliveries wait if a rate is set.
    queue: QueueIndex,
    kind: SessionKind,
    body_end: BodyEnd,
    is_attentive: bool,
    is_dirty: bool,
    /// Nothing more is accepted: the response's end is queued, or the session is doomed.
    is_closing: bool,
    /// No item is accepted any more: a WebSocket is being closed.
    is_deaf: bool,
}

impl HubStore {
    /// Makes empty tables.
    pub fn new(options: SharedHubOptions, counters: Rc<Counters>, rate: Arc<SharedRate>) -> Self {
        Self {
            sessions: Slab::new(),
            channels: Slab::new(),
            names: HashMap::new(),
            joining: HashMap::new(),
            dirty: VecDeque::new(),
            timetable: Timetable::default(),
            watch: Watch::new(options.load().watched),
            connection_ids: ConnectionIds::new(options.load().has_connection_ids),
            lingering: Lingering::new(options.load().lingering_max),
            options,
            changes: Vec::new(),
            is_timer_stale: false,
            is_ending_told: false,
            incoming: VecDeque::new(),
            in_flight: None,
            reannounced: Reannounced::default(),
            to_write: Vec::new(),
            served: 0,
            generations: 0,
            holds: 0,
            is_draining: false,
            losses: LogTally::default(),
            rated: Rated::new(rate),
            counters,
            limits: Vec::new(),
            routes: RouteNames::default(),
            since: actix::clock::Instant::now().into_std(),
            session_mailbox: Depth::default(),
            deflating: Depth::default(),
        }
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

    /// Returns milliseconds since the tables were made.
    pub fn now_ms(&self) -> u64 {
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

    /// Returns the name of a channel as it is kept here.
    pub fn known_name(&self, name: &ChannelName) -> Option<ChannelName> {
        self.names
            .get_key_value(name)
            .map(|(known, _)| known.clone())
    }

    /// Returns the count of a channel's sessions.
    pub fn tally(&self, name: &ChannelName) -> Arc<Tally> {
        let index = self.names.get(name).copied();
        let channel = index.and_then(|index| self.channels.get(index as usize));
        channel
            .map(|channel| channel.tally.clone())
            .unwrap_or_default()
    }

    /// Lists the largest channels, for `/admin`.
    pub fn channels(&self) -> Vec<ChannelSnapshot> {
        let channels = self.channels.iter();
        let mut all: Vec<_> = channels
            .map(|(_, c)| (c.members.len(), &c.name))
            .filter(|(members, _)| *members > 0)
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

    /// Takes out what channels must hear of.
    pub fn take_changes(&mut self) -> Vec<ChannelChange> {
        std::mem::take(&mut self.changes)
    }

    /// Tells, once, whether the timer must look again.
    pub fn take_timer_change(&mut self) -> bool {
        std::mem::take(&mut self.is_timer_stale)
    }

    /// Tells a session something about a hold; one that has ended hears nothing.
    pub fn tell_hold(&self, key: SessionKey, hold: u64, event: SessionEvent) {
        let entry = self.sessions.get(key.0 as usize);
        if entry.is_some_and(|entry| entry.hold == hold) {
            self.tell(key, event);
        }
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
        assert!(std::mem::size_of::<super::Entry>() <= 168);
    }
}
