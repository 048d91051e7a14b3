//! The body of a publish request: any bytes. Nothing is taken that would break a client's answer, and
//! what is taken can be written and read again.

use p8::grip::{publish, Formats, ResponseFormat};

/// Checks one input.
pub fn check(input: &[u8]) {
    match publish::parse_request(input) {
        Ok(items) => {
            let mut reaching = items.clone();
            reaching.retain(|item| item.formats != Formats::default());
            let written = publish::encode_request(&reaching);
            assert_eq!(publish::parse_request(written.as_bytes()), Ok(reaching));
            for item in items {
                if let Some(ResponseFormat::Send(send)) = item.formats.response {
                    assert!((200..=999).contains(&send.status));
                    let reason = send.reason.unwrap_or_default();
                    assert!(!reason.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.code().is_empty()),
    }
}
