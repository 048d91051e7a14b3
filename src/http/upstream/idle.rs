//! The idle connections of a pool: which one is taken first, which one goes first.
//!
//! Not its concern: when they are looked at (`pool.rs`).

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::Instant,
};

use foldhash::fast::RandomState;

use crate::engine::{idle_surplus::IdleSurplus, route::TargetKind};

use super::{connect::Connection, key::Key, pool::PoolOptions};

/// Tells whether a connection gets no further request for its age.
pub(super) fn is_old(connection: &Connection, now: Instant, options: &PoolOptions) -> bool {
    now.saturating_duration_since(connection.born) >= options.age_limit
}

/// A connection waiting for its next request.
pub(super) struct Resting {
    connection: Connection,
    since: Instant,
}

impl Resting {
    fn is_usable(&self, now: Instant, options: &PoolOptions) -> bool {
        self.connection.sender.is_ready()
            && now.saturating_duration_since(self.since) < options.idle_limit
            && !is_old(&self.connection, now, options)
    }
}

/// The idle connections; those of a key are in the order in which they became idle.
#[derive(Default)]
pub(super) struct Idle {
    by_key: HashMap<Rc<Key>, VecDeque<Resting>, RandomState>,
    /// All of them.
    pub(super) total: usize,
    surplus: IdleSurplus,
}

impl Idle {
    /// Takes the connection of a key that was used last.
    pub(super) fn take(
        &mut self,
        key: &Key,
        now: Instant,
        options: &PoolOptions,
    ) -> Option<Connection> {
        let resting = self.by_key.get_mut(key)?;
        while let Some(candidate) = resting.pop_back() {
            self.total -= 1;
            self.surplus.on_taken(self.total);
            if candidate.is_usable(now, options) {
                return Some(candidate.connection);
            }
        }
        None
    }

    /// Keeps a connection; the longest idle one goes for it, if there are too many.
    pub(super) fn put(&mut self, connection: Connection, now: Instant, options: &PoolOptions) {
        if options.idle_max == 0 {
            return;
        }
        if self.total >= options.idle_max {
            self.drop_longest_idle();
        }
        let resting = self.by_key.entry(Rc::clone(&connection.key)).or_default();
        resting.push_back(Resting {
            connection,
            since: now,
        });
        self.total += 1;
        debug_assert_eq!(
            self.total,
            self.by_key.values().map(VecDeque::len).sum::<usize>()
        );
    }

    /// Counts those that lead to a target.
    pub(super) fn count_to(&self, target: &TargetKind) -> usize {
        let keys = self.by_key.iter().filter(|(key, _)| key.target == *target);
        keys.map(|(_, resting)| resting.len()).sum()
    }

    fn drop_longest_idle(&mut self) {
        let longest = self
            .by_key
            .values_mut()
            .filter(|resting| !resting.is_empty())
            .min_by_key(|resting| resting.front().map(|first| first.since));
        if longest.and_then(VecDeque::pop_front).is_some() {
            self.total -= 1;
        }
    }

    /// Drops what is of no use any more, and what is too much.
    pub(super) fn sweep(&mut self, now: Instant, options: &PoolOptions) {
        self.by_key.retain(|_, resting| {
            resting.retain(|candidate| candidate.is_usable(now, options));
            !resting.is_empty()
        });
        self.total = self.by_key.values().map(VecDeque::len).sum();
        for _ in 0..self.surplus.on_look(self.total) {
            self.drop_longest_idle();
        }
    }
}
