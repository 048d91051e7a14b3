//! The counters of what happens beside the workers, seldom or on one thread only.

use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::{Readings, Refused, Total};

/// Counters for what happens beside the workers, seldom or on one thread only; clones of a reference
/// count together.
#[derive(Debug)]
pub struct SharedCounters {
    totals: [AtomicU64; Total::NAMES.len()],
    refused: [AtomicU64; Refused::NAMES.len()],
}

impl Default for SharedCounters {
    fn default() -> Self {
        Self {
            totals: [const { AtomicU64::new(0) }; Total::NAMES.len()],
            refused: [const { AtomicU64::new(0) }; Refused::NAMES.len()],
        }
    }
}

impl SharedCounters {
    /// Adds to a total or gauge.
    pub fn add(&self, total: Total, n: u64) {
        if let Some(cell) = self.totals.get(total as usize) {
            cell.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// Lowers a gauge by one.
    pub fn subtract_one(&self, gauge: Total) {
        if let Some(cell) = self.totals.get(gauge as usize) {
            cell.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Counts a refusal.
    pub fn refuse(&self, reason: Refused) {
        if let Some(cell) = self.refused.get(reason as usize) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reads everything.
    pub fn read(&self) -> Readings {
        let values = |names: &[&'static str], cells: &[AtomicU64]| {
            let values = cells.iter().map(|cell| cell.load(Ordering::Relaxed));
            names.iter().copied().zip(values).collect()
        };
        Readings {
            totals: values(Total::NAMES, &self.totals),
            refused: values(Refused::NAMES, &self.refused),
            ..Readings::default()
        }
    }
}
