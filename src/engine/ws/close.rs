//! Close frames: the code and the reason.
//!
//! It does not decide when a WebSocket is closed, nor with what.
//!
//! Source: RFC 6455 sections 5.5.1, 7.4.

use bytes::{BufMut, Bytes, BytesMut};

use super::ProtocolError;

/// Longest reason that fits a control frame beside the code.
const REASON_BYTES_MAX: usize = 123;

/// Why a WebSocket is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// One that [`is_sendable`].
    pub code: u16,
    /// A text for people, mostly empty.
    pub reason: String,
}

impl Close {
    /// A close that says no more than its code.
    pub fn bare(code: u16) -> Self {
        let reason = String::new();
        Self { code, reason }
    }
}

/// Tells whether a close frame may have this code, received or sent.
pub fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Writes the payload of a close frame; the code is not checked.
///
/// **Bounds**: the reason is cut before the code point that would pass 123 bytes.
pub fn close_payload(close: Option<&Close>) -> Bytes {
    let Some(Close { code, reason }) = close else {
        return Bytes::new();
    };
    let reason = (0..=REASON_BYTES_MAX.min(reason.len()))
        .rev()
        .find_map(|end| reason.get(..end))
        .unwrap_or_default();
    let mut bytes = BytesMut::with_capacity(2 + reason.len());
    bytes.put_u16(*code);
    bytes.put_slice(reason.as_bytes());
    bytes.freeze()
}

/// Reads the payload of a close frame; an empty one is `None`.
///
/// **Errors**: a single byte, a code that must not be sent, a reason that is not UTF-8.
pub fn parse_close(payload: &[u8]) -> Result<Option<Close>, ProtocolError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(ProtocolError::ShortClose)
        };
    };
    let code = u16::from_be_bytes(*code);
    if !is_sendable(code) {
        return Err(ProtocolError::InvalidCloseCode { code });
    }
    match std::str::from_utf8(reason) {
        Ok(reason) => Ok(Some(Close {
            code,
            reason: reason.to_owned(),
        })),
        Err(_) => Err(ProtocolError::InvalidCloseReason),
    }
}
