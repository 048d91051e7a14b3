//! What `/admin` shows: everything P-8 knows about itself at one moment. Source: `docs/admin.md`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{counters::Readings, histogram::Times};

/// The state of a broker.
///
/// **Shape**: the JSON of `GET /admin/api/snapshot`.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// Version of P-8.
    pub version: &'static str,
    /// Seconds since the start.
    pub uptime_secs: u64,
    /// Threads that answered with their part of this snapshot.
    pub workers: usize,
    /// Actors by kind.
    pub actors: BTreeMap<&'static str, ActorSnapshot>,
    /// Its threads, as the supervisor last saw them; lost ones until they end.
    pub threads: Vec<ThreadSnapshot>,
    /// Why not everybody is well; empty: everybody is.
    pub unwell: Vec<String>,
    /// The latest items that crashed an actor, or that one never got through, at most 20.
    pub lost_items: Vec<LostItemSnapshot>,
    /// Totals and gauges by name.
    pub totals: BTreeMap<&'static str, u64>,
    /// Items not delivered, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Refusals by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// How long things took, by name; for `/metrics` only.
    #[serde(skip)]
    pub timed: BTreeMap<&'static str, Times>,
    /// The channels with the most subscribers, at most [`CHANNELS_MAX`].
    pub channels: Vec<ChannelSnapshot>,
    /// All channels with subscribers.
    pub channels_total: usize,
    /// The targets of the routes, at most [`TARGETS_MAX`], by name.
    pub targets: Vec<TargetSnapshot>,
    /// All of them.
    pub targets_total: usize,
}

/// Most channels listed in a snapshot.
pub const CHANNELS_MAX: usize = 1_000;

/// Most targets listed in a snapshot.
pub const TARGETS_MAX: usize = 1_000;

/// One kind of actor.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ActorSnapshot {
    /// Actors alive.
    pub count: u64,
    /// Messages waiting in their mailboxes together.
    pub mailbox: u64,
    /// Restarts after a panic; for sessions and upstreams, which are not restarted, their panics.
    pub restarts: u64,
    /// What the last panic said.
    pub last_panic: Option<String>,
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ThreadSnapshot {
    /// Its name among the threads, for ever.
    pub thread: u64,
    /// What it is for: `handler N` with share N of the channels, or `worker N`.
    pub role: String,
    /// `well`, `wedged`, or `lost`: another one has its channels.
    pub state: &'static str,
    /// For how long it has been silent, in milliseconds.
    pub silent_ms: u64,
}

impl ThreadSnapshot {
    /// Makes the part of a thread.
    pub fn new(thread: u64, role: String, state: &'static str, silent_ms: u64) -> Self {
        Self {
            thread,
            role,
            state,
            silent_ms,
        }
    }
}

/// An item that crashed an actor, or that one never got through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostItemSnapshot {
    /// Where it was published.
    pub channel: String,
    /// Its id, if it had one.
    pub id: Option<String>,
    /// What came of it.
    pub consequence: &'static str,
}

/// One channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ChannelSnapshot {
    /// Its name.
    pub name: String,
    /// Sessions subscribed to it.
    pub subscribers: usize,
}

/// One target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TargetSnapshot {
    /// Where it is, as in logs.
    pub target: String,
    /// Requests under way to it.
    pub requests_current: u64,
    /// Connections that are open to it.
    pub connections_current: u64,
    /// Those that wait for a request.
    pub connections_idle_current: u64,
    /// Requests that were not sent to it, for too many waited for its answer.
    pub refused_total: u64,
    /// Requests that it gave no answer.
    pub failures_total: u64,
    /// How often workers have ejected it.
    pub ejections_total: u64,
    /// Workers that leave it alone now, or wait for an answer to try it with.
    pub workers_ejecting: usize,
    /// What its health page says: `unknown`, `healthy` or `unhealthy`; none if it is not asked.
    pub check: Option<&'static str>,
    /// A moving mean of the time until its answers, in microseconds, of the worker where it is longest.
    pub latency_us: Option<u64>,
}

impl TargetSnapshot {
    /// Makes the part of a target that was not asked.
    pub fn of(target: String, check: Option<&'static str>) -> Self {
        Self {
            target,
            check,
            ..Self::default()
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests_current += other.requests_current;
        self.connections_current += other.connections_current;
        self.connections_idle_current += other.connections_idle_current;
        self.refused_total += other.refused_total;
        self.failures_total += other.failures_total;
        self.ejections_total += other.ejections_total;
        self.workers_ejecting += other.workers_ejecting;
        self.latency_us = self.latency_us.max(other.latency_us);
        // Where two routes ask two pages of it, the worse word is told.
        let rank = |check: Option<&str>| {
            ["unhealthy", "unknown", "healthy"]
                .iter()
                .position(|word| Some(*word) == check)
                .unwrap_or(3)
        };
        if rank(other.check) < rank(self.check) {
            self.check = other.check;
        }
    }
}

/// The part of one edge worker.
#[derive(Clone, Debug, Default)]
pub struct WorkerSnapshot {
    /// Its counters.
    pub readings: Readings,
    /// Messages waiting in its hub's mailbox.
    pub hub_mailbox: u64,
    /// Messages waiting in its sessions' mailboxes.
    pub session_mailbox: u64,
    /// Its channels, the largest first, at most [`CHANNELS_MAX`].
    pub channels: Vec<ChannelSnapshot>,
    /// The targets it has asked.
    pub targets: Vec<TargetSnapshot>,
}

/// The part of one handler arbiter.
#[derive(Clone, Debug, Default)]
pub struct HandlerSnapshot {
    /// Its counters.
    pub readings: Readings,
    /// Live channels.
    pub channels: u64,
    /// Items waiting in its channels' mailboxes.
    pub channel_mailbox: u64,
    /// Publishes waiting in its publisher's mailbox.
    pub publisher_mailbox: u64,
}

impl Snapshot {
    /// Adds a worker's part.
    pub fn add_worker(&mut self, worker: &WorkerSnapshot) {
        self.add_readings(&worker.readings);
        let hub = self.actors.entry("hub").or_default();
        hub.count += 1;
        hub.mailbox += worker.hub_mailbox;
        self.actors.entry("session").or_default().mailbox += worker.session_mailbox;
        self.channels.extend(worker.channels.iter().cloned());
        self.targets.extend(worker.targets.iter().cloned());
        self.workers += 1;
    }

    /// Adds a handler arbiter's part.
    pub fn add_handler(&mut self, handler: &HandlerSnapshot) {
        self.add_readings(&handler.readings);
        let publisher = self.actors.entry("publisher").or_default();
        publisher.count += 1;
        publisher.mailbox += handler.publisher_mailbox;
        let channel = self.actors.entry("channel").or_default();
        channel.count += handler.channels;
        channel.mailbox += handler.channel_mailbox;
        self.channels_total += handler.channels as usize;
    }

    /// Returns minutes of connections: one for each, and one for each minute that they have lasted
    /// together.
    pub fn connection_minutes(&self) -> u64 {
        let total = |name| self.totals.get(name).copied().unwrap_or_default();
        total("connections_total") + total("connection_ms_total") / 60_000
    }

    /// Adds what is counted beside the workers.
    pub fn add_shared(&mut self, readings: &Readings) {
        self.add_readings(readings);
    }

    /// Puts the workers' parts of each channel together and the largest channels first; cuts the list.
    pub fn finish(&mut self) {
        self.channels.sort_by(|a, b| a.name.cmp(&b.name));
        self.channels.dedup_by(|next, kept| {
            let is_same = next.name == kept.name;
            kept.subscribers += if is_same { next.subscribers } else { 0 };
            is_same
        });
        self.channels.sort_by(|a, b| {
            b.subscribers
                .cmp(&a.subscribers)
                .then_with(|| a.name.cmp(&b.name))
        });
        self.channels.truncate(CHANNELS_MAX);
        let gauge = |totals: &BTreeMap<&'static str, u64>, name| totals.get(name).copied();
        let connections = gauge(&self.totals, "connections_current").unwrap_or_default();
        let upstreams = gauge(&self.totals, "upstreams_current").unwrap_or_default();
        self.actors.entry("session").or_default().count = connections;
        self.actors.entry("upstream").or_default().count = upstreams;
    }

    /// Puts the workers' parts of each target together with the routes' part; a target of no route is
    /// left out, unless a request is still under way to it. Cuts the list.
    pub fn finish_targets(&mut self, of_routes: Vec<TargetSnapshot>) {
        let mut all: BTreeMap<String, TargetSnapshot> = BTreeMap::new();
        let asked = std::mem::take(&mut self.targets);
        let is_routed: BTreeSet<String> = of_routes
            .iter()
            .map(|target| target.target.clone())
            .collect();
        for part in of_routes.into_iter().chain(asked) {
            if part.requests_current == 0 && !is_routed.contains(&part.target) {
                continue;
            }
            match all.get_mut(&part.target) {
                Some(target) => target.add(&part),
                None => drop(all.insert(part.target.clone(), part)),
            }
        }
        self.targets_total = all.len();
        self.targets = all.into_values().take(TARGETS_MAX).collect();
    }

    fn add_readings(&mut self, readings: &Readings) {
        let mut all = Readings {
            timed: std::mem::take(&mut self.timed),
            totals: std::mem::take(&mut self.totals),
            dropped: std::mem::take(&mut self.dropped),
            refused: std::mem::take(&mut self.refused),
        };
        all.merge(readings);
        (self.totals, self.dropped, self.refused) = (all.totals, all.dropped, all.refused);
        self.timed = all.timed;
    }
}
