//! Deliveries that wait for their turn, because a rate is set; without one only that is looked at.

use std::{collections::HashSet, rc::Rc, sync::Arc, time::Instant};

use tokio::sync::Notify;

use super::{delivery::FAN_OUT_SLICE, HubStore};
use crate::{
    actors::{
        delivery_rate::SharedRate,
        messages::{Encoded, SessionKind},
    },
    engine::{
        delivery_rate::{response_size, socket_size, stream_size, Delivery, QueueIndex, Waiting},
        fan_out::SessionKey,
        log_tally::LogTally,
    },
    stats::counters::{Dropped, Total},
};

/// A worker's share in the rate.
pub(super) struct Rated {
    shared: Arc<SharedRate>,
    waiting: Waiting<Arc<Encoded>>,
    /// Rings when something begins to wait.
    bell: Rc<Notify>,
    losses: LogTally,
}

/// What the release of waiting deliveries waits for itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Release {
    /// The worker's other work is due.
    OtherWork,
    /// The next batch.
    Batch(Instant),
    /// A delivery that has to wait.
    Delivery,
}

impl Rated {
    pub(super) fn new(shared: Arc<SharedRate>) -> Self {
        Self {
            shared,
            waiting: Waiting::default(),
            bell: Rc::default(),
            losses: LogTally::default(),
        }
    }
}

impl Rated {
    /// Tells whether deliveries may have to wait.
    pub(super) fn is_in_force(&self) -> bool {
        self.shared.is_set() || !self.waiting.is_empty()
    }
}

impl Drop for Rated {
    /// What waits on a worker that ends must not count against the others for ever.
    fn drop(&mut self) {
        for (queue, weight) in self.waiting.weights() {
            self.shared.leave(queue, weight);
        }
    }
}

impl HubStore {
    /// Returns what rings when something begins to wait.
    pub fn rate_bell(&self) -> Rc<Notify> {
        self.rated.bell.clone()
    }

    /// Tells whether a delivery may leave now; if not it waits, or is dropped and counted.
    pub(super) fn may_leave(&mut self, key: SessionKey, encoded: &Arc<Encoded>) -> bool {
        let now = actix::clock::Instant::now().into_std();
        let now_ms = self.now_ms();
        let rated = &mut self.rated;
        let Some(entry) = self.sessions.get(key.0 as usize) else {
            return true;
        };
        let weight = rated.shared.limits().weight(|| match entry.kind {
            SessionKind::Response => response_size(&encoded.item),
            SessionKind::Stream => stream_size(&encoded.item),
            SessionKind::Socket { .. } => socket_size(&encoded.item),
        });
        if rated.waiting.is_empty() && rated.shared.take(now, weight).is_ok() {
            return true;
        }
        let queue = entry.queue;
        if rated.shared.enter(queue, weight) {
            let what = encoded.clone();
            rated.waiting.push(queue, Delivery { key, weight, what });
            rated.bell.notify_one();
            self.counters.add(Total::DeliveriesWaiting, 1);
            return false;
        }
        encoded.note(|sheet| sheet.dropped(Dropped::MessageHwm));
        self.counters.drop_items(Dropped::MessageHwm, 1);
        if let Some(items) = rated.losses.add(1, now_ms) {
            let hwm = rated.shared.limits().high_water_mark();
            log::warn!(items, route:? = rated.shared.route_id(queue),
                channel:? = encoded.item.channel.as_str();
                "exceeded publish hwm ({hwm}), dropping message");
        }
        false
    }

    /// Lets waiting deliveries leave, as many as the rate and a slice allow.
    pub fn release_slice(&mut self) -> Release {
        let now = actix::clock::Instant::now().into_std();
        for _ in 0..FAN_OUT_SLICE {
            let rated = &mut self.rated;
            let Some(weight) = rated.waiting.next_weight() else {
                return Release::Delivery;
            };
            if let Err(next) = rated.shared.take(now, weight) {
                return Release::Batch(next);
            }
            let Some((queue, Delivery { key, what, .. })) = rated.waiting.pop() else {
                return Release::Delivery;
            };
            rated.shared.leave(queue, weight);
            self.counters.subtract(Total::DeliveriesWaiting, 1);
            self.deliver(key, &what);
        }
        Release::OtherWork
    }

    /// Forgets what waits for a session that has ended.
    pub(super) fn forget_waiting(&mut self, queue: QueueIndex, key: SessionKey) {
        let lost = self.take_waiting(queue, key).len() as u64;
        self.counters.drop_items(Dropped::ClientGone, lost);
    }

    fn take_waiting(&mut self, queue: QueueIndex, key: SessionKey) -> Vec<Arc<Encoded>> {
        let rated = &mut self.rated;
        let taken = rated.waiting.leave(queue, key);
        let weight = taken.iter().map(|delivery| delivery.weight).sum();
        rated.shared.leave(queue, weight);
        let count = taken.len() as u64;
        self.counters.subtract(Total::DeliveriesWaiting, count);
        taken.into_iter().map(|delivery| delivery.what).collect()
    }

    /// Takes out what waits for a session, less what waits for the one that takes its place too.
    pub fn take_over(&mut self, from: SessionKey, to: SessionKey) -> Vec<Arc<Encoded>> {
        let queue = |key: SessionKey| Some(self.sessions.get(key.0 as usize)?.queue);
        let (Some(queue_from), Some(queue_to)) = (queue(from), queue(to)) else {
            return Vec::new();
        };
        let mut taken = self.take_waiting(queue_from, from);
        if !taken.is_empty() {
            let own = self.rated.waiting.of(queue_to, to);
            let own: HashSet<_> = own.map(Arc::as_ptr).collect();
            taken.retain(|encoded| !own.contains(&Arc::as_ptr(encoded)));
        }
        taken
    }
}
