//! What a worker's followers are told of, gathered until they take it: channels that have changed, and
//! who got which item. Nothing is gathered where nobody follows.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    rc::Rc,
};

use tokio::sync::Notify;

use super::{Entry, HubStore, LocalChannel};
use crate::{
    actors::{
        messages::SessionKind,
        worker_report::{Received, WorkerReport},
    },
    engine::{
        fan_out::SessionKey,
        zmq::{connections::Connection, local_channels::Sessions},
    },
    grip::channel::ChannelName,
    stats::counters::Total,
};

/// Channels told of at once.
const CHANNELS_AT_ONCE: usize = 10_000;

/// Sessions told of at once.
const SESSIONS_AT_ONCE: usize = 10_000;

/// Items that may wait to be told of; the oldest is forgotten past it.
const RECEIVED_MAX: usize = 10_000;

/// What the followers of a worker are interested in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watched {
    /// There are none.
    #[default]
    Nothing,
    /// Channels that come and go.
    Channels,
    /// Those, and who gets what.
    Deliveries,
    /// All that, and which sessions come and go.
    Sessions,
}

/// What is gathered.
#[derive(Default)]
pub(super) struct Watch {
    has_deliveries: bool,
    has_sessions: bool,
    /// Sessions by place and hold that have come (true) or gone and were not told of; one that has done
    /// both meanwhile is not in it. So there are never more than sessions, and those that were told of.
    sessions: HashMap<(u32, u64), bool>,
    changed: HashSet<ChannelName>,
    received: VecDeque<Received>,
    /// Receivers of the item in flight.
    in_flight: Sessions,
    /// Requests that were told of.
    requests: u64,
    bell: Rc<Notify>,
}

impl Watch {
    pub(super) fn new(watched: Watched) -> Option<Box<Watch>> {
        let watch = Watch {
            has_deliveries: matches!(watched, Watched::Deliveries | Watched::Sessions),
            has_sessions: watched == Watched::Sessions,
            ..Watch::default()
        };
        (watched != Watched::Nothing).then(|| Box::new(watch))
    }
}

fn count(sessions: &mut Sessions, kind: SessionKind) {
    let n = match kind {
        SessionKind::Response => &mut sessions.response,
        SessionKind::Stream => &mut sessions.stream,
        SessionKind::Socket { .. } => &mut sessions.ws,
    };
    *n = n.saturating_add(1);
}

impl HubStore {
    /// Returns what rings when there is something to tell; none if nobody follows.
    pub fn watch_bell(&self) -> Option<Rc<Notify>> {
        self.watch.as_ref().map(|watch| watch.bell.clone())
    }

    /// A session has entered or left a channel.
    pub(super) fn note_session(&mut self, index: u32) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        if let Some(channel) = self.channels.get(index as usize) {
            watch.changed.insert(channel.name.clone());
            watch.bell.notify_one();
        }
    }

    /// A channel has begun or ended here.
    pub(super) fn note_channel(&mut self, name: &ChannelName) {
        if let Some(watch) = &mut self.watch {
            watch.changed.insert(name.clone());
            watch.bell.notify_one();
        }
    }

    /// A session has been given its way out.
    pub(super) fn note_begun(&mut self, key: SessionKey) {
        let watch = self.watch.as_mut().filter(|watch| watch.has_sessions);
        let Some(watch) = watch else { return };
        if let Some(entry) = self.sessions.get(key.0 as usize) {
            watch.sessions.insert((key.0, entry.hold), true);
            watch.bell.notify_one();
        }
    }

    /// A session has left.
    pub(super) fn note_left(&mut self, key: SessionKey, hold: u64) {
        let watch = self.watch.as_mut().filter(|watch| watch.has_sessions);
        let Some(watch) = watch else { return };
        // Nobody has heard of one that comes and goes between two reports.
        if watch.sessions.remove(&(key.0, hold)) != Some(true) {
            watch.sessions.insert((key.0, hold), false);
            watch.bell.notify_one();
        }
    }

    fn take_sessions(&mut self) -> Vec<(u32, u64, Option<Connection>)> {
        let Some(watch) = &mut self.watch else {
            return Vec::new();
        };
        let changed = watch.sessions.iter().take(SESSIONS_AT_ONCE);
        let changed: Vec<_> = changed.map(|(name, come)| (*name, *come)).collect();
        for (name, _) in &changed {
            watch.sessions.remove(name);
        }
        match watch.sessions.is_empty() {
            true => watch.sessions.shrink_to(64),
            false => watch.bell.notify_one(),
        }
        let told = |((key, hold), has_come): ((u32, u64), bool)| {
            let entry = self.sessions.get(key as usize).filter(|_| has_come);
            (key, hold, entry.map(|entry| self.connection(entry)))
        };
        changed.into_iter().map(told).collect()
    }

    fn connection(&self, entry: &Entry) -> Connection {
        let outlet = entry.outlet.as_ref();
        let peer = outlet.and_then(|outlet| outlet.peer());
        Connection {
            is_socket: matches!(entry.kind, SessionKind::Socket { .. }),
            peer: peer.map(|peer| peer.ip()),
            is_secure: outlet.is_some_and(|outlet| outlet.is_secure()),
            route: self.routes.id(entry.route).map(str::to_owned),
        }
    }

    /// A session gets the item in flight.
    pub(super) fn note_receiver(&mut self, key: SessionKey) {
        let watch = self.watch.as_mut().filter(|watch| watch.has_deliveries);
        let Some(watch) = watch else { return };
        if let Some(entry) = self.sessions.get(key.0 as usize) {
            count(&mut watch.in_flight, entry.kind);
        }
    }

    /// The item in flight has reached everybody.
    pub(super) fn note_delivered(&mut self) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        let sessions = std::mem::take(&mut watch.in_flight);
        let Some(in_flight) = self.in_flight.as_ref() else {
            return;
        };
        if sessions == Sessions::default() {
            return;
        }
        if watch.received.len() >= RECEIVED_MAX {
            watch.received.pop_front();
            self.counters.add(Total::StatsDropped, 1);
        }
        let item = &in_flight.encoded.item;
        watch.received.push_back(Received {
            channel: item.channel.clone(),
            id: item.id.clone(),
            sessions,
        });
        watch.bell.notify_one();
    }

    /// Takes what is to be told.
    pub fn take_report(&mut self, worker: u64) -> WorkerReport {
        let sessions = self.take_sessions();
        let Some(watch) = &mut self.watch else {
            return WorkerReport::default();
        };
        let names: Vec<_> = watch
            .changed
            .iter()
            .take(CHANNELS_AT_ONCE)
            .cloned()
            .collect();
        for name in &names {
            watch.changed.remove(name);
        }
        if watch.changed.is_empty() {
            watch.changed.shrink_to(64);
        } else {
            watch.bell.notify_one();
        }
        let requests = self.counters.total(Total::Requests);
        let before = std::mem::replace(&mut watch.requests, requests);
        let received = watch.received.drain(..).collect();
        let state = |name: ChannelName| {
            let index = self.names.get(&name);
            let channel = index.and_then(|index| self.channels.get(*index as usize));
            let sessions = channel.map(LocalChannel::reported);
            (name, sessions)
        };
        WorkerReport {
            worker,
            channels: names.into_iter().map(state).collect(),
            received,
            sessions,
            requests: requests.wrapping_sub(before),
        }
    }
}

impl LocalChannel {
    fn reported(&self) -> Sessions {
        let [response, stream, ws] = self.tally.sessions();
        Sessions {
            response: response as u32,
            stream: stream as u32,
            ws: ws as u32,
            is_lingering: self.members.is_empty(),
        }
    }
}
