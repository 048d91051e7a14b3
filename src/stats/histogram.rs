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
    /// Returns how many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns their mean, in microseconds; 0 if there are none.
    pub fn mean_us(&self) -> u64 {
        self.sum_us.checked_div(self.count()).unwrap_or_default()
    }

    /// Returns the bound that this share of them, in percent, does not pass, in microseconds; of those past
    /// the last bound, that one. 0 if there are none.
    pub fn percentile_us(&self, percent: u64) -> u64 {
        let wanted = (self.count() * percent).div_ceil(100);
        if wanted == 0 {
            return 0;
        }
        let mut passed = 0;
        let mut ranges = self.counts.iter().zip(BOUNDS_US);
        let bound = ranges.find(|(count, _)| {
            passed += **count;
            passed >= wanted
        });
        let last = BOUNDS_US.last().copied().unwrap_or_default();
        bound.map_or(last, |(_, bound)| bound)
    }

    /// Returns what has come since an earlier reading; of one that is larger, as after a thread has
    /// ended, nothing.
    pub fn since(&self, earlier: &Times) -> Times {
        Times {
            counts: std::array::from_fn(|range| {
                let before = earlier.counts.get(range).copied().unwrap_or_default();
                let now = self.counts.get(range).copied().unwrap_or_default();
                now.saturating_sub(before)
            }),
            sum_us: self.sum_us.saturating_sub(earlier.sum_us),
        }
    }

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

    #[test]
    fn means_and_percentiles_are_of_what_has_come_since() {
        let histogram = Histogram::default();
        let before = histogram.read();
        assert_eq!((before.mean_us(), before.percentile_us(99)), (0, 0));
        (0..99).for_each(|_| histogram.observe(Duration::from_micros(700)));
        histogram.observe(Duration::from_millis(30));
        let now = histogram.read();
        let times = now.since(&before);
        assert_eq!((times.count(), times.mean_us()), (100, 993));
        assert_eq!(
            (times.percentile_us(99), times.percentile_us(100)),
            (1_000, 50_000)
        );
        histogram.observe(Duration::from_secs(60));
        let late = histogram.read().since(&now);
        assert_eq!((late.count(), late.percentile_us(50)), (1, 10_000_000));
        assert_eq!(now.since(&histogram.read()), Times::default());
    }
}
