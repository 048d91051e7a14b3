//! Publishing through a broker.

use super::Broker;
use crate::{
    actors::{
        messages::PublishFailure,
        slip::{receipts, slips},
    },
    grip::publish::Item,
    stats::receipt::Receipt,
};

impl Broker {
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
