//! The opening handshake, as far as it is the WebSocket's: what is valid, and the key that answers it.
//!
//! It writes no response, and does not ask for `Connection: Upgrade`.
//!
//! Source: RFC 6455 sections 4.1, 4.2.

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use http::header::{
    HeaderMap, CONTENT_LENGTH, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING,
};
use http::Method;
use sha1::{Digest, Sha1};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES_MAX: usize = 220;

/// Returns the value of `Sec-WebSocket-Accept` for that of `Sec-WebSocket-Key`, which may be any text.
pub fn accept_key(key: &[u8]) -> String {
    let hash = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    STANDARD.encode(hash)
}

/// Tells whether a request with `Upgrade: websocket` is a valid handshake.
///
/// **Bounds**: GET without a body, `Sec-WebSocket-Version` 13 once, `Sec-WebSocket-Key` once with 1 to
/// 220 bytes, which are not decoded.
pub fn is_valid_handshake(method: &Method, headers: &HeaderMap) -> bool {
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|v| v != "0");
    let mut versions = headers.get_all(SEC_WEBSOCKET_VERSION).iter();
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let version_fits = versions.next().is_some_and(|v| v == "13") && versions.next().is_none();
    let key_fits = keys
        .next()
        .is_some_and(|key| (1..=KEY_BYTES_MAX).contains(&key.len()))
        && keys.next().is_none();
    *method == Method::GET && !has_body && version_fits && key_fits
}
