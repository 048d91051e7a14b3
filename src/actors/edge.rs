//! One broker's part on one worker thread: its hub, its tables, and how sessions reach them.
//!
//! Created on the first use of a broker on a thread; nothing here crosses threads.

use std::{cell::RefCell, future::Future, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use bytes::Bytes;
use uuid::Uuid;

use super::{
    connection_ids::NamedConnection,
    crash_records::CrashRecords,
    delivery_rate::SharedRate,
    fetch_error::FetchError,
    flusher::{self, Bells},
    handlers::Handlers,
    hub::Hub,
    messages::{ChangeChannels, Join, SessionEvent, Subscribed, Waiting},
    occupancy::Occupancies,
    store::{HubStore, SharedHubOptions},
    supervisor::{supervise_timed, Busy},
    targets::Targets,
    worker_report::Followers,
};
use crate::{
    engine::{fan_out::SessionKey, log_tally::LogTally, plan::Wanted},
    grip::channel::ChannelName,
    stats::counters::{Counters, Refused, Total},
};

mod membership;

pub use membership::Membership;

/// A broker on one worker thread.
pub struct Edge {
    hub: Addr<Hub>,
    store: Rc<RefCell<HubStore>>,
    bells: Rc<Bells>,
    counters: Rc<Counters>,
    targets: Rc<Targets>,
    crashes: CrashRecords,
    turned_away: RefCell<LogTally>,
    refused_busy: RefCell<LogTally>,
    tasks: Vec<actix_rt::task::JoinHandle<()>>,
}

/// Longest wait for channels to acknowledge a subscription.
const ACKNOWLEDGE_MAX: Duration = Duration::from_secs(5);

/// Why a session could not be subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The worker's hub is crashing over and over.
    #[error("the worker's hub does not answer")]
    HubUnavailable,
    /// A channel did not acknowledge.
    #[error("a channel did not acknowledge the subscription")]
    ChannelUnavailable,
}

impl Edge {
    /// Starts the hub, flusher and timer of a broker on this thread, and what keeps the rate.
    pub fn start(
        id: u64,
        (handlers, crashes): (Handlers, CrashRecords),
        (options, rate): (SharedHubOptions, Arc<SharedRate>),
        (followers, occupancies): (Followers, Occupancies),
        beating: impl Future<Output = ()> + 'static,
    ) -> Rc<Self> {
        let counters = Rc::new(Counters::default());
        let targets = Targets::new(counters.clone(), occupancies);
        let store = HubStore::new(options, counters.clone(), rate);
        let store = Rc::new(RefCell::new(store));
        let bells = Rc::new(Bells::default());
        let busy_hub = counters.clone();
        let busy: Busy = Rc::new(move |ns| busy_hub.add(Total::HubBusy, ns));
        let hub = supervise_timed(crashes.hub.clone(), Some(busy), |context| {
            Hub::new(
                id,
                context,
                (store.clone(), bells.clone(), targets.clone()),
                (handlers, crashes.lost_items.clone()),
            )
        });
        let rate_bell = store.borrow().rate_bell();
        let releasing = flusher::release(store.clone(), bells.clone(), rate_bell);
        let mut tasks = vec![
            actix_rt::spawn(beating),
            actix_rt::spawn(flusher::flush(store.clone(), bells.clone())),
            actix_rt::spawn(flusher::keep_time(
                store.clone(),
                bells.clone(),
                hub.clone(),
            )),
            actix_rt::spawn(releasing),
        ];
        let watch_bell = store.borrow().watch_bell();
        if let Some(bell) = watch_bell {
            let reporting = flusher::report(id, store.clone(), bell, followers);
            tasks.push(actix_rt::spawn(reporting));
        }
        Rc::new(Self {
            hub,
            store,
            bells,
            counters,
            targets,
            crashes,
            turned_away: RefCell::default(),
            refused_busy: RefCell::default(),
            tasks,
        })
    }

    /// Returns this thread's counters.
    pub fn counters(&self) -> &Rc<Counters> {
        &self.counters
    }

    /// Counts a client that is not let in because there are too many; the log gets a line a second at most.
    pub fn turn_away(&self, reason: Refused, limit: u64) {
        self.counters.refuse(reason, 1);
        let now_ms = self.store.borrow().now_ms();
        if let Some(refused) = self.turned_away.borrow_mut().add(1, now_ms) {
            log::warn!(reason:?, refused, limit; "too many clients: refused");
        }
    }

    /// Counts a request that is not passed on, for its targets have enough to do; the log hears of them
    /// once a second at most, with an example.
    pub fn refuse_busy(&self, error: &FetchError) {
        self.counters.refuse(Refused::TargetBusy, 1);
        let now_ms = self.store.borrow().now_ms();
        if let Some(refused) = self.refused_busy.borrow_mut().add(1, now_ms) {
            log::warn!(refused, reason = error.code(), error:%; "backends are busy: requests refused");
        }
    }

    /// Returns what this thread knows of the targets it asks.
    pub fn targets(&self) -> &Rc<Targets> {
        &self.targets
    }

    /// Counts a client connection that has begun.
    pub fn note_connection(&self) {
        self.counters.note_connection(self.store.borrow().now_ms());
    }

    /// Counts one that has ended.
    pub fn note_connection_ended(&self) {
        let now_ms = self.store.borrow().now_ms();
        self.counters.note_connection_ended(now_ms);
    }

    /// Returns the hub's address.
    pub fn hub(&self) -> &Addr<Hub> {
        &self.hub
    }

    /// Counts a session among those that take compressed messages, until the returned guard is dropped.
    pub fn enter_deflating(&self) -> Waiting {
        self.store.borrow().deflating.enter()
    }

    /// Lets a WebSocket be found by the id that its backend knows, until the guard is dropped; none if
    /// nobody may ask.
    pub fn name_connection(&self, id: Uuid, place: (SessionKey, u64)) -> Option<NamedConnection> {
        self.store.borrow().connection_ids.enter(id, place)
    }

    /// Returns the name of a channel as the worker's tables have it, to be kept in place of an equal one.
    pub fn known_name(&self, name: &ChannelName) -> Option<ChannelName> {
        self.store.borrow().known_name(name)
    }

    /// Returns the broker's crash records.
    pub fn crashes(&self) -> &CrashRecords {
        &self.crashes
    }

    /// Subscribes a session; returns when every channel has acknowledged, with the channels whose last
    /// item is another than the backend knows.
    ///
    /// Dropping the future, or the membership, unsubscribes.
    pub async fn join(
        self: &Rc<Self>,
        join: Join,
    ) -> Result<(Membership, Vec<ChannelName>), JoinError> {
        let joined = self
            .hub
            .send(join)
            .await
            .map_err(|_| JoinError::HubUnavailable)?;
        let membership = Membership {
            edge: self.clone(),
            key: joined.leaving.take_over(),
            hold: joined.hold,
        };
        let conflicts = acknowledged(joined.subscribed).await?;
        Ok((membership, conflicts))
    }

    /// Changes what a session listens to, and whether it looks at each item itself from now on; returns
    /// as [`Edge::join`] does.
    pub async fn change_channels(
        &self,
        (key, hold): (SessionKey, u64),
        is_attentive: bool,
        channels: Vec<Wanted>,
    ) -> Result<Vec<ChannelName>, JoinError> {
        let change = ChangeChannels {
            key,
            hold,
            is_attentive,
            channels,
        };
        let subscribed = self.hub.send(change).await;
        acknowledged(subscribed.map_err(|_| JoinError::HubUnavailable)?).await
    }

    /// Appends a part of a session's stream that no item brought.
    pub fn append_body(&self, key: SessionKey, content: Bytes) {
        self.store.borrow_mut().append_body(key, content);
        self.bells.flush.notify_one();
    }

    /// Waits until fewer than so many bytes wait to be written to a session.
    pub async fn written_below(&self, key: SessionKey, bytes: usize) {
        loop {
            let written = self.bells.written.notified();
            if self.store.borrow().queued_bytes(key) < bytes {
                return;
            }
            written.await;
        }
    }

    /// Waits until fewer than so many bytes that belong to no item wait to be written to a session.
    pub async fn own_written_below(&self, key: SessionKey, bytes: usize) {
        loop {
            let written = self.bells.written.notified();
            if self.store.borrow().own_bytes(key) < bytes {
                return;
            }
            written.await;
        }
    }

    /// Tells whether the server is stopping.
    pub fn is_draining(&self) -> bool {
        self.store.borrow().is_draining()
    }

    /// Tells a session something about a hold, if it still has it.
    pub fn tell(&self, (key, hold): (SessionKey, u64), event: SessionEvent) {
        self.store.borrow().tell_hold(key, hold, event);
    }
}

/// Waits for channels to acknowledge.
async fn acknowledged(subscribed: Subscribed) -> Result<Vec<ChannelName>, JoinError> {
    let mut conflicts = subscribed.conflicts;
    if let Some(ready) = subscribed.ready {
        let ready = actix::clock::timeout(ACKNOWLEDGE_MAX, ready).await;
        let later = ready.map_err(|_| JoinError::ChannelUnavailable)?;
        conflicts.extend(later.map_err(|_| JoinError::ChannelUnavailable)?);
    }
    Ok(conflicts)
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.tasks.iter().for_each(|task| task.abort());
    }
}
