//! The counters of one thread.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::histogram::Histogram;

pub use super::{
    counted::{Dropped, Refused, Timed, Total},
    readings::Readings,
};

/// The counters of one thread: only it may change them, so that this costs no more than a plain number;
/// every thread may read them.
#[derive(Debug)]
pub struct Counters {
    timed: [Histogram; Timed::NAMES.len()],
    totals: [AtomicU64; Total::NAMES.len()],
    dropped: [AtomicU64; Dropped::NAMES.len()],
    refused: [AtomicU64; Refused::NAMES.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            timed: Default::default(),
            totals: [const { AtomicU64::new(0) }; Total::NAMES.len()],
            dropped: [const { AtomicU64::new(0) }; Dropped::NAMES.len()],
            refused: [const { AtomicU64::new(0) }; Refused::NAMES.len()],
        }
    }
}

impl Counters {
    /// Adds to a total or gauge.
    pub fn add(&self, total: Total, n: u64) {
        if let Some(cell) = self.totals.get(total as usize) {
            cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
        }
    }

    /// Lowers a gauge.
    pub fn subtract(&self, gauge: Total, n: u64) {
        if let Some(cell) = self.totals.get(gauge as usize) {
            cell.store(cell.load(Relaxed).saturating_sub(n), Relaxed);
        }
    }

    /// Returns a total or gauge.
    pub fn total(&self, total: Total) -> u64 {
        let cell = self.totals.get(total as usize);
        cell.map_or(0, |cell| cell.load(Relaxed))
    }

    /// Counts items that did not reach a session.
    pub fn drop_items(&self, reason: Dropped, n: u64) {
        if let Some(cell) = self.dropped.get(reason as usize) {
            cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
        }
    }

    /// Counts a refusal.
    pub fn refuse(&self, reason: Refused, n: u64) {
        if let Some(cell) = self.refused.get(reason as usize) {
            cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
        }
    }

    /// Notes how long something took.
    pub fn observe(&self, timed: Timed, time: Duration) {
        if let Some(histogram) = self.timed.get(timed as usize) {
            histogram.observe(time);
        }
    }

    /// Counts a client connection that begins at that time of the thread's own.
    pub fn note_connection(&self, now_ms: u64) {
        self.add(Total::Connections, 1);
        self.add(Total::ConnectionsAccepted, 1);
        // Its end adds the time then, and a look at it that of the look.
        self.add(Total::ConnectionMillis, now_ms.wrapping_neg());
    }

    /// Counts one that ends.
    pub fn note_connection_ended(&self, now_ms: u64) {
        self.subtract(Total::Connections, 1);
        self.add(Total::ConnectionMillis, now_ms);
    }

    /// Reads everything at that time of the thread's own, those connections counted that go on.
    pub fn read_at(&self, now_ms: u64) -> Readings {
        let mut readings = self.read();
        let lasting = self.total(Total::Connections).wrapping_mul(now_ms);
        let ms = readings.totals.entry(Total::ConnectionMillis.as_str());
        let ms = ms.or_default();
        *ms = ms.wrapping_add(lasting);
        readings
    }

    /// Reads everything.
    pub fn read(&self) -> Readings {
        let timed = Timed::NAMES.iter().copied();
        Readings {
            timed: timed.zip(self.timed.iter().map(Histogram::read)).collect(),
            totals: read(Total::NAMES, &self.totals),
            dropped: read(Dropped::NAMES, &self.dropped),
            refused: read(Refused::NAMES, &self.refused),
        }
    }
}

fn read(names: &[&'static str], cells: &[AtomicU64]) -> BTreeMap<&'static str, u64> {
    let values = cells.iter().map(|cell| cell.load(Relaxed));
    names.iter().copied().zip(values).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_count_for_as_long_as_they_last() {
        let counters = Counters::default();
        let ms = |now| counters.read_at(now).totals["connection_ms_total"];
        counters.note_connection(1_000);
        counters.note_connection(1_500);
        assert_eq!(ms(2_000), 1_500);
        counters.note_connection_ended(2_500);
        counters.note_connection_ended(4_000);
        assert_eq!((ms(4_000), ms(9_000)), (4_000, 4_000));
        assert_eq!(counters.total(Total::ConnectionsAccepted), 2);
        assert_eq!(counters.total(Total::Connections), 0);
    }

    #[test]
    fn counters_are_read_by_name_and_merged() {
        let counters = Counters::default();
        counters.add(Total::Requests, 2);
        counters.add(Total::Sessions, 5);
        counters.subtract(Total::Sessions, 1);
        counters.drop_items(Dropped::SlowClient, 3);
        counters.refuse(Refused::NoRoute, 1);
        let mut readings = counters.read();
        readings.merge(&counters.read());
        assert_eq!(readings.totals["requests_total"], 4);
        assert_eq!(readings.totals["sessions_current"], 8);
        assert_eq!(readings.dropped["slow-client"], 6);
        assert_eq!(readings.refused["no-route"], 2);
    }
}
