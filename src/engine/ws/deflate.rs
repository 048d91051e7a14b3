//! permessage-deflate: messages to be sent.
//!
//! No window is kept from one message to the next, so a message is deflated once for any number of
//! sessions. What is received, `inflate.rs` reads.
//!
//! Source: RFC 7692 section 7.2.1.

use bytes::Bytes;
use miniz_oxide::deflate::{core::CompressorOxide, stream, CompressionLevel};
use miniz_oxide::{DataFormat, MZFlush};

use super::{encoder, MessageKind};

/// The empty block that ends a flush, which is not sent.
const FLUSH_TAIL: &[u8] = &[0x00, 0x00, 0xFF, 0xFF];

/// Deflates messages.
///
/// **Bounds**: it keeps the tables of a compressor for good: one serves a thread, not a session.
pub struct Deflater {
    compressor: Box<CompressorOxide>,
}

impl std::fmt::Debug for Deflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}

impl Default for Deflater {
    fn default() -> Self {
        Self::new()
    }
}

impl Deflater {
    /// Makes a deflater with a compressor's usual effort.
    pub fn new() -> Self {
        let level = CompressionLevel::DefaultLevel;
        let compressor = CompressorOxide::with_format_and_level(DataFormat::Raw, level);
        Self {
            compressor: Box::new(compressor),
        }
    }

    /// Writes a whole message as one unmasked frame; `None` if that is not smaller than the plain frame.
    pub fn frame(&mut self, kind: MessageKind, payload: &[u8]) -> Option<Bytes> {
        if payload.is_empty() {
            return None;
        }
        self.compressor.reset();
        // What fills this is not smaller.
        let mut deflated = vec![0; payload.len() + FLUSH_TAIL.len()];
        let compressor = &mut self.compressor;
        let outcome = stream::deflate(compressor, payload, &mut deflated, MZFlush::Sync);
        let is_smaller = outcome.status.is_ok()
            && outcome.bytes_consumed == payload.len()
            && outcome.bytes_written < deflated.len();
        let deflated = deflated.get(..outcome.bytes_written)?;
        let deflated = deflated.strip_suffix(FLUSH_TAIL)?;
        is_smaller.then(|| encoder::deflated_frame(kind.into(), deflated))
    }
}
