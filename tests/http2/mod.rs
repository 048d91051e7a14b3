//! HTTP/2 towards clients: requests as HTTP/1.1 ones, holds on streams, and what a connection may not do.
//!
//! Source: RFC 9113, RFC 8441, `docs/architecture.md`.

mod holds;
mod hostile;
mod limits;
mod programs;
mod proxying;
mod slow_senders;
mod sockjs;
mod web_sockets;

use std::time::Duration;

use crate::support::wait::DEADLINE;
use crate::support::{wait_until, P8};

/// "At once" on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Nothing of a session is left, long before a timeout could have ended it.
#[track_caller]
fn wait_until_gone(p8: &P8, what: &str) {
    wait_until(AT_ONCE, what, || {
        let snapshot = p8.snapshot();
        snapshot.subscribers("a") == 0 && snapshot.total("sessions_current") == 0
    });
}

/// As many streams are open.
#[track_caller]
fn wait_for_streams(p8: &P8, count: u64) {
    wait_until(DEADLINE, &format!("{count} open streams"), || {
        p8.snapshot().total("http2_streams_current") == count
    });
}
