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

    /// Adds another thread's values; as counters do, sums go on from 0 past the largest number.
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
                let mine = mine.entry(name).or_default();
                *mine = mine.wrapping_add(*value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::counters::{Counters, Total};
    use super::*;

    /// The readings of a thread on which a connection began after a second, and goes on or has ended.
    fn of_a_connection(read: impl Fn(&Counters) -> Readings) -> Readings {
        let counters = Counters::default();
        counters.note_connection(1_000);
        read(&counters)
    }

    #[test]
    fn connections_of_all_threads_last_together_whenever_they_are_looked_at() {
        let name = Total::ConnectionMillis.as_str();
        let mut together = Readings::default();
        together.merge(&of_a_connection(|counters| counters.read_at(1_500)));
        together.merge(&of_a_connection(|counters| {
            counters.note_connection_ended(1_250);
            counters.read()
        }));
        assert_eq!(together.totals.get(name), Some(&750));
    }

    #[test]
    fn sums_past_the_largest_number_go_on_from_0() {
        let mut together = of_a_connection(Counters::read);
        together.merge(&of_a_connection(Counters::read));
        let expected = 2_000_u64.wrapping_neg();
        let name = Total::ConnectionMillis.as_str();
        assert_eq!(together.totals.get(name), Some(&expected));
    }
}
