//! The opening handshake of a WebSocket: any extensions and keys. The answer is the one that is known, and
//! a handshake that is taken has one key and one version.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use p8::engine::ws::{accept_deflate, accept_key, is_valid_handshake, DEFLATE_ANSWER};

/// Offers of extensions, and headers: which, and their values.
pub type Input = (Vec<Vec<u8>>, Vec<(u8, Vec<u8>)>);

/// Checks one input.
pub fn check(input: Input) {
    let (offers, fields) = input;
    let answer = accept_deflate(offers.iter().map(Vec::as_slice));
    assert!(answer.is_none_or(|answer| answer == DEFLATE_ANSWER));
    let offers_it = |offer: &Vec<u8>| offer.windows(18).any(|part| part == b"permessage-deflate");
    assert!(answer.is_none() || offers.iter().any(offers_it));
    let names = [
        "sec-websocket-key",
        "sec-websocket-version",
        "content-length",
        "transfer-encoding",
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().take(8) {
        let name = HeaderName::from_static(names[usize::from(name % 4)]);
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    if is_valid_handshake(&Method::GET, &headers) {
        let keys: Vec<_> = headers.get_all(names[0]).iter().collect();
        assert_eq!((keys.len(), accept_key(keys[0].as_bytes()).len()), (1, 28));
        assert_eq!(headers.get_all(names[1]).iter().count(), 1);
        assert!(!headers.contains_key(names[3]));
        assert!(!is_valid_handshake(&Method::POST, &headers));
    }
}
