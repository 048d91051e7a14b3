//! Instructions as `application/grip-instruct`: any body.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue, CONTENT_TYPE};
use p8::grip::instruct;

/// Checks one input.
pub fn check(input: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/grip-instruct"),
    );
    match instruct::parse(200, None, &headers, Bytes::copy_from_slice(input)) {
        Ok(instruct) => {
            assert!(instruct.hold.is_none_or(|hold| hold.timeout_secs >= 5));
            assert!(instruct
                .keep_alive
                .is_none_or(|keep_alive| keep_alive.timeout_secs >= 1));
            assert!((200..=999).contains(&instruct.response.status));
            let reason = instruct.response.reason_phrase();
            assert!(!reason.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.code().is_empty()),
    }
}
