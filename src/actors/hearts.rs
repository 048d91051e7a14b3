//! The heartbeats of a broker's threads: each counts its own, and whoever watches reads them all.
//!
//! A count costs its thread a timer, no message and no lock, so that it beats as long as the thread's
//! own work lets it, whatever waits in the mailboxes of its actors. What silence means is decided by
//! [`engine::wedges`](crate::engine::wedges).

use std::{
    future::Future,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        Arc, Mutex,
    },
    time::Duration,
};

use crate::engine::wedges::{Reading, Role};

/// The heart of one thread.
#[derive(Debug)]
struct Heart {
    thread: u64,
    role: Role,
    beats: AtomicU64,
    has_ended: AtomicBool,
}

/// The hearts of a broker's threads.
#[derive(Clone, Debug)]
pub struct Hearts {
    hearts: Arc<Mutex<Vec<Arc<Heart>>>>,
    next: Arc<AtomicU64>,
    every: Duration,
}

/// Notes the end of a thread.
struct Ends(Arc<Heart>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Relaxed);
    }
}

impl Hearts {
    /// Makes the hearts of a broker, which beat so often; zero: not at all.
    pub fn new(every: Duration) -> Self {
        Self {
            hearts: Arc::default(),
            next: Arc::default(),
            every,
        }
    }

    /// Enters a thread; returns its name, and what beats while it runs on it.
    pub fn enter(&self, role: Role) -> (u64, impl Future<Output = ()> + Send) {
        let thread = self.next.fetch_add(1, Relaxed);
        let heart = Arc::new(Heart {
            thread,
            role,
            beats: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
        });
        if let Ok(mut hearts) = self.hearts.lock() {
            hearts.push(heart.clone());
        }
        let (ends, every) = (Ends(heart), self.every);
        let beating = async move {
            while !every.is_zero() {
                ends.0.beats.fetch_add(1, Relaxed);
                actix::clock::sleep(every).await;
            }
        };
        (thread, beating)
    }

    /// Reads all of them; those that have ended are read once more and forgotten.
    pub fn read(&self) -> Vec<Reading> {
        let Ok(mut hearts) = self.hearts.lock() else {
            return Vec::new();
        };
        let read = |heart: &Arc<Heart>| Reading {
            thread: heart.thread,
            role: heart.role,
            beats: heart.beats.load(Relaxed),
            has_ended: heart.has_ended.load(Relaxed),
        };
        let readings: Vec<_> = hearts.iter().map(read).collect();
        hearts.retain(|heart| !heart.has_ended.load(Relaxed));
        readings
    }
}
