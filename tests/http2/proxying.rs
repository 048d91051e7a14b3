//! Requests of HTTP/2 reach the backend as those of HTTP/1.1 do, and answers come back by its rules.

use std::io::Write;

use bytes::Bytes;
use http::Request;

use crate::support::http2::{get, Http2Client};
use crate::support::wait::{gate, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

#[test]
fn a_request_is_forwarded_as_one_of_http1_would_be() {
    let backend = Backend::answering(|_| Answer::ok("hello").header("X-Mixed-Case", "Kept"));
    let p8 = P8::start(&Config::to(backend.addr).proxy("x_forwarded_for = [\"append\"]"));
    let mut client = Http2Client::connect(p8.clients);
    let mut request = get("/path?query=1", &[("cookie", "a=1"), ("cookie", "b=2")]);
    *request.uri_mut() = "http://example.com:81/path?query=1".parse().expect("a URI");
    let reply = client.request(request, b"");
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
    assert_eq!(reply.header("content-length"), Some("5"));
    assert_eq!(reply.header("x-mixed-case"), Some("Kept"));
    assert!(reply.header("date").is_some());
    for name in ["connection", "transfer-encoding", "keep-alive"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
    let seen = backend.only_request();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("GET", "/path?query=1")
    );
    assert_eq!(seen.header("host"), Some("example.com:81"));
    assert_eq!(seen.header("cookie"), Some("a=1; b=2"));
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("transfer-encoding"), None);
    assert!(seen.header("grip-sig").is_some());
}

#[test]
fn routes_are_found_by_the_authority() {
    let (one, other) = (
        Backend::answering(|_| Answer::ok("one")),
        Backend::answering(|_| Answer::ok("other")),
    );
    let config = Config::new().route("host = \"one.test\"", &[one.addr]);
    let p8 = P8::start(&config.route("host = \"other.test\"", &[other.addr]));
    let mut client = Http2Client::connect(p8.clients);
    for (host, body) in [("one.test", "one"), ("other.test", "other")] {
        let request = Request::get(format!("http://{host}/"))
            .body(())
            .expect("a request");
        assert_eq!(client.request(request, b"").text(), body);
    }
    let nowhere = Request::get("http://nowhere.test/")
        .body(())
        .expect("a request");
    let reply = client.request(nowhere, b"");
    assert_eq!(
        (reply.status, reply.header("p8-reason")),
        (502, Some("no-route"))
    );
}

#[test]
fn bodies_of_any_size_pass_both_ways_with_and_without_a_length() {
    let backend = Backend::answering(|request| Answer::ok(&request.body));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    for size in [1, 9_999, 10_001, 1_000_000] {
        let body: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        for length in [true, false] {
            let mut request = Request::post("http://h/");
            if length {
                request = request.header("content-length", size);
            }
            let reply = client.request(request.body(()).expect("a request"), &body);
            assert_eq!(reply.status, 200);
            assert!(
                reply.body == body,
                "{} of {size} bytes came",
                reply.body.len()
            );
        }
    }
    let counted = backend.seen();
    let framings = counted
        .iter()
        .map(|request| request.header("content-length").is_some());
    assert!(framings.clone().any(|counted| counted) && framings.clone().any(|counted| !counted));
}

#[test]
fn a_request_body_streams_while_its_answer_does() {
    let backend = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while exchange.read_some_body() > 0 {
            let so_far = exchange.request().body.len();
            exchange.chunk(format!("{so_far}\n"));
        }
        exchange.chunk("");
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    let request = Request::post("http://h/").body(()).expect("a request");
    let mut asked = client.begin(request, false);
    let mut send = |bytes: &'static [u8], end| {
        let sent = asked.body.send_data(Bytes::from_static(bytes), end);
        sent.expect("the stream is open");
    };
    send(&[b'x'; 12_000], false);
    wait_until(DEADLINE, "the first part", || {
        backend
            .seen()
            .first()
            .is_some_and(|request| request.body.len() == 12_000)
    });
    send(b"more", false);
    send(b"", true);
    let reply = client.finish(asked);
    assert!(reply.text().ends_with("12004\n"), "{}", reply.text());
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/204" => Answer::new(204),
        "/304" => Answer::new(304).header("ETag", "\"e\""),
        _ => Answer::ok("12345"),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    for (path, status) in [("/204", 204), ("/304", 304)] {
        let reply = client.get(path);
        assert_eq!((reply.status, reply.body.len()), (status, 0));
    }
    let head = Request::head("http://h/").body(()).expect("a request");
    let reply = client.request(head, b"");
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_eq!(reply.header("content-length"), Some("5"));
    // P-8's own answers too.
    let head = Request::head("http://h/")
        .header("host", "other")
        .body(())
        .expect("a request");
    let reply = client.request(head, b"");
    assert_eq!((reply.status, reply.body.len()), (400, 0));
    assert_eq!(reply.header("p8-reason"), Some("target-host-mismatch"));
}

#[test]
fn a_body_that_breaks_off_resets_its_stream_and_no_other() {
    let backend = Backend::scripted(|exchange| {
        match exchange.request().target.as_str() {
            "/counted" => exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"),
            "/chunked" => {
                exchange.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")
            }
            _ => exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        };
        exchange.close();
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    for path in ["/counted", "/chunked"] {
        let asked = client.ask(path);
        let mut open = client.open(asked);
        client.expect(&mut open, "12345");
        let end = client.read_to_end(&mut open).expect_err("no clean end");
        assert_eq!(end.reason(), Some(h2::Reason::INTERNAL_ERROR), "{path}");
        assert_eq!(client.get("/whole").text(), "ok");
    }
}

#[test]
fn trailers_and_interim_answers_are_left_out_and_requests_with_expectations_answered() {
    let backend = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        exchange.read_body();
        let expects = exchange.request().header("expect").is_some();
        exchange.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n");
        exchange.chunk(format!("expects: {expects}"));
        exchange.raw("0\r\nX-T: 1\r\n\r\n");
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    let request = Request::post("http://h/").header("expect", "100-continue");
    let asked = client.begin(request.body(()).expect("a request"), false);
    let mut body = asked.body;
    body.send_data(Bytes::from_static(b"body"), false)
        .expect("an open stream");
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-t", "1".parse().expect("a value"));
    body.send_trailers(trailers).expect("an open stream");
    let request = get("/", &[]);
    drop(request);
    let seen = || backend.seen();
    wait_until(DEADLINE, "the body", || {
        seen().iter().any(|r| r.body_complete)
    });
    assert_eq!(seen()[0].body, b"body");
    let reply = client.get("/");
    assert_eq!(reply.text(), "expects: false");
    assert_eq!(reply.header("trailer"), None);
}

#[test]
fn a_hundred_requests_share_a_connection() {
    let backend = Backend::answering(|request| Answer::ok(&request.target));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    let asked: Vec<_> = (0..100).map(|n| client.ask(&format!("/{n}"))).collect();
    for (n, asked) in asked.into_iter().enumerate() {
        assert_eq!(client.finish(asked).text(), format!("/{n}"));
    }
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("requests_total"), 100);
    assert_eq!(snapshot.total("http2_connections_total"), 1);
    assert_eq!(snapshot.total("http2_connections_current"), 1);
}

#[test]
fn a_client_that_takes_its_request_back_cancels_it() {
    let (tell, left) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let backend = Backend::scripted(move |exchange| {
        let tell = tell.lock().expect("a sender");
        tell.send(exchange.peer_left()).expect("the test waits");
        exchange.close();
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    let asked = client.ask("/");
    wait_until(DEADLINE, "the request", || backend.seen().len() == 1);
    drop(asked);
    assert_eq!(left.recv_timeout(super::AT_ONCE), Ok(true));
}

#[test]
fn a_slow_backend_holds_up_no_other_stream() {
    let (gate, wait) = gate();
    let backend = Backend::answering(move |request| {
        if request.target == "/slow" {
            wait();
        }
        Answer::ok(&request.target)
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    let slow = client.ask("/slow");
    assert_eq!(client.get("/fast").text(), "/fast");
    gate.open();
    assert_eq!(client.finish(slow).text(), "/slow");
}

#[test]
fn http1_goes_on_as_before_and_an_upgrade_to_h2c_is_ignored() {
    let backend = Backend::answering(|_| Answer::ok("hello"));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    let upgrade = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
    ];
    assert_eq!(client.get_with("/", &upgrade).text(), "hello");
    assert_eq!(client.get("/").text(), "hello");
    // The preface is only one at the beginning of a connection.
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(
        client.reply().head.header("p8-reason"),
        Some("http2-not-served")
    );
}

#[test]
fn a_preface_may_come_in_pieces() {
    let backend = Backend::answering(|_| Answer::ok("hello"));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut socket = std::net::TcpStream::connect(p8.clients).expect("a connection");
    socket.set_nodelay(true).expect("no delay");
    for byte in crate::support::http2::PREFACE {
        socket.write_all(&[*byte]).expect("P-8 reads");
    }
    socket
        .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .expect("P-8 reads");
    let mut first = [0; 9];
    std::io::Read::read_exact(&mut socket, &mut first).expect("P-8's SETTINGS");
    assert_eq!(first[3], crate::support::http2::SETTINGS);
}

#[test]
fn http2_can_be_switched_off() {
    let backend = Backend::answering(|_| Answer::ok("hello"));
    let p8 = P8::start(&Config::to(backend.addr).http("http2 = false"));
    let mut client = Client::connect(p8.clients);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(
        client.reply().head.header("p8-reason"),
        Some("http2-not-served")
    );
}
