//! Joins the parts of a message, for those who need it whole.
//!
//! It bounds nothing: the decoder's `message_max` does.

use bytes::Bytes;

use super::{MessageKind, Part};

/// The message under way; between messages it keeps nothing on the heap.
#[derive(Debug, Default)]
pub struct Assembly {
    /// Boxed, for most sessions never have any.
    #[expect(clippy::box_collection, reason = "a session without one is smaller")]
    pub(super) joined: Option<Box<Vec<u8>>>,
}

impl Assembly {
    /// Takes in the next part; returns the message that it ends. A message of one part is not copied.
    pub fn on_part(&mut self, part: Part) -> Option<(MessageKind, Bytes)> {
        if part.is_first {
            self.joined = None;
            if part.is_last {
                return Some((part.kind, part.content));
            }
        }
        let joined = self.joined.get_or_insert_default();
        joined.extend_from_slice(&part.content);
        if !part.is_last {
            return None;
        }
        let joined = std::mem::take(&mut **joined).into_boxed_slice();
        self.joined = None;
        Some((part.kind, Bytes::from(joined)))
    }
}
