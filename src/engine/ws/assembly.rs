//! Joins the parts of a message, for those who need it whole.
//!
//! It bounds nothing: the decoder's `message_max` does.

use bytes::Bytes;

use super::{MessageKind, Part};

/// The message under way; between messages it keeps nothing on the heap.
#[derive(Debug, Default)]
pub struct Assembly {
    pub(super) joined: Vec<u8>,
}

impl Assembly {
    /// Takes in the next part; returns the message that it ends. A message of one part is not copied.
    pub fn on_part(&mut self, part: Part) -> Option<(MessageKind, Bytes)> {
        if part.is_first {
            self.joined.clear();
            if part.is_last {
                return Some((part.kind, part.content));
            }
        }
        self.joined.extend_from_slice(&part.content);
        if !part.is_last {
            return None;
        }
        let joined = std::mem::take(&mut self.joined).into_boxed_slice();
        Some((part.kind, Bytes::from(joined)))
    }
}
