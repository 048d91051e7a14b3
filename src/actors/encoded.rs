//! An item with its wire forms: encoded once, shared by every session that gets it.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use super::slip::Slip;
use crate::{
    engine::{
        session::Published,
        wire,
        ws::{self, Deflater, MessageKind, Opcode},
    },
    grip::publish::{Item, StreamFormat, WsFormat, WsKind},
    stats::receipt::Sheet,
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
    /// `ws-message` content as a frame; empty if there is none.
    pub frame: Bytes,
    /// The same, compressed; empty if nobody takes that, or it would not be smaller.
    pub deflated: Bytes,
    /// The content is for sessions with filters only.
    pub is_for_filters: bool,
    /// When it was sent out.
    pub since: Instant,
    /// Where to note what becomes of it, if its publisher asked for a receipt.
    pub slip: Option<Slip>,
}

impl Encoded {
    /// Encodes an item; with a deflater, for WebSockets that take compressed messages too.
    pub fn new(item: Item, deflater: Option<&mut Deflater>) -> Self {
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
        let (frame, deflated) = match &item.formats.ws {
            Some(WsFormat::Send { kind, content, .. }) => frames(*kind, content, deflater),
            _ => (Bytes::new(), Bytes::new()),
        };
        Self {
            item,
            chunk,
            content,
            frame,
            deflated,
            is_for_filters,
            since: actix::clock::Instant::now().into_std(),
            slip: None,
        }
    }

    /// Notes what becomes of it, if somebody wants to know.
    pub fn note(&self, note: impl FnOnce(&Sheet)) {
        if let Some(slip) = &self.slip {
            note(slip.sheet());
        }
    }

    /// Returns the frame for a WebSocket.
    pub fn frame(&self, has_deflate: bool) -> Bytes {
        if has_deflate && !self.deflated.is_empty() {
            self.deflated.clone()
        } else {
            self.frame.clone()
        }
    }

    /// Returns the kind of its frame.
    pub fn opcode(&self) -> Opcode {
        match &self.item.formats.ws {
            Some(WsFormat::Send { kind, .. }) => opcode(*kind).0,
            _ => Opcode::Text,
        }
    }

    /// Tells whether this is the stream content itself, not a copy of it.
    pub fn is_unedited(&self, content: &Bytes) -> bool {
        match &self.item.formats.stream {
            Some(StreamFormat::Send { content: own, .. }) => is_same(own, content),
            _ => false,
        }
    }

    /// Tells whether this is the WebSocket content itself, not a copy of it.
    pub fn is_unedited_message(&self, content: &Bytes) -> bool {
        match &self.item.formats.ws {
            Some(WsFormat::Send { content: own, .. }) => is_same(own, content),
            _ => false,
        }
    }
}

fn is_same(a: &Bytes, b: &Bytes) -> bool {
    a.as_ptr() == b.as_ptr() && a.len() == b.len()
}

fn frames(kind: WsKind, content: &Bytes, deflater: Option<&mut Deflater>) -> (Bytes, Bytes) {
    let (opcode, kind) = opcode(kind);
    let deflated = deflater.zip(kind);
    let deflated = deflated.and_then(|(deflater, kind)| deflater.frame(kind, content));
    (
        ws::frame(opcode, content, true),
        deflated.unwrap_or_default(),
    )
}

/// Returns the kind of a frame, and of the message that it may be a part of.
fn opcode(kind: WsKind) -> (Opcode, Option<MessageKind>) {
    match kind {
        WsKind::Text => (Opcode::Text, Some(MessageKind::Text)),
        WsKind::Binary => (Opcode::Binary, Some(MessageKind::Binary)),
        WsKind::Ping => (Opcode::Ping, None),
        WsKind::Pong => (Opcode::Pong, None),
    }
}

impl Published for Arc<Encoded> {
    fn item(&self) -> &Item {
        &self.item
    }
}
