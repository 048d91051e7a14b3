//! permessage-deflate: inflates one message.
//!
//! It knows nothing of the message before, so nothing is kept for an idle session. It bounds no sizes:
//! `message.rs` does.
//!
//! Source: RFC 7692 sections 7.2.2, 7.2.3; RFC 1951.

use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{decompress, DecompressorOxide};
use miniz_oxide::inflate::TINFLStatus;

/// The empty block that ends a flush and was not sent, and a last block: only where blocks meet does
/// the stream end behind both.
const END: &[u8] = &[0x00, 0x00, 0xFF, 0xFF, 0x01, 0x00, 0x00, 0xFF, 0xFF];
const WINDOW_BYTES_MIN: usize = 1_024;
/// How far back DEFLATE looks.
const WINDOW_BYTES_MAX: usize = 32_768;

/// How a step of inflating ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There may be more to come out.
    More,
    /// All that went in came out.
    Drained,
    /// What went in is not DEFLATE.
    Corrupt,
}

/// The message so far, as far as what comes can refer to it.
pub(super) struct Inflater {
    decompressor: Box<DecompressorOxide>,
    /// Grows with what comes out; at its largest it is written round and round.
    window: Vec<u8>,
    at: usize,
    has_wrapped: bool,
    /// Some bytes came.
    is_begun: bool,
    /// A block that calls itself the last ended, and nothing came after it.
    is_past_last_block: bool,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            decompressor: Box::default(),
            window: Vec::new(),
            at: 0,
            has_wrapped: false,
            is_begun: false,
            is_past_last_block: false,
        }
    }

    /// Inflates from the front of `input`; returns what came out, all that stands before a fault included.
    ///
    /// **Bounds**: at most 32,768 bytes come out at once.
    pub(super) fn advance(&mut self, input: &mut &[u8]) -> (&[u8], Step) {
        if !input.is_empty() {
            self.is_begun = true;
            if self.is_past_last_block {
                self.restart();
            }
        }
        if self.is_past_last_block {
            return (&[], Step::Drained);
        }
        self.make_room(input.len());
        // Until the window has been written once, it ends where the message began: what refers to
        // bytes before that is found out.
        let flags = if self.has_wrapped {
            TINFL_FLAG_HAS_MORE_INPUT
        } else {
            TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
        };
        let (window, from) = (&mut self.window, self.at);
        let (status, read, made) = decompress(&mut self.decompressor, input, window, from, flags);
        *input = input.get(read..).unwrap_or_default();
        self.at += made;
        let step = match status {
            TINFLStatus::HasMoreOutput => Step::More,
            TINFLStatus::NeedsMoreInput => Step::Drained,
            TINFLStatus::Done => {
                self.is_past_last_block = true;
                Step::More
            }
            _ => Step::Corrupt,
        };
        (self.window.get(from..self.at).unwrap_or_default(), step)
    }

    /// Returns what is still to go in when all of the message has.
    pub(super) fn end(&self) -> &'static [u8] {
        if self.is_complete() {
            &[]
        } else {
            END
        }
    }

    /// Tells whether the message may end here.
    pub(super) fn is_complete(&self) -> bool {
        self.is_past_last_block || !self.is_begun
    }

    /// Begins another stream of the same message.
    fn restart(&mut self) {
        self.decompressor.init();
        self.at = 0;
        self.has_wrapped = false;
        self.is_past_last_block = false;
    }

    fn make_room(&mut self, input_len: usize) {
        if self.at < self.window.len() {
            return;
        }
        if self.window.len() == WINDOW_BYTES_MAX {
            self.at = 0;
            self.has_wrapped = true;
            return;
        }
        // Text mostly inflates to no more than this.
        let guess = input_len.saturating_mul(4);
        let least = WINDOW_BYTES_MIN.max(self.window.len() * 2);
        let len = guess.clamp(least, WINDOW_BYTES_MAX).next_power_of_two();
        self.window.resize(len, 0);
    }
}
