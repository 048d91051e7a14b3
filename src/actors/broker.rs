//! The broker: a cheap handle to everything that runs, one for each P-8 in a process.
//!
//! It starts the handler and control arbiters and hands out each thread's [`Edge`]. No global state:
//! brokers in one process know nothing of each other. The http floor adds `hold`.

mod looking;
mod publishing;

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::{
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        Arc, Mutex,
    },
    time::Duration,
};

use actix::prelude::*;
use actix_rt::Arbiter;
use arc_swap::{ArcSwap, Guard};
use uuid::Uuid;

pub use self::looking::{Gathered, Tail, STREAMS_MAX};
use self::{looking::Operators, publishing::Publishes};
pub use super::broker_options::{BrokerOptions, TcpOptions};
use super::{
    connection_ids,
    crash_records::CrashRecords,
    dealers::Dealers,
    delivery_rate::SharedRate,
    edge::Edge,
    handler_thread::{started_on, HandlerThread},
    handlers::{Handlers, PATIENCE},
    hearts::Hearts,
    messages::{Drain, Recover, TakeSnapshot},
    meter::{Hubs, Meter, MeterParts},
    occupancy::Occupancies,
    polled_sessions::PolledSessions,
    publisher::Place,
    store::SharedHubOptions,
    supervisor::supervise,
    wedge_watch::{Supervisor, Wards, Wellness},
    worker_report::Followers,
};
pub use crate::engine::wedges::Unwell;
use crate::{
    engine::{delivery_rate::QueueIndex, rate::Rate, wedges::Role},
    stats::{
        counters::{Refused, Total},
        shared_counters::SharedCounters,
        snapshot::{Snapshot, TargetSnapshot},
    },
};

/// What everybody together may publish through the demo.
const DEMO_PUBLISHES_PER_SEC: u32 = 5;

static BROKERS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The edges of this thread, by broker.
    static EDGES: RefCell<HashMap<u64, Rc<Edge>>> = RefCell::default();
}

/// A handle to a running P-8; clones are the same broker.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    id: u64,
    options: ArcSwap<BrokerOptions>,
    generation: AtomicU64,
    hub: SharedHubOptions,
    handlers: Handlers,
    hubs: Hubs,
    crashes: CrashRecords,
    meter: Addr<Meter>,
    control: Arbiter,
    hearts: Hearts,
    wellness: Wellness,
    next_hub: AtomicU64,
    connections: AtomicUsize,
    is_draining: AtomicBool,
    shared: Arc<SharedCounters>,
    health_failures: Arc<AtomicU64>,
    /// Configurations that were applied, and that could not be.
    reloads: [AtomicU64; 2],
    demo_rate: Mutex<Rate>,
    rate: Arc<SharedRate>,
    polled: PolledSessions,
    dealers: Dealers,
    operators: Operators,
    followers: Followers,
    occupancies: Occupancies,
    publishes: Publishes,
}

/// Why a broker could not start.
pub use super::handler_thread::ThreadError as BrokerError;

impl Broker {
    /// Starts the handler and control threads of a broker.
    ///
    /// Must be called within an actix system.
    pub async fn start(options: BrokerOptions) -> Result<Self, BrokerError> {
        let crashes = CrashRecords::default();
        let (wellness, tick) = (Wellness::new(options.wedges), options.wedges.tick());
        let is_watched = !options.wedges.deadline.is_zero();
        let hearts = Hearts::new(if is_watched { tick } else { Duration::ZERO });
        let handlers = handler_threads(&options, &crashes, &hearts).await?;
        let handlers = Handlers::new(handlers, options.handler);
        let hubs = Hubs::default();
        let control = Arbiter::try_new()?;
        let parts = (hubs.clone(), handlers.clone(), crashes.clone());
        let counts = MeterParts::new(wellness.clone());
        let read = counts.clone();
        let wards = Wards {
            hearts: hearts.clone(),
            handlers: handlers.clone(),
            hubs: hubs.clone(),
            crashes: crashes.clone(),
        };
        let seen = wellness.clone();
        let meter = started_on(&control, move || {
            let (meter, supervisor) = (parts.2.meter.clone(), parts.2.supervisor.clone());
            supervise(supervisor, |_| Supervisor::new(wards, seen));
            supervise(meter, |_| Meter::new(parts.0, parts.1, parts.2, read))
        })
        .await?;
        Ok(Self(Arc::new(Inner {
            id: BROKERS.fetch_add(1, Ordering::Relaxed),
            hub: Arc::new(ArcSwap::from_pointee(options.hub)),
            polled: PolledSessions::new(options.polled_sessions_max),
            rate: Arc::new(SharedRate::new(options.rate, &options.routes)),
            options: ArcSwap::from_pointee(options),
            generation: AtomicU64::new(0),
            handlers,
            hubs,
            crashes,
            meter,
            control,
            hearts,
            wellness,
            next_hub: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
            is_draining: AtomicBool::new(false),
            shared: counts.shared,
            health_failures: Arc::default(),
            reloads: Default::default(),
            demo_rate: Mutex::new(Rate::new(DEMO_PUBLISHES_PER_SEC)),
            dealers: counts.dealers,
            operators: Operators::new(counts.publish_times, counts.history),
            followers: Followers::default(),
            occupancies: Occupancies::default(),
            publishes: Publishes::new(),
        })))
    }

    /// Returns the options as they are now, for a short look; what is kept is
    /// [`options_shared`](Self::options_shared).
    pub fn options(&self) -> Guard<Arc<BrokerOptions>> {
        self.0.options.load()
    }

    /// Returns the options as they are now.
    pub fn options_shared(&self) -> Arc<BrokerOptions> {
        self.0.options.load_full()
    }

    /// Returns how often the options were replaced.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Replaces the options, routes among them: for requests and holds that begin from now on.
    ///
    /// Those under way keep the route they have. `arbiters` and `wedges` are of the start and stay as they
    /// are.
    pub fn replace_options(&self, options: BrokerOptions) {
        self.0.handlers.set_options(options.handler);
        self.0.hub.store(Arc::new(options.hub));
        self.0.rate.replace(options.rate, &options.routes);
        self.0.polled.set_max(options.polled_sessions_max);
        self.0.options.store(Arc::new(options));
        self.0.generation.fetch_add(1, Ordering::Release);
    }

    /// Returns everything the broker knows about itself.
    pub async fn stats(&self) -> Snapshot {
        let mut snapshot = self.0.meter.send(TakeSnapshot).await.unwrap_or_default();
        let options = self.options_shared();
        let routes = options.routes.routes();
        let targets = routes.iter().flat_map(|route| &route.targets);
        let of_routes = targets.map(|target| {
            let check = target.health.as_ref().map(|check| check.state().as_str());
            TargetSnapshot::of(target.kind.to_string(), check)
        });
        snapshot.finish_targets(of_routes.collect());
        let [reloads, failed] = &self.0.reloads;
        for (total, count) in [
            (Total::HealthFailures, &*self.0.health_failures),
            (Total::Reloads, reloads),
            (Total::ReloadFailures, failed),
        ] {
            let counted = count.load(Ordering::Relaxed);
            *snapshot.totals.entry(total.as_str()).or_default() += counted;
        }
        snapshot
    }

    /// Has every session ask its backend again, for items may have been lost before they came here.
    ///
    /// Channels forget their last ids first, so that nothing waits for what will not come.
    pub async fn recover(&self) {
        log::info!("recovery: last ids are forgotten, sessions ask their backends again");
        self.0.handlers.recover().await;
        let hubs = self.0.hubs.all();
        let told: Vec<_> = hubs
            .iter()
            .map(|hub| hub.send(Recover).timeout(PATIENCE))
            .collect();
        for told in told {
            if told.await.is_err() {
                log::warn!("a worker was not told of a recovery in time");
            }
        }
    }

    /// Finds WebSockets by the ids that their backends know, and if it `is_refresh` has those asked.
    ///
    /// **Bounds**: it finds none unless the hubs keep such ids.
    pub async fn find_connections(&self, ids: Vec<Uuid>, is_refresh: bool) -> Vec<Uuid> {
        connection_ids::find(&self.0.hubs.all(), ids, is_refresh).await
    }

    /// Ends every held session in good order, and those that begin later at once: for a server that stops.
    pub async fn drain(&self) {
        self.drain_over(Duration::ZERO).await;
    }

    /// As [`drain`](Self::drain), but each session in its own moment of that time; it returns when the
    /// workers have begun.
    pub async fn drain_over(&self, time: Duration) {
        self.0.is_draining.store(true, Ordering::Relaxed);
        let told: Vec<_> = self
            .0
            .hubs
            .all()
            .iter()
            .map(|hub| hub.send(Drain(time)))
            .collect();
        for told in told {
            let _ = told.await;
        }
    }

    /// Tells whether what is held is being ended.
    pub fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::Relaxed)
    }

    /// Ends the broker's own threads; its handles then refuse everything.
    pub fn stop(&self) {
        self.0.stop_arbiters();
    }

    /// Tells who is not well: a thread that does not turn, the supervisor that should see to that, or
    /// a supervisor that has [given up](Self::given_up). Nobody: all is well.
    ///
    /// It costs no message and no wait, and can be asked on any thread.
    pub fn unwell(&self) -> Vec<Unwell> {
        self.0.wellness.unwell()
    }

    /// Returns when too many handlers had to be replaced. The process is then to end, so that another
    /// one is started: some channels have no handler.
    pub async fn given_up(&self) {
        self.0.wellness.given_up().await;
    }

    /// Returns the broker's part on this thread, starting it on first use.
    ///
    /// Must be called on a thread that runs an actix arbiter or server worker.
    pub fn edge(&self) -> Rc<Edge> {
        EDGES.with_borrow_mut(|edges| {
            edges
                .entry(self.0.id)
                .or_insert_with(|| self.new_edge())
                .clone()
        })
    }

    /// Returns how many client connections there are; the listener keeps count.
    pub fn connections(&self) -> &AtomicUsize {
        &self.0.connections
    }

    /// Returns the sessions whose clients poll, of all workers.
    pub fn polled_sessions(&self) -> &PolledSessions {
        &self.0.polled
    }

    /// Returns how many health pages said no, or nothing; the checker keeps count.
    pub fn health_failures(&self) -> &Arc<AtomicU64> {
        &self.0.health_failures
    }

    /// Returns the sockets that backends connect to.
    pub fn dealers(&self) -> &Dealers {
        &self.0.dealers
    }

    /// Returns those who follow the channels of all workers.
    pub fn followers(&self) -> &Followers {
        &self.0.followers
    }

    /// Returns what is known of crashes.
    pub fn crashes(&self) -> &CrashRecords {
        &self.0.crashes
    }

    /// Counts a publish that was refused before it reached a publisher.
    pub fn count_bad_publish(&self) {
        self.0.shared.refuse(Refused::Publish);
    }

    /// Returns the counters of what happens beside the workers.
    pub fn shared_counters(&self) -> &Arc<SharedCounters> {
        &self.0.shared
    }

    /// Counts a configuration that was applied, or could not be.
    pub fn count_reload(&self, is_applied: bool) {
        let [applied, failed] = &self.0.reloads;
        let counter = if is_applied { applied } else { failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one of the demo's publishes, if there is one left in this second.
    pub fn take_demo_publish(&self) -> bool {
        let now = actix::clock::Instant::now().into_std();
        self.0.demo_rate.lock().is_ok_and(|mut rate| rate.take(now))
    }

    /// Returns where deliveries to a route's sessions wait if a rate is set.
    pub fn queue(&self, route_id: Option<&str>) -> QueueIndex {
        self.0.rate.queue(route_id)
    }

    fn new_edge(&self) -> Rc<Edge> {
        let id = self.0.next_hub.fetch_add(1, Ordering::Relaxed);
        let (handlers, crashes) = (self.0.handlers.clone(), self.0.crashes.clone());
        let (hub, rate) = (self.0.hub.clone(), self.0.rate.clone());
        let (_, beating) = self.0.hearts.enter(Role::Worker(id));
        let shared = (self.0.followers.clone(), self.0.occupancies.clone());
        let edge = Edge::start(id, (handlers, crashes), (hub, rate), shared, beating);
        self.0.hubs.enter(id, edge.hub().clone());
        edge
    }
}

impl Inner {
    /// Tells every arbiter to stop; one that has stopped already needs no telling.
    fn stop_arbiters(&self) {
        self.handlers.stop();
        let _ = self.control.stop();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop_arbiters();
    }
}

/// Starts a thread for each of the handler arbiters.
async fn handler_threads(
    options: &BrokerOptions,
    crashes: &CrashRecords,
    hearts: &Hearts,
) -> Result<Vec<HandlerThread>, BrokerError> {
    let mut threads = Vec::new();
    for share in 0..options.arbiters.max(1) {
        let place = Place {
            share,
            incarnation: 0,
        };
        let started = HandlerThread::start(options.handler, crashes.clone(), hearts, place);
        threads.push(started.await?);
    }
    Ok(threads)
}
