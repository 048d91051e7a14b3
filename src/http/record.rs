//! The request that a connection's client has sent last, as received: it may have to be asked again.

use bytes::{Bytes, BytesMut};

/// Longest request body, as received, that is kept so that the request can be asked again.
const RECORD_MAX: usize = 100_000;

/// The current request as received; nothing if it is too large to keep.
#[derive(Default)]
pub struct Record {
    head: Bytes,
    body: BytesMut,
}

impl Record {
    /// Begins with a head.
    pub fn begin(&mut self, head: Bytes) {
        self.head = head;
        self.body.clear();
    }

    /// Adds some of its body.
    pub fn add(&mut self, bytes: &[u8]) {
        if self.head.is_empty() {
            return;
        }
        if self.body.len() + bytes.len() > RECORD_MAX {
            *self = Self::default();
            return;
        }
        self.body.extend_from_slice(bytes);
    }

    /// Copies the record into a buffer of its own size, for it may be kept long.
    pub fn keep(&self) -> Box<[u8]> {
        [&self.head[..], &self.body[..]].concat().into()
    }
}
