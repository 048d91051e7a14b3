//! The only place where a test waits for something that no socket tells it.

use std::time::{Duration, Instant};

/// How long a test waits for anything before it fails.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Waits until `cond` holds; fails the test, naming `what`, when `deadline` has passed.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "the one wait of all tests: it polls what it waits for"
)]
pub fn wait_until(deadline: Duration, what: &str, mut cond: impl FnMut() -> bool) {
    let started = Instant::now();
    while !cond() {
        assert!(
            started.elapsed() < deadline,
            "waited {deadline:?} for {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
