//! The rate of deliveries as all workers of a broker share it.

use std::{
    collections::HashMap,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc, Mutex, PoisonError,
    },
    time::Instant,
};

use arc_swap::ArcSwap;

use crate::engine::{
    delivery_rate::{Pace, QueueIndex, RateLimits},
    route::RouteTable,
};

/// What is left of the rate, and how much waits in each queue, whatever the worker.
#[derive(Debug)]
pub struct SharedRate {
    /// Looked at for each delivery, and so apart from what is there only if it is true.
    is_set: AtomicBool,
    limits: ArcSwap<RateLimits>,
    pace: Mutex<Pace>,
    queues: ArcSwap<Queues>,
}

/// What waits, by queue; one that was ever there keeps its place.
#[derive(Clone, Debug)]
struct Queues {
    by_id: HashMap<String, QueueIndex>,
    waiting: Vec<Arc<AtomicU64>>,
}

impl Queues {
    /// Adds a queue for each id that has none.
    fn with(mut self, routes: &RouteTable) -> Self {
        for id in routes.routes().iter().filter_map(|route| route.id.as_ref()) {
            if self.by_id.contains_key(id) {
                continue;
            }
            // Past 65,535 ids the rest shares the first queue.
            let Ok(next) = u16::try_from(self.waiting.len()) else {
                continue;
            };
            self.by_id.insert(id.clone(), QueueIndex(next));
            self.waiting.push(Arc::default());
        }
        self
    }
}

impl SharedRate {
    /// Makes the rate of a broker with these routes.
    pub fn new(limits: RateLimits, routes: &RouteTable) -> Self {
        let none = Queues {
            by_id: HashMap::new(),
            waiting: vec![Arc::default()],
        };
        Self {
            is_set: AtomicBool::new(limits.per_sec > 0),
            limits: ArcSwap::from_pointee(limits),
            pace: Mutex::new(Pace::new(limits.per_sec)),
            queues: ArcSwap::from_pointee(none.with(routes)),
        }
    }

    /// Replaces what was set; what waits leaves at the new rate, at once if there is none any more.
    pub fn replace(&self, limits: RateLimits, routes: &RouteTable) {
        let queues = Queues::clone(&self.queues.load());
        self.queues.store(Arc::new(queues.with(routes)));
        let before = self.limits.swap(Arc::new(limits));
        if before.per_sec != limits.per_sec {
            *self.pace() = Pace::new(limits.per_sec);
        }
        self.is_set.store(limits.per_sec > 0, Ordering::Relaxed);
    }

    /// Tells whether a rate is set.
    pub fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    /// Returns what was set.
    pub fn limits(&self) -> RateLimits {
        **self.limits.load()
    }

    /// Returns the queue of a route's sessions.
    pub fn queue(&self, route_id: Option<&str>) -> QueueIndex {
        let find = |id| self.queues.load().by_id.get(id).copied();
        route_id.and_then(find).unwrap_or_default()
    }

    /// Returns the id of the routes whose sessions wait in a queue.
    pub fn route_id(&self, queue: QueueIndex) -> Option<String> {
        let queues = self.queues.load();
        let mut queues = queues.by_id.iter();
        queues
            .find(|(_, of)| **of == queue)
            .map(|(id, _)| id.clone())
    }

    /// Takes a delivery of that weight out of the rate, or says when to ask again.
    pub fn take(&self, now: Instant, weight: u64) -> Result<(), Instant> {
        match self.is_set() {
            true => self.pace().take(now, weight),
            false => Ok(()),
        }
    }

    /// Takes room in a queue; false if that would exceed the high-water mark.
    pub fn enter(&self, queue: QueueIndex, weight: u64) -> bool {
        let hwm = self.limits().high_water_mark();
        let more = |waiting: u64| waiting.checked_add(weight).filter(|sum| *sum <= hwm);
        let queues = self.queues.load();
        let queue = queues.waiting.get(usize::from(queue.0));
        queue.is_some_and(|waiting| {
            let entered = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
            entered.is_ok()
        })
    }

    /// Gives room in a queue back.
    pub fn leave(&self, queue: QueueIndex, weight: u64) {
        if let Some(waiting) = self.queues.load().waiting.get(usize::from(queue.0)) {
            waiting.fetch_sub(weight, Ordering::Relaxed);
        }
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::route::Route;

    fn shared(per_sec: u32, hwm: u64) -> SharedRate {
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
    fn without_a_rate_everything_leaves() {
        let shared = shared(0, 10);
        assert!(!shared.is_set());
        let now = Instant::now();
        assert!((0..1_000).all(|_| shared.take(now, 9).is_ok()));
    }

    #[test]
    fn another_rate_and_other_routes_leave_what_waits_where_it_is() {
        let shared = shared(1, 10);
        let one = shared.queue(Some("one"));
        assert!(shared.enter(one, 9));
        let mut route = Route::new("new");
        route.id = Some("new".to_owned());
        let mut limits = RateLimits::default();
        (limits.per_sec, limits.hwm) = (40, 12);
        shared.replace(limits, &RouteTable::new(vec![route]).unwrap());
        assert_eq!(shared.queue(Some("one")), one);
        let new = shared.queue(Some("new"));
        assert!(new != QueueIndex(0) && new != one);
        assert!(shared.enter(one, 3) && !shared.enter(one, 1));
        shared.leave(one, 12);
        let now = Instant::now();
        assert!(shared.take(now, 1).is_ok() && shared.take(now, 1).is_err());
        shared.replace(RateLimits::default(), &RouteTable::default());
        assert!(shared.take(now, 1).is_ok());
    }

    #[test]
    fn routes_share_a_queue_by_their_id() {
        let shared = shared(1, 10);
        let [none, other, one, two] =
            [None, Some("unknown"), Some("one"), Some("two")].map(|id| shared.queue(id));
        assert_eq!((none, other), (QueueIndex(0), QueueIndex(0)));
        assert!(one != none && two != none && one != two);
        assert_eq!(shared.route_id(two).as_deref(), Some("two"));
        assert_eq!(shared.route_id(none), None);
    }

    #[test]
    fn each_queue_takes_up_to_the_mark() {
        let shared = shared(1, 10);
        let one = shared.queue(Some("one"));
        assert!(shared.enter(one, 10) && !shared.enter(one, 1));
        assert!(shared.enter(QueueIndex(0), 6) && !shared.enter(QueueIndex(0), 5));
        shared.leave(one, 3);
        assert!(!shared.enter(one, 4) && shared.enter(one, 3));
        assert!(!shared.enter(QueueIndex(0), u64::MAX));
    }
}
