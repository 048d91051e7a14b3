//! Bodies of WebSocket-over-HTTP: any bytes. What is read and written again is read the same, and
//! written the same.

use bytes::Bytes;
use p8::grip::ws::events::{decode, encode, parse_close};

/// Checks one input.
pub fn check(input: &[u8]) {
    let body = Bytes::copy_from_slice(input);
    match decode(&body) {
        Ok(events) => {
            let contents = events.iter().filter_map(|event| event.content.as_ref());
            assert!(contents.clone().map(Bytes::len).sum::<usize>() <= input.len());
            assert!(contents.clone().all(|content| !content.is_empty()));
            for content in contents {
                let _ = parse_close(Some(content));
            }
            let written = encode(&events);
            assert_eq!(decode(&written).as_ref(), Ok(&events));
            assert_eq!(encode(&events), written);
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.code().is_empty()),
    }
}
