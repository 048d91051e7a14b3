//! How many sessions of one worker are on a channel, and what they lost: counted by its hub alone, read by
//! the channel when somebody asks.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::stats::receipt::Transport;

/// One worker's part of a channel.
#[derive(Debug, Default)]
pub struct Tally {
    sessions: [AtomicU32; 3],
    dropped: AtomicU64,
}

impl Tally {
    /// A session is subscribed from now on.
    pub fn enter(&self, transport: Transport) {
        if let Some(count) = self.sessions.get(transport as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A session is not any more.
    pub fn leave(&self, transport: Transport) {
        if let Some(count) = self.sessions.get(transport as usize) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Sessions lost items.
    pub fn drop_items(&self, items: u64) {
        self.dropped.fetch_add(items, Ordering::Relaxed);
    }

    /// Returns the sessions: long-polls, streams, WebSockets.
    pub fn sessions(&self) -> [u64; 3] {
        [0, 1, 2].map(|index| {
            let count = self.sessions.get(index);
            count.map_or(0, |count| u64::from(count.load(Ordering::Relaxed)))
        })
    }

    /// Returns how many items sessions lost.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
