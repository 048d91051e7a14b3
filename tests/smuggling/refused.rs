//! What P-8 refuses: nothing of it reaches a backend, and its connection ends.

use super::scenes;

/// What an attack hopes to have read as a request of its own.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n";

/// Attacks in headers: what they are called, the lines, and why they are refused.
#[rustfmt::skip]
const HEADERS: &[(&str, &str, &str)] = &[
    ("CL.TE", "Content-Length: 6\r\nTransfer-Encoding: chunked", "length-and-encoding"),
    ("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 4", "length-and-encoding"),
    ("CL.TE, no length", "Content-Length: 0\r\nTransfer-Encoding: chunked", "length-and-encoding"),
    ("TE.TE, identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "bad-transfer-encoding"),
    ("TE.TE, twice", "Transfer-Encoding: chunked\r\nTransfer-encoding: chunked", "repeated-transfer-encoding"),
    ("TE.TE, a cow", "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow", "bad-transfer-encoding"),
    ("TE, a list", "Transfer-Encoding: identity, chunked", "bad-transfer-encoding"),
    ("TE, a list that ends otherwise", "Transfer-Encoding: chunked, identity", "bad-transfer-encoding"),
    ("TE, a misspelt one", "Transfer-Encoding: xchunked", "bad-transfer-encoding"),
    ("TE, quoted", "Transfer-Encoding: \"chunked\"", "bad-transfer-encoding"),
    ("TE, with a parameter", "Transfer-Encoding: chunked;q=1", "bad-transfer-encoding"),
    ("TE, an empty member", "Transfer-Encoding: ,chunked", "bad-transfer-encoding"),
    ("TE, empty", "Transfer-Encoding:", "bad-transfer-encoding"),
    ("TE, a vertical tab", "Transfer-Encoding: \x0bchunked", "bad-header-value"),
    ("TE, a form feed", "Transfer-Encoding: chunked\x0c", "bad-header-value"),
    ("TE, a NUL behind it", "Transfer-Encoding: chunked\0", "bad-header-value"),
    ("TE, beyond ASCII", "Transfer-Encoding: chunked\u{a0}", "bad-transfer-encoding"),
    ("TE, a blank before the colon", "Transfer-Encoding : chunked", "space-before-colon"),
    ("TE, a tab before the colon", "Transfer-Encoding\t: chunked", "space-before-colon"),
    ("TE, its name in two lines", "Transfer-Encoding\r\n : chunked", "bad-header-name"),
    ("TE, its value in the next line", "Transfer-Encoding:\r\n chunked", "folded-header"),
    ("TE, behind a bare LF", "X: y\nTransfer-Encoding: chunked", "bad-line-end"),
    ("TE, behind a bare CR", "X: y\rTransfer-Encoding: chunked", "bad-line-end"),
    ("TE, behind two CR", "X: y\r\r\nTransfer-Encoding: chunked", "bad-line-end"),
    ("TE, with an underscore", "Content-Length: 5\r\nTransfer_Encoding: chunked", "bad-header-name"),
    ("TE, as a folded line", "X: y\r\n Transfer-Encoding: chunked", "folded-header"),
    ("TE, as a line folded by a tab", "X: y\r\n\tTransfer-Encoding: chunked", "folded-header"),
    ("two lengths that differ", "Content-Length: 5\r\nContent-Length: 6", "repeated-content-length"),
    ("two lengths that agree", "Content-Length: 5\r\nContent-Length: 5", "repeated-content-length"),
    ("a list of lengths that agree", "Content-Length: 5, 5", "bad-content-length"),
    ("a list of lengths that differ", "Content-Length: 0, 5", "bad-content-length"),
    ("a length with a sign", "Content-Length: +5", "bad-content-length"),
    ("a negative length", "Content-Length: -5", "bad-content-length"),
    ("a hexadecimal length", "Content-Length: 0x5", "bad-content-length"),
    ("a length with an exponent", "Content-Length: 5e0", "bad-content-length"),
    ("a length with a point", "Content-Length: 5.0", "bad-content-length"),
    ("a length with a separator", "Content-Length: 1_0", "bad-content-length"),
    ("a length in two words", "Content-Length: 0 5", "bad-content-length"),
    ("a length in quotes", "Content-Length: \"5\"", "bad-content-length"),
    ("a length in other digits", "Content-Length: \u{ff15}", "bad-content-length"),
    ("a length over 64 bits", "Content-Length: 18446744073709551621", "bad-content-length"),
    ("a length over 63 bits", "Content-Length: 9223372036854775808", "bad-content-length"),
    ("an empty length", "Content-Length:", "bad-content-length"),
    ("a length in the next line", "Content-Length:\r\n 5", "folded-header"),
    ("a length with an underscore", "Content_Length: 5", "bad-header-name"),
    ("a length, and one with an underscore", "Content-Length: 5\r\ncontent_length: 0", "bad-header-name"),
    ("a length behind a blank", " Content-Length: 5", "folded-header"),
    ("a length, a blank before the colon", "Content-Length: 5\r\nContent-Length : 0", "space-before-colon"),
    ("a NUL in a name", "Content-\0Length: 5", "bad-header-name"),
    ("a NUL in a value", "X: a\0b", "bad-header-value"),
    ("a blank in a name", "Content Length: 5", "bad-header-name"),
    ("a name beyond ASCII", "Content-L\u{e9}ngth: 5", "bad-header-name"),
    ("a name with brackets", "X(y): z", "bad-header-name"),
    ("no name", ": chunked", "bad-header-name"),
    ("no colon", "chunked", "bad-header-name"),
    ("two hosts", "Host: evil", "repeated-host"),
    ("a second host in capitals", "HOST: h", "repeated-host"),
    ("a host behind a blank", "Host : evil", "space-before-colon"),
    ("a WebSocket with a body", "Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 5", "websocket-with-body"),
];

/// Attacks in the request line and with the host.
#[rustfmt::skip]
const HEADS: &[(&str, &str, &str)] = &[
    ("another host in the target", "GET http://evil/ HTTP/1.1\r\nHost: h\r\n\r\n", "target-host-mismatch"),
    ("a user in the target", "GET http://h@evil/ HTTP/1.1\r\nHost: h\r\n\r\n", "bad-request-target"),
    ("a target without a slash", "GET @evil/ HTTP/1.1\r\nHost: h\r\n\r\n", "bad-request-target"),
    ("a fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", "bad-request-target"),
    ("a list of hosts", "GET / HTTP/1.1\r\nHost: h, evil\r\n\r\n", "bad-host"),
    ("a path in the host", "GET / HTTP/1.1\r\nHost: h/evil\r\n\r\n", "bad-host"),
    ("a user in the host", "GET / HTTP/1.1\r\nHost: h@evil\r\n\r\n", "bad-host"),
    ("a blank in the host", "GET / HTTP/1.1\r\nHost: h evil\r\n\r\n", "bad-host"),
    ("a bad port", "GET / HTTP/1.1\r\nHost: h:80evil\r\n\r\n", "bad-host"),
    ("chunks on 1.0", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "encoding-on-http10"),
    ("HTTP/0.9", "GET /\r\n\r\n", "bad-token"),
    ("another version", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", "bad-http-version"),
    ("a version of two digits", "GET / HTTP/1.10\r\nHost: h\r\n\r\n", "bad-http-version"),
    ("a version in lower case", "GET / http/1.1\r\nHost: h\r\n\r\n", "bad-http-version"),
    ("a second version", "GET / HTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n", "bad-http-version"),
    ("a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", "bad-token"),
    ("two blanks in the request line", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "bad-token"),
    ("a blank before it", " GET / HTTP/1.1\r\nHost: h\r\n\r\n", "bad-token"),
    ("a bare CR in the request line", "GET /\rX HTTP/1.1\r\nHost: h\r\n\r\n", "bad-line-end"),
    ("a bare LF behind it", "GET / HTTP/1.1\nHost: h\r\n\r\n", "bad-line-end"),
    ("bare LFs at the end", "GET / HTTP/1.1\r\nHost: h\n\n", "bad-line-end"),
    ("a header before the host, folded", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", "folded-header"),
    ("a tunnel", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", "connect-not-served"),
];

/// Attacks in chunks.
#[rustfmt::skip]
const CHUNKS: &[(&str, &str, &str)] = &[
    ("a sign", "+5\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
    ("a negative size", "-5\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
    ("a prefix", "0x5\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
    ("a blank before the size", " 5\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
    ("a blank behind the size", "5 \r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
    ("a separator", "0_5\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
    ("no size", "\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
    ("two sizes", "5 0\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
    ("a size over 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
    ("17 zeros", "00000000000000000\r\n\r\n", "bad-chunk-size"),
    ("a bare LF behind the size", "5\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
    ("a bare CR behind the size", "5\rhello\r\n0\r\n\r\n", "bad-chunk-size"),
    ("a bare LF in an extension", "5;a\nhello\r\n0\r\n\r\n", "bad-chunk-extension"),
    ("a bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
    ("a quoted line end in an extension", "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", "bad-chunk-end"),
    ("a NUL in an extension", "5;a\0\r\nhello\r\n0\r\n\r\n", "bad-chunk-extension"),
    ("a chunk that is longer", "5\r\nhello!\r\n0\r\n\r\n", "bad-chunk-end"),
    ("a chunk that is shorter", "5\r\nhell\r\n0\r\n\r\n", "bad-chunk-end"),
    ("a bare LF behind the chunk", "5\r\nhello\n0\r\n\r\n", "bad-chunk-end"),
    ("two bytes instead of the line end", "5\r\nhelloXX0\r\n\r\n", "bad-chunk-end"),
    ("a bare LF behind the last chunk", "0\n\n", "bad-chunk-size"),
    ("a bare LF at the very end", "0\r\n\n", "bad-trailer"),
    ("a request as trailers", "0\r\nGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n", "bad-trailer"),
    ("a folded trailer", "0\r\nX: y\r\n z\r\n\r\n", "bad-trailer"),
    ("a blank before a trailer's colon", "0\r\nX : y\r\n\r\n", "bad-trailer"),
];

#[test]
fn ambiguous_heads_are_refused_and_no_byte_of_them_reaches_a_backend() {
    let headers = HEADERS.iter().map(|(what, lines, reason)| {
        let head = format!("POST /a HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n0\r\n\r\n");
        (*what, head, *reason)
    });
    let heads = HEADS
        .iter()
        .map(|(what, head, reason)| (*what, (*head).to_owned(), *reason));
    assert_refused(headers.chain(heads));
}

#[test]
fn ambiguous_chunks_are_refused_and_no_byte_of_them_reaches_a_backend() {
    let head = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_refused(
        CHUNKS
            .iter()
            .map(|(what, chunks, reason)| (*what, format!("{head}{chunks}"), *reason)),
    );
}

#[track_caller]
fn assert_refused<'a>(attacks: impl Iterator<Item = (&'a str, String, &'a str)>) {
    let scenes = scenes();
    let mut faults = Vec::new();
    for (what, attack, reason) in attacks {
        for scene in &scenes {
            let mut client = scene.send(format!("{attack}{SMUGGLED}"));
            let reply = client.reply();
            let told = (reply.status(), reply.head.header("p8-reason"));
            if !matches!(told.0, 400 | 501) || told.1 != Some(reason) {
                faults.push(format!("{what}: {told:?}, expected {reason}"));
            }
            client.expect_end();
            let (raw, seen) = scene.victim(what);
            if !raw.is_empty() || !seen.is_empty() {
                faults.push(format!("{what}: {raw:?} arrived"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
