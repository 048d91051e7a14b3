//! The values of counters at one moment, which cross threads.

use std::collections::BTreeMap;

use super::histogram::Times;

/// The values of a [`Counters`](super::counters::Counters) at one moment; can cross threads and be merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// How long things took, by name.
    pub timed: BTreeMap<&'static str, Times>,
    /// Totals and gauges by name.
    pub totals: BTreeMap<&'static str, u64>,
    /// Items not delivered, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Refusals by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

impl Readings {
    /// Forgets what is there now, of a thread that is gone.
    pub fn forget_gauges(&mut self) {
        self.totals.retain(|name, _| !name.ends_with("_current"));
    }

    /// Adds another thread's values.
    pub fn merge(&mut self, other: &Readings) {
        for (name, times) in &other.timed {
            self.timed.entry(name).or_default().merge(times);
        }
        for (mine, theirs) in [
            (&mut self.totals, &other.totals),
            (&mut self.dropped, &other.dropped),
            (&mut self.refused, &other.refused),
        ] {
            for (name, value) in theirs {
                *mine.entry(name).or_default() += value;
            }
        }
    }
}
