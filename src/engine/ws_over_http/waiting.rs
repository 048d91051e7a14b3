//! The messages of a client that its backend has not accepted: those it was offered before at the
//! front, then the new ones.
//!
//! Sends nothing. An accepted part is cut off; what remains of a message keeps its kind.

use std::{collections::VecDeque, ops::Deref};

use bytes::{Buf, Bytes};

use crate::grip::publish::WsKind;
use crate::grip::ws::events::Event;

/// What a message costs beside its content, so that empty ones are bounded too.
const MESSAGE_BYTES: usize = 64;

/// The messages of one session; without any it owns no memory.
#[derive(Debug, Default)]
pub(super) struct Waiting(Option<Box<Queue>>);

static EMPTY: Queue = Queue {
    messages: VecDeque::new(),
    bytes: 0,
    offered: 0,
};

impl Deref for Waiting {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        self.0.as_deref().unwrap_or(&EMPTY)
    }
}

impl Waiting {
    pub(super) fn push(&mut self, kind: WsKind, content: Bytes) {
        self.0.get_or_insert_default().push(kind, content);
    }

    /// Keeps only the first `len` messages.
    pub(super) fn truncate(&mut self, len: usize) {
        self.change(|queue| queue.truncate(len));
    }

    /// The first `count` messages were offered, and so many of their bytes accepted. What has no
    /// bytes left is accepted with what precedes it.
    pub(super) fn accept(&mut self, count: usize, accepted: u64) {
        self.change(|queue| queue.accept(count, accepted));
    }

    fn change(&mut self, change: impl FnOnce(&mut Queue)) {
        let _ = self.0.as_deref_mut().map(change);
        self.0.take_if(|queue| queue.messages.is_empty());
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: VecDeque<(WsKind, Bytes)>,
    bytes: usize,
    /// How many at the front were offered before.
    offered: u32,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Gives the bytes of all contents, and 64 for each message.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Tells whether there is a message that was never offered.
    pub(super) fn has_new(&self) -> bool {
        self.len() > self.offered as usize
    }

    fn push(&mut self, kind: WsKind, content: Bytes) {
        self.bytes += cost(&content);
        self.messages.push_back((kind, content));
    }

    fn truncate(&mut self, len: usize) {
        let dropped = self.messages.iter().skip(len);
        self.bytes -= dropped.map(|(_, content)| cost(content)).sum::<usize>();
        self.messages.truncate(len);
        self.set_offered(self.offered as usize);
    }

    /// Gives the first messages as events.
    pub(super) fn events(&self, count: usize) -> Vec<Event> {
        let first = self.messages.iter().take(count);
        first
            .map(|(kind, content)| Event::new((*kind).into(), content.clone()))
            .collect()
    }

    /// Counts the content bytes of the first messages.
    pub(super) fn content_bytes(&self, count: usize) -> u64 {
        let first = self.messages.iter().take(count);
        first.map(|(_, content)| content.len() as u64).sum()
    }

    /// Counts those among them that were offered before.
    pub(super) fn replayed_bytes(&self, count: usize) -> u64 {
        self.content_bytes(count.min(self.offered as usize))
    }

    fn accept(&mut self, count: usize, mut accepted: u64) {
        let mut left = count;
        while let Some((_, content)) = self.messages.front_mut().filter(|_| left > 0) {
            let len = content.len() as u64;
            if accepted < len {
                // Less than a length in memory.
                let part = accepted as usize;
                content.advance(part);
                self.bytes -= part;
                break;
            }
            accepted -= len;
            self.bytes -= cost(content);
            self.messages.pop_front();
            left -= 1;
        }
        self.set_offered(left);
    }

    fn set_offered(&mut self, count: usize) {
        // The bound of a queue is far below 32 bits.
        self.offered = u32::try_from(count.min(self.len())).unwrap_or(u32::MAX);
    }

    pub(super) fn check_invariants(&self) {
        debug_assert!(self.offered as usize <= self.len());
        let sum = || self.messages.iter().map(|(_, content)| cost(content));
        debug_assert!(self.len() > 64 || self.bytes == sum().sum::<usize>());
    }
}

fn cost(content: &Bytes) -> usize {
    content.len() + MESSAGE_BYTES
}
