//! What waits on one worker: a queue for each route with an id, served in turn.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::QueueIndex;
use crate::engine::fan_out::SessionKey;

/// Deliveries that wait, each with what it is of type `T`.
///
/// A session's deliveries all wait in one queue, in their order. They are found by session as well, so
/// that one that ends takes its own along.
#[derive(Debug)]
pub struct Waiting<T> {
    queues: Vec<Queue<T>>,
    /// Queues that may have something, the next one to serve first.
    turns: VecDeque<u16>,
    /// The numbers of each session's deliveries.
    sessions: HashMap<SessionKey, VecDeque<u64>>,
    numbers: u64,
}

/// One queue: deliveries by number.
#[derive(Debug)]
struct Queue<T> {
    deliveries: BTreeMap<u64, Delivery<T>>,
    has_turn: bool,
}

/// A delivery that waited.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery<T> {
    /// For whom.
    pub key: SessionKey,
    /// What it weighs.
    pub weight: u64,
    /// What.
    pub what: T,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            queues: Vec::new(),
            turns: VecDeque::new(),
            sessions: HashMap::new(),
            numbers: 0,
        }
    }
}

impl<T> Waiting<T> {
    /// Tells whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Lets a delivery wait behind those of its queue.
    pub fn push(&mut self, queue: QueueIndex, delivery: Delivery<T>) {
        let index = usize::from(queue.0);
        while self.queues.len() <= index {
            self.queues.push(Queue {
                deliveries: BTreeMap::new(),
                has_turn: false,
            });
        }
        let Some(into) = self.queues.get_mut(index) else {
            return;
        };
        self.numbers += 1;
        let numbers = self.sessions.entry(delivery.key).or_default();
        numbers.push_back(self.numbers);
        into.deliveries.insert(self.numbers, delivery);
        if !std::mem::replace(&mut into.has_turn, true) {
            self.turns.push_back(queue.0);
        }
        self.check_invariants();
    }

    /// Returns the weight of the delivery whose turn it is.
    pub fn next_weight(&mut self) -> Option<u64> {
        loop {
            let turn = *self.turns.front()?;
            let queue = self.queues.get_mut(usize::from(turn))?;
            match queue.deliveries.first_key_value() {
                Some((_, delivery)) => return Some(delivery.weight),
                None => {
                    queue.has_turn = false;
                    self.turns.pop_front();
                }
            }
        }
    }

    /// Takes the delivery whose turn it is; its queue goes behind the others.
    pub fn pop(&mut self) -> Option<(QueueIndex, Delivery<T>)> {
        self.next_weight()?;
        let turn = self.turns.pop_front()?;
        self.turns.push_back(turn);
        let queue = self.queues.get_mut(usize::from(turn))?;
        let (_, delivery) = queue.deliveries.pop_first()?;
        let of_session = self.sessions.get_mut(&delivery.key);
        if of_session.is_some_and(|numbers| numbers.pop_front().is_some() && numbers.is_empty()) {
            self.sessions.remove(&delivery.key);
        }
        self.check_invariants();
        Some((QueueIndex(turn), delivery))
    }

    /// Returns what waits for a session, in its order.
    pub fn of(&self, queue: QueueIndex, key: SessionKey) -> impl Iterator<Item = &T> {
        let from = self.queues.get(usize::from(queue.0));
        let numbers = self.sessions.get(&key).into_iter().flatten();
        let deliveries = numbers.filter_map(move |number| from?.deliveries.get(number));
        deliveries.map(|delivery| &delivery.what)
    }

    /// Takes out what waits for a session that has ended, in its order.
    pub fn leave(&mut self, queue: QueueIndex, key: SessionKey) -> Vec<Delivery<T>> {
        let Some(from) = self.queues.get_mut(usize::from(queue.0)) else {
            return Vec::new();
        };
        let numbers = self.sessions.remove(&key).unwrap_or_default();
        let taken = numbers.iter().filter_map(|n| from.deliveries.remove(n));
        let taken = taken.collect();
        self.check_invariants();
        taken
    }

    /// Returns what waits in each queue, by weight.
    pub fn weights(&self) -> impl Iterator<Item = (QueueIndex, u64)> + '_ {
        self.queues.iter().enumerate().map(|(index, queue)| {
            let weight = queue.deliveries.values().map(|delivery| delivery.weight);
            (QueueIndex(index as u16), weight.sum())
        })
    }

    fn check_invariants(&self) {
        #[cfg(test)]
        {
            let queued: usize = self.queues.iter().map(|queue| queue.deliveries.len()).sum();
            let listed: usize = self.sessions.values().map(VecDeque::len).sum();
            assert_eq!(queued, listed);
            assert!(self.sessions.values().all(|numbers| !numbers.is_empty()));
            let with_turn = self.queues.iter().filter(|queue| queue.has_turn).count();
            assert_eq!(with_turn, self.turns.len());
        }
    }
}
