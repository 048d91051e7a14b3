//! Subscriptions that outlive their last session for a while, so that the next poll finds them.
//!
//! Only the order and the bound are decided here; whoever asks knows whether somebody has come back.

use std::{collections::VecDeque, time::Instant};

/// A subscription of a worker: its place in the worker's tables, and the generation that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lingerer {
    /// Its place.
    pub index: u32,
    /// Which of those that ever had that place.
    pub generation: u64,
}

/// The subscriptions without sessions, those that end first in front.
#[derive(Debug)]
pub struct Lingering {
    queue: VecDeque<(Instant, Lingerer)>,
    max: usize,
}

impl Lingering {
    /// Makes an empty queue of at most `max`.
    pub fn new(max: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            max,
        }
    }

    /// Sets how many there may be from now on; of too many the first ones are surplus.
    pub fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Keeps a subscription until then; returns the one that must end for it, if there are too many.
    pub fn keep(&mut self, until: Instant, lingerer: Lingerer) -> Option<Lingerer> {
        // At the end, unless they linger for a shorter time than before.
        let place = self.queue.partition_point(|(earlier, _)| *earlier <= until);
        self.queue.insert(place, (until, lingerer));
        self.surplus()
    }

    /// Returns when the first one is due.
    pub fn next(&self) -> Option<Instant> {
        self.queue.front().map(|(until, _)| *until)
    }

    /// Takes out one whose time is over.
    pub fn due(&mut self, now: Instant) -> Option<Lingerer> {
        let is_due = self.next().is_some_and(|until| until <= now);
        is_due.then(|| self.pop()).flatten()
    }

    /// Takes out one that there is no room for any more.
    pub fn surplus(&mut self) -> Option<Lingerer> {
        let is_over = self.queue.len() > self.max;
        is_over.then(|| self.pop()).flatten()
    }

    fn pop(&mut self) -> Option<Lingerer> {
        let (_, lingerer) = self.queue.pop_front()?;
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        Some(lingerer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_first_to_come_are_the_first_to_end() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let lingerer = |index| Lingerer {
            index,
            generation: u64::from(index),
        };
        let mut lingering = Lingering::new(2);
        assert_eq!(lingering.keep(at(1), lingerer(1)), None);
        assert_eq!(lingering.keep(at(2), lingerer(2)), None);
        assert_eq!(lingering.keep(at(3), lingerer(3)), Some(lingerer(1)));
        assert_eq!(lingering.due(at(1)), None);
        assert_eq!(lingering.due(at(2)), Some(lingerer(2)));
        assert_eq!(lingering.next(), Some(at(3)));
        assert_eq!(
            Lingering::new(0).keep(at(1), lingerer(1)),
            Some(lingerer(1))
        );
    }

    #[test]
    fn those_that_linger_for_a_shorter_time_go_before_those_that_came_earlier() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let lingerer = |index| Lingerer {
            index,
            generation: 0,
        };
        let mut lingering = Lingering::new(9);
        for (secs, index) in [(60, 1), (61, 2), (5, 3), (6, 4)] {
            assert_eq!(lingering.keep(at(secs), lingerer(index)), None);
        }
        assert_eq!(lingering.next(), Some(at(5)));
        assert_eq!(lingering.due(at(5)), Some(lingerer(3)));
        lingering.set_max(1);
        assert_eq!(lingering.due(start), None);
        assert_eq!(lingering.surplus(), Some(lingerer(4)));
        assert_eq!(lingering.surplus(), Some(lingerer(1)));
        assert_eq!(lingering.surplus(), None);
        assert_eq!(lingering.due(at(61)), Some(lingerer(2)));
    }
}
