//! The only place where a test waits for something that no socket tells it, or keeps another waiting.

use std::sync::{mpsc, Mutex, PoisonError};
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

/// How a slow backend takes its time; nothing is waited for by it.
#[expect(
    clippy::disallowed_methods,
    reason = "time that passes is what such a test is about"
)]
pub fn slowness(time: Duration) {
    std::thread::sleep(time);
}

/// Shut until it is opened, which dropping it does too.
pub struct Gate(mpsc::Sender<()>);

impl Gate {
    /// Lets everybody pass, from now on.
    pub fn open(&self) {
        let _ = self.0.send(());
    }
}

/// A gate, and how others, such as a backend's script, wait until it is open.
pub fn gate() -> (Gate, impl Fn() + Send + Sync + 'static) {
    let (open, opened) = mpsc::channel();
    let shut = Mutex::new(Some(opened));
    let pass = move || {
        // The first one waits for the gate, the others for the first one.
        let mut shut = shut.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = shut.take() {
            let _ = opened.recv();
        }
    };
    (Gate(open), pass)
}
