//! How many requests wait for the answer of each target, over all workers; not an actor.
//!
//! A worker looks a target up once and then only counts.

use std::{
    collections::HashMap,
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        Arc, Mutex, PoisonError, Weak,
    },
};

use crate::engine::{overload::Admission, route::TargetKind};

/// The counts of all targets that workers know.
#[derive(Clone, Default)]
pub struct Occupancies(Arc<Mutex<HashMap<TargetKind, Weak<AtomicUsize>>>>);

/// How many requests wait for the answer of one target.
#[derive(Clone, Default)]
pub struct Occupancy(Arc<AtomicUsize>);

/// A place among them; it is free again when this is dropped.
pub struct Waiting(Occupancy);

impl Occupancies {
    /// Returns the count of a target, which all workers share.
    pub fn of(&self, target: &TargetKind) -> Occupancy {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get(target).and_then(Weak::upgrade) {
            return Occupancy(count);
        }
        counts.retain(|_, count| count.strong_count() > 0);
        let fresh = Arc::default();
        counts.insert(target.clone(), Arc::downgrade(&fresh));
        Occupancy(fresh)
    }
}

impl Occupancy {
    /// Takes a place; none if the request may not wait here.
    pub fn enter(&self, admission: Admission) -> Option<Waiting> {
        let before = self.0.fetch_add(1, Relaxed);
        let place = Waiting(self.clone());
        admission.admits(before).then_some(place)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0 .0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(port: u16) -> TargetKind {
        crate::engine::route::Target::http("a", port).kind
    }

    #[test]
    fn workers_share_the_places_of_a_target_and_a_dropped_one_is_free_again() {
        let all = Occupancies::default();
        let (here, there) = (all.of(&target(1)), all.clone().of(&target(1)));
        let admission = Admission::Below(2);
        let first = here.enter(admission);
        let second = there.enter(admission);
        assert!(first.is_some() && second.is_some());
        assert!(here.enter(admission).is_none() && there.enter(admission).is_none());
        assert!(all.of(&target(2)).enter(admission).is_some());
        let of_held = there.enter(Admission::Always);
        assert!(of_held.is_some());
        drop((first, of_held));
        assert!(there.enter(admission).is_some());
    }
}
