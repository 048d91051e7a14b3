//! What a backend says to a WebSocket beside its messages: control messages, and the headers of its
//! answers. Any bytes; what is taken keeps its bounds.

use http::HeaderMap;
use p8::grip::ws::{
    bytes_accepted, control, grip_extension, keep_alive_interval, BoundMeta, Control,
    KeepAliveInterval,
};

use super::header_lines;

/// Checks one input.
pub fn check(input: &[u8]) {
    match control::parse(input) {
        Ok(Control::Subscribe { channel, .. } | Control::Unsubscribe { channel }) => {
            assert!(!channel.as_str().is_empty());
        }
        Ok(Control::SetMeta { name, .. }) => assert!(!name.is_empty()),
        Ok(Control::KeepAlive(Some(keep_alive))) => assert!(keep_alive.timeout_secs >= 1),
        Ok(Control::SendDelayed { timeout_secs, .. }) => assert!(timeout_secs >= 1),
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty() && !error.code().is_empty()),
    }

    let lines = || input.split(|byte| *byte == b'\n');
    if let Some(extension) = grip_extension(lines()) {
        assert!(extension.prefix.len() <= input.len().max(2));
    }

    let headers = header_lines::headers(input, 200);
    if let KeepAliveInterval::Secs(secs) = keep_alive_interval(&headers) {
        assert!(secs >= 20);
    }
    let _ = bytes_accepted(&headers);
    let mut meta = BoundMeta::default();
    meta.on_answer(&headers);
    let mut request = HeaderMap::new();
    meta.append_to(&mut request);
    assert!(request.len() <= 64);
    assert!(request
        .keys()
        .all(|name| name.as_str().starts_with("meta-")));
}
