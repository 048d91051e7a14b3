//! How the end of a worker's sessions is spread over a time, so that their clients do not all come back
//! at once.
//!
//! It ends nothing: the hub does, and puts the sessions in an order of chance first, so that each has
//! its own moment. Source: `docs/operations.md#stop-and-replace`.

use std::time::{Duration, Instant};

/// Time that each session adds, until the whole time is used.
const EACH: Duration = Duration::from_millis(5);

/// Says how many sessions are to be told by now.
#[derive(Clone, Copy, Debug)]
pub struct Pacing {
    all: usize,
    told: usize,
    begun: Instant,
    over: Duration,
}

impl Pacing {
    /// Spreads so many ends evenly over a time at most; a few take no longer than they must.
    pub fn new(all: usize, now: Instant, over: Duration) -> Self {
        let few = u32::try_from(all)
            .ok()
            .and_then(|all| EACH.checked_mul(all));
        Self {
            all,
            told: 0,
            begun: now,
            over: few.map_or(over, |few| few.min(over)),
        }
    }

    /// Returns how many more are to be told now.
    pub fn due(&mut self, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.begun);
        let share = match self.over.is_zero() {
            true => 1.0,
            false => passed.as_secs_f64() / self.over.as_secs_f64(),
        };
        let by_now = (self.all as f64 * share.min(1.0)).floor() as usize;
        let due = by_now.min(self.all).saturating_sub(self.told);
        self.told += due;
        due
    }

    /// Tells whether all have been told.
    pub fn is_over(&self) -> bool {
        self.told >= self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(all: usize, over: Duration, step: Duration) -> Vec<usize> {
        let start = Instant::now();
        let mut pacing = Pacing::new(all, start, over);
        let mut told = Vec::new();
        let mut now = start;
        while !pacing.is_over() {
            told.push(pacing.due(now));
            now += step;
            assert!(now - start < Duration::from_secs(3_600), "it ends");
        }
        assert_eq!(pacing.due(now), 0);
        told
    }

    #[test]
    fn many_are_told_evenly_over_the_whole_time() {
        let secs = Duration::from_secs;
        let told = told(10_000, secs(10), secs(1));
        assert_eq!(
            told,
            [0, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
        );
    }

    #[test]
    fn a_few_are_told_soon() {
        let millis = Duration::from_millis;
        assert_eq!(told(4, Duration::from_secs(60), millis(5)), [0, 1, 1, 1, 1]);
        assert_eq!(told(4, Duration::ZERO, millis(5)), [4]);
        assert!(told(0, Duration::from_secs(60), millis(5)).is_empty());
    }

    #[test]
    fn late_looks_catch_up() {
        let start = Instant::now();
        let mut pacing = Pacing::new(1_000, start, Duration::from_secs(1));
        assert_eq!(pacing.due(start + Duration::from_millis(500)), 500);
        assert_eq!(pacing.due(start + Duration::from_secs(60)), 500);
        assert!(pacing.is_over());
    }
}
