//! Publishing through a broker.

use std::{sync::Mutex, time::Instant};

use super::Broker;
use crate::{
    actors::{
        messages::{Depth, PublishFailure, Waiting},
        slip::{receipts, slips},
    },
    engine::log_tally::LogTally,
    grip::publish::Item,
    stats::{counters::Refused, receipt::Receipt},
};

/// A publish that is under way, until this is dropped.
pub struct UnderWay(#[expect(dead_code, reason = "it counts until it is dropped")] Waiting);

/// How many publishes are under way, and those that are refused on their way to the log.
pub(super) struct Publishes {
    under_way: Depth,
    refused: Mutex<LogTally>,
    began: Instant,
}

impl Publishes {
    pub(super) fn new() -> Self {
        Self {
            under_way: Depth::default(),
            refused: Mutex::default(),
            began: Instant::now(),
        }
    }

    /// Counts a refused one for the log; returns all of a second, for a line.
    fn refuse(&self) -> Option<u64> {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.refused.lock().ok()?.add(1, ms)
    }
}

impl Broker {
    /// Counts a publish as under way from before its body is read; none if there are too many.
    pub fn begin_publish(&self) -> Option<UnderWay> {
        let publishes = &self.0.publishes;
        let limit = self.options().publishes_max;
        let waiting = publishes.under_way.enter();
        if publishes.under_way.get() <= limit {
            return Some(UnderWay(waiting));
        }
        self.0.shared.refuse(Refused::PublishesMax);
        if let Some(refused) = publishes.refuse() {
            log::warn!(target: "p8::publish", refused, limit; "too many publishes: refused");
        }
        None
    }

    /// Publishes an item; returns when the last delivery is queued, or the item waits for another.
    ///
    /// **Errors**: a channel's queue is full (nothing was taken), or a crash on the way.
    pub async fn publish(&self, item: Item) -> Result<(), PublishFailure> {
        self.publish_all(vec![item]).await
    }

    /// Publishes items in order; all or, if a queue is full, none.
    pub async fn publish_all(&self, items: Vec<Item>) -> Result<(), PublishFailure> {
        let began = actix::clock::Instant::now();
        let published = self.0.handlers.publish(items, Vec::new()).await;
        self.0.operators.publish_times.note(began.elapsed());
        published
    }

    /// As [`publish_all`](Self::publish_all); then tells of each item what became of it, as far as that
    /// is known within a second.
    pub async fn publish_with_receipts(
        &self,
        items: Vec<Item>,
    ) -> Result<Vec<Receipt>, PublishFailure> {
        let (slips, awaited) = slips(&items);
        let began = actix::clock::Instant::now();
        self.0.handlers.publish(items, slips).await?;
        self.0.operators.publish_times.note(began.elapsed());
        Ok(receipts(awaited).await)
    }
}
