//! What P-8 passes on although it looks odd: framed anew, so that both readers read the same.

use super::backends::{Reader, Seen};
use super::{scenes, Scene};

/// What an attack is called, its bytes, the bytes the backend gets, and the requests those are.
struct Case {
    what: &'static str,
    sent: &'static str,
    arrives: &'static str,
    seen: &'static [(&'static str, &'static str, &'static str)],
}

const HELLO: &str = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
const ONE: &[(&str, &str, &str)] = &[("POST", "/a", "hello")];
const EMPTY: &[(&str, &str, &str)] = &[("GET", "/a", "")];

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { what: "a length with zeros before it and blanks around it", seen: ONE, arrives: HELLO,
        sent: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: \t 005 \t\r\n\r\nhello" },
    Case { what: "chunks that are named by a tab and capitals", seen: ONE, arrives: HELLO,
        sent: "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\tCHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n" },
    Case { what: "chunks with extensions", seen: ONE, arrives: HELLO,
        sent: "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n" },
    Case { what: "sizes with zeros before them", seen: ONE, arrives: HELLO,
        sent: "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0002\r\nhe\r\n3\r\nllo\r\n0000\r\n\r\n" },
    Case { what: "trailers that would frame, or name", seen: ONE, arrives: HELLO,
        sent: "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\nHost: evil\r\n\r\n" },
    Case { what: "a request within a body", arrives: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 39\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n\n",
        seen: &[("POST", "/a", "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n\n")],
        sent: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 39\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n\n" },
    Case { what: "a chunk within a chunk", arrives: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0\r\n\r\nGET /",
        seen: &[("POST", "/a", "0\r\n\r\nGET /")],
        sent: "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0\r\n\r\nGET /\r\n0\r\n\r\n" },
    Case { what: "a body that its header takes away", seen: ONE, arrives: HELLO,
        sent: "POST /a HTTP/1.1\r\nHost: h\r\nConnection: content-length, close\r\nContent-Length: 5\r\n\r\nhello" },
    Case { what: "chunks that their header takes away", seen: ONE, arrives: HELLO,
        sent: "POST /a HTTP/1.1\r\nHost: h\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" },
    Case { what: "a host that its header takes away", seen: EMPTY, arrives: "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        sent: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: host\r\n\r\n" },
    Case { what: "a target in absolute form", seen: EMPTY, arrives: "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        sent: "GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n" },
    Case { what: "line ends that are encoded", arrives: "GET /%0d%0aHost:%20evil HTTP/1.1\r\nHost: h\r\n\r\n",
        seen: &[("GET", "/%0d%0aHost:%20evil", "")],
        sent: "GET /%0d%0aHost:%20evil HTTP/1.1\r\nHost: h\r\n\r\n" },
    Case { what: "an upgrade to HTTP/2", seen: EMPTY, arrives: "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        sent: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" },
    Case { what: "names that gateways take for P-8's own", seen: EMPTY, arrives: "GET /a HTTP/1.1\r\nHost: h\r\nX_other: 1\r\n\r\n",
        sent: "GET /a HTTP/1.1\r\nHost: h\r\nGrip_Sig: x\r\nX_Forwarded_For: x\r\nX-Forwarded_Proto: https\r\nX_Other: 1\r\n\r\n" },
    Case { what: "a body without a length on 1.0", seen: &[("POST", "/a", "")],
        arrives: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
        sent: "POST /a HTTP/1.0\r\nHost: h\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n" },
    Case { what: "a request behind another", seen: &[("POST", "/a", "hello"), ("GET", "/a", "")],
        arrives: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        sent: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /a HTTP/1.1\r\nHost: h\r\n\r\n" },
    Case { what: "a request behind the last chunk", seen: &[("POST", "/a", "hello"), ("GET", "/a", "")],
        arrives: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        sent: "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n" },
];

#[test]
fn odd_requests_are_framed_anew_and_every_reader_reads_the_same() {
    let scenes = scenes();
    let mut faults = Vec::new();
    for case in CASES {
        for scene in &scenes {
            let mut client = scene.send(case.sent);
            let seen =
                |(method, target, body): &(&str, &str, &str)| Seen::new(method, "h", target, body);
            let expected: Vec<_> = case.seen.iter().map(seen).collect();
            let answers: Vec<_> = expected.iter().map(|_| client.reply().text()).collect();
            let (raw, seen) = scene.victim(case.what);
            if raw != case.arrives || seen != expected {
                faults.push(format!("{}: {raw:?} arrived, read as {seen:?}", case.what));
            }
            assert!(
                answers.iter().all(|answer| answer.contains(" h /")),
                "{}",
                case.what
            );
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_body_with_a_get_ends_its_backends_connection() {
    for reader in [Reader::Strict, Reader::Lax] {
        let scene = Scene::new(reader);
        let body = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
        let request = format!(
            "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut client = scene.send(&request);
        assert!(client.reply().text().starts_with("GET h /a "));
        // A backend that ignores the body takes it for a request; nobody gets the answer to that.
        let (raw, _) = scene.victim("a body with GET");
        assert_eq!(raw, request);
    }
}

#[test]
fn a_chunk_of_almost_64_bits_never_ends() {
    for scene in scenes() {
        let head = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n".repeat(400);
        let client = scene.send(format!("{head}ffffffffffffffff\r\n{smuggled}"));
        client.reset();
        let (_, seen) = scene.victim("a huge chunk");
        assert_eq!(seen, []);
    }
}

#[test]
fn a_handshake_that_is_none_opens_no_way_past_the_routes() {
    for scene in scenes() {
        let head = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 1337\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let mut client = scene.send(format!(
            "{head}GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n"
        ));
        assert_eq!(client.reply().status(), 400);
        client.expect_end();
        assert_eq!(scene.victim("a bad version").1, []);
        // As good as it may be: the backend does not switch, and the connection ends.
        let head = head.replace("1337", "13");
        let mut client = scene.send(format!(
            "{head}GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n"
        ));
        assert_eq!(client.reply().text(), "GET h /a ");
        client.expect_end();
        let (_, seen) = scene.victim("a backend that does not switch");
        assert_eq!(seen, [Seen::new("GET", "h", "/a", "")]);
    }
}
