//! Why a WebSocket cannot be read on, and the code it is closed with.
//!
//! Source: RFC 6455 sections 5, 7.4, 8.1; RFC 7692 section 7.2.2.

use thiserror::Error;

/// What was wrong with received bytes. Whose fault it is, [`Sender::side`](super::Sender::side) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[expect(
    missing_docs,
    reason = "the text of each variant says what it stands for"
)]
pub enum ProtocolError {
    #[error("a client's frame must be masked")]
    UnmaskedFrame,
    #[error("a backend's frame must not be masked")]
    MaskedFrame,
    #[error("reserved bits must be zero, but for RSV1 on the first frame of a deflated message")]
    ReservedBits,
    #[error("opcode must be one of 0, 1, 2, 8, 9, 10, not {opcode}")]
    UnknownOpcode { opcode: u8 },
    #[error("a control frame must have at most 125 bytes")]
    ControlTooLarge,
    #[error("a control frame must not be fragmented")]
    FragmentedControl,
    #[error("a continuation must follow a message's first frame")]
    StrayContinuation,
    #[error("a message must end before the next begins")]
    UnfinishedMessage,
    #[error("the length of a frame must be written in as few bytes as it fits")]
    LengthNotMinimal,
    #[error("the length of a frame must be less than 2 to the power of 63")]
    LengthTooLarge,
    #[error("a message must not be larger than the limit")]
    MessageTooLarge,
    #[error("text must be UTF-8")]
    InvalidText,
    #[error("a deflated message must be whole DEFLATE blocks")]
    InvalidDeflate,
    #[error("the payload of a close frame must be empty or begin with a code of two bytes")]
    ShortClose,
    #[error("a close code must be one that may be sent, not {code}")]
    InvalidCloseCode { code: u16 },
    #[error("the reason of a close frame must be UTF-8")]
    InvalidCloseReason,
}

impl ProtocolError {
    /// Returns the code to close the WebSocket with: 1002, 1007 or 1009.
    pub fn close_code(&self) -> u16 {
        match self {
            Self::MessageTooLarge => 1009,
            Self::InvalidText | Self::InvalidDeflate | Self::InvalidCloseReason => 1007,
            _ => 1002,
        }
    }

    /// Returns a stable word for logs and counters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnmaskedFrame => "unmasked-frame",
            Self::MaskedFrame => "masked-frame",
            Self::ReservedBits => "reserved-bits",
            Self::UnknownOpcode { .. } => "unknown-opcode",
            Self::ControlTooLarge => "control-frame-too-large",
            Self::FragmentedControl => "fragmented-control-frame",
            Self::StrayContinuation => "stray-continuation",
            Self::UnfinishedMessage => "unfinished-message",
            Self::LengthNotMinimal => "frame-length-not-minimal",
            Self::LengthTooLarge => "frame-length-too-large",
            Self::MessageTooLarge => "message-too-large",
            Self::InvalidText => "bad-text-encoding",
            Self::InvalidDeflate => "bad-deflate",
            Self::ShortClose => "short-close-frame",
            Self::InvalidCloseCode { .. } => "bad-close-code",
            Self::InvalidCloseReason => "bad-close-reason",
        }
    }
}
