//! How soon a crashed actor may run again: at once while it is rare, later and later while it is not.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Panics within [`WINDOW`] that cost no pause.
const FREE: usize = 5;
const WINDOW: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The restart budget of one actor.
#[derive(Debug, Default)]
pub struct RestartBudget {
    recent: VecDeque<Instant>,
    pause: Duration,
}

impl RestartBudget {
    /// Takes a panic and returns how long the actor is paused, zero if not.
    pub fn on_panic(&mut self, now: Instant) -> Duration {
        while self
            .recent
            .front()
            .is_some_and(|at| now.duration_since(*at) > WINDOW)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        if self.recent.len() <= FREE {
            self.pause = Duration::ZERO;
            return Duration::ZERO;
        }
        self.recent.pop_front();
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_panics_are_free_and_frequent_ones_cost_ever_more() {
        let start = Instant::now();
        let mut budget = RestartBudget::default();
        for _ in 0..FREE {
            assert_eq!(budget.on_panic(start), Duration::ZERO);
        }
        assert_eq!(budget.on_panic(start), FIRST_PAUSE);
        assert_eq!(budget.on_panic(start), FIRST_PAUSE * 2);
        for _ in 0..20 {
            assert!(budget.on_panic(start) <= LONGEST_PAUSE);
        }
        assert_eq!(
            budget.on_panic(start + WINDOW * 2),
            Duration::ZERO,
            "time heals"
        );
        assert!(budget.recent.len() <= FREE + 1);
    }
}
