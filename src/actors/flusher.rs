//! A worker's standing tasks: one writes dirty outboxes in slices, one wakes sessions on time, and if
//! a rate is set one lets deliveries leave.

use std::{cell::RefCell, rc::Rc, time::Duration};

use tokio::sync::Notify;

use super::store::{HubStore, Release};

/// Rings when a worker's flusher or timer has something to do.
#[derive(Debug, Default)]
pub struct Bells {
    /// An outbox is dirty.
    pub flush: Notify,
    /// The earliest deadline changed.
    pub timer: Notify,
}

/// Sessions written to between two looks at the rest of the worker's work.
const FLUSH_SLICE: usize = 64;

/// Writes dirty outboxes, a slice at a time, for as long as the worker lives.
pub async fn flush(store: Rc<RefCell<HubStore>>, bells: Rc<Bells>) {
    loop {
        bells.flush.notified().await;
        while store.borrow_mut().flush_slice(FLUSH_SLICE) {
            tokio::task::yield_now().await;
        }
    }
}

/// Wakes sessions whose time has come, for as long as the worker lives.
pub async fn keep_time(store: Rc<RefCell<HubStore>>, bells: Rc<Bells>) {
    loop {
        let next = store.borrow().next_deadline();
        let changed = bells.timer.notified();
        match next {
            None => changed.await,
            Some(at) => {
                let _ = tokio::time::timeout_at(at.into(), changed).await;
            }
        }
        store
            .borrow_mut()
            .wake_due(actix::clock::Instant::now().into_std());
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
