//! How soon a new connection is served if too many come: in turn, one by one.
//!
//! A bucket of tokens that fills evenly, in the form that needs one instant: when the next token is
//! there. A tenth of a second's connections may come at once.

use std::time::{Duration, Instant};

/// The turns of new connections.
#[derive(Debug)]
pub struct AcceptRate {
    /// Between two turns.
    interval: Duration,
    /// How far ahead of its turn a connection may be served.
    ahead: Duration,
    wait_max: Duration,
    /// When the bucket is full again.
    next: Option<Instant>,
}

impl AcceptRate {
    /// Makes the turns of so many connections a second, at least one; none waits longer than that.
    pub fn new(per_sec: u32, wait_max: Duration) -> Self {
        let interval = interval(per_sec);
        Self {
            interval,
            ahead: ahead(interval),
            wait_max,
            next: None,
        }
    }

    /// Sets how many there are in a second from now on; turns that were given stay.
    pub fn set_rate(&mut self, per_sec: u32) {
        self.interval = interval(per_sec);
        self.ahead = ahead(self.interval);
    }

    /// Gives a connection its turn: how long it waits, or none if that is too long.
    pub fn turn(&mut self, now: Instant) -> Option<Duration> {
        let next = self.next.map_or(now, |next| next.max(now));
        let wait = (next - now).saturating_sub(self.ahead);
        if wait > self.wait_max {
            return None;
        }
        self.next = Some(next + self.interval);
        Some(wait)
    }
}

fn interval(per_sec: u32) -> Duration {
    Duration::from_secs(1) / per_sec.max(1)
}

fn ahead(interval: Duration) -> Duration {
    Duration::from_millis(100).saturating_sub(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    #[test]
    fn a_few_come_at_once_and_the_others_in_even_steps() {
        let now = Instant::now();
        let mut rate = AcceptRate::new(100, SEC);
        let waits: Vec<_> = (0..14).map(|_| rate.turn(now)).collect();
        let at_once = waits.iter().filter(|wait| **wait == Some(Duration::ZERO));
        assert_eq!(at_once.count(), 10);
        let steps: Vec<_> = waits.iter().flatten().map(Duration::as_millis).collect();
        assert_eq!(steps[9..], [0, 10, 20, 30, 40]);
    }

    #[test]
    fn over_time_the_rate_is_kept_and_a_pause_gives_the_few_again() {
        let begin = Instant::now();
        let mut rate = AcceptRate::new(50, SEC * 3);
        let mut served = 0;
        for ms in 0..2_000 {
            let now = begin + Duration::from_millis(ms);
            while rate.turn(now) == Some(Duration::ZERO) {
                served += 1;
            }
        }
        assert!(served <= 105, "{served} in two seconds");
        let later = begin + SEC * 60;
        let at_once = (0..10).filter(|_| rate.turn(later) == Some(Duration::ZERO));
        assert_eq!(at_once.count(), 5);
    }

    #[test]
    fn nobody_waits_too_long_and_who_is_refused_takes_no_turn() {
        let now = Instant::now();
        let mut rate = AcceptRate::new(10, SEC);
        let waits: Vec<_> = (0..30).map(|_| rate.turn(now)).collect();
        assert_eq!(waits.iter().flatten().count(), 11);
        assert_eq!(waits.iter().flatten().max(), Some(&SEC));
        assert_eq!(rate.turn(now + SEC), Some(Duration::from_millis(100)));
    }

    #[test]
    fn another_rate_is_for_those_that_come_from_then_on() {
        let now = Instant::now();
        let mut rate = AcceptRate::new(1, SEC * 5);
        assert_eq!(rate.turn(now), Some(Duration::ZERO));
        rate.set_rate(100);
        assert_eq!(rate.turn(now), Some(SEC - Duration::from_millis(90)));
        assert_eq!(rate.turn(now), Some(SEC - Duration::from_millis(80)));
        rate.set_rate(1);
        assert_eq!(rate.turn(now), Some(SEC + Duration::from_millis(20)));
    }

    #[test]
    fn one_in_a_second_is_one_in_a_second() {
        let now = Instant::now();
        let mut rate = AcceptRate::new(1, SEC);
        assert_eq!(rate.turn(now), Some(Duration::ZERO));
        assert_eq!(rate.turn(now), Some(SEC));
        assert_eq!(rate.turn(now), None);
        assert_eq!(rate.turn(now + SEC * 2), Some(Duration::ZERO));
    }
}
