//! The message under way: inflates it, checks its size and its text, and makes parts of what comes.
//!
//! Source: RFC 6455 sections 5.4, 8.1; RFC 7692 section 7.2.2.

use bytes::Bytes;

use super::inflate::{Inflater, Step};
use super::utf8::Utf8;
use super::{MessageKind, Part, ProtocolError, Received};

/// Where a piece of payload stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The key of its frame.
    pub(super) key: [u8; 4],
    pub(super) ends_frame: bool,
    pub(super) ends_message: bool,
}

/// What is known of the message so far.
#[derive(Debug)]
pub(super) struct Message {
    kind: MessageKind,
    /// So many bytes it may have yet.
    room: u64,
    is_begun: bool,
    text: Utf8,
    inflater: Option<Inflater>,
}

impl Message {
    pub(super) fn new(kind: MessageKind, is_deflated: bool, room: u64) -> Self {
        Self {
            kind,
            room,
            is_begun: false,
            text: Utf8::default(),
            inflater: is_deflated.then(Inflater::new),
        }
    }

    /// Returns how many bytes a frame of the message may announce. Those of a deflated one say nothing
    /// of its size, and are not kept.
    pub(super) fn frame_room(&self) -> u64 {
        if self.inflater.is_some() {
            u64::MAX
        } else {
            self.room
        }
    }

    /// Takes in the next piece of payload, unmasked.
    pub(super) fn on_piece(
        &mut self,
        piece: &[u8],
        place: Place,
        into: &mut Vec<Received>,
    ) -> Result<(), ProtocolError> {
        if let Some(inflater) = self.inflater.take() {
            return self.on_deflated_piece(inflater, piece, place, into);
        }
        self.check(piece)?;
        self.check_end(place)?;
        if !piece.is_empty() || place.ends_frame {
            let content = Bytes::copy_from_slice(piece);
            into.push(self.part(content, place, place.ends_message));
        }
        Ok(())
    }

    fn on_deflated_piece(
        &mut self,
        mut inflater: Inflater,
        piece: &[u8],
        place: Place,
        into: &mut Vec<Received>,
    ) -> Result<(), ProtocolError> {
        let from = into.len();
        self.inflate(&mut inflater, piece, place, into)?;
        if !place.ends_message {
            self.inflater = Some(inflater);
            return Ok(());
        }
        let end = inflater.end();
        self.inflate(&mut inflater, end, place, into)?;
        if !inflater.is_complete() {
            return Err(ProtocolError::InvalidDeflate);
        }
        self.check_end(place)?;
        match into.get_mut(from..).and_then(<[_]>::last_mut) {
            Some(Received::Part(part)) => part.is_last = true,
            _ => into.push(self.part(Bytes::new(), place, true)),
        }
        Ok(())
    }

    /// Puts out what comes of `input`, in parts of which none is the last.
    fn inflate(
        &mut self,
        inflater: &mut Inflater,
        mut input: &[u8],
        place: Place,
        into: &mut Vec<Received>,
    ) -> Result<(), ProtocolError> {
        loop {
            let (content, step) = inflater.advance(&mut input);
            self.check(content)?;
            if !content.is_empty() {
                let content = Bytes::copy_from_slice(content);
                into.push(self.part(content, place, false));
            }
            match step {
                Step::More => {}
                Step::Drained => return Ok(()),
                Step::Corrupt => return Err(ProtocolError::InvalidDeflate),
            }
        }
    }

    /// Checks what comes next, text first: so the fault that is told is the earliest.
    fn check(&mut self, content: &[u8]) -> Result<(), ProtocolError> {
        let room = usize::try_from(self.room).unwrap_or(usize::MAX);
        let fitting = content.get(..room).unwrap_or(content);
        if self.kind == MessageKind::Text && !self.text.advance(fitting) {
            return Err(ProtocolError::InvalidText);
        }
        if content.len() > room {
            return Err(ProtocolError::MessageTooLarge);
        }
        self.room -= content.len() as u64;
        Ok(())
    }

    fn check_end(&self, place: Place) -> Result<(), ProtocolError> {
        if place.ends_message && !self.text.is_complete() {
            return Err(ProtocolError::InvalidText);
        }
        Ok(())
    }

    fn part(&mut self, content: Bytes, place: Place, is_last: bool) -> Received {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        Received::Part(Part {
            kind: self.kind,
            content,
            is_first,
            is_last,
            key: place.key,
        })
    }
}
