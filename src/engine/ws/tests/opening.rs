//! The handshake, and which offers of compression are taken.

use super::*;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

#[test]
fn the_key_is_answered_as_in_the_rfc() {
    let answer = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(accept_key(b"any text").len(), 28);
}

fn is_valid(method: Method, headers: &[(&'static str, &str)]) -> bool {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    is_valid_handshake(&method, &map)
}

#[test]
fn handshakes_are_get_with_one_version_and_one_key() {
    let version = ("sec-websocket-version", "13");
    let key = ("sec-websocket-key", "any text");
    let longest = "k".repeat(220);
    let too_long = "k".repeat(221);
    assert!(is_valid(Method::GET, &[version, key]));
    assert!(is_valid(
        Method::GET,
        &[version, key, ("content-length", "0")]
    ));
    assert!(is_valid(
        Method::GET,
        &[version, ("sec-websocket-key", &longest)]
    ));
    for headers in [
        &[version, key, ("content-length", "1")][..],
        &[
            version,
            key,
            ("content-length", "0"),
            ("content-length", "2"),
        ],
        &[version, key, ("transfer-encoding", "chunked")],
        &[version],
        &[key],
        &[version, version, key],
        &[version, key, key],
        &[version, ("sec-websocket-key", "")],
        &[version, ("sec-websocket-key", &too_long)],
        &[("sec-websocket-version", "8"), key],
        &[("sec-websocket-version", "13, 8"), key],
        &[("sec-websocket-version", "013"), key],
        &[("sec-websocket-version", ""), key],
    ] {
        assert!(!is_valid(Method::GET, headers), "{headers:?}");
    }
    assert!(!is_valid(Method::POST, &[version, key]));
    assert!(!is_valid(Method::HEAD, &[version, key]));
}

#[test]
fn offers_that_fit_are_taken() {
    for offer in [
        "permessage-deflate",
        " permessage-deflate ",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate;client_max_window_bits=8",
        "permessage-deflate; client_max_window_bits = 15",
        "permessage-deflate; client_max_window_bits=\"10\"; server_max_window_bits=\"15\"",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=15",
        "x-webkit-deflate-frame, permessage-deflate",
        "permessage-deflate; server_max_window_bits=10, permessage-deflate",
        "permessage-bzip2; quoted=\"a, b; \\\" permessage-deflate; x\", permessage-deflate",
        ",, permessage-deflate",
    ] {
        let values = [offer.as_bytes()];
        assert_eq!(
            accept_deflate(values.into_iter()),
            Some(DEFLATE_ANSWER),
            "{offer}"
        );
    }
    let values = [b"permessage-deflate; x".as_slice(), b"permessage-deflate"];
    assert_eq!(accept_deflate(values.into_iter()), Some(DEFLATE_ANSWER));
}

#[test]
fn offers_that_do_not_fit_are_passed_over() {
    for offer in [
        "",
        "grip",
        "permessage-deflate-2",
        "PerMessage-Deflate",
        "permessage-deflate=1",
        "permessage-deflate; unknown",
        "permessage-deflate; ",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=14",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=015",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=\"\"",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=15",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "x; y=\"permessage-deflate, permessage-deflate",
    ] {
        let values = [offer.as_bytes()];
        assert_eq!(accept_deflate(values.into_iter()), None, "{offer}");
    }
    assert_eq!(accept_deflate(std::iter::empty()), None);
}
