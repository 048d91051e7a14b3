//! The meter: asks every actor that counts for its part, and puts them together for `/admin`.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{
    crash_records::CrashRecords,
    dealers::Dealers,
    handlers::Handlers,
    hub::Hub,
    messages::{TakeHandlerSnapshot, TakeSnapshot, TakeWorkerSnapshot},
    wedge_watch::Wellness,
};
use crate::{
    engine::wedges::Watched,
    stats::{
        counters::{Refused, SharedCounters, Total},
        snapshot::{Snapshot, ThreadSnapshot},
    },
};

/// Longest wait for one actor's part; who is later is left out and missed in `workers`.
const PATIENCE: Duration = Duration::from_secs(1);

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

/// The actor.
pub struct Meter {
    hubs: Hubs,
    handlers: Handlers,
    crashes: CrashRecords,
    shared: Arc<SharedCounters>,
    dealers: Dealers,
    wellness: Wellness,
    since: Instant,
}

impl Meter {
    /// Makes the meter of a broker.
    pub fn new(
        hubs: Hubs,
        handlers: Handlers,
        crashes: CrashRecords,
        (shared, dealers, wellness): (Arc<SharedCounters>, Dealers, Wellness),
    ) -> Self {
        Self {
            hubs,
            handlers,
            crashes,
            shared,
            dealers,
            wellness,
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
        let threads = self.wellness.report().threads.clone().into_iter();
        let thread = |known: Watched| {
            let silent_ms = known.silent.as_millis() as u64;
            let state = known.state.as_str();
            ThreadSnapshot::new(known.thread, known.role.to_string(), state, silent_ms)
        };
        snapshot.threads = threads.map(thread).collect();
        let unwell = self.wellness.unwell().into_iter();
        snapshot.unwell = unwell.map(|unwell| unwell.to_string()).collect();
        snapshot.add_shared(&self.wellness.counters.read());
        snapshot.add_shared(&self.handlers.past());
    }
}

impl Actor for Meter {
    type Context = Context<Self>;
}

impl Supervised for Meter {}

impl Handler<TakeSnapshot> for Meter {
    type Result = ResponseFuture<Snapshot>;

    fn handle(&mut self, _: TakeSnapshot, _: &mut Self::Context) -> Self::Result {
        let mut snapshot = self.begin();
        snapshot.add_shared(&self.shared.read());
        let lost_publishes = self.handlers.lost_publishes();
        let dealers = self.dealers.clone();
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
