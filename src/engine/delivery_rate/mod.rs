//! The rate of deliveries: how many leave in a second, how many may wait, and which is next.
//!
//! A delivery is one item for one session. [`Pace`] belongs to a whole process, [`Waiting`] to one of
//! its workers. Neither knows a clock or a session.
//!
//! ```text
//! delivery ─▶ nothing waits and the pace allows it? ─▶ leaves now
//!                  └ no ─▶ below the high-water mark? ─▶ waits in its route's queue ─▶ leaves in turn
//!                                └ no ─▶ is dropped
//! ```
//!
//! Source: `docs/configuration.md`, `message_rate`.

mod waiting;

use std::time::{Duration, Instant};

use crate::grip::publish::{Item, ResponseBody, ResponseFormat, StreamFormat, WsFormat};

pub use waiting::{Delivery, Waiting};

/// Batches in a second, from this rate up.
const BATCHES_PER_SEC: u32 = 40;

/// What may wait in a queue if no mark is set.
const HIGH_WATER_MARK: u64 = 1_000_000;

/// How many deliveries leave in a second, and how many may wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// Deliveries in a second, by weight; 0: as many as there are.
    pub per_sec: u32,
    /// The weight that may wait in a queue; 0: 1,000,000.
    pub hwm: u64,
    /// **Units**: bytes. The weight of a delivery is its content in blocks of this size; 0: it is 1.
    pub block_size: u64,
}

impl RateLimits {
    /// Returns the weight that may wait in a queue.
    pub fn high_water_mark(&self) -> u64 {
        match self.hwm {
            0 => HIGH_WATER_MARK,
            hwm => hwm,
        }
    }

    /// Returns what a delivery of so many bytes weighs; at least 1, for every queue has a bound.
    pub fn weight(&self, bytes: impl FnOnce() -> u64) -> u64 {
        match self.block_size {
            0 => 1,
            block_size => bytes().div_ceil(block_size).max(1),
        }
    }
}

/// Returns the size of an item as long-polls get it: its own word, else its body's length.
pub fn response_size(item: &Item) -> u64 {
    let length = || match &item.formats.response {
        Some(ResponseFormat::Send(send)) => match &send.body {
            ResponseBody::Bytes(body) => body.len() as u64,
            ResponseBody::Patch(_) => 0,
        },
        _ => 0,
    };
    item.size.unwrap_or_else(length)
}

/// Returns the size of an item as streams get it: its own word, else its content's length.
pub fn stream_size(item: &Item) -> u64 {
    let length = || match &item.formats.stream {
        Some(StreamFormat::Send { content, .. }) => content.len() as u64,
        _ => 0,
    };
    item.size.unwrap_or_else(length)
}

/// Returns the size of an item for WebSockets, in bytes.
pub fn socket_size(item: &Item) -> u64 {
    let length = || match &item.formats.ws {
        Some(WsFormat::Send { content, .. }) => content.len() as u64,
        _ => 0,
    };
    item.size.unwrap_or_else(length)
}

/// Names a queue: 0 for sessions of routes without an id, one for each id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueIndex(pub u16);

/// Lets a batch go at once, and the next ones in even steps.
///
/// A batch is 1 up to 40 a second, else a fortieth of a second's deliveries, rounded up. What a heavy
/// delivery takes beyond its batch is taken from the next ones; what a batch leaves is lost.
#[derive(Debug)]
pub struct Pace {
    batch: i64,
    step: Duration,
    left: i64,
    /// When the next batch may go; none before the first.
    next: Option<Instant>,
}

impl Pace {
    /// Makes the pace of so many a second, at least 1.
    pub fn new(per_sec: u32) -> Self {
        let per_sec = per_sec.max(1);
        let batch = per_sec.div_ceil(BATCHES_PER_SEC);
        Self {
            batch: i64::from(batch),
            step: Duration::from_secs(u64::from(batch)) / per_sec,
            left: 0,
            next: None,
        }
    }

    /// Takes a delivery of that weight, or says when to ask again.
    pub fn take(&mut self, now: Instant, weight: u64) -> Result<(), Instant> {
        let next = self.refill(now);
        if self.left <= 0 {
            return Err(next);
        }
        let weight = i64::try_from(weight).unwrap_or(i64::MAX);
        self.left = self.left.saturating_sub(weight);
        self.check_invariants();
        Ok(())
    }

    /// Begins the batches that are due; returns when the next one is.
    fn refill(&mut self, now: Instant) -> Instant {
        let due = self.next.unwrap_or(now);
        if now < due {
            return due;
        }
        let late = now.duration_since(due);
        let steps = 1 + late.as_nanos() / self.step.as_nanos().max(1);
        let granted = self
            .batch
            .saturating_mul(i64::try_from(steps).unwrap_or(i64::MAX));
        self.left = self.left.saturating_add(granted).min(self.batch);
        // In step with the last batch, for the pace to be kept by a late timer too.
        let next = if late < self.step { due } else { now } + self.step;
        self.next = Some(next);
        self.check_invariants();
        next
    }

    fn check_invariants(&self) {
        debug_assert!(self.left <= self.batch && self.batch > 0);
    }
}

#[cfg(test)]
mod tests;
