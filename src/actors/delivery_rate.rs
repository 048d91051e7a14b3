//! The rate of deliveries as all workers of a broker share it; there only if a rate is set.

use std::{
    collections::HashMap,
    sync::{
        atomic::{AtomicU64, Ordering},
        Mutex, PoisonError,
    },
    time::Instant,
};

use crate::engine::{
    delivery_rate::{Pace, QueueIndex, RateLimits},
    route::RouteTable,
};

/// What is left of the rate, and how much waits in each queue, whatever the worker.
#[derive(Debug)]
pub struct SharedRate {
    limits: RateLimits,
    pace: Mutex<Pace>,
    queues: HashMap<String, QueueIndex>,
    waiting: Vec<AtomicU64>,
}

impl SharedRate {
    /// Makes the rate of a broker with these routes; none if nothing is limited.
    pub fn new(limits: RateLimits, routes: &RouteTable) -> Option<Self> {
        if limits.per_sec == 0 {
            return None;
        }
        let mut queues = HashMap::new();
        for id in routes.routes().iter().filter_map(|route| route.id.clone()) {
            // Past 65,535 ids the rest shares the first queue.
            let next = u16::try_from(queues.len() + 1).unwrap_or(0);
            queues.entry(id).or_insert(QueueIndex(next));
        }
        Some(Self {
            limits,
            pace: Mutex::new(Pace::new(limits.per_sec)),
            waiting: (0..=queues.len()).map(|_| AtomicU64::new(0)).collect(),
            queues,
        })
    }

    /// Returns what was set.
    pub fn limits(&self) -> RateLimits {
        self.limits
    }

    /// Returns the queue of a route's sessions.
    pub fn queue(&self, route_id: Option<&str>) -> QueueIndex {
        let queue = route_id.and_then(|id| self.queues.get(id));
        queue.copied().unwrap_or_default()
    }

    /// Returns the id of the routes whose sessions wait in a queue.
    pub fn route_id(&self, queue: QueueIndex) -> Option<&str> {
        let mut queues = self.queues.iter();
        queues
            .find(|(_, of)| **of == queue)
            .map(|(id, _)| id.as_str())
    }

    /// Takes a delivery of that weight out of the rate, or says when to ask again.
    pub fn take(&self, now: Instant, weight: u64) -> Result<(), Instant> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.take(now, weight)
    }

    /// Takes room in a queue; false if that would exceed the high-water mark.
    pub fn enter(&self, queue: QueueIndex, weight: u64) -> bool {
        let hwm = self.limits.high_water_mark();
        let more = |waiting: u64| waiting.checked_add(weight).filter(|sum| *sum <= hwm);
        let queue = self.waiting.get(usize::from(queue.0));
        queue.is_some_and(|waiting| {
            let entered = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
            entered.is_ok()
        })
    }

    /// Gives room in a queue back.
    pub fn leave(&self, queue: QueueIndex, weight: u64) {
        if let Some(waiting) = self.waiting.get(usize::from(queue.0)) {
            waiting.fetch_sub(weight, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::route::Route;

    fn shared(per_sec: u32, hwm: u64) -> Option<SharedRate> {
        let route = |host: &str, id: Option<&str>| {
            let mut route = Route::new(host);
            route.id = id.map(str::to_owned);
            route
        };
        let routes = vec![
            route("a", Some("one")),
            route("b", None),
            route("c", Some("two")),
            route("d", Some("one")),
        ];
        let mut limits = RateLimits::default();
        (limits.per_sec, limits.hwm) = (per_sec, hwm);
        SharedRate::new(limits, &RouteTable::new(routes).unwrap())
    }

    #[test]
    fn without_a_rate_there_is_none() {
        assert!(shared(0, 10).is_none());
    }

    #[test]
    fn routes_share_a_queue_by_their_id() {
        let shared = shared(1, 10).unwrap();
        let [none, other, one, two] =
            [None, Some("unknown"), Some("one"), Some("two")].map(|id| shared.queue(id));
        assert_eq!((none, other), (QueueIndex(0), QueueIndex(0)));
        assert!(one != none && two != none && one != two);
        assert_eq!(shared.route_id(two), Some("two"));
        assert_eq!(shared.route_id(none), None);
    }

    #[test]
    fn each_queue_takes_up_to_the_mark() {
        let shared = shared(1, 10).unwrap();
        let one = shared.queue(Some("one"));
        assert!(shared.enter(one, 10) && !shared.enter(one, 1));
        assert!(shared.enter(QueueIndex(0), 6) && !shared.enter(QueueIndex(0), 5));
        shared.leave(one, 3);
        assert!(!shared.enter(one, 4) && shared.enter(one, 3));
        assert!(!shared.enter(QueueIndex(0), u64::MAX));
    }
}
