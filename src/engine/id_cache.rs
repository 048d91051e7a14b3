//! The id cache: which items were seen a short while ago, so that one published twice goes out once.
//!
//! It keeps no text: 128 bits of a keyed hash stand for channel and id. Nothing runs on a timer: each
//! call takes out a few of what is too old, so that no call has much to do.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use crate::grip::channel::{ChannelName, ItemId};

/// Ids looked at by one call; more than one, so that the cache shrinks while it is used.
const SWEEP: usize = 4;

/// Entries below which tables keep their memory.
const SMALL: usize = 4_096;

/// What is known of an item's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// It is new.
    First,
    /// It is new, and the oldest id was forgotten for it before its time.
    FirstOverMax,
    /// It was seen within the time to live.
    Repeat,
}

/// Ids of one handler arbiter's channels.
#[derive(Debug)]
pub struct IdCache {
    ttl: Duration,
    max: usize,
    hash: RandomState,
    /// When each was first seen.
    seen: HashMap<u128, Instant>,
    /// In the order of sight; one that was forgotten and seen again stands here twice.
    order: VecDeque<u128>,
}

impl IdCache {
    /// Makes an empty cache; without a time to live everything is new to it.
    pub fn new(ttl: Duration, max: usize) -> Self {
        Self {
            ttl,
            max: max.max(1),
            hash: RandomState::new(),
            seen: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Changes its bounds; what is past them goes as the cache is used.
    pub fn set_bounds(&mut self, ttl: Duration, max: usize) {
        (self.ttl, self.max) = (ttl, max.max(1));
    }

    /// Notes an item; a repeat does not count as seen anew.
    pub fn on_item(&mut self, channel: &ChannelName, id: &ItemId, now: Instant) -> Sighting {
        if self.ttl.is_zero() {
            return Sighting::First;
        }
        self.sweep(now);
        let key = self.key(channel, id);
        if self.seen.get(&key).is_some_and(|at| !self.is_old(*at, now)) {
            return Sighting::Repeat;
        }
        let is_over_max = self.order.len() >= self.max;
        if is_over_max {
            let oldest = self.order.pop_front();
            oldest.map(|oldest| self.seen.remove(&oldest));
        }
        self.seen.insert(key, now);
        self.order.push_back(key);
        self.check_invariants();
        match is_over_max {
            true => Sighting::FirstOverMax,
            false => Sighting::First,
        }
    }

    /// Forgets an item that was not delivered after all.
    pub fn forget(&mut self, channel: &ChannelName, id: &ItemId) {
        self.seen.remove(&self.key(channel, id));
        self.check_invariants();
    }

    /// Returns how many ids are kept.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Tells whether no id is kept.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    fn key(&self, channel: &ChannelName, id: &ItemId) -> u128 {
        let half = |of: u8| u128::from(self.hash.hash_one((of, channel, id)));
        half(0) << 64 | half(1)
    }

    fn is_old(&self, at: Instant, now: Instant) -> bool {
        now.saturating_duration_since(at) >= self.ttl
    }

    /// Takes out a few of the oldest that are too old.
    fn sweep(&mut self, now: Instant) {
        for _ in 0..SWEEP {
            let Some(oldest) = self.order.front() else {
                break;
            };
            match self.seen.get(oldest) {
                Some(at) if !self.is_old(*at, now) => break,
                Some(_) => drop(self.seen.remove(oldest)),
                None => {}
            }
            self.order.pop_front();
        }
        self.give_back_memory();
    }

    /// Tables that are mostly empty give half of their memory back.
    fn give_back_memory(&mut self) {
        let is_wasteful = |len: usize, capacity: usize| capacity > SMALL && len < capacity / 8;
        if is_wasteful(self.seen.len(), self.seen.capacity()) {
            self.seen.shrink_to(self.seen.capacity() / 2);
        }
        if is_wasteful(self.order.len(), self.order.capacity()) {
            self.order.shrink_to(self.order.capacity() / 2);
        }
    }

    fn check_invariants(&self) {
        debug_assert!(self.order.len() <= self.max);
        debug_assert!(self.seen.len() <= self.order.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn sight(cache: &mut IdCache, channel: &str, id: &str, now: Instant) -> Sighting {
        cache.on_item(&ChannelName::from(channel), &ItemId::from(id), now)
    }

    #[test]
    fn an_id_is_a_repeat_within_its_channel_until_its_time_is_over() {
        let (mut cache, start) = (IdCache::new(TTL, 10), Instant::now());
        for (secs, channel, id, expected) in [
            (0, "a", "1", Sighting::First),
            (30, "a", "1", Sighting::Repeat),
            (30, "b", "1", Sighting::First),
            (30, "a1", "", Sighting::First),
            (30, "a", "2", Sighting::First),
            (59, "a", "1", Sighting::Repeat),
            (60, "a", "1", Sighting::First),
            (61, "a", "1", Sighting::Repeat),
        ] {
            let now = start + Duration::from_secs(secs);
            let sighting = sight(&mut cache, channel, id, now);
            assert_eq!(sighting, expected, "{channel} {id} {secs}");
        }
    }

    #[test]
    fn the_oldest_is_forgotten_past_the_bound() {
        let (mut cache, now) = (IdCache::new(TTL, 2), Instant::now());
        for (id, expected) in [
            ("1", Sighting::First),
            ("2", Sighting::First),
            ("3", Sighting::FirstOverMax),
            ("2", Sighting::Repeat),
            ("1", Sighting::FirstOverMax),
        ] {
            assert_eq!(sight(&mut cache, "a", id, now), expected, "{id}");
        }
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn a_forgotten_id_may_come_again_and_counts_from_then() {
        let (mut cache, start) = (IdCache::new(TTL, 10), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        sight(&mut cache, "a", "1", at(0));
        cache.forget(&ChannelName::from("a"), &ItemId::from("1"));
        assert!(cache.is_empty());
        assert_eq!(sight(&mut cache, "a", "1", at(50)), Sighting::First);
        assert_eq!(sight(&mut cache, "a", "1", at(109)), Sighting::Repeat);
        assert_eq!(sight(&mut cache, "a", "1", at(110)), Sighting::First);
    }

    #[test]
    fn without_a_time_to_live_nothing_is_kept() {
        let (mut cache, now) = (IdCache::new(Duration::ZERO, 10), Instant::now());
        assert_eq!(sight(&mut cache, "a", "1", now), Sighting::First);
        assert_eq!(sight(&mut cache, "a", "1", now), Sighting::First);
        assert!(cache.is_empty());
    }

    #[test]
    fn memory_is_given_back_while_the_cache_is_used() {
        let (mut cache, start) = (IdCache::new(TTL, 1_000_000), Instant::now());
        for number in 0..50_000 {
            sight(&mut cache, "a", &number.to_string(), start);
        }
        let later = start + TTL;
        for number in 0..50_000 {
            let now = later + Duration::from_millis(number * 10);
            sight(&mut cache, "a", &format!("later {number}"), now);
        }
        assert!(cache.len() <= 6_100, "{}", cache.len());
        assert!(cache.seen.capacity() < 60_000, "{}", cache.seen.capacity());
        assert!(cache.order.capacity() < 60_000);
    }

    #[test]
    fn random_use_agrees_with_a_plain_list() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (mut cache, mut now) = (IdCache::new(TTL, 1_000_000), Instant::now());
        let mut known: HashMap<u8, Instant> = HashMap::new();
        for _ in 0..20_000 {
            now += Duration::from_millis(rng.u64(..2_000));
            let id = rng.u8(..100);
            if rng.u8(..10) == 0 {
                known.remove(&id);
                cache.forget(&ChannelName::from("a"), &ItemId::from(id.to_string()));
                continue;
            }
            let is_repeat = known
                .get(&id)
                .is_some_and(|at| now.duration_since(*at) < TTL);
            if !is_repeat {
                known.insert(id, now);
            }
            let sighting = sight(&mut cache, "a", &id.to_string(), now);
            assert_eq!(sighting == Sighting::Repeat, is_repeat);
        }
    }
}
