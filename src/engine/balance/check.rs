//! What a target's own health page says of it: written by whoever asks it, read by every choice.
//!
//! It asks nothing itself, see `http/health.rs`. A target that was never asked counts as healthy.

use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

/// Names what the last check of a target said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckState {
    /// None has ended yet.
    Unknown,
    /// The page was answered with 2xx or 3xx.
    Healthy,
    /// It was not.
    Unhealthy,
}

impl CheckState {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// Describes the check of one target, and holds what came of it.
#[derive(Debug)]
pub struct Check {
    /// The page's path and query.
    pub path: String,
    /// How long after a check the next one begins.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    state: AtomicU8,
}

/// Checks are the same if they ask the same; what came of them plays no part.
impl PartialEq for Check {
    fn eq(&self, other: &Check) -> bool {
        let of = |check: &Check| (check.interval, check.timeout);
        self.path == other.path && of(self) == of(other)
    }
}

impl Check {
    /// Describes a check of a page.
    pub fn new(path: &str, interval: Duration, timeout: Duration) -> Self {
        Self {
            path: path.to_owned(),
            interval,
            timeout,
            state: AtomicU8::new(0),
        }
    }

    /// Returns what the last check said.
    pub fn state(&self) -> CheckState {
        match self.state.load(Ordering::Relaxed) {
            0 => CheckState::Unknown,
            1 => CheckState::Healthy,
            _ => CheckState::Unhealthy,
        }
    }

    /// Notes what a check said.
    pub fn set(&self, state: CheckState) {
        let written = match state {
            CheckState::Unknown => 0,
            CheckState::Healthy => 1,
            CheckState::Unhealthy => 2,
        };
        self.state.store(written, Ordering::Relaxed);
    }

    /// Tells whether an answer's status is that of a healthy target.
    pub fn is_passed_by(status: u16) -> bool {
        (200..400).contains(&status)
    }
}
