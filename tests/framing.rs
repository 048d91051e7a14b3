//! Requests whose framing is ambiguous or broken are refused, so that no two readers of the same
//! bytes can disagree.
//!
//! Source: RFC 9112 sections 5 and 6; the list of bad input.

use crate::support::client::CutShort;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

/// Header lines that must get 400 with that reason and reach no backend; what follows the request
/// must not be answered.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "both framings",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "length-and-encoding",
    ),
    (
        "both framings, other order",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "length-and-encoding",
    ),
    (
        "two lengths that differ",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "repeated-content-length",
    ),
    (
        "two lengths that agree",
        "Content-Length: 4\r\nContent-Length: 4\r\n",
        "repeated-content-length",
    ),
    (
        "a list of lengths",
        "Content-Length: 4, 4\r\n",
        "bad-content-length",
    ),
    (
        "a signed length",
        "Content-Length: +4\r\n",
        "bad-content-length",
    ),
    (
        "a negative length",
        "Content-Length: -4\r\n",
        "bad-content-length",
    ),
    (
        "a length in words",
        "Content-Length: four\r\n",
        "bad-content-length",
    ),
    (
        "an empty length",
        "Content-Length: \r\n",
        "bad-content-length",
    ),
    (
        "a length past 64 bits",
        "Content-Length: 99999999999999999999\r\n",
        "bad-content-length",
    ),
    (
        "a hexadecimal length",
        "Content-Length: 0x4\r\n",
        "bad-content-length",
    ),
    (
        "an unknown coding",
        "Transfer-Encoding: gzip\r\n",
        "bad-transfer-encoding",
    ),
    (
        "a coding before chunked",
        "Transfer-Encoding: gzip, chunked\r\n",
        "bad-transfer-encoding",
    ),
    (
        "chunked not last",
        "Transfer-Encoding: chunked, identity\r\n",
        "bad-transfer-encoding",
    ),
    (
        "chunked twice",
        "Transfer-Encoding: chunked, chunked\r\n",
        "bad-transfer-encoding",
    ),
    (
        "chunked in two lines",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "repeated-transfer-encoding",
    ),
    (
        "an empty coding",
        "Transfer-Encoding: \r\n",
        "bad-transfer-encoding",
    ),
    (
        "quoted chunked",
        "Transfer-Encoding: \"chunked\"\r\n",
        "bad-transfer-encoding",
    ),
    (
        "a blank before the colon",
        "Content-Length : 4\r\n",
        "space-before-colon",
    ),
    (
        "a tab before the colon",
        "Transfer-Encoding\t: chunked\r\n",
        "space-before-colon",
    ),
    (
        "a folded line",
        "X-A: 1\r\n Content-Length: 4\r\n",
        "folded-header",
    ),
    (
        "a bare CR in a value",
        "X-A: 1\rContent-Length: 4\r\n",
        "bad-line-end",
    ),
    ("a NUL in a value", "X-A: 1\0\r\n", "bad-header-value"),
    ("a name with a blank", "X A: 1\r\n", "bad-header-name"),
    ("no name", ": 1\r\n", "bad-header-name"),
    ("no colon", "X-A\r\n", "bad-header-name"),
    ("two hosts", "Host: other\r\n", "repeated-host"),
];

#[test]
fn ambiguous_request_framing_is_refused_and_reaches_nobody() {
    let backend = Backend::answering(|_| Answer::ok("reached"));
    let p8 = P8::start(&Config::to(backend.addr));
    for (what, lines, reason) in REFUSED {
        let mut client = p8.client();
        client.send(format!(
            "POST /first HTTP/1.1\r\nHost: h\r\n{lines}\r\n0\r\n\r\n\
             GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
        ));
        let reply = client.reply();
        assert_eq!(
            (reply.status(), reply.head.header("p8-reason")),
            (400, Some(*reason)),
            "{what}"
        );
        assert!(
            reply.text().starts_with("Failed to parse request: "),
            "{what}: {}",
            reply.text()
        );
        client.expect_end();
    }
    assert_eq!(backend.seen().len(), 0, "{:?}", backend.seen());
}

#[test]
fn broken_request_lines_are_refused() {
    let backend = Backend::answering(|_| Answer::ok("reached"));
    let p8 = P8::start(&Config::to(backend.addr));
    for (line, status) in [
        ("GET", 400),
        ("GET /", 400),
        ("GET / HTTP/9.9", 400),
        ("GET / HTTP/1.1 more", 400),
        ("GET  / HTTP/1.1", 400),
        ("G@T\x01 / HTTP/1.1", 400),
        ("GET / HTTX/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET http://other/ HTTP/1.1", 400),
        ("\x16\x03\x01\x02\x00", 400),
        ("CONNECT h:443 HTTP/1.1", 501),
    ] {
        let mut client = p8.client();
        client.send(format!("{line}\r\nHost: h\r\n\r\n"));
        assert_eq!(client.reply().status(), status, "{line:?}");
        client.expect_end();
    }
    assert_eq!(backend.seen().len(), 0);
}

/// Chunks that must get 400 with that reason.
const BROKEN_CHUNKS: &[(&str, &str)] = &[
    ("zz\r\n", "bad-chunk-size"),
    ("-1\r\n", "bad-chunk-size"),
    ("+3\r\nabc\r\n0\r\n\r\n", "bad-chunk-size"),
    ("0x3\r\nabc\r\n0\r\n\r\n", "bad-chunk-size"),
    ("3\r\nabcde\r\n0\r\n\r\n", "bad-chunk-end"),
    ("3\nabc\n0\n\n", "bad-chunk-size"),
    ("11111111111111111\r\n", "bad-chunk-size"),
    ("\r\n", "bad-chunk-size"),
    ("3;a\x01\r\nabc\r\n0\r\n\r\n", "bad-chunk-extension"),
    ("3\r\nabc\r\n0\r\nX A: 1\r\n\r\n", "bad-trailer"),
];

#[test]
fn broken_chunks_end_the_request_and_nothing_behind_them_is_read_as_one() {
    let backend = Backend::answering(|request| Answer::ok(&request.target));
    let p8 = P8::start(&Config::to(backend.addr));
    for (chunks, reason) in BROKEN_CHUNKS {
        let mut client = p8.client();
        client.send(format!(
            "POST /chunks HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
             {chunks}GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
        ));
        let reply = client.reply();
        assert_eq!(
            (reply.status(), reply.head.header("p8-reason")),
            (400, Some(*reason)),
            "{chunks:?}"
        );
        client.expect_end();
    }
    assert_eq!(targets_reached_whole(&backend), Vec::<String>::new());
}

#[test]
fn a_chunk_that_breaks_while_the_backend_reads_is_answered_as_well() {
    let backend = Backend::answering(|request| Answer::ok(&request.target));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("7530\r\n{}\r\n", "x".repeat(30_000)));
    wait_until(DEADLINE, "the chunk at the backend", || {
        backend.seen().iter().any(|r| r.body.len() == 30_000)
    });
    client.send("zz\r\n");
    let reply = client.reply();
    assert_eq!(
        (reply.status(), reply.head.header("p8-reason")),
        (400, Some("bad-chunk-size"))
    );
    client.expect_end();
    assert_eq!(targets_reached_whole(&backend), Vec::<String>::new());
}

#[test]
fn a_chunk_that_breaks_after_the_answer_began_cuts_the_connection() {
    let backend = Backend::scripted(|exchange| {
        while exchange.request().body.len() < 30_000 && exchange.read_some_body() > 0 {}
        exchange.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        exchange.chunk("early");
        exchange.peer_left();
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("7530\r\n{}\r\n", "x".repeat(30_000)));
    assert_eq!(client.final_head().status, 200);
    client.expect("early");
    client.send("zz\r\n");
    assert_eq!(client.read_to_end(), Err(CutShort));
}

/// The targets of requests that a backend took for whole.
fn targets_reached_whole(backend: &Backend) -> Vec<String> {
    let whole = backend.seen().into_iter().filter(|r| r.body_complete);
    whole.map(|r| r.target).collect()
}

#[test]
fn well_framed_requests_pass() {
    let backend = Backend::answering(|request| Answer::ok(&request.body));
    let p8 = P8::start(&Config::to(backend.addr));
    for (lines, body, expected) in [
        ("Content-Length: 4\r\n", "abcd", "abcd"),
        ("content-length:4\r\n", "abcd", "abcd"),
        ("Content-Length: 0\r\n", "", ""),
        (
            "Transfer-Encoding: Chunked\r\n",
            "4\r\nabcd\r\n0\r\n\r\n",
            "abcd",
        ),
        (
            "Transfer-Encoding: chunked\r\n",
            "004\r\nabcd\r\n000\r\n\r\n",
            "abcd",
        ),
    ] {
        let mut client = p8.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n{body}"));
        assert_eq!(client.reply().text(), expected, "{lines:?}");
        assert_eq!(client.get("/").text(), "", "in step after {lines:?}");
    }
}
