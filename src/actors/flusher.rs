//! A worker's standing tasks: one writes dirty outboxes in slices, one wakes sessions on time, and if
//! a rate is set one lets deliveries leave.

use std::{cell::RefCell, rc::Rc, time::Duration};

use actix::Addr;
use tokio::sync::Notify;

use super::{
    hub::Hub,
    messages::EndLingering,
    store::{HubStore, Release},
    worker_report::Followers,
};

/// Rings when a worker's flusher or timer has something to do.
#[derive(Debug, Default)]
pub struct Bells {
    /// An outbox is dirty.
    pub flush: Notify,
    /// The earliest deadline changed.
    pub timer: Notify,
    /// Something was written.
    pub written: Notify,
}

/// Sessions written to between two looks at the rest of the worker's work.
const FLUSH_SLICE: usize = 64;

/// Writes dirty outboxes, a slice at a time, for as long as the worker lives.
pub async fn flush(store: Rc<RefCell<HubStore>>, bells: Rc<Bells>) {
    loop {
        bells.flush.notified().await;
        while store.borrow_mut().flush_slice(FLUSH_SLICE) {
            bells.written.notify_waiters();
            tokio::task::yield_now().await;
        }
        bells.written.notify_waiters();
    }
}

/// Wakes sessions whose time has come, for as long as the worker lives.
///
/// The hub is told when subscriptions have been kept long enough.
#[expect(
    clippy::disallowed_methods,
    reason = "one at a time; keep-alives do not wait for the hub"
)]
pub async fn keep_time(store: Rc<RefCell<HubStore>>, bells: Rc<Bells>, hub: Addr<Hub>) {
    loop {
        let next = store.borrow().next_deadline();
        let changed = bells.timer.notified();
        match next {
            None => changed.await,
            Some(at) => {
                let _ = tokio::time::timeout_at(at.into(), changed).await;
            }
        }
        let now = actix::clock::Instant::now().into_std();
        let has_lingered = store.borrow_mut().wake_due(now);
        if has_lingered {
            hub.do_send(EndLingering);
        }
    }
}

/// How long a report to followers waits, so that it holds what belongs together.
const GATHER: Duration = Duration::from_millis(2);

/// How often followers hear of requests when there is nothing else.
const ACTIVITY: Duration = Duration::from_millis(100);

/// Tells a worker's followers what has changed, for as long as the worker lives.
pub async fn report(worker: u64, store: Rc<RefCell<HubStore>>, bell: Rc<Notify>, to: Followers) {
    loop {
        let _ = tokio::time::timeout(ACTIVITY, bell.notified()).await;
        tokio::time::sleep(GATHER).await;
        let report = store.borrow_mut().take_report(worker);
        if !report.is_empty() {
            to.tell(report).await;
        }
    }
}

/// Lets deliveries leave as the rate allows, for as long as the worker lives; `bell` rings when one
/// has to wait.
pub async fn release(store: Rc<RefCell<HubStore>>, bells: Rc<Bells>, bell: Rc<Notify>) {
    loop {
        let waits_for = store.borrow_mut().release_slice();
        bells.flush.notify_one();
        match waits_for {
            Release::OtherWork => tokio::task::yield_now().await,
            Release::Batch(at) => tokio::time::sleep_until((at + jitter()).into()).await,
            Release::Delivery => bell.notified().await,
        }
    }
}

/// Lets no worker always be the first to ask for a batch.
fn jitter() -> Duration {
    Duration::from_millis(fastrand::u64(0..5))
}
