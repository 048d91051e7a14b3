//! What workers tell those who follow their channels: who is subscribed, and who got what.
//!
//! A worker tells as much as there is, and goes on once all have taken it: what changes meanwhile is
//! gathered, so a slow one costs no memory beyond the worker's own channels.

use std::sync::{Arc, Mutex, PoisonError};

use actix::prelude::*;

use crate::{
    engine::zmq::{connections::Connection, local_channels::Sessions},
    grip::channel::{ChannelName, ItemId},
};

/// Receivers of an item on one worker, by what they take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Where it was published.
    pub channel: ChannelName,
    /// Its id, if it has one.
    pub id: Option<ItemId>,
    /// Who got it.
    pub sessions: Sessions,
}

/// What one worker tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerReport {
    /// Which worker.
    pub worker: u64,
    /// Channels that have changed, as they are now; none: the worker is not subscribed any more.
    pub channels: Vec<(ChannelName, Option<Sessions>)>,
    /// Items that were delivered, in order.
    pub received: Vec<Received>,
    /// Held sessions by place and hold that have come, and those that have gone.
    pub sessions: Vec<(u32, u64, Option<Connection>)>,
    /// Requests of clients since the report before.
    pub requests: u64,
}

impl WorkerReport {
    /// Tells whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
            && self.received.is_empty()
            && self.sessions.is_empty()
            && self.requests == 0
    }
}

/// A worker to each of its followers. **Closed**: it hears nothing more.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct TakeReport(pub Arc<WorkerReport>);

/// Those who follow the channels of a broker; clones are the same.
#[derive(Clone, Default)]
pub struct Followers(Arc<Mutex<Vec<Recipient<TakeReport>>>>);

impl Followers {
    /// Enters one; it hears of everything that begins after that.
    pub fn enter(&self, follower: Recipient<TakeReport>) {
        let mut followers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        followers.push(follower);
    }

    fn all(&self) -> Vec<Recipient<TakeReport>> {
        let followers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        followers.clone()
    }

    /// Tells all of them; returns when they have taken it.
    pub async fn tell(&self, report: WorkerReport) {
        let followers = self.all();
        let report = TakeReport(Arc::new(report));
        for follower in followers {
            if follower.send(report.clone()).await.is_err() {
                log::error!(worker = report.0.worker, channels = report.0.channels.len();
                    "a report about channels is lost: whoever follows them crashed on it");
            }
        }
    }
}
