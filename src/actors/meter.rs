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
};
use crate::stats::{
    counters::{SharedCounters, Total},
    snapshot::Snapshot,
};

/// Longest wait for one actor's part; who is later is left out and missed in `workers`.
const PATIENCE: Duration = Duration::from_secs(1);

/// Every hub of a broker, as threads come and go.
#[derive(Clone, Default)]
pub struct Hubs(Arc<Mutex<Vec<Addr<Hub>>>>);

impl Hubs {
    /// Enters a new worker's hub.
    pub fn enter(&self, hub: Addr<Hub>) {
        if let Ok(mut hubs) = self.0.lock() {
            hubs.retain(Addr::connected);
            hubs.push(hub);
        }
    }

    /// Returns the hubs alive.
    pub fn all(&self) -> Vec<Addr<Hub>> {
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
    since: Instant,
}

impl Meter {
    /// Makes the meter of a broker.
    pub fn new(
        hubs: Hubs,
        handlers: Handlers,
        crashes: CrashRecords,
        (shared, dealers): (Arc<SharedCounters>, Dealers),
    ) -> Self {
        Self {
            hubs,
            handlers,
            crashes,
            shared,
            dealers,
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
        snapshot
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
