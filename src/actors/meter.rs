//! The meter: asks every actor that counts for its part, and puts them together for `/admin`.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{
    crash_records::CrashRecords,
    dealers::Dealers,
    footprint,
    handlers::Handlers,
    hub::Hub,
    looks::TakeReadings,
    messages::{TakeHandlerSnapshot, TakeSnapshot, TakeWorkerSnapshot},
    timing::Timing,
    wedge_watch::Wellness,
};
use crate::{
    engine::wedges::Watched,
    stats::{
        counters::{Refused, Timed, Total},
        histogram::Times,
        history::{History, Point, POINT_SECS},
        readings::Readings,
        shared_counters::SharedCounters,
        snapshot::{Snapshot, ThreadSnapshot},
    },
};

/// Longest wait for one actor's part; who is later is left out and missed in `workers`.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two points of its history.
const POINT: Duration = Duration::from_secs(POINT_SECS);

/// Every hub of a broker, as threads come and go.
#[derive(Clone, Default)]
pub struct Hubs(Arc<Mutex<Vec<OfWorker>>>);

/// A worker and its hub.
type OfWorker = (u64, Addr<Hub>);

impl Hubs {
    /// Enters a new worker's hub.
    pub fn enter(&self, id: u64, hub: Addr<Hub>) {
        if let Ok(mut hubs) = self.0.lock() {
            hubs.retain(|(_, hub)| hub.connected());
            hubs.push((id, hub));
        }
    }

    /// Returns the hubs alive.
    pub fn all(&self) -> Vec<Addr<Hub>> {
        self.all_by_id().into_iter().map(|(_, hub)| hub).collect()
    }

    /// Returns the hubs alive, each with its worker.
    pub fn all_by_id(&self) -> Vec<(u64, Addr<Hub>)> {
        self.0.lock().map(|hubs| hubs.clone()).unwrap_or_default()
    }
}

/// What a meter reads or writes that is a broker's.
#[derive(Clone)]
pub struct MeterParts {
    /// Counters of no thread.
    pub shared: Arc<SharedCounters>,
    /// Sockets that backends connect to.
    pub dealers: Dealers,
    /// How long publishes took.
    pub publish_times: Arc<Timing>,
    /// How long deliveries took to be written, at the last point.
    pub written: Arc<Mutex<Times>>,
    /// What the plots show.
    pub history: Arc<Mutex<History>>,
    /// Which threads turn.
    pub wellness: Wellness,
}

impl MeterParts {
    /// Makes parts that have counted nothing yet.
    pub fn new(wellness: Wellness) -> Self {
        Self {
            shared: Arc::default(),
            dealers: Dealers::default(),
            publish_times: Arc::default(),
            written: Arc::default(),
            history: Arc::default(),
            wellness,
        }
    }
}

/// The actor.
pub struct Meter {
    hubs: Hubs,
    handlers: Handlers,
    crashes: CrashRecords,
    parts: MeterParts,
    since: Instant,
}

impl Meter {
    /// Makes the meter of a broker.
    pub fn new(hubs: Hubs, handlers: Handlers, crashes: CrashRecords, parts: MeterParts) -> Self {
        Self {
            hubs,
            handlers,
            crashes,
            parts,
            since: actix::clock::Instant::now().into_std(),
        }
    }

    fn begin(&self) -> Snapshot {
        let now = actix::clock::Instant::now().into_std();
        let mut snapshot = Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            uptime_secs: now.duration_since(self.since).as_secs(),
            ..Snapshot::default()
        };
        for record in self.crashes.all() {
            let actor = snapshot.actors.entry(record.kind).or_default();
            actor.restarts = record.panics();
            actor.last_panic = record.last_panic();
        }
        snapshot.actors.entry("meter").or_default().count = 1;
        snapshot.actors.entry("supervisor").or_default().count = 1;
        snapshot.lost_items = self.crashes.lost_items.all();
        self.add_wellness(&mut snapshot);
        snapshot
    }

    fn add_wellness(&self, snapshot: &mut Snapshot) {
        let threads = self.parts.wellness.report().threads.clone().into_iter();
        let thread = |known: Watched| {
            let silent_ms = known.silent.as_millis() as u64;
            let state = known.state.as_str();
            ThreadSnapshot::new(known.thread, known.role.to_string(), state, silent_ms)
        };
        snapshot.threads = threads.map(thread).collect();
        let unwell = self.parts.wellness.unwell().into_iter();
        snapshot.unwell = unwell.map(|unwell| unwell.to_string()).collect();
        snapshot.add_shared(&self.parts.wellness.counters.read());
        snapshot.add_shared(&self.handlers.past());
    }
}

impl Actor for Meter {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.notify(TakePoint);
        context.run_interval(POINT, |_, context| context.notify(TakePoint));
    }
}

impl Supervised for Meter {
    /// actix forgets the timers of an actor that panicked.
    fn restarting(&mut self, context: &mut Self::Context) {
        context.run_interval(POINT, |_, context| context.notify(TakePoint));
    }
}

/// Meter to itself: another point of its history is due.
#[derive(Message)]
#[rtype(result = "()")]
struct TakePoint;

impl Handler<TakePoint> for Meter {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: TakePoint, _: &mut Self::Context) -> Self::Result {
        let now = actix::clock::Instant::now().into_std();
        let uptime_secs = now.duration_since(self.since).as_secs();
        let timed = self.parts.publish_times.take();
        let hubs = self.hubs.all().into_iter();
        let hubs: Vec<_> = hubs
            .map(|hub| hub.send(TakeReadings).timeout(PATIENCE))
            .collect();
        let handlers = self.handlers.all().into_iter();
        let handlers: Vec<_> = handlers
            .map(|publisher| publisher.send(TakeReadings).timeout(PATIENCE))
            .collect();
        let (history, written) = (self.parts.history.clone(), self.parts.written.clone());
        Box::pin(async move {
            let mut all = Readings::default();
            for told in hubs {
                all.merge(&told.await.unwrap_or_default());
            }
            for told in handlers {
                all.merge(&told.await.unwrap_or_default());
            }
            let of = |total: Total| all.totals.get(total.as_str()).copied().unwrap_or_default();
            let writes = since_last(&written, &all);
            let point = Point {
                uptime_secs,
                connections: of(Total::Connections),
                sessions: of(Total::Sessions),
                published_total: of(Total::ItemsPublished),
                delivered_total: of(Total::ItemsDelivered) + of(Total::ResponsesSent),
                publishes: timed.count,
                publish_mean_us: timed.mean_us,
                publish_max_us: timed.max_us,
                writes: writes.count(),
                write_mean_us: writes.mean_us(),
                write_p99_us: writes.percentile_us(99),
                memory_bytes: footprint::memory_bytes().unwrap_or_default(),
            };
            if let Ok(mut history) = history.lock() {
                history.add(point);
            }
        })
    }
}

/// Returns how long deliveries took since the last time, and remembers this one.
fn since_last(last: &Mutex<Times>, all: &Readings) -> Times {
    let now = all.timed.get(Timed::PublishToWrite.as_str());
    let now = now.cloned().unwrap_or_default();
    last.lock()
        .map(|mut last| {
            let since = now.since(&last);
            *last = now;
            since
        })
        .unwrap_or_default()
}

impl Handler<TakeSnapshot> for Meter {
    type Result = ResponseFuture<Snapshot>;

    fn handle(&mut self, _: TakeSnapshot, _: &mut Self::Context) -> Self::Result {
        #[cfg(feature = "chaos")]
        super::chaos::maybe_fail_blind("meter");
        let mut snapshot = self.begin();
        snapshot.add_shared(&self.parts.shared.read());
        let dealers = self.parts.dealers.clone();
        let lost_publishes = self.handlers.lost_publishes();
        let hubs = self
            .hubs
            .all()
            .into_iter()
            .map(|hub| hub.send(TakeWorkerSnapshot).timeout(PATIENCE));
        let hubs: Vec<_> = hubs.collect();
        let handlers = self
            .handlers
            .all()
            .into_iter()
            .map(|p| p.send(TakeHandlerSnapshot).timeout(PATIENCE));
        let handlers: Vec<_> = handlers.collect();
        Box::pin(async move {
            for worker in hubs {
                if let Ok(worker) = worker.await {
                    snapshot.add_worker(&worker);
                }
            }
            for handler in handlers {
                if let Ok(handler) = handler.await {
                    snapshot.add_handler(&handler);
                }
            }
            let lost = Refused::HandlerLost.as_str();
            *snapshot.refused.entry(lost).or_default() += lost_publishes;
            for (total, n) in [
                (Total::ZmqBackends, dealers.backends()),
                (Total::ZmqPacketsDropped, dealers.bad_packets()),
            ] {
                *snapshot.totals.entry(total.as_str()).or_default() += n;
            }
            snapshot.finish();
            snapshot
        })
    }
}
