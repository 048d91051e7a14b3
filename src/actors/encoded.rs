//! An item with its wire forms: encoded once, shared by every session that gets it.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    engine::{session::Published, wire},
    grip::publish::{Item, StreamFormat},
};

/// An item with its wire forms, made once by its channel and shared by all sessions.
#[derive(Debug)]
pub struct Encoded {
    /// The item.
    pub item: Item,
    /// `http-stream` content as a chunk; empty if there is none.
    pub chunk: Bytes,
    /// `http-stream` content as it is.
    pub content: Bytes,
    /// The content is for sessions with filters only.
    pub is_for_filters: bool,
}

impl Encoded {
    /// Encodes an item.
    pub fn new(item: Item) -> Self {
        let (chunk, is_for_filters) = match &item.formats.stream {
            Some(StreamFormat::Send {
                content,
                content_filters,
            }) => {
                let wanted = content_filters.as_deref().unwrap_or_default();
                (wire::chunk(content), !wanted.is_empty())
            }
            _ => (Bytes::new(), false),
        };
        let content = wire::unframed(&chunk);
        Self {
            item,
            chunk,
            content,
            is_for_filters,
        }
    }
}

impl Encoded {
    /// Tells whether this is the stream content itself, not a copy of it.
    pub fn is_unedited(&self, content: &Bytes) -> bool {
        match &self.item.formats.stream {
            Some(StreamFormat::Send { content: own, .. }) => {
                own.as_ptr() == content.as_ptr() && own.len() == content.len()
            }
            _ => false,
        }
    }
}

impl Published for Arc<Encoded> {
    fn item(&self) -> &Item {
        &self.item
    }
}
