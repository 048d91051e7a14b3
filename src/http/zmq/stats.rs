//! The socket that statistics go out by, to whoever has subscribed to them. One that reads too slowly
//! loses what it has no room for.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    queue::Queue,
    surface::{Role, Work},
};
use crate::{
    actors::worker_report::{Received, WorkerReport},
    engine::zmq::{
        connections::Connections,
        dealing::PeerId,
        local_channels::LocalChannels,
        options::ZmqOptions,
        stats::{Stat, Subscriptions},
        tnetstring::Value,
        topics::Topics,
        zmtp::{self, SocketKind},
    },
    stats::{counters::Total, shared_counters::SharedCounters, snapshot::Snapshot},
};

/// What a PUB socket does.
pub(super) struct Stats {
    counters: Arc<SharedCounters>,
    from: String,
    is_json: bool,
    subscribers: BTreeMap<PeerId, (Queue, Topics)>,
    local: LocalChannels,
    subscriptions: Subscriptions,
    connections: Connections,
    /// Requests that were not told of yet.
    requests: u64,
    report: Report,
}

/// What the report before this one said.
#[derive(Default)]
struct Report {
    received: u64,
    sent: u64,
    responses: u64,
    minutes: u64,
    connections_max: u64,
}

impl Stats {
    pub(super) fn new(counters: Arc<SharedCounters>, options: &ZmqOptions) -> Stats {
        Stats {
            counters,
            from: format!("p-8-{}", std::process::id()),
            is_json: options.is_stats_json,
            subscribers: BTreeMap::new(),
            local: LocalChannels::default(),
            subscriptions: Subscriptions::default(),
            connections: Connections::new(options.stats_connection_ttl),
            requests: 0,
            report: Report::default(),
        }
    }

    /// Tells of what has been gathered for a second.
    pub(super) fn on_second(&mut self, now: Instant, connections: u64) {
        self.report.connections_max = self.report.connections_max.max(connections);
        for due in [
            self.subscriptions.on_timer(now),
            self.connections.on_timer(now),
        ] {
            self.send_all(&due);
        }
    }

    /// Tells of requests.
    pub(super) fn on_activity(&mut self) {
        let requests = std::mem::take(&mut self.requests);
        if requests > 0 {
            let count = Value::Int(i64::try_from(requests).unwrap_or(i64::MAX));
            let activity = Stat::new("activity", vec![("count", count.clone())]);
            let counts = Stat::new("counts", vec![("requests-received", count)]);
            self.send_all(&[activity, counts]);
        }
    }

    /// Tells what has happened since the report before.
    pub(super) fn on_interval(&mut self, snapshot: &Snapshot, interval: Duration) {
        let total = |total: Total| snapshot.totals.get(total.as_str()).copied().unwrap_or(0);
        let responses = total(Total::ResponsesSent);
        let now = Report {
            received: total(Total::ItemsPublished),
            sent: total(Total::ItemsDelivered) + responses,
            responses,
            minutes: snapshot.connection_minutes(),
            connections_max: total(Total::Connections),
        };
        let before = std::mem::replace(&mut self.report, now);
        let now = &self.report;
        let int = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let since = |now: u64, before: u64| int(now.saturating_sub(before));
        let report = Stat::new(
            "report",
            vec![
                (
                    "connections",
                    int(before.connections_max.max(now.connections_max)),
                ),
                ("minutes", since(now.minutes, before.minutes)),
                ("received", since(now.received, before.received)),
                ("sent", since(now.sent, before.sent)),
                ("http-response-sent", since(now.responses, before.responses)),
                ("duration", Value::Int(interval.as_millis() as i64)),
            ],
        );
        self.send_all(&[report]);
    }

    fn tell_received(&mut self, received: &Received) {
        #[cfg(feature = "chaos")]
        crate::actors::chaos::maybe_fail_stats(&received.channel);
        let sessions = received.sessions;
        for (transport, count) in [
            ("http-response", sessions.response),
            ("http-stream", sessions.stream),
            ("ws-message", sessions.ws),
        ] {
            if count == 0 {
                continue;
            }
            let channel = Value::bytes(received.channel.as_str().to_owned());
            let mut fields = vec![("channel", channel)];
            let id = received.id.as_ref();
            fields.extend(id.map(|id| ("item-id", Value::bytes(id.as_str().to_owned()))));
            fields.push(("count", Value::Int(i64::from(count))));
            fields.push(("transport", Value::bytes(transport)));
            self.send_all(&[Stat::new("message", fields)]);
        }
    }

    /// Sends messages to those who want them; what nobody wants is not even written.
    fn send_all(&mut self, stats: &[Stat]) {
        for stat in stats {
            let mut subscribers = self.subscribers.values();
            let beginning = [stat.kind.as_bytes(), b" "].concat();
            if !subscribers.any(|(_, topics)| topics.may_want(&beginning)) {
                continue;
            }
            let frame = stat.frame(&self.from, self.is_json);
            let message = zmtp::message(&[&frame]);
            let wanting = self.subscribers.values();
            let wanting = wanting.filter(|(_, topics)| topics.want(&frame));
            let lost = wanting.filter(|(queue, _)| queue.push(message.clone()).is_err());
            self.counters.add(Total::StatsDropped, lost.count() as u64);
        }
    }
}

impl Role for Stats {
    const KIND: SocketKind = SocketKind::Pub;

    fn on_ready(&mut self, peer: PeerId, queue: &Queue) {
        let entered = (queue.clone(), Topics::default());
        self.subscribers.insert(peer, entered);
    }

    fn on_message(&mut self, (peer, _): (PeerId, &Queue), frames: Vec<Bytes>) -> Option<Work> {
        let (_, topics) = self.subscribers.get_mut(&peer)?;
        if let Err(error) = topics.on_message(&frames) {
            self.counters.add(Total::ZmqMessagesDropped, 1);
            log::warn!(socket = "PUB", why:% = error; "a ZeroMQ message is dropped");
        }
        None
    }

    fn on_gone(&mut self, peer: PeerId) {
        self.subscribers.remove(&peer);
    }

    fn on_report(&mut self, report: &WorkerReport) -> Vec<PeerId> {
        let now = actix::clock::Instant::now().into_std();
        for (channel, sessions) in &report.channels {
            let change = self.local.on_report(report.worker, channel, *sessions);
            let stats = self.subscriptions.on_change(channel, change, now);
            self.send_all(&stats);
        }
        for (key, hold, connection) in &report.sessions {
            let name = (report.worker, *key, *hold);
            let stat = self.connections.on_change(name, connection.clone(), now);
            self.send_all(stat.as_slice());
        }
        report
            .received
            .iter()
            .for_each(|received| self.tell_received(received));
        self.requests += report.requests;
        Vec::new()
    }
}
