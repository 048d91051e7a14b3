//! Lost items on their way to the log: a line for each would stop the worker.

/// Items that sessions lost since the log last heard of it.
#[derive(Default)]
pub(super) struct Losses {
    items: u64,
    logged_ms: Option<u64>,
}

impl Losses {
    /// Adds to the losses; once a second returns all of them, for a line in the log.
    pub(super) fn add(&mut self, items: u64, now_ms: u64) -> Option<u64> {
        self.items += items;
        if self.logged_ms.is_some_and(|at| now_ms < at + 1_000) {
            return None;
        }
        self.logged_ms = Some(now_ms);
        Some(std::mem::take(&mut self.items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_second_tells_of_all_losses() {
        let mut losses = Losses::default();
        assert_eq!(losses.add(1, 5), Some(1));
        assert_eq!(losses.add(2, 1_004), None);
        assert_eq!(losses.add(3, 1_005), Some(5));
        assert_eq!(losses.add(1, 1_006), None);
    }
}
