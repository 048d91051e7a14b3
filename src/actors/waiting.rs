//! What is under way between actors: how many messages wait, and whether a publish is through.

use std::sync::{
    atomic::{AtomicUsize, Ordering},
    Arc, Mutex,
};

use tokio::sync::oneshot;

/// How many messages wait in a mailbox; shared by senders and receiver.
#[derive(Clone, Debug, Default)]
pub struct Depth(Arc<AtomicUsize>);

impl Depth {
    /// Counts one more, until the returned guard is dropped.
    pub fn enter(&self) -> Waiting {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waiting(self.0.clone())
    }

    /// Returns how many wait.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A message that counts as waiting; handled, lost or refused, its drop ends that.
#[derive(Debug)]
pub struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many bytes wait somewhere; shared by those who add and who look.
#[derive(Clone, Debug, Default)]
pub struct Bulk(Arc<AtomicUsize>);

impl Bulk {
    /// Counts so many more, until the returned guard is dropped.
    pub fn enter(&self, bytes: usize) -> WaitingBytes {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        WaitingBytes(self.0.clone(), bytes)
    }

    /// Returns how many wait.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bytes that count as waiting until this is dropped.
#[derive(Debug)]
pub struct WaitingBytes(Arc<AtomicUsize>, usize);

impl Drop for WaitingBytes {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// Tells a publisher when the items of a request are all queued, or that some never will be.
#[derive(Debug)]
pub struct Ticket {
    expected: usize,
    queued: AtomicUsize,
    reply: Mutex<Option<oneshot::Sender<bool>>>,
}

impl Ticket {
    /// Makes a ticket for this many items; the receiver hears once every share is dropped.
    pub fn new(expected: usize) -> (Arc<Self>, oneshot::Receiver<bool>) {
        let (reply, outcome) = oneshot::channel();
        let ticket = Self {
            expected,
            queued: AtomicUsize::new(0),
            reply: Some(reply).into(),
        };
        (Arc::new(ticket), outcome)
    }

    /// One item's deliveries are queued.
    pub fn item_queued(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let all_queued = self.queued.load(Ordering::Relaxed) == self.expected;
        let reply = self.reply.lock().ok().and_then(|mut reply| reply.take());
        let _ = reply.map(|reply| reply.send(all_queued));
    }
}
