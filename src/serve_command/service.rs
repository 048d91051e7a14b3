//! What a service manager is told: datagrams to the socket that `NOTIFY_SOCKET` names, if any.
//!
//! Source: sd_notify(3); `docs/operations.md`, as a service.

use std::time::Duration;

use actix::clock::interval;
use sd_notify::NotifyState;
use tokio::task::JoinHandle;

/// The least time between two signs of life.
const PING_MIN: Duration = Duration::from_millis(1);

/// The variable that says which process is watched.
pub(super) const WATCHED: &str = "WATCHDOG_PID";

/// Gives signs of life from the thread that takes signals, until it is dropped.
pub(super) struct Watchdog(JoinHandle<()>);

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Says that P-8 serves, and gives signs of life from then on, if they are wanted.
#[must_use]
pub(super) fn ready() -> Option<Watchdog> {
    tell(&[NotifyState::Ready]);
    let within = watched_within()?;
    let mut pings = interval((within / 2).max(PING_MIN));
    let pinging = async move {
        loop {
            pings.tick().await;
            tell(&[NotifyState::Watchdog]);
        }
    };
    Some(Watchdog(actix_rt::spawn(pinging)))
}

/// Returns how long this process may give no sign of life; none: it is not watched.
pub(super) fn watched_within() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Says that the configuration is about to be read again.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => log::warn!(error:%; "there is no time to tell the service manager"),
    }
}

/// Tells the service manager something; without one, nothing happens.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!(error:%; "the service manager could not be told");
    }
}
