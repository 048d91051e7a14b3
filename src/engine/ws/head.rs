//! Reads the heads of frames, and refuses what must not come.
//!
//! A head is judged by the bytes of it that are there, in their order, so that a fault is the same
//! however the input is cut.
//!
//! Source: RFC 6455 sections 5.2, 5.4, 5.5; RFC 7692 section 6.

use super::encoder::RSV1;
use super::{Opcode, ProtocolError, Sender};

const HEAD_BYTES_MAX: usize = 14;
const CONTROL_BYTES_MAX: u8 = 125;

/// What a head may say where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) sender: Sender,
    pub(super) has_deflate: bool,
    /// A message is under way.
    pub(super) is_in_message: bool,
    /// So many bytes the message may have yet, if it is not deflated.
    pub(super) room: u64,
}

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) opcode: Opcode,
    pub(super) is_last: bool,
    pub(super) is_deflated: bool,
    pub(super) length: u64,
    /// Zeros if the frame is not masked.
    pub(super) key: [u8; 4],
}

/// The bytes of a head that have come.
#[derive(Debug, Default)]
pub(super) struct HeadBytes {
    bytes: [u8; HEAD_BYTES_MAX],
    len: u8,
}

impl HeadBytes {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes a head's bytes from the front of `input`; returns the head, once it is whole, and how many
    /// bytes of `input` belong to it.
    pub(super) fn advance(
        &mut self,
        input: &[u8],
        rules: Rules,
    ) -> Result<Option<(Head, usize)>, ProtocolError> {
        let known = usize::from(self.len);
        let mut len = known;
        let free = self.bytes.iter_mut().skip(known);
        for (place, byte) in free.zip(input) {
            *place = *byte;
            len += 1;
        }
        let read = read(self.bytes.get(..len).unwrap_or_default(), rules)?;
        self.len = if read.is_some() { 0 } else { len as u8 };
        Ok(read.map(|(head, head_len)| (head, head_len.saturating_sub(known))))
    }
}

/// Returns a head and its length, or `None` if it goes on.
fn read(bytes: &[u8], rules: Rules) -> Result<Option<(Head, usize)>, ProtocolError> {
    let Some((first, after_first)) = bytes.split_first() else {
        return Ok(None);
    };
    let opcode = check_first(*first, rules)?;
    let Some((second, after_second)) = after_first.split_first() else {
        return Ok(None);
    };
    let is_masked = second & 0x80 != 0;
    match rules.sender {
        Sender::Client if !is_masked => return Err(ProtocolError::UnmaskedFrame),
        Sender::Backend if is_masked => return Err(ProtocolError::MaskedFrame),
        _ => {}
    }
    let short_length = second & 0x7F;
    if opcode.is_control() && short_length > CONTROL_BYTES_MAX {
        return Err(ProtocolError::ControlTooLarge);
    }
    let Some((length, after_length)) = read_length(short_length, after_second)? else {
        return Ok(None);
    };
    let is_deflated = first & RSV1 != 0;
    if !opcode.is_control() && !is_deflated && length > rules.room {
        return Err(ProtocolError::MessageTooLarge);
    }
    let (key, rest) = if is_masked {
        match after_length.split_first_chunk::<4>() {
            Some((key, rest)) => (*key, rest),
            None => return Ok(None),
        }
    } else {
        ([0; 4], after_length)
    };
    let head = Head {
        opcode,
        is_last: first & 0x80 != 0,
        is_deflated,
        length,
        key,
    };
    Ok(Some((head, bytes.len() - rest.len())))
}

fn check_first(first: u8, rules: Rules) -> Result<Opcode, ProtocolError> {
    let bits = first & 0x0F;
    let opcode = Opcode::from_bits(bits).ok_or(ProtocolError::UnknownOpcode { opcode: bits })?;
    let begins = opcode.begins().is_some();
    let may_be_set = if rules.has_deflate && begins { RSV1 } else { 0 };
    if first & 0x70 & !may_be_set != 0 {
        return Err(ProtocolError::ReservedBits);
    }
    if opcode.is_control() && first & 0x80 == 0 {
        return Err(ProtocolError::FragmentedControl);
    }
    if opcode == Opcode::Continuation && !rules.is_in_message {
        return Err(ProtocolError::StrayContinuation);
    }
    if begins && rules.is_in_message {
        return Err(ProtocolError::UnfinishedMessage);
    }
    Ok(opcode)
}

/// Returns the length of the payload and what follows it in `bytes`, or `None` if it goes on.
fn read_length(short: u8, bytes: &[u8]) -> Result<Option<(u64, &[u8])>, ProtocolError> {
    let read = match short {
        126 => bytes
            .split_first_chunk()
            .map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest)),
        127 => bytes
            .split_first_chunk()
            .map(|(length, rest)| (u64::from_be_bytes(*length), rest)),
        _ => Some((u64::from(short), bytes)),
    };
    match (short, read) {
        (126, Some((..=125, _))) | (127, Some((..=0xFFFF, _))) => {
            Err(ProtocolError::LengthNotMinimal)
        }
        (127, Some((length, _))) if length >> 63 != 0 => Err(ProtocolError::LengthTooLarge),
        _ => Ok(read),
    }
}
