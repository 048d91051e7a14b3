//! How long things take: a count for each range of times.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The upper ends of the ranges, in microseconds; a last range has none.
pub const BOUNDS_US: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// The histogram of one thread; others only read it.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts a time.
    pub fn observe(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let range = BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(count) = self.counts.get(range) {
            count.store(count.load(Relaxed) + 1, Relaxed);
        }
        let sum = self.sum_us.load(Relaxed);
        self.sum_us.store(sum.saturating_add(us), Relaxed);
    }

    /// Reads it.
    pub fn read(&self) -> Times {
        Times {
            counts: std::array::from_fn(|range| {
                self.counts
                    .get(range)
                    .map_or(0, |count| count.load(Relaxed))
            }),
            sum_us: self.sum_us.load(Relaxed),
        }
    }
}

/// The values of a [`Histogram`] at one moment; can cross threads and be merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// How many in each range, not added up.
    pub counts: [u64; BOUNDS_US.len() + 1],
    /// All of them together, in microseconds.
    pub sum_us: u64,
}

impl Times {
    /// Adds another thread's.
    pub fn merge(&mut self, other: &Times) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_in_the_range_they_end_in() {
        let histogram = Histogram::default();
        for us in [0, 500, 501, 10_000_000, 10_000_001, u64::MAX] {
            histogram.observe(Duration::from_micros(us));
        }
        let mut times = histogram.read();
        assert_eq!(times.counts[..2], [2, 1]);
        assert_eq!(times.counts[13..], [1, 2]);
        assert_eq!(times.sum_us, u64::MAX);
        times.merge(&Times::default());
        assert_eq!(times, histogram.read());
    }
}
