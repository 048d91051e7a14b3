//! What waits to be written to one connection: bounded in messages and in bytes.

use std::sync::{
    atomic::{AtomicUsize, Ordering},
    Arc,
};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

/// Messages that may wait for one connection.
const MESSAGES_MAX: usize = 10_000;

/// Bytes that may wait for one connection, beyond one message.
const BYTES_MAX: usize = 16_777_216;

/// Messages written at once, as far as they fit.
const BATCH: usize = 64;

/// Bytes up to which messages are written at once.
const BATCH_BYTES: usize = 65_536;

/// There is no room, or the connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The end that is put into.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    messages: mpsc::Sender<Bytes>,
    bytes: Arc<AtomicUsize>,
}

/// The same, which does not keep the connection.
#[derive(Clone, Debug)]
pub(super) struct WeakQueue {
    messages: mpsc::WeakSender<Bytes>,
    bytes: Arc<AtomicUsize>,
}

/// The end that is written from.
#[derive(Debug)]
pub(super) struct Queued {
    messages: mpsc::Receiver<Bytes>,
    bytes: Arc<AtomicUsize>,
    batch: Vec<Bytes>,
}

/// Makes an empty queue.
pub(super) fn queue() -> (Queue, Queued) {
    let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
    let bytes = Arc::<AtomicUsize>::default();
    let queue = Queue {
        messages: sender,
        bytes: bytes.clone(),
    };
    let queued = Queued {
        messages: receiver,
        bytes,
        batch: Vec::new(),
    };
    (queue, queued)
}

impl Queue {
    /// Puts a message behind the others.
    ///
    /// **Errors**: there is no room, or nobody writes any more.
    pub(super) fn push(&self, message: Bytes) -> Result<(), Full> {
        let length = message.len();
        if self.bytes.load(Ordering::Relaxed) > BYTES_MAX {
            return Err(Full);
        }
        // Counted first: it may be written before this returns.
        self.bytes.fetch_add(length, Ordering::Relaxed);
        self.messages.try_send(message).map_err(|_| {
            self.bytes.fetch_sub(length, Ordering::Relaxed);
            Full
        })
    }

    /// Returns an end that does not keep the connection.
    pub(super) fn weak(&self) -> WeakQueue {
        WeakQueue {
            messages: self.messages.downgrade(),
            bytes: self.bytes.clone(),
        }
    }
}

impl WeakQueue {
    /// Returns the queue, if somebody still has it.
    pub(super) fn upgrade(&self) -> Option<Queue> {
        Some(Queue {
            messages: self.messages.upgrade()?,
            bytes: self.bytes.clone(),
        })
    }
}

impl Queued {
    /// Waits for bytes to write: a message, or several small ones; none once nobody can put any.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        if self.batch.is_empty() {
            let received = self.messages.recv_many(&mut self.batch, BATCH).await;
            if received == 0 {
                return None;
            }
        }
        let mut length = 0;
        let fits = |message: &&Bytes| {
            length += message.len();
            length <= BATCH_BYTES
        };
        let count = self.batch.iter().take_while(fits).count().max(1);
        let mut taken = self.batch.drain(..count);
        let bytes = match (count, taken.next()) {
            (1, Some(only)) => only,
            (_, first) => {
                let mut joined = BytesMut::from(first.unwrap_or_default());
                taken.for_each(|message| joined.extend_from_slice(&message));
                joined.freeze()
            }
        };
        self.bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn messages_are_written_in_order_and_small_ones_together() {
        let (queue, mut queued) = queue();
        for message in ["a", "bc", "d"] {
            queue.push(Bytes::from(message)).unwrap();
        }
        queue.push(Bytes::from(vec![0; BATCH_BYTES])).unwrap();
        assert_eq!(queued.next().await.unwrap(), "abcd");
        assert_eq!(queued.next().await.unwrap().len(), BATCH_BYTES);
        let pongs = queue.weak();
        assert!(pongs.upgrade().is_some());
        drop(queue);
        assert!(pongs.upgrade().is_none());
        assert_eq!(queued.next().await, None);
    }

    #[actix_rt::test]
    async fn messages_and_bytes_are_bounded() {
        let (queue, mut queued) = queue();
        let (mut sent, message) = (0, Bytes::from_static(b"x"));
        while queue.push(message.clone()).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, MESSAGES_MAX);
        while sent > 0 {
            sent -= queued.next().await.unwrap().len();
        }
        let large = Bytes::from(vec![0; 1_000_000]);
        while queue.push(large.clone()).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, BYTES_MAX / large.len() + 1);
        assert_eq!(queued.next().await.unwrap().len(), large.len());
        assert_eq!(queue.push(large), Ok(()));
    }
}
