//! How a fresh handler takes the channels of a lost one: what it waits for, and what it believes.
//!
//! Publishes are held until every worker has announced its subscriptions with their last ids, or for a
//! second at most; a worker that is later is told of, and what it missed meanwhile is counted. Where two
//! workers know different last ids, the lost handler ended between them, and none is believed: no
//! item is then held up, and none is taken for a repeat.
//!
//! Source: `docs/reliability.md`.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use crate::grip::channel::{ChannelName, ItemId};

/// The longest wait for workers.
pub const WAIT: Duration = Duration::from_secs(1);

/// Handlers that take a share of the channels one after another have this far between their epochs.
pub const EPOCHS: u64 = 1 << 40;

/// Returns the first epoch of a share's handlers, the first one being 0.
pub fn first_epoch(incarnation: u64) -> u64 {
    incarnation.saturating_mul(EPOCHS)
}

/// What becomes of a channel's last id when a worker tells what it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// It stays as it is.
    Keep,
    /// It is this one.
    Take(Option<ItemId>),
    /// It is not known.
    Forget,
}

/// The wait of one handler.
#[derive(Debug)]
pub struct Handover {
    until: Instant,
    /// Those who have not announced; none: it has not been said yet who will.
    expected: Option<HashSet<u64>>,
    announced: HashSet<u64>,
    disputed: HashSet<ChannelName>,
    held: usize,
}

impl Handover {
    /// Begins to wait.
    pub fn new(now: Instant) -> Self {
        Self {
            until: now + WAIT,
            expected: None,
            announced: HashSet::new(),
            disputed: HashSet::new(),
            held: 0,
        }
    }

    /// Takes who will announce.
    pub fn on_expected(&mut self, workers: impl IntoIterator<Item = u64>) {
        let announced = &self.announced;
        let missing = workers.into_iter().filter(|id| !announced.contains(id));
        self.expected = Some(missing.collect());
    }

    /// A worker has announced everything.
    pub fn on_announced(&mut self, worker: u64) {
        self.announced.insert(worker);
        if let Some(expected) = &mut self.expected {
            expected.remove(&worker);
        }
    }

    /// Judges what a worker tells of a channel's last id; `known` is what has been told before, if the
    /// channel is there already.
    pub fn on_last(
        &mut self,
        channel: &ChannelName,
        known: Option<Option<&ItemId>>,
        told: Option<ItemId>,
    ) -> Last {
        match known {
            _ if self.disputed.contains(channel) => Last::Keep,
            None => Last::Take(told),
            Some(known) if known == told.as_ref() => Last::Keep,
            Some(_) => {
                self.disputed.insert(channel.clone());
                Last::Forget
            }
        }
    }

    /// Holds a publish of so many items; false if there are too many already.
    pub fn on_publish(&mut self, items: usize, items_max: usize) -> bool {
        let has_room = self.held == 0 || self.held + items <= items_max;
        self.held += if has_room { items } else { 0 };
        has_room
    }

    /// Tells whether there is nobody left to wait for, or no time.
    pub fn is_over(&self, now: Instant) -> bool {
        let all_there = self.expected.as_ref().is_some_and(HashSet::is_empty);
        all_there || now >= self.until
    }

    /// Returns when the wait ends at the latest.
    pub fn deadline(&self) -> Instant {
        self.until
    }

    /// Returns who has not announced.
    pub fn missing(&self) -> Vec<u64> {
        self.expected.iter().flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests;
