//! The WebSocket codec: bytes in, parts of messages and control frames out, and frames to be sent.
//!
//! It opens no socket, draws no random keys, answers no pings and knows no session: who uses it does.
//! Between frames and messages a [`Decoder`] keeps nothing on the heap. What comes is checked as it
//! comes: sizes at the frame's head and while inflating, UTF-8 at the earliest byte that cannot be.
//!
//! ```text
//! received bytes -> Decoder: head -> unmask -> (inflate) -> UTF-8, size -> Part | Ping | Pong | Close
//!                                                                           `-> Assembly -> message
//! a message to send -> frame | masked_frame | Deflater -> bytes that any number of sessions share
//! ```
//!
//! Source: RFC 6455, RFC 7692.

mod assembly;
mod close;
mod decoder;
mod deflate;
mod encoder;
mod error;
mod handshake;
mod head;
mod inflate;
mod mask;
mod message;
mod negotiation;
#[cfg(test)]
mod tests;
mod utf8;

use bytes::Bytes;

use crate::grip::Side;

pub use assembly::Assembly;
pub use close::{close_payload, is_sendable, parse_close, Close};
pub use decoder::{Decoder, DecoderOptions};
pub use deflate::Deflater;
pub use encoder::{frame, masked_frame};
pub use error::ProtocolError;
pub use handshake::{accept_key, is_valid_handshake};
pub use negotiation::{accept_deflate, DEFLATE_ANSWER};
pub use MessageKind as DataKind;

/// Which side of a WebSocket sent the bytes that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Its frames must be masked.
    Client,
    /// Its frames must not be masked.
    Backend,
}

impl Sender {
    /// Returns whose fault an error in these bytes is.
    pub fn side(self) -> Side {
        match self {
            Self::Client => Side::Client,
            Self::Backend => Side::Backend,
        }
    }
}

/// What a message consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// What a frame is.
///
/// **Source**: RFC 6455 section 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the RFC")]
pub enum Opcode {
    Text,
    Binary,
    Continuation,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Returns the kind of the message that such a frame begins.
    fn begins(self) -> Option<MessageKind> {
        match self {
            Self::Text => Some(MessageKind::Text),
            Self::Binary => Some(MessageKind::Binary),
            _ => None,
        }
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

impl From<MessageKind> for Opcode {
    fn from(kind: MessageKind) -> Self {
        match kind {
            MessageKind::Text => Self::Text,
            MessageKind::Binary => Self::Binary,
        }
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A part of a message.
    Part(Part),
    /// A ping with its payload.
    Ping(Bytes),
    /// A pong with its payload.
    Pong(Bytes),
    /// A close frame, with a code or without; the last that is read.
    Close(Option<Close>),
}

/// A part of a message: a whole frame, or as much of a large frame as has come.
///
/// **Bounds**: what is inflated comes in parts of at most 32,768 bytes, and never in empty ones but
/// for the last. A part of text may end inside a code point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What the message consists of.
    pub kind: MessageKind,
    /// Unmasked and inflated.
    pub content: Bytes,
    /// It begins the message.
    pub is_first: bool,
    /// It ends the message.
    pub is_last: bool,
    /// The key its frame was masked with, fit to mask the part anew; zeros from a backend.
    pub key: [u8; 4],
}

impl Part {
    /// A message in one part that came in no masked frame.
    pub fn whole(kind: MessageKind, content: Bytes) -> Self {
        Self {
            kind,
            content,
            is_first: true,
            is_last: true,
            key: [0; 4],
        }
    }
}
