//! A task of a session's own: it ends with its session.

use std::future::Future;

use actix_rt::task::JoinHandle;

/// A task; dropping it ends it.
pub struct Task(JoinHandle<()>);

impl Task {
    /// Starts the work.
    pub fn spawn(work: impl Future<Output = ()> + 'static) -> Option<Self> {
        Some(Self(actix_rt::spawn(work)))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
