//! The handlers: every publisher of a broker, each with its share of the channels.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;

use super::{
    handler_state::HandlerOptions,
    messages::{
        Depth, ForgetLast, Publish, PublishFailure, Recover, SetOptions, Subscribe, Unsubscribe,
    },
    publisher::Publisher,
    slip::Slip,
};
use crate::grip::{channel::ChannelName, publish::Item};

/// How long a recovery waits for a publisher or hub that is busy.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Every publisher of a broker; each name belongs to one of them.
#[derive(Clone)]
pub struct Handlers {
    publishers: Arc<[(Addr<Publisher>, Depth)]>,
    hash: RandomState,
}

impl Handlers {
    /// Binds the publishers of a broker, each with the count of its waiting messages.
    pub fn new(publishers: Vec<(Addr<Publisher>, Depth)>) -> Self {
        Self {
            publishers: publishers.into(),
            hash: RandomState::new(),
        }
    }

    /// Returns every publisher's address.
    pub fn all(&self) -> impl Iterator<Item = &Addr<Publisher>> {
        self.publishers.iter().map(|(publisher, _)| publisher)
    }

    /// Publishes the items of one request; returns when the last delivery is queued.
    ///
    /// `slips` has one for each item if receipts are wanted, else none.
    pub async fn publish(&self, items: Vec<Item>, slips: Vec<Slip>) -> Result<(), PublishFailure> {
        let mut shares = Vec::new();
        shares.resize_with(self.publishers.len(), || (Vec::new(), Vec::new()));
        let mut slips = slips.into_iter();
        for item in items {
            let slip = slips.next();
            if let Some((items, slips)) = shares.get_mut(self.index(&item.channel)) {
                items.push(item);
                slips.extend(slip);
            }
        }
        let mut replies = Vec::new();
        for ((publisher, depth), (items, slips)) in self.publishers.iter().zip(shares) {
            if !items.is_empty() {
                replies.push(publisher.send(Publish {
                    items,
                    slips,
                    waiting: depth.enter(),
                }));
            }
        }
        let mut outcomes = Vec::new();
        for reply in replies {
            outcomes.push(reply.await.unwrap_or(Err(PublishFailure::Crashed)));
        }
        let was_taken = outcomes.iter().any(Result::is_ok);
        match outcomes.into_iter().find(Result::is_err) {
            Some(Err(PublishFailure::Full(_))) if was_taken => Err(PublishFailure::Partly),
            Some(failure) => failure,
            None => Ok(()),
        }
    }

    /// Passes a hub's subscription on.
    #[expect(
        clippy::disallowed_methods,
        reason = "one for each channel a worker begins to hold"
    )]
    pub fn subscribe(&self, subscribe: Subscribe) {
        let publisher = self.publishers.get(self.index(&subscribe.channel));
        let _ = publisher.map(|(publisher, _)| publisher.do_send(subscribe));
    }

    /// Passes a hub's farewell on.
    #[expect(
        clippy::disallowed_methods,
        reason = "one for each subscription; losing it would leak"
    )]
    pub fn unsubscribe(&self, unsubscribe: Unsubscribe) {
        let publisher = self.publishers.get(self.index(&unsubscribe.channel));
        let _ = publisher.map(|(publisher, _)| publisher.do_send(unsubscribe));
    }

    /// Passes on that a channel's last id misleads.
    #[expect(
        clippy::disallowed_methods,
        reason = "at most one for each hold that begins"
    )]
    pub fn forget_last(&self, forget: ForgetLast) {
        let publisher = self.publishers.get(self.index(&forget.channel));
        let _ = publisher.map(|(publisher, _)| publisher.do_send(forget));
    }

    /// Passes other bounds on, for what comes from now on.
    #[expect(
        clippy::disallowed_methods,
        reason = "one for each reload; losing it would leave bounds that are not in force"
    )]
    pub fn set_options(&self, options: HandlerOptions) {
        self.all()
            .for_each(|publisher| publisher.do_send(SetOptions(options)));
    }

    /// Has every channel forget its last id; returns when all have.
    pub async fn recover(&self) {
        let told: Vec<_> = self
            .all()
            .map(|publisher| publisher.send(Recover).timeout(PATIENCE))
            .collect();
        for told in told {
            if told.await.is_err() {
                log::warn!("a publisher was not told of a recovery in time");
            }
        }
    }

    fn index(&self, name: &ChannelName) -> usize {
        match self.publishers.len() {
            0 | 1 => 0,
            n => (self.hash.hash_one(name) % n as u64) as usize,
        }
    }
}
