//! Frames to be sent.
//!
//! It does not check the order of frames, nor UTF-8; a control frame of over 125 bytes is its caller's
//! fault. Deflated frames are made in `deflate.rs`.
//!
//! Source: RFC 6455 section 5.2.

use bytes::{BufMut, Bytes, BytesMut};

use super::{mask, Opcode};

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
/// The bit that says that a message is deflated.
pub(super) const RSV1: u8 = 0x40;

/// Writes a frame as a server sends it, in one allocation.
pub fn frame(opcode: Opcode, payload: &[u8], is_last: bool) -> Bytes {
    let mut bytes = BytesMut::with_capacity(head_len(payload.len()) + payload.len());
    put_head(&mut bytes, first_byte(opcode, is_last), payload.len(), 0);
    bytes.put_slice(payload);
    bytes.freeze()
}

/// Writes a frame as a client sends it, in one allocation.
pub fn masked_frame(opcode: Opcode, payload: &[u8], is_last: bool, key: [u8; 4]) -> Bytes {
    let masked_from = head_len(payload.len()) + key.len();
    let mut bytes = BytesMut::with_capacity(masked_from + payload.len());
    let first = first_byte(opcode, is_last);
    put_head(&mut bytes, first, payload.len(), MASKED);
    bytes.put_slice(&key);
    bytes.put_slice(payload);
    mask::apply(bytes.get_mut(masked_from..).unwrap_or_default(), key);
    bytes.freeze()
}

/// Writes an unmasked frame that is a whole deflated message.
pub(super) fn deflated_frame(opcode: Opcode, deflated: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(head_len(deflated.len()) + deflated.len());
    let first = first_byte(opcode, true) | RSV1;
    put_head(&mut bytes, first, deflated.len(), 0);
    bytes.put_slice(deflated);
    bytes.freeze()
}

fn first_byte(opcode: Opcode, is_last: bool) -> u8 {
    debug_assert!(
        is_last || !opcode.is_control(),
        "a fragmented control frame"
    );
    opcode.bits() | if is_last { FIN } else { 0 }
}

/// The length of an unmasked head.
fn head_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

fn put_head(bytes: &mut BytesMut, first: u8, payload_len: usize, masked: u8) {
    bytes.put_u8(first);
    match payload_len {
        0..=125 => bytes.put_u8(masked | payload_len as u8),
        126..=0xFFFF => {
            bytes.put_u8(masked | 126);
            bytes.put_u16(payload_len as u16);
        }
        _ => {
            bytes.put_u8(masked | 127);
            bytes.put_u64(payload_len as u64);
        }
    }
}
