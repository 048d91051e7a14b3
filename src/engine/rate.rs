//! A rate: so many in a second, counted in whole seconds of the caller's clock.

use std::time::{Duration, Instant};

/// Allows `per_sec` in each second.
#[derive(Debug)]
pub struct Rate {
    per_sec: u32,
    window: Option<(Instant, u32)>,
}

impl Rate {
    /// Makes a rate that nothing has used yet.
    pub fn new(per_sec: u32) -> Self {
        Self {
            per_sec,
            window: None,
        }
    }

    /// Takes one if it is still allowed.
    pub fn take(&mut self, now: Instant) -> bool {
        let window = match self.window {
            Some((since, used)) if now.duration_since(since) < Duration::from_secs(1) => {
                (since, used)
            }
            _ => (now, 0),
        };
        let is_allowed = window.1 < self.per_sec;
        self.window = Some((window.0, window.1 + u32::from(is_allowed)));
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_pass_in_a_second() {
        let start = Instant::now();
        let mut rate = Rate::new(3);
        let taken = |rate: &mut Rate, at| (0..10).filter(|_| rate.take(at)).count();
        assert_eq!(taken(&mut rate, start), 3);
        assert_eq!(taken(&mut rate, start + Duration::from_millis(999)), 0);
        assert_eq!(taken(&mut rate, start + Duration::from_secs(1)), 3);
    }
}
