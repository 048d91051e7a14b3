//! Finds the content and the end of a `Transfer-Encoding: chunked` body.
//!
//! Chunk lines and trailers are judged like everything else, and are no content.
//!
//! Source: RFC 9112 section 7.1.

use std::ops::Range;

use super::head::is_token;
use super::FramingError;

const SIZE_DIGITS_MAX: u8 = 16;
const EXTENSION_BYTES_MAX: u16 = 1_024;
const TRAILER_BYTES_MAX: u16 = 8_192;

/// Where in a chunked body the guard stands.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    at: At,
    left: u64,
    digits: u8,
    extension: u16,
    trailer: u16,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    SizeBlank,
    Extension,
    SizeLf,
    Chunk,
    ChunkCr,
    ChunkLf,
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    End,
}

/// How a run over waiting bytes ended.
pub(super) enum Step {
    /// The bytes belong to the body, which goes on.
    More,
    /// The body ended behind the returned number of bytes.
    Ended,
    /// The byte behind the returned number of bytes is wrong.
    Refused(FramingError),
}

impl Chunked {
    /// Takes in what belongs to the body, up to the end of one run of content; returns how many bytes
    /// those were, and which of them are content.
    pub(super) fn advance(&mut self, waiting: &[u8]) -> (usize, Range<usize>, Step) {
        let mut passed = 0;
        while let Some(&byte) = waiting.get(passed) {
            if self.at == At::Chunk {
                let here = waiting.len() - passed;
                let n = here.min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= n as u64;
                passed += n;
                if self.left == 0 {
                    self.at = At::ChunkCr;
                }
                return (passed, passed - n..passed, Step::More);
            }
            match self.on_byte(byte) {
                Ok(at) => self.at = at,
                Err(error) => return (passed, 0..0, Step::Refused(error)),
            }
            passed += 1;
            if self.at == At::End {
                return (passed, 0..0, Step::Ended);
            }
        }
        (passed, 0..0, Step::More)
    }

    fn on_byte(&mut self, byte: u8) -> Result<At, FramingError> {
        match self.at {
            At::Size => self.on_size(byte),
            At::SizeBlank => match byte {
                b';' => Ok(At::Extension),
                b' ' | b'\t' => self.count_extension(At::SizeBlank),
                _ => Err(FramingError::InvalidChunkSize),
            },
            At::Extension => match byte {
                b'\r' => Ok(At::SizeLf),
                b'\t' | b' '..=0x7e | 0x80.. => self.count_extension(At::Extension),
                _ => Err(FramingError::InvalidChunkExtension),
            },
            At::SizeLf => {
                self.digits = 0;
                self.extension = 0;
                let next = if self.left == 0 {
                    At::Trailer
                } else {
                    At::Chunk
                };
                expect(byte, b'\n', next, FramingError::InvalidChunkSize)
            }
            At::ChunkCr => expect(byte, b'\r', At::ChunkLf, FramingError::InvalidChunkEnd),
            At::ChunkLf => expect(byte, b'\n', At::Size, FramingError::InvalidChunkEnd),
            At::Trailer if byte == b'\r' => Ok(At::EndLf),
            At::Trailer | At::TrailerName | At::TrailerValue => self.on_trailer(byte),
            At::TrailerLf => expect(byte, b'\n', At::Trailer, FramingError::InvalidTrailer),
            At::EndLf => expect(byte, b'\n', At::End, FramingError::InvalidTrailer),
            At::Chunk | At::End => Ok(self.at),
        }
    }

    fn on_size(&mut self, byte: u8) -> Result<At, FramingError> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ if self.digits == 0 => return Err(FramingError::InvalidChunkSize),
            b'\r' => return Ok(At::SizeLf),
            b';' => return Ok(At::Extension),
            b' ' | b'\t' => return self.count_extension(At::SizeBlank),
            _ => return Err(FramingError::InvalidChunkSize),
        };
        if self.digits >= SIZE_DIGITS_MAX {
            return Err(FramingError::InvalidChunkSize);
        }
        self.digits += 1;
        self.left = (self.left << 4) | u64::from(digit);
        Ok(At::Size)
    }

    fn count_extension(&mut self, next: At) -> Result<At, FramingError> {
        self.extension += 1;
        if self.extension > EXTENSION_BYTES_MAX {
            return Err(FramingError::InvalidChunkExtension);
        }
        Ok(next)
    }

    fn on_trailer(&mut self, byte: u8) -> Result<At, FramingError> {
        self.trailer += 1;
        if self.trailer > TRAILER_BYTES_MAX {
            return Err(FramingError::TrailersTooLarge);
        }
        match (self.at, byte) {
            (At::TrailerName, b':') => Ok(At::TrailerValue),
            (At::Trailer | At::TrailerName, _) if is_token(byte) => Ok(At::TrailerName),
            (At::TrailerValue, b'\r') => Ok(At::TrailerLf),
            (At::TrailerValue, b'\t' | b' '..=0x7e | 0x80..) => Ok(At::TrailerValue),
            _ => Err(FramingError::InvalidTrailer),
        }
    }
}

fn expect(byte: u8, wanted: u8, next: At, error: FramingError) -> Result<At, FramingError> {
    if byte == wanted {
        Ok(next)
    } else {
        Err(error)
    }
}
