//! What a worker knows of the targets it asks: requests under way, and who is ejected; not an actor.
//!
//! ```text
//! order ─▶ positions of a route's targets ─▶ begin ─▶ Ticket ─▶ on_answer | on_failure ─▶ dropped: over
//! ```
//!
//! Kept by the target's address, not by its place in a route: routes that lead to the same backend share
//! it, and it outlives a reload. The rules are those of `engine::balance`.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::{Rc, Weak},
    sync::{self, Arc},
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;

use super::{
    fetch_error::FetchError,
    occupancy::{Occupancies, Occupancy, Waiting},
    ports::{Connections, Pooled},
};
use crate::{
    engine::{
        balance::{Candidate, CheckState, EjectionLimits, Health, Rotation, Standing, Trial},
        overload::Admission,
        route::{Route, Target, TargetKind},
    },
    stats::{
        counters::{Counters, Total},
        snapshot::TargetSnapshot,
    },
};

/// Targets known past which those that nobody asks are forgotten.
const SWEPT_FROM: usize = 256;

/// The targets that a worker has asked.
pub struct Targets {
    counters: Rc<Counters>,
    occupancies: Occupancies,
    states: RefCell<HashMap<TargetKind, Rc<State>, RandomState>>,
    /// By the address of their route, which stays taken as long as it is remembered here.
    rotations: RefCell<HashMap<usize, (sync::Weak<Route>, Rotation)>>,
    swept_from: Cell<usize>,
    pools: RefCell<Vec<Weak<dyn Pooled>>>,
}

struct State {
    target: TargetKind,
    under_way: Cell<u32>,
    /// Of those the ones without an answer, of all workers.
    waiting: Occupancy,
    refused: Cell<u64>,
    health: RefCell<Health>,
    failures: Cell<u64>,
    ejections: Cell<u64>,
    /// A moving mean of the time until answers, in microseconds; 0 before the first.
    latency_us: Cell<u64>,
    counters: Rc<Counters>,
}

/// The share of the newest answer in the mean: one of so many parts.
const LATENCY_PARTS: u64 = 8;

impl Targets {
    /// Makes the table of a worker.
    pub fn new(counters: Rc<Counters>, occupancies: Occupancies) -> Rc<Self> {
        Rc::new(Self {
            counters,
            occupancies,
            states: RefCell::default(),
            rotations: RefCell::default(),
            swept_from: Cell::new(SWEPT_FROM),
            pools: RefCell::default(),
        })
    }

    /// Has a pool of connections told of with the targets, as long as it lives.
    pub fn watch(&self, pool: Weak<dyn Pooled>) {
        let mut pools = self.pools.borrow_mut();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(pool);
    }

    /// Returns the worker's counters.
    pub fn counters(&self) -> &Rc<Counters> {
        &self.counters
    }

    /// Returns the positions of a route's targets in the order to be tried; those of a route with a
    /// built-in target as they are listed.
    pub fn order(&self, route: &Arc<Route>) -> Vec<usize> {
        let is_built_in =
            |target: &Target| matches!(target.kind, TargetKind::Test | TargetKind::Demo);
        if route.targets.len() < 2 || route.targets.iter().any(is_built_in) {
            return (0..route.targets.len()).collect();
        }
        let now = now();
        let candidates: Vec<_> = route
            .targets
            .iter()
            .map(|target| self.candidate(target, now))
            .collect();
        let mut rotations = self.rotations.borrow_mut();
        let key = Arc::as_ptr(route) as usize;
        if !rotations.contains_key(&key) {
            rotations.retain(|_, (route, _)| route.strong_count() > 0);
        }
        let (_, rotation) = rotations
            .entry(key)
            .or_insert_with(|| (Arc::downgrade(route), Rotation::default()));
        rotation.order(route.order, &candidates)
    }

    /// Notes that a request goes to a target; none if too many wait for its answer.
    pub fn begin(&self, target: &TargetKind, admission: Admission) -> Option<Ticket> {
        let state = self.state(target);
        let Some(waiting) = state.waiting.enter(admission) else {
            state.refused.set(state.refused.get() + 1);
            return None;
        };
        state.under_way.set(state.under_way.get() + 1);
        let trial = state.health.borrow_mut().begin(now());
        if trial.is_some() {
            log::debug!(backend:% = target; "an ejected target is tried");
        }
        Some(Ticket {
            state,
            waiting: Some(waiting),
            trial,
            begun: now(),
            is_decided: false,
            deadline: None,
        })
    }

    /// Returns the state of every target that was asked.
    pub fn snapshot(&self) -> Vec<TargetSnapshot> {
        let now = now();
        let states = self.states.borrow();
        let connections = self.connections();
        let snapshots = states.values().map(|state| {
            let known = connections.get(&state.target);
            state.snapshot(now, known.copied().unwrap_or_default())
        });
        snapshots.collect()
    }

    fn connections(&self) -> HashMap<TargetKind, Connections> {
        let mut all = HashMap::<TargetKind, Connections>::new();
        let pools = self.pools.borrow();
        for (target, more) in pools
            .iter()
            .filter_map(Weak::upgrade)
            .flat_map(|pool| pool.connections())
        {
            let sum = all.entry(target).or_default();
            sum.open += more.open;
            sum.idle += more.idle;
        }
        all
    }

    fn candidate(&self, target: &Target, now: Instant) -> Candidate {
        let is_unhealthy = target
            .health
            .as_ref()
            .is_some_and(|check| check.state() == CheckState::Unhealthy);
        match self.states.borrow().get(&target.kind) {
            None => Candidate {
                under_way: 0,
                is_out: is_unhealthy,
            },
            Some(state) => Candidate {
                under_way: state.under_way.get(),
                is_out: is_unhealthy || state.health.borrow().standing(now) == Standing::Ejected,
            },
        }
    }

    fn state(&self, target: &TargetKind) -> Rc<State> {
        let mut states = self.states.borrow_mut();
        if let Some(state) = states.get(target) {
            return state.clone();
        }
        if states.len() >= self.swept_from.get() {
            let now = now();
            states.retain(|_, state| state.is_in_use(now));
            self.swept_from.set(SWEPT_FROM.max(states.len() * 2));
        }
        let state = Rc::new(State {
            target: target.clone(),
            under_way: Cell::new(0),
            waiting: self.occupancies.of(target),
            refused: Cell::new(0),
            health: RefCell::default(),
            failures: Cell::new(0),
            ejections: Cell::new(0),
            latency_us: Cell::new(0),
            counters: self.counters.clone(),
        });
        states.insert(target.clone(), state.clone());
        state
    }
}

impl State {
    fn note_latency(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let mean = match self.latency_us.get() {
            0 => us,
            mean => (mean.saturating_mul(LATENCY_PARTS - 1)).saturating_add(us) / LATENCY_PARTS,
        };
        self.latency_us.set(mean);
    }

    fn is_in_use(&self, now: Instant) -> bool {
        self.under_way.get() > 0 || self.health.borrow().standing(now) == Standing::Ejected
    }

    fn snapshot(&self, now: Instant, connections: Connections) -> TargetSnapshot {
        let health = self.health.borrow();
        TargetSnapshot {
            target: self.target.to_string(),
            requests_current: u64::from(self.under_way.get()),
            connections_current: connections.open,
            connections_idle_current: connections.idle,
            refused_total: self.refused.get(),
            failures_total: self.failures.get(),
            ejections_total: self.ejections.get(),
            workers_ejecting: usize::from(health.standing(now) != Standing::InService),
            check: None,
            latency_us: Some(self.latency_us.get()).filter(|us| *us > 0),
        }
    }
}

/// One request under way to a target, until it is dropped.
pub struct Ticket {
    state: Rc<State>,
    waiting: Option<Waiting>,
    trial: Option<Trial>,
    begun: Instant,
    is_decided: bool,
    /// When the exchange must be over.
    pub deadline: Option<actix::clock::Instant>,
}

impl Ticket {
    /// The exchange is not over in time, and cut off.
    pub fn on_overrun(&self) {
        let State {
            target, counters, ..
        } = &*self.state;
        counters.add(Total::RequestTimeouts, 1);
        log::warn!(backend:% = target, reason = FetchError::RequestTimeout.code();
            "an answer took too long and is cut off");
    }

    /// The target has answered.
    pub fn on_answer(&mut self) {
        self.is_decided = true;
        self.waiting = None;
        self.state
            .note_latency(now().saturating_duration_since(self.begun));
        if self.state.health.borrow_mut().on_answer() {
            self.state.counters.add(Total::TargetsBack, 1);
            log::info!(backend:% = self.state.target; "target is back");
        }
    }

    /// The target has not, and that is held against it.
    pub fn on_failure(mut self, error: &FetchError, limits: EjectionLimits) {
        self.is_decided = true;
        let State {
            target,
            health,
            failures,
            ejections,
            counters,
            ..
        } = &*self.state;
        failures.set(failures.get() + 1);
        let mut health = health.borrow_mut();
        let pause = health.on_failure(self.trial, now(), limits, fastrand::f64());
        if let Some(pause) = pause {
            ejections.set(ejections.get() + 1);
            counters.add(Total::TargetsEjected, 1);
            log::warn!(backend:% = target, failures = health.failures(),
                pause_secs = pause.as_secs_f64(), reason = error.code(); "target ejected");
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let state = &self.state;
        state.under_way.set(state.under_way.get().saturating_sub(1));
        if !self.is_decided {
            state.health.borrow_mut().on_undecided(self.trial);
        }
    }
}

fn now() -> Instant {
    actix::clock::Instant::now().into_std()
}
