//! Instructions in `Grip-*` headers: one `Name: value` a line, any bytes. Whatever is taken keeps the
//! bounds that `Hold` and `Response` promise.

use bytes::Bytes;
use http::HeaderName;
use p8::grip::instruct;

use super::header_lines;

/// Checks one input.
pub fn check(input: &[u8]) {
    let headers = header_lines::headers(input, 64);
    let _ = instruct::is_instruct(&headers);
    match instruct::parse(200, None, &headers, Bytes::from_static(b"body")) {
        Ok(instruct) => {
            assert!(instruct.hold.is_none_or(|hold| hold.timeout_secs >= 5));
            assert!(instruct
                .keep_alive
                .is_none_or(|keep_alive| keep_alive.timeout_secs >= 1));
            assert!((200..=999).contains(&instruct.response.status));
            let kept = instruct.response.headers.keys();
            assert!(kept
                .map(HeaderName::as_str)
                .all(|name| !name.starts_with("grip-")));
            assert!(!instruct.response.headers.contains_key("content-length"));
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.code().is_empty()),
    }
}
