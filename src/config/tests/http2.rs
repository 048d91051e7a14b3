//! Tests of the keys of HTTP/2 clients.

use std::time::Duration;

use super::*;

#[test]
fn bounds_of_http2_are_read() {
    let http = settings("").http;
    assert!(http.http2);
    assert_eq!(http.http2_streams_max, 250);
    let text = "[http]\nhttp2 = false\nhttp2_streams_max = 1\nhttp2_ping_secs = 0\n\
                http2_ping_timeout_secs = 1";
    let http = settings(text).http;
    assert!(!http.http2);
    assert_eq!(
        (http.http2_streams_max, http.http2_ping),
        (1, Duration::ZERO)
    );
    assert_eq!(http.http2_ping_timeout, Duration::from_secs(1));
    for (key, value, bounds) in [
        ("http2_streams_max", 0, "1 to 10000"),
        ("http2_ping_secs", 86_401, "0 to 86400"),
        ("http2_ping_timeout_secs", 0, "1 to 3600"),
    ] {
        assert_eq!(
            error(&format!("http.{key} = {value}")),
            format!("p-8.toml:1: [http] {key}: found the number {value}, expected {bounds}")
        );
    }
}
