//! A handler's thread: its publisher, and what others may see of it and tell it from outside, even if
//! it never turns again.

use std::future::Future;

use actix::prelude::*;
use actix_rt::{Arbiter, ArbiterHandle};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    crash_records::CrashRecords,
    handler_state::{HandlerOptions, HandlerView},
    hearts::Hearts,
    messages::{Depth, PublishFailure},
    publisher::{Place, Publisher},
};
use crate::engine::wedges::Role;

/// Why a thread could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// The operating system has none, or no files for it.
    #[error("cannot start a thread: {0}")]
    Start(#[from] std::io::Error),
    /// It ended at once.
    #[error("a handler thread ended before it had started")]
    Ended,
}

/// One handler.
pub struct HandlerThread {
    /// Its publisher.
    pub publisher: Addr<Publisher>,
    /// Publishes that wait for it.
    pub waiting: Depth,
    /// What can be seen of it.
    pub view: HandlerView,
    /// Its name among the broker's threads.
    pub thread: u64,
    /// Its place among the broker's handlers.
    pub place: Place,
    arbiter: ArbiterHandle,
    lost: CancellationToken,
}

impl HandlerThread {
    /// Starts a thread with its publisher.
    pub async fn start(
        options: HandlerOptions,
        crashes: CrashRecords,
        hearts: &Hearts,
        place: Place,
    ) -> Result<Self, ThreadError> {
        let arbiter = Arbiter::try_new()?;
        let view = HandlerView {
            lost_items: crashes.lost_items.clone(),
            ..HandlerView::default()
        };
        let seen = view.clone();
        let (publisher, waiting) = started_on(&arbiter, move || {
            let crashes = (crashes.publisher, crashes.channel);
            Publisher::start(options, crashes, seen, place)
        })
        .await?;
        let (thread, beating) = hearts.enter(Role::Handler(place.share));
        arbiter.spawn(beating);
        Ok(Self {
            publisher,
            waiting,
            view,
            thread,
            place,
            arbiter: arbiter.handle(),
            lost: CancellationToken::new(),
        })
    }

    /// Another one has its channels: whoever waits for it is told, and it ends if it ever turns again.
    pub fn give_up(&self) {
        self.lost.cancel();
        self.stop();
    }

    /// Ends it; one that has ended needs no telling.
    pub fn stop(&self) {
        let _ = self.arbiter.stop();
    }

    /// Waits for its answer to a publish, as long as it is not lost.
    pub async fn answer(
        &self,
        reply: impl Future<Output = Result<Result<(), PublishFailure>, MailboxError>>,
    ) -> Result<(), PublishFailure> {
        let answer = tokio::select! {
            biased;
            () = self.lost.cancelled() => return Err(PublishFailure::HandlerLost),
            answer = reply => answer,
        };
        // Workers may not have listened to it any more.
        if self.lost.is_cancelled() {
            return Err(PublishFailure::HandlerLost);
        }
        answer.unwrap_or(Err(PublishFailure::Crashed))
    }
}

/// Runs `start` on an arbiter and returns what it made.
pub async fn started_on<T: Send + 'static>(
    arbiter: &Arbiter,
    start: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ThreadError> {
    let (made, result) = oneshot::channel();
    arbiter.spawn_fn(move || drop(made.send(start())));
    result.await.map_err(|_| ThreadError::Ended)
}
