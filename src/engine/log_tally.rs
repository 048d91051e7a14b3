//! Events on their way to the log: a line for each would stop the worker.

/// Events since the log last heard of them.
#[derive(Debug, Default)]
pub struct LogTally {
    events: u64,
    logged_ms: Option<u64>,
}

impl LogTally {
    /// Adds events at a time in milliseconds; once a second returns all of them, for a line in the log.
    pub fn add(&mut self, events: u64, now_ms: u64) -> Option<u64> {
        self.events += events;
        if self.logged_ms.is_some_and(|at| now_ms < at + 1_000) {
            return None;
        }
        self.logged_ms = Some(now_ms);
        Some(std::mem::take(&mut self.events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_second_tells_of_all_events() {
        let mut tally = LogTally::default();
        assert_eq!(tally.add(1, 5), Some(1));
        assert_eq!(tally.add(2, 1_004), None);
        assert_eq!(tally.add(3, 1_005), Some(5));
        assert_eq!(tally.add(1, 1_006), None);
    }
}
