//! The handlers: every publisher of a broker, each with its share of the channels. A share can get
//! another publisher while everything runs.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        Arc, Mutex,
    },
    time::Duration,
};

use actix::prelude::*;
use arc_swap::ArcSwap;

use super::{
    handler_state::HandlerOptions,
    handler_thread::HandlerThread,
    looks::Listen,
    messages::{
        Announce, ForgetLast, Publish, PublishFailure, Recover, SetOptions, Subscribe, Unsubscribe,
    },
    publisher::Publisher,
    slip::Slip,
};
use crate::{
    grip::{channel::ChannelName, publish::Item},
    stats::counters::{Counters, Readings},
};

/// How long a recovery waits for a publisher or hub that is busy.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Every publisher of a broker; each name belongs to one of them.
#[derive(Clone)]
pub struct Handlers(Arc<Shares>);

struct Shares {
    threads: Vec<ArcSwap<HandlerThread>>,
    hash: RandomState,
    /// As of the last reload, for publishers that start later.
    options: Mutex<HandlerOptions>,
    /// Publishes that waited for a handler that was lost.
    lost_publishes: AtomicU64,
    past: Mutex<Past>,
}

/// What lost handlers have counted.
#[derive(Default)]
struct Past {
    of_ended: Readings,
    /// By thread; as many as have not ended.
    of_lost: Vec<(u64, Arc<Counters>)>,
}

impl Handlers {
    /// Binds the handlers of a broker, one for each share.
    pub fn new(threads: Vec<HandlerThread>, options: HandlerOptions) -> Self {
        let threads = threads.into_iter();
        Self(Arc::new(Shares {
            threads: threads.map(ArcSwap::from_pointee).collect(),
            hash: RandomState::new(),
            options: options.into(),
            lost_publishes: AtomicU64::new(0),
            past: Mutex::default(),
        }))
    }

    /// Returns every publisher's address.
    pub fn all(&self) -> Vec<Addr<Publisher>> {
        let threads = self.0.threads.iter();
        threads
            .map(|thread| thread.load().publisher.clone())
            .collect()
    }

    /// Returns the handler that has a share now.
    pub fn of_share(&self, share: usize) -> Option<Arc<HandlerThread>> {
        Some(self.0.threads.get(share)?.load_full())
    }

    /// Gives a share to another handler; returns the one that had it.
    pub fn replace(&self, fresh: Arc<HandlerThread>) -> Option<Arc<HandlerThread>> {
        let lost = self.0.threads.get(fresh.place.share)?.swap(fresh);
        if let Ok(mut past) = self.0.past.lock() {
            let counters = lost.view.counters.clone();
            past.of_lost.push((lost.thread, counters));
        }
        Some(lost)
    }

    /// A lost thread has ended: its counts are final.
    pub fn note_ended(&self, thread: u64) {
        let Ok(mut past) = self.0.past.lock() else {
            return;
        };
        let known = past.of_lost.iter();
        let at = known.into_iter().position(|(known, _)| *known == thread);
        if let Some((_, counters)) = at.map(|at| past.of_lost.swap_remove(at)) {
            past.of_ended.merge(&counters.read());
        }
    }

    /// Returns what lost handlers have counted.
    pub fn past(&self) -> Readings {
        let Ok(past) = self.0.past.lock() else {
            return Readings::default();
        };
        let mut readings = past.of_ended.clone();
        let lost = past.of_lost.iter();
        lost.for_each(|(_, counters)| readings.merge(&counters.read()));
        readings.forget_gauges();
        readings
    }

    /// Returns how many publishes waited for a handler that was lost.
    pub fn lost_publishes(&self) -> u64 {
        self.0.lost_publishes.load(Relaxed)
    }

    /// Ends every handler's thread.
    pub fn stop(&self) {
        self.0
            .threads
            .iter()
            .for_each(|thread| thread.load().stop());
    }

    /// Publishes the items of one request; returns when the last delivery is queued.
    ///
    /// `slips` has one for each item if receipts are wanted, else none.
    pub async fn publish(&self, items: Vec<Item>, slips: Vec<Slip>) -> Result<(), PublishFailure> {
        let threads = &self.0.threads;
        let mut shares = Vec::new();
        shares.resize_with(threads.len(), || (Vec::new(), Vec::new()));
        let mut slips = slips.into_iter();
        for item in items {
            let slip = slips.next();
            if let Some((items, slips)) = shares.get_mut(self.index(&item.channel)) {
                items.push(item);
                slips.extend(slip);
            }
        }
        let mut replies = Vec::new();
        for (thread, (items, slips)) in threads.iter().zip(shares) {
            if !items.is_empty() {
                let thread = thread.load_full();
                let waiting = thread.waiting.enter();
                let reply = thread.publisher.send(Publish {
                    items,
                    slips,
                    waiting,
                });
                replies.push((thread, reply));
            }
        }
        let mut outcomes = Vec::new();
        for (thread, reply) in replies {
            outcomes.push(thread.answer(reply).await);
        }
        let lost = PublishFailure::HandlerLost;
        if outcomes.contains(&Err(lost)) {
            self.0.lost_publishes.fetch_add(1, Relaxed);
            return Err(lost);
        }
        let was_taken = outcomes.iter().any(Result::is_ok);
        match outcomes.into_iter().find(Result::is_err) {
            Some(Err(failure)) if was_taken && failure.is_for_now() => Err(PublishFailure::Partly),
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
        let thread = self.of(&subscribe.channel);
        let _ = thread.map(|thread| thread.load().publisher.do_send(subscribe));
    }

    /// Passes a hub's farewell on.
    #[expect(
        clippy::disallowed_methods,
        reason = "one for each subscription; losing it would leak"
    )]
    pub fn unsubscribe(&self, unsubscribe: Unsubscribe) {
        let thread = self.of(&unsubscribe.channel);
        let _ = thread.map(|thread| thread.load().publisher.do_send(unsubscribe));
    }

    /// Has the items of a channel told; returns when they are, or its publisher is too busy.
    pub async fn listen(&self, listen: Listen) {
        let thread = self.of(&listen.channel).map(|thread| thread.load_full());
        let Some(thread) = thread else { return };
        let told = thread.publisher.send(listen).timeout(PATIENCE).await;
        if told.is_err() {
            log::warn!("a publisher did not begin to tell an operator of items in time");
        }
    }

    /// Passes on that a channel's last id misleads.
    #[expect(
        clippy::disallowed_methods,
        reason = "at most one for each hold that begins"
    )]
    pub fn forget_last(&self, forget: ForgetLast) {
        let thread = self.of(&forget.channel);
        let _ = thread.map(|thread| thread.load().publisher.do_send(forget));
    }

    /// Passes other bounds on, for what comes from now on.
    #[expect(
        clippy::disallowed_methods,
        reason = "one for each reload; losing it would leave bounds that are not in force"
    )]
    pub fn set_options(&self, options: HandlerOptions) {
        if let Ok(mut known) = self.0.options.lock() {
            *known = options;
        }
        let publishers = self.all().into_iter();
        publishers.for_each(|publisher| publisher.do_send(SetOptions(options)));
    }

    /// Returns the bounds that are in force.
    pub fn options(&self) -> HandlerOptions {
        let options = self.0.options.lock();
        options.map_or_else(|_| HandlerOptions::default(), |options| *options)
    }

    /// Passes on what a hub announces to the handler that has a share now.
    #[expect(
        clippy::disallowed_methods,
        reason = "a few for each worker and replaced handler; losing one would lose subscriptions"
    )]
    pub fn announce(&self, share: usize, announce: Announce) {
        let thread = self.0.threads.get(share);
        let _ = thread.map(|thread| thread.load().publisher.do_send(announce));
    }

    /// Tells whether a channel belongs to a share.
    pub fn is_of(&self, share: usize, name: &ChannelName) -> bool {
        self.index(name) == share
    }

    /// Has every channel forget its last id; returns when all have.
    pub async fn recover(&self) {
        let told: Vec<_> = self
            .all()
            .into_iter()
            .map(|publisher| publisher.send(Recover).timeout(PATIENCE))
            .collect();
        for told in told {
            if told.await.is_err() {
                log::warn!("a publisher was not told of a recovery in time");
            }
        }
    }

    fn of(&self, name: &ChannelName) -> Option<&ArcSwap<HandlerThread>> {
        self.0.threads.get(self.index(name))
    }

    fn index(&self, name: &ChannelName) -> usize {
        match self.0.threads.len() {
            0 | 1 => 0,
            n => (self.0.hash.hash_one(name) % n as u64) as usize,
        }
    }
}
