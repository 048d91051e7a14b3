//! How long publishes took since somebody last looked: from their arrival until all deliveries were queued.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Shared by whoever publishes; once for each request, not for each item.
#[derive(Debug, Default)]
pub struct Timing {
    count: AtomicU64,
    sum_us: AtomicU64,
    max_us: AtomicU64,
}

/// What was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timed {
    /// How many.
    pub count: u64,
    /// Their mean, in microseconds.
    pub mean_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Timing {
    /// Notes one.
    pub fn note(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        self.max_us.fetch_max(us, Ordering::Relaxed);
    }

    /// Returns what was noted since the last call.
    pub fn take(&self) -> Timed {
        let count = self.count.swap(0, Ordering::Relaxed);
        let sum_us = self.sum_us.swap(0, Ordering::Relaxed);
        Timed {
            count,
            mean_us: sum_us.checked_div(count).unwrap_or_default(),
            max_us: self.max_us.swap(0, Ordering::Relaxed),
        }
    }
}
