//! Reads the bytes of one side of a WebSocket: frames, and the parts of messages in them.
//!
//! What is under way (a head, a frame, a message) stands in a box that goes with it. A close frame and
//! a fault are the last that is read. It allocates for bytes that came, never for those announced.
//!
//! ```text
//! idle -> head begun -> frame begun -> between frames of a message -> idle
//!   \------- whole frames and messages pass at once ----------^
//! ```
//!
//! Source: RFC 6455 sections 5, 6.2, 7.1.6.

use bytes::Bytes;

use super::head::{Head, HeadBytes, Rules};
use super::message::{Message, Place};
use super::{mask, parse_close, Opcode, ProtocolError, Received, Sender};

/// What is expected of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderOptions {
    /// Who sends.
    pub sender: Sender,
    /// Most bytes of a message, inflated and all its frames together; `usize::MAX` is no bound.
    pub message_max: usize,
    /// Messages may be deflated, each for itself (the sender keeps no context).
    pub has_deflate: bool,
}

/// What was received and cannot be told yet.
#[derive(Debug)]
pub struct Decoder {
    terms: Terms,
    under_way: Option<Box<UnderWay>>,
}

/// The options, as small as they go.
#[derive(Clone, Copy, Debug)]
struct Terms {
    sender: Sender,
    has_deflate: bool,
    /// `u32::MAX` is no bound.
    message_max: u32,
}

impl Decoder {
    /// Makes a decoder for the first bytes after the handshake.
    pub fn new(options: DecoderOptions) -> Self {
        Self {
            terms: Terms {
                sender: options.sender,
                has_deflate: options.has_deflate,
                message_max: u32::try_from(options.message_max).unwrap_or(u32::MAX),
            },
            under_way: None,
        }
    }

    /// Reads bytes (unmasking in place) and appends what they say to `into`.
    ///
    /// **Bounds**: parts hold no more than came, or than it inflates to, up to `message_max`.
    ///
    /// **Errors**: what stands before a fault is told; after it nothing more is read and the error
    /// stays. After a close frame bytes are ignored.
    pub fn on_bytes(
        &mut self,
        bytes: &mut [u8],
        into: &mut Vec<Received>,
    ) -> Result<(), ProtocolError> {
        let ended = self
            .under_way
            .as_ref()
            .and_then(|under_way| under_way.ended);
        match ended {
            Some(Ended::Closed) => return Ok(()),
            Some(Ended::Failed(error)) => return Err(error),
            None => {}
        }
        let mut boxed = self.under_way.take();
        let mut fresh = UnderWay::default();
        let under_way = boxed.as_deref_mut().unwrap_or(&mut fresh);
        let read = under_way.on_bytes(self.terms, bytes, into);
        let ended = match read {
            Ok(Flow::Open) if under_way.is_idle() => return Ok(()),
            Ok(Flow::Open) => None,
            Ok(Flow::Closed) => Some(Ended::Closed),
            Err(error) => Some(Ended::Failed(error)),
        };
        if ended.is_some() {
            *under_way = UnderWay {
                ended,
                ..UnderWay::default()
            };
        }
        self.under_way = boxed.or_else(|| Some(Box::new(fresh)));
        read.map(drop)
    }

    /// Tells whether nothing is under way: neither a message nor a frame nor a head.
    pub fn is_idle(&self) -> bool {
        let under_way = self.under_way.as_ref();
        under_way.is_none_or(|under_way| under_way.ended.is_some())
    }
}

#[derive(Clone, Copy, Debug)]
enum Ended {
    Closed,
    Failed(ProtocolError),
}

enum Flow {
    Open,
    Closed,
}

/// A frame whose payload has not come whole.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    is_last: bool,
    left: u64,
    key: [u8; 4],
    /// The key as the next byte meets it.
    turned_key: [u8; 4],
}

impl Frame {
    fn unmask(&mut self, piece: &mut [u8]) {
        mask::apply(piece, self.turned_key);
        self.turned_key.rotate_left(piece.len() % 4);
        self.left = self.left.saturating_sub(piece.len() as u64);
    }
}

#[derive(Debug, Default)]
struct UnderWay {
    /// Nothing more is read.
    ended: Option<Ended>,
    head: HeadBytes,
    frame: Option<Frame>,
    /// The payload of a control frame, as far as it came.
    control: Vec<u8>,
    message: Option<Message>,
}

impl UnderWay {
    fn is_idle(&self) -> bool {
        self.head.is_empty() && self.frame.is_none() && self.message.is_none()
    }

    fn on_bytes(
        &mut self,
        terms: Terms,
        mut bytes: &mut [u8],
        into: &mut Vec<Received>,
    ) -> Result<Flow, ProtocolError> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.head.advance(bytes, self.rules(terms))? {
                    Some((head, len)) => {
                        bytes = bytes.split_at_mut(len).1;
                        self.begin(head, terms)
                    }
                    None => return Ok(Flow::Open),
                },
            };
            let len = bytes
                .len()
                .min(usize::try_from(frame.left).unwrap_or(usize::MAX));
            if len == 0 && frame.left > 0 {
                self.frame = Some(frame);
                return Ok(Flow::Open);
            }
            let (piece, rest) = bytes.split_at_mut(len);
            bytes = rest;
            frame.unmask(piece);
            if frame.left > 0 {
                self.frame = Some(frame);
            }
            if let Flow::Closed = self.on_piece(frame, piece, into)? {
                return Ok(Flow::Closed);
            }
            self.check_invariants();
        }
    }

    fn rules(&self, terms: Terms) -> Rules {
        let message = self.message.as_ref();
        Rules {
            sender: terms.sender,
            has_deflate: terms.has_deflate,
            is_in_message: message.is_some(),
            room: message.map_or_else(|| message_room(terms), Message::frame_room),
        }
    }

    fn begin(&mut self, head: Head, terms: Terms) -> Frame {
        if let Some(kind) = head.opcode.begins() {
            self.message = Some(Message::new(kind, head.is_deflated, message_room(terms)));
        }
        Frame {
            opcode: head.opcode,
            is_last: head.is_last,
            left: head.length,
            key: head.key,
            turned_key: head.key,
        }
    }

    fn on_piece(
        &mut self,
        frame: Frame,
        piece: &[u8],
        into: &mut Vec<Received>,
    ) -> Result<Flow, ProtocolError> {
        let ends_frame = frame.left == 0;
        if frame.opcode.is_control() {
            return self.on_control_piece(frame.opcode, piece, ends_frame, into);
        }
        let place = Place {
            key: frame.key,
            ends_frame,
            ends_message: ends_frame && frame.is_last,
        };
        if let Some(message) = &mut self.message {
            message.on_piece(piece, place, into)?;
        }
        if place.ends_message {
            self.message = None;
        }
        Ok(Flow::Open)
    }

    fn on_control_piece(
        &mut self,
        opcode: Opcode,
        piece: &[u8],
        ends_frame: bool,
        into: &mut Vec<Received>,
    ) -> Result<Flow, ProtocolError> {
        if !ends_frame {
            self.control.extend_from_slice(piece);
            return Ok(Flow::Open);
        }
        let payload = if self.control.is_empty() {
            Bytes::copy_from_slice(piece)
        } else {
            self.control.extend_from_slice(piece);
            Bytes::from(std::mem::take(&mut self.control).into_boxed_slice())
        };
        match opcode {
            Opcode::Ping => into.push(Received::Ping(payload)),
            Opcode::Pong => into.push(Received::Pong(payload)),
            _ => {
                into.push(Received::Close(parse_close(&payload)?));
                return Ok(Flow::Closed);
            }
        }
        Ok(Flow::Open)
    }

    fn check_invariants(&self) {
        debug_assert!(
            self.head.is_empty() || self.frame.is_none(),
            "a head inside a frame"
        );
        debug_assert!(
            self.frame.is_none_or(|frame| frame.left > 0),
            "a frame that has come whole is kept"
        );
        debug_assert!(
            self.control.is_empty() || self.frame.is_some_and(|frame| frame.opcode.is_control()),
            "a control payload without its frame"
        );
    }
}

fn message_room(terms: Terms) -> u64 {
    match terms.message_max {
        u32::MAX => u64::MAX,
        bound => u64::from(bound),
    }
}
