//! Every way a request may be refused, with the error that names it.

use super::super::FramingError::{self, *};
use super::run;

fn head(lines: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").into_bytes()
}

fn chunks(body: &str) -> Vec<u8> {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    format!("{head}{body}").into_bytes()
}

/// Checks that nothing of a refused head passes.
fn assert_refused(input: &[u8], error: FramingError) {
    let run = run(input);
    let shown = input.escape_ascii();
    assert_eq!(run.refused, Some(error), "{shown}");
    assert_eq!(
        (run.passed.len(), run.left, run.heads.len()),
        (0, input.len(), 0),
        "{shown}"
    );
}

#[test]
fn broken_starts_are_refused_at_their_first_bytes() {
    #[rustfmt::skip]
    let table: &[(&[u8], FramingError)] = &[
        (b"\x16\x03\x01\x02\x00", Tls),
        (b"\x16", Tls),
        (b"\x00", InvalidToken),
        (b" GET / HTTP/1.1\r\n", InvalidToken),
        (b"\nGET", LineEnd),
        (b"\rG", LineEnd),
        (b"\r\n\nGET", LineEnd),
        (b"\r\n\r\n\r", InvalidToken),
        (b"PRI * HTTP/2.0\r\n", Http2),
        (b"GET /\r\n", InvalidToken),
        (b"GET\r\n", InvalidToken),
        (b"GET / HTTP/1.1\n", LineEnd),
        (b"GET / HTTP/1.1\r\r\n", LineEnd),
        (b"GET /\rX HTTP/1.1\r\n", LineEnd),
        (b"GET  / HTTP/1.1\r\n", InvalidToken),
        (b"GET\t/ HTTP/1.1\r\n", InvalidToken),
        (b"G#T / HTTP/1.1\r\n", InvalidToken),
        (b"G(T / HTTP/1.1\r\n", InvalidToken),
        (b"GET /\x7f HTTP/1.1\r\n", InvalidToken),
        (b"GET /\x01 HTTP/1.1\r\n", InvalidToken),
        (b"GET / HTTP/1.2\r\n", InvalidVersion),
        (b"GET / HTTP/2.0\r\n", InvalidVersion),
        (b"GET / http/1.1\r\n", InvalidVersion),
        (b"GET / HTTP/1.1 \r\n", InvalidVersion),
        (b"GET / x HTTP/1.1\r\n", InvalidVersion),
        (b"GET / \r\n", InvalidVersion),
        (b"CONNECT a:443 HTTP/1.1\r\n", Connect),
        (b"GET * HTTP/1.1\r\n", StarTarget),
        (b"OPTIONS ** HTTP/1.1\r\n", InvalidTarget),
        (b"GET a HTTP/1.1\r\n", InvalidTarget),
        (b"GET a:443 HTTP/1.1\r\n", InvalidTarget),
        (b"GET ftp://a/ HTTP/1.1\r\n", InvalidTarget),
        (b"GET http:/// HTTP/1.1\r\n", InvalidTarget),
        (b"GET http://u@a/ HTTP/1.1\r\n", InvalidTarget),
        (b"GET http://a:b/ HTTP/1.1\r\n", InvalidTarget),
        (b"GET http://a#b HTTP/1.1\r\n", InvalidTarget),
        (b"GET /#a HTTP/1.1\r\n", InvalidTarget),
        (b"GET /?#a HTTP/1.1\r\n", InvalidTarget),
        (b"GET /<a> HTTP/1.1\r\n", InvalidTarget),
        (b"GET /?<a> HTTP/1.1\r\n", InvalidTarget),
        (b"GET /?\" HTTP/1.1\r\n", InvalidTarget),
        (b"GET /\xc3\xa4 HTTP/1.1\r\n", InvalidTarget),
    ];
    for (input, error) in table {
        assert_refused(input, *error);
    }
}

#[test]
fn broken_headers_are_refused() {
    #[rustfmt::skip]
    let table: &[(&str, FramingError)] = &[
        ("A: b\nC: d", LineEnd),
        ("A: b\rC: d", LineEnd),
        ("A: b\r\r\nC: d", LineEnd),
        ("A: b\r\n c", FoldedHeader),
        ("A: b\r\n\tc", FoldedHeader),
        ("A: b\r\n \r\nC: d", FoldedHeader),
        ("A : b", SpaceBeforeColon),
        ("A\t: b", SpaceBeforeColon),
        (": b", InvalidHeaderName),
        ("A", InvalidHeaderName),
        ("A b: c", InvalidHeaderName),
        ("\u{e4}: c", InvalidHeaderName),
        ("A\0: c", InvalidHeaderName),
        ("Content_Length: 1", InvalidHeaderName),
        ("content_length: 1\r\nContent-Length: 1", InvalidHeaderName),
        ("Transfer_Encoding: chunked", InvalidHeaderName),
        ("A: b\0", InvalidHeaderValue),
        ("A: \x0bchunked", InvalidHeaderValue),
        ("A: b\x7f", InvalidHeaderValue),
        ("Connection: cl\u{f6}se", InvalidHeaderValue),
        ("Host: a", RepeatedHost),
        ("HOST: b", RepeatedHost),
        ("Content-Length:", InvalidContentLength),
        ("Content-Length: +1", InvalidContentLength),
        ("Content-Length: -1", InvalidContentLength),
        ("Content-Length: 1 1", InvalidContentLength),
        ("Content-Length: 1, 1", InvalidContentLength),
        ("Content-Length: 0x1", InvalidContentLength),
        ("Content-Length: 1.0", InvalidContentLength),
        ("Content-Length: \u{661}", InvalidContentLength),
        ("Content-Length: 9223372036854775808", InvalidContentLength),
        ("Content-Length: 99999999999999999999", InvalidContentLength),
        ("Content-Length: 1\r\nContent-Length: 1", RepeatedContentLength),
        ("Content-Length: 0\r\ncontent-length: 0", RepeatedContentLength),
        ("Content-Length: 1\r\nContent-Length: 2", RepeatedContentLength),
        ("Transfer-Encoding:", UnsupportedTransferEncoding),
        ("Transfer-Encoding: identity", UnsupportedTransferEncoding),
        ("Transfer-Encoding: gzip", UnsupportedTransferEncoding),
        ("Transfer-Encoding: gzip, chunked", UnsupportedTransferEncoding),
        ("Transfer-Encoding: chunked, chunked", UnsupportedTransferEncoding),
        ("Transfer-Encoding: chunked,", UnsupportedTransferEncoding),
        ("Transfer-Encoding: chunked;a=b", UnsupportedTransferEncoding),
        ("Transfer-Encoding: \"chunked\"", UnsupportedTransferEncoding),
        ("Transfer-Encoding: xchunked", UnsupportedTransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", RepeatedTransferEncoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1", LengthAndEncoding),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked", LengthAndEncoding),
        ("Upgrade: websocket\r\nContent-Length: 1", WebSocketBody),
        ("Upgrade: websocket\r\nTransfer-Encoding: chunked", WebSocketBody),
    ];
    for (lines, error) in table {
        assert_refused(&head(lines), *error);
    }
}

#[test]
fn broken_hosts_and_combinations_are_refused() {
    for host in [
        "a b", "a,b", "a/b", "u@a", "a:b", "a:65536", ":80", "[::1", "[a]", "[]", "\u{e4}", "::1",
        "a\\",
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_refused(input.as_bytes(), InvalidHost);
    }
    let input = b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_refused(input, EncodingOnHttp10);
    let input = b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n";
    assert_refused(input, TargetHostMismatch);
}

#[test]
fn broken_chunks_are_refused_where_they_break() {
    let long_extension = format!("1;{}\r\na\r\n0\r\n\r\n", "b".repeat(1_025));
    let long_blank = format!("1{};\r\na\r\n0\r\n\r\n", " ".repeat(1_025));
    let long_trailer = format!("0\r\nA: {}\r\n\r\n", "b".repeat(8_190));
    let long_trailers = format!("0\r\n{}\r\n", "A:b\r\n".repeat(2_100));
    // How many bytes of the body pass before the refusal.
    #[rustfmt::skip]
    let table: &[(&str, usize, FramingError)] = &[
        ("\r\n", 0, InvalidChunkSize),
        ("g\r\n", 0, InvalidChunkSize),
        ("-1\r\n", 0, InvalidChunkSize),
        (" 1\r\n", 0, InvalidChunkSize),
        (";a\r\n", 0, InvalidChunkSize),
        ("0x1\r\n", 1, InvalidChunkSize),
        ("1 \r\na", 2, InvalidChunkSize),
        ("1 1\r\n", 2, InvalidChunkSize),
        ("1\na", 1, InvalidChunkSize),
        ("1\rxa", 2, InvalidChunkSize),
        ("00000000000000001\r\na", 16, InvalidChunkSize),
        ("10000000000000000\r\na", 16, InvalidChunkSize),
        ("1;a\na", 3, InvalidChunkExtension),
        ("1;a\0", 3, InvalidChunkExtension),
        ("1;a\x7f", 3, InvalidChunkExtension),
        ("1;a\rb", 4, InvalidChunkSize),
        (&long_extension, 2 + 1_024, InvalidChunkExtension),
        (&long_blank, 1 + 1_024, InvalidChunkExtension),
        ("1\r\nab", 4, InvalidChunkEnd),
        ("1\r\na\n", 4, InvalidChunkEnd),
        ("1\r\na\rb", 5, InvalidChunkEnd),
        ("1\r\na0\r\n\r\n", 4, InvalidChunkEnd),
        ("0\r\n\n", 3, InvalidTrailer),
        ("0\r\n\rx", 4, InvalidTrailer),
        ("0\r\n A: b\r\n\r\n", 3, InvalidTrailer),
        ("0\r\n: b\r\n\r\n", 3, InvalidTrailer),
        ("0\r\nA b\r\n\r\n", 4, InvalidTrailer),
        ("0\r\nA\r\n\r\n", 4, InvalidTrailer),
        ("0\r\nA: b\n\r\n", 7, InvalidTrailer),
        ("0\r\nA: b\0", 7, InvalidTrailer),
        ("0\r\nA: b\rc", 8, InvalidTrailer),
        ("0\r\nA: b\r\n c\r\n\r\n", 9, InvalidTrailer),
        (&long_trailer, 3 + 8_192, TrailersTooLarge),
        (&long_trailers, 3 + 10_240, TrailersTooLarge),
    ];
    for (body, passed, error) in table {
        let input = chunks(body);
        let run = run(&input);
        assert_eq!(run.refused, Some(*error), "{body:?}");
        assert_eq!(body.len() - run.left, *passed, "{body:?}");
        assert!(error.is_in_body() && run.requests == 0);
    }
}

#[test]
fn texts_codes_and_statuses() {
    #[rustfmt::skip]
    let table = [
        (HeadTooLarge { limit: 9 }, 400, "head-too-large", "Request header size exceeded limit of 9 bytes."),
        (TooManyHeaders, 400, "too-many-headers", "Failed to parse request: too many headers"),
        (InvalidToken, 400, "bad-token", "Failed to parse request: invalid token"),
        (InvalidHeaderName, 400, "bad-header-name", "Failed to parse request: invalid header name"),
        (InvalidHeaderValue, 400, "bad-header-value", "Failed to parse request: invalid header value"),
        (InvalidVersion, 400, "bad-http-version", "Failed to parse request: invalid HTTP version"),
        (InvalidContentLength, 400, "bad-content-length", "Failed to parse request: invalid content length"),
        (UnsupportedTransferEncoding, 400, "bad-transfer-encoding", "Failed to parse request: unsupported transfer encoding"),
        (Connect, 501, "connect-not-served", "CONNECT is not served here"),
        (Tls, 400, "tls-on-plain-port", "this port speaks plain HTTP, not TLS"),
    ];
    for (error, status, code, text) in table {
        assert_eq!(
            (error.status(), error.code(), error.to_string().as_str()),
            (status, code, text)
        );
    }
}
