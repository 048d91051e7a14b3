//! What a worker has made of the broker's options; made anew on first use after those were replaced.
//!
//! Asking costs one load of a number that hardly ever changes. Sessions keep the route they have:
//! whoever looks a route up again does so here.

use std::{cell::RefCell, ops::Deref, rc::Rc, sync::Arc};

use tokio::sync::Semaphore;

use super::{
    exchange::Front,
    pages,
    turns::TurnsMax,
    upstream::{Pool, PoolOptions},
};
use crate::{
    actors::{
        broker::{Broker, BrokerOptions},
        ports::Ending,
        targets::Targets,
    },
    engine::{
        backend_options::BackendOptions,
        route::{Proto, Query, RouteTable, TargetKind},
        sockjs::pages::Iframe,
    },
};

/// The options of a broker as they are now, and what a worker derives from them.
pub struct WorkerOptions {
    options: Arc<BrokerOptions>,
    generation: u64,
    /// The demo is mounted where pages lead to.
    pub offers_demo: bool,
    /// The page that old SockJS clients talk through, if there is a script for it.
    pub sockjs_page: Option<Iframe>,
    /// WebSockets that have ended and whose backends are still told so.
    pub disconnects: Arc<Semaphore>,
}

impl Deref for WorkerOptions {
    type Target = BrokerOptions;

    fn deref(&self) -> &BrokerOptions {
        &self.options
    }
}

impl WorkerOptions {
    fn of(broker: &Broker) -> Self {
        // Read before the options: those may be newer, never older.
        let generation = broker.generation();
        let options = broker.options_shared();
        let backend = &options.backend;
        let disconnects = backend.ws_disconnects_max.min(Semaphore::MAX_PERMITS);
        Self {
            generation,
            offers_demo: offers_demo(&options.routes),
            sockjs_page: backend.sockjs_url.as_deref().map(Iframe::new),
            disconnects: Arc::new(Semaphore::new(disconnects)),
            options,
        }
    }

    /// Takes one of the places for backends that are told of an end; none if all are taken.
    pub fn ending(&self) -> Option<Ending> {
        self.disconnects.clone().try_acquire_owned().ok()
    }

    /// Returns how many requests of P-8's own a route may have.
    pub fn turns(&self) -> TurnsMax {
        TurnsMax {
            recovery: self.backend.recovery_requests_max,
            filters: self.backend.filter_requests_max,
            events: self.backend.ws_requests_max,
        }
    }
}

/// Returns the bounds of a worker's pool.
pub fn pool_options(options: &BackendOptions) -> PoolOptions {
    PoolOptions {
        idle_max: options.pool_idle_max,
        idle_limit: options.pool_idle,
        age_limit: options.pool_age,
        connect_timeout: options.connect_timeout,
    }
}

/// Makes a worker's pool, which is told of with its targets.
pub fn pool(options: &BackendOptions, targets: &Targets) -> Pool {
    let pool = Pool::new(pool_options(options));
    pool.trust(options.ca.clone());
    targets.watch(pool.pooled());
    pool
}

/// The options that a worker has seen last.
pub struct LastSeen(RefCell<Rc<WorkerOptions>>);

impl LastSeen {
    /// Makes the first ones.
    pub fn new(broker: &Broker) -> Self {
        Self(RefCell::new(Rc::new(WorkerOptions::of(broker))))
    }

    /// Returns them as they were then.
    pub fn options(&self) -> Rc<WorkerOptions> {
        self.0.borrow().clone()
    }
}

impl Front {
    /// Returns the options as they are now.
    pub fn options(&self) -> Rc<WorkerOptions> {
        let seen = self.seen.options();
        match seen.generation == self.broker.generation() {
            true => seen,
            false => self.renew(&seen),
        }
    }

    fn renew(&self, earlier: &WorkerOptions) -> Rc<WorkerOptions> {
        let mut options = WorkerOptions::of(&self.broker);
        if options.backend.ws_disconnects_max == earlier.backend.ws_disconnects_max {
            options.disconnects = earlier.disconnects.clone();
        }
        self.pool.set_options(pool_options(&options.backend));
        self.pool.trust(options.backend.ca.clone());
        self.turns.set_max(options.turns());
        // What is kept by a route's address: another route may have that now.
        self.signatures.borrow_mut().clear();
        self.link_sharing.forget_open_paths();
        let options = Rc::new(options);
        *self.seen.0.borrow_mut() = options.clone();
        options
    }
}

fn offers_demo(routes: &RouteTable) -> bool {
    let query = Query {
        host: "localhost",
        path: pages::DEMO_PATH,
        proto: Proto::Http,
        ssl: false,
        id: None,
    };
    let route = routes.find(&query);
    let target = route.as_ref().and_then(|route| route.targets.first());
    target.is_some_and(|target| target.kind == TargetKind::Demo)
}
