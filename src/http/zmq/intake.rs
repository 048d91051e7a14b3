//! Items that come over ZeroMQ: published one after the other, and never lost without a word.
//!
//! A publisher is answered nothing there, so a channel whose queue is full is waited for: its publisher
//! is read from no further, and has to wait too.

use std::time::Duration;

use super::surface::Work;
use crate::{
    actors::broker::Broker,
    engine::zmq::item::ItemError,
    grip::publish::Item,
    stats::counters::{Refused, Total},
};

/// How long a channel's queue may stay full.
const PATIENCE: Duration = Duration::from_secs(10);

/// When it is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// The way of items from a ZeroMQ socket to their channels.
#[derive(Clone)]
pub(super) struct Intake {
    broker: Broker,
    socket: &'static str,
}

impl Intake {
    /// Makes the way of a socket, which the log names so.
    pub(super) fn new(broker: &Broker, socket: &'static str) -> Intake {
        let broker = broker.clone();
        Intake { broker, socket }
    }

    /// Publishes what a message holds, or says why it holds nothing.
    pub(super) fn take(&self, read: Result<Item, ItemError>) -> Option<Work> {
        match read {
            Ok(item) => {
                #[cfg(feature = "chaos")]
                crate::actors::chaos::maybe_fail(&item, "zmq");
                let intake = self.clone();
                Some(Box::pin(async move { intake.publish(item).await }))
            }
            Err(error) => {
                self.broker.shared_counters().refuse(Refused::Publish);
                self.drop_message(&error.to_string());
                None
            }
        }
    }

    /// Counts and logs a message that comes to nothing.
    pub(super) fn drop_message(&self, why: &str) {
        let counters = self.broker.shared_counters();
        counters.add(Total::ZmqMessagesDropped, 1);
        log::warn!(target: "p8::publish", socket = self.socket, why; "a ZeroMQ message is dropped");
    }

    async fn publish(self, item: Item) {
        let counters = self.broker.shared_counters();
        counters.add(Total::ZmqItems, 1);
        let channel = item.channel.clone();
        let publishing = async {
            loop {
                match self.broker.publish(item.clone()).await {
                    Err(failure) if failure.is_for_now() => actix::clock::sleep(PAUSE).await,
                    outcome => return outcome,
                }
            }
        };
        let why = match actix::clock::timeout(PATIENCE, publishing).await {
            Ok(Ok(())) => {
                log::debug!(target: "p8::publish", channel:? = channel.as_str(), socket = self.socket;
                    "published");
                return;
            }
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => format!("the queue of the channel {channel:?} stays full"),
        };
        self.drop_message(&why);
    }
}
