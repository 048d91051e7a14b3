//! How far a queue is behind: how long the oldest of what waits in it may have waited.
//!
//! A bound in items alone says little about time: ten thousand may be through in a second, or in an hour
//! if each goes to many sessions. Who is refused at once can try again; who waits in vain can not.
//!
//! Not its concern: the queue itself, and what is done about the delay.

use std::time::{Duration, Instant};

/// The delay of a queue that is worked on in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backlog {
    /// When something was taken up last, and how long that had waited.
    taken_up: Option<(Instant, Duration)>,
}

impl Backlog {
    /// Something is queued, and nothing waits before it.
    pub fn on_first(&mut self, now: Instant) {
        self.taken_up = Some((now, Duration::ZERO));
    }

    /// What was queued at `since` is taken up.
    pub fn on_taken_up(&mut self, since: Instant, now: Instant) {
        self.taken_up = Some((now, now.saturating_duration_since(since)));
    }

    /// Returns how long the oldest of what waits has waited at most; only while something waits.
    pub fn behind(&self, now: Instant) -> Duration {
        let behind = |(at, waited): (Instant, Duration)| waited + now.saturating_duration_since(at);
        self.taken_up.map_or(Duration::ZERO, behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    #[test]
    fn a_queue_that_keeps_up_is_not_behind_however_long_it_was_idle() {
        let now = Instant::now();
        let mut backlog = Backlog::default();
        assert_eq!(backlog.behind(now), Duration::ZERO);
        backlog.on_first(now);
        backlog.on_taken_up(now, now);
        backlog.on_first(now + SEC * 3_600);
        assert_eq!(backlog.behind(now + SEC * 3_600), Duration::ZERO);
    }

    #[test]
    fn what_is_taken_up_late_and_what_is_not_taken_up_at_all_tell_how_far_it_is_behind() {
        let now = Instant::now();
        let mut backlog = Backlog::default();
        backlog.on_first(now);
        assert_eq!(backlog.behind(now + SEC * 2), SEC * 2);
        backlog.on_taken_up(now, now + SEC * 2);
        // The next one came right behind it.
        assert_eq!(backlog.behind(now + SEC * 3), SEC * 3);
        backlog.on_taken_up(now + SEC * 3, now + SEC * 3);
        assert_eq!(backlog.behind(now + SEC * 3), Duration::ZERO);
    }
}
