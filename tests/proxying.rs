//! Plain proxying: what is not GRIP passes as through any good reverse proxy.
//!
//! Source: the list of HTTP behaviours; `docs/life-of-a-request.md`. Failing backends are in
//! `backend_failures.rs`, ambiguous requests in `framing.rs`.

use std::sync::mpsc;
use std::sync::Mutex;

use crate::support::wait::{gate, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

/// A backend that answers every request with that body, and P-8 before it.
fn before(answer: Answer) -> (Backend, P8) {
    let backend = Backend::answering(move |_| answer.clone());
    let p8 = P8::start(&Config::to(backend.addr));
    (backend, p8)
}

#[test]
fn every_method_passes_unchanged() {
    let (backend, p8) = before(Answer::ok("done"));
    let mut client = p8.client();
    let methods = [
        "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "X-CUSTOM",
    ];
    for method in methods {
        client.request(method, "/", &[], b"");
        assert_eq!(client.reply().text(), "done", "{method}");
    }
    let seen: Vec<String> = backend
        .seen()
        .into_iter()
        .map(|request| request.method)
        .collect();
    assert_eq!(seen, methods);
}

#[test]
fn the_request_target_passes_byte_for_byte() {
    let (backend, p8) = before(Answer::ok(""));
    let target = "/a%2Fb/%20c;v=1/~x//y?q=a%26b&q=2&e=&u=%C3%A9+z";
    p8.get(target);
    assert_eq!(backend.only_request().target, target);
}

#[test]
fn status_reason_and_headers_come_back() {
    let made = Answer::new(201)
        .reason("Made It")
        .header("X-One", "1")
        .header("Location", "/x/1");
    let (_backend, p8) = before(made.body("made"));
    let reply = p8.client().post("/", b"x");
    assert_eq!(
        (reply.status(), reply.head.reason.as_str()),
        (201, "Made It")
    );
    assert_eq!(reply.head.header("x-one"), Some("1"));
    assert_eq!(reply.head.header("location"), Some("/x/1"));
    assert_eq!(reply.text(), "made");
}

#[test]
fn final_status_codes_pass_errors_included() {
    let backend = Backend::answering(|request| {
        Answer::new(request.query().parse().expect("a status")).body("body")
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    for status in [
        200, 202, 206, 301, 302, 400, 401, 404, 409, 418, 425, 429, 500, 503, 599, 999,
    ] {
        let reply = client.get(&format!("/?{status}"));
        assert_eq!((reply.status(), reply.text().as_str()), (status, "body"));
    }
}

#[test]
fn repeated_headers_stay_apart_and_in_order() {
    let cookies = Answer::ok("")
        .header("Set-Cookie", "a=1")
        .header("Set-Cookie", "b=2; Path=/");
    let (backend, p8) = before(cookies);
    let reply = p8.client().get_with("/", &[("X-M", "1"), ("X-M", "2")]);
    assert_eq!(reply.head.all("set-cookie"), ["a=1", "b=2; Path=/"]);
    assert_eq!(backend.only_request().all("x-m"), ["1", "2"]);
}

#[test]
fn end_to_end_request_headers_pass_with_their_values() {
    let (backend, p8) = before(Answer::ok(""));
    let sent = [
        ("Host", "some.example:8080"),
        ("User-Agent", "test/1"),
        ("Accept", "text/x, */*;q=0.1"),
        ("Cookie", "a=b; c=d"),
        ("Authorization", "Bearer x.y.z"),
        ("X-Odd", "tab\there \"q\" , ;"),
        ("Via", "1.1 other"),
        ("Forwarded", "for=1.2.3.4"),
    ];
    p8.client().get_with("/", &sent);
    for (name, value) in sent {
        assert_eq!(backend.only_request().header(name), Some(value));
    }
}

#[test]
fn host_is_the_first_header_the_backend_sees() {
    let (backend, p8) = before(Answer::ok(""));
    p8.client()
        .get_with("/", &[("X-A", "1"), ("Host", "late.test")]);
    let first = backend
        .only_request()
        .headers
        .into_iter()
        .next()
        .expect("a header");
    assert_eq!(
        (first.0.to_ascii_lowercase().as_str(), first.1.as_str()),
        ("host", "late.test")
    );
}

#[test]
fn hop_by_hop_request_headers_stop_at_p8() {
    let (backend, p8) = before(Answer::ok(""));
    let hop = [
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"),
        ("Proxy-Connection", "keep-alive"),
        ("X-End", "2"),
    ];
    p8.client().get_with("/", &hop);
    let request = backend.only_request();
    assert_eq!(request.header("x-end"), Some("2"));
    for name in ["x-hop", "keep-alive", "te", "proxy-connection"] {
        assert_eq!(request.header(name), None, "{name}");
    }
}

#[test]
fn hop_by_hop_response_headers_stop_at_p8_and_its_connection_stays() {
    let hop = Answer::ok("ok")
        .header("Connection", "close")
        .header("Keep-Alive", "timeout=1");
    let (_backend, p8) = before(hop.header("Proxy-Connection", "close").header("X-End", "2"));
    let mut client = p8.client();
    for _ in 0..2 {
        let reply = client.get("/");
        assert_eq!(reply.text(), "ok");
        assert_eq!(reply.head.header("x-end"), Some("2"));
        assert_ne!(reply.head.header("connection"), Some("close"));
        assert_eq!(reply.head.header("keep-alive"), None);
        assert_eq!(reply.head.header("proxy-connection"), None);
    }
}

#[test]
fn a_counted_request_body_arrives_whole() {
    let backend = Backend::answering(|request| Answer::ok(&request.body));
    let p8 = P8::start(&Config::to(backend.addr));
    let body: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let reply = p8.client().post("/", &body);
    assert_eq!(reply.body, body);
    assert_eq!(
        backend.only_request().header("content-length"),
        Some("300000")
    );
}

#[test]
fn a_chunked_request_body_arrives_whole_in_valid_framing() {
    let backend = Backend::answering(|request| Answer::ok(&request.body));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.send("5;ext=1\r\nde\r\nf\r\n");
    client.send("A\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n");
    assert_eq!(client.reply().text(), "abcde\r\nf0123456789");
    assert!(backend.only_request().body_complete);
    assert_eq!(client.get("/").text(), "", "the connection stays in step");
}

#[test]
fn a_request_body_is_streamed_while_the_client_still_sends() {
    let backend = Backend::answering(|_| Answer::ok("done"));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n");
    client.send([b'a'; 150_000]);
    wait_until(DEADLINE, "the first half at the backend", || {
        backend
            .seen()
            .first()
            .is_some_and(|request| request.body.len() == 150_000)
    });
    client.send([b'b'; 150_000]);
    assert_eq!(client.reply().text(), "done");
    assert_eq!(backend.only_request().body.len(), 300_000);
}

#[test]
fn a_response_body_is_streamed_before_its_end() {
    let (gate, wait) = gate();
    let backend = Backend::scripted(move |exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        exchange.chunk("early");
        wait();
        exchange.chunk("late");
        exchange.raw("0\r\n\r\n");
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.request("GET", "/", &[], b"");
    assert!(client.final_head().is_chunked());
    client.expect("early");
    gate.open();
    assert_eq!(client.read_to_end().expect("an end"), b"late");
}

#[test]
fn a_counted_response_keeps_its_length() {
    let (_backend, p8) = before(Answer::ok("12345"));
    let reply = p8.get("/");
    assert_eq!(reply.head.header("content-length"), Some("5"));
    assert_eq!(reply.text(), "12345");
}

#[test]
fn an_empty_response_ends_at_once_and_the_connection_stays() {
    let (_backend, p8) = before(Answer::ok(""));
    let mut client = p8.client();
    for _ in 0..2 {
        assert_eq!(client.get("/").body, b"");
    }
}

#[test]
fn a_chunked_response_with_trailers_and_extensions_passes_whole() {
    let backend = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\none,\r\n");
        exchange.chunk([b'x'; 30_000]);
        exchange.raw("0\r\nX-Trailer: 1\r\n\r\n");
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    for _ in 0..2 {
        let reply = client.get("/");
        assert_eq!(reply.body.len(), 30_004);
        assert!(reply.body.starts_with(b"one,x"));
    }
}

#[test]
fn a_response_ended_by_close_passes_whole() {
    for version in ["1.0", "1.1"] {
        let backend = Backend::scripted(move |exchange| {
            exchange.raw(format!(
                "HTTP/{version} 200 OK\r\nContent-Type: text/plain\r\n\r\npart1-"
            ));
            exchange.raw("part2");
            exchange.close();
        });
        let p8 = P8::start(&Config::to(backend.addr));
        let mut client = p8.client();
        for _ in 0..2 {
            assert_eq!(client.get("/").text(), "part1-part2", "HTTP/{version}");
        }
    }
}

#[test]
fn an_http_1_0_client_gets_an_answer_that_ends_by_close() {
    let backend = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        exchange.chunk("ab");
        exchange.chunk("cd");
        exchange.raw("0\r\n\r\n");
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
    let head = client.final_head();
    assert!(!head.is_chunked());
    assert_eq!(client.read_to_end().expect("an end"), b"abcd");
    client.expect_end();
}

#[test]
fn an_http_1_0_client_with_keep_alive_keeps_its_connection_if_the_length_is_known() {
    let (_backend, p8) = before(Answer::ok("counted"));
    let mut client = p8.client();
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
        let reply = client.reply();
        assert_eq!(reply.text(), "counted");
        let kept = reply.head.header("connection").map(str::to_ascii_lowercase);
        assert_eq!(kept.as_deref(), Some("keep-alive"));
    }
}

#[test]
fn head_has_the_length_but_no_body_and_the_connection_stays() {
    let (backend, p8) = before(Answer::ok("0123456789"));
    let mut client = p8.client();
    for _ in 0..2 {
        client.request("HEAD", "/", &[], b"");
        let head = client.head_for("HEAD");
        assert_eq!(
            (head.status, head.header("content-length")),
            (200, Some("10"))
        );
    }
    assert_eq!(
        client.get("/").text(),
        "0123456789",
        "nothing stood between"
    );
    assert_eq!(backend.seen()[0].method, "HEAD");
}

#[test]
fn no_content_and_not_modified_have_no_body_and_the_connection_stays() {
    let backend = Backend::answering(|request| {
        Answer::new(request.query().parse().expect("a status")).header("ETag", "\"x\"")
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    for status in [204, 304, 204, 304, 200] {
        let reply = client.get(&format!("/?{status}"));
        assert_eq!(reply.status(), status);
        assert_eq!(reply.head.header("etag"), Some("\"x\""));
        assert!(!reply.head.is_chunked());
    }
}

#[test]
fn expect_continue_is_answered_by_p8_and_not_forwarded() {
    let backend = Backend::answering(|request| Answer::ok(&request.body));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.request(
        "POST",
        "/",
        &[("Expect", "100-continue"), ("Content-Length", "5")],
        b"",
    );
    assert_eq!(client.head().status, 100);
    client.send("hello");
    let reply = client.reply();
    assert_eq!((reply.status(), reply.text().as_str()), (200, "hello"));
    assert_eq!(backend.only_request().header("expect"), None);
}

#[test]
fn interim_answers_are_passed_on_and_never_final() {
    let backend = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 100 Continue\r\n\r\n");
        exchange.raw("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
        exchange.answer(&Answer::ok("final"));
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.request("GET", "/", &[], b"");
    let hint = client.head();
    assert_eq!(
        (hint.status, hint.header("link")),
        (103, Some("</a.css>; rel=preload"))
    );
    assert_eq!(client.reply().text(), "final");
}

#[test]
fn interim_answers_do_not_reach_an_http_1_0_client() {
    let backend = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
        exchange.answer(&Answer::ok("final"));
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status, 200);
    assert_eq!(client.read_to_end().expect("an end"), b"final");
}

#[test]
fn an_early_answer_arrives_while_the_request_body_is_unsent() {
    let backend = Backend::scripted(|exchange| {
        while exchange.request().body.len() < 20_000 && exchange.read_some_body() > 0 {}
        let refusal = Answer::new(413)
            .body("too much")
            .header("Connection", "close");
        exchange.answer(&refusal);
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n");
    client.send([b'x'; 20_000]);
    let reply = client.reply();
    assert_eq!((reply.status(), reply.text().as_str()), (413, "too much"));
}

#[test]
fn a_backend_may_refuse_before_the_client_sends_the_body() {
    let backend = Backend::scripted(|exchange| {
        let refusal = Answer::new(401).body("who are you");
        exchange.answer(&refusal.header("Connection", "close"));
    });
    let p8 = P8::start(&Config::to(backend.addr));
    for (framing, begun) in [
        ("Content-Length: 4", ""),
        ("Content-Length: 4", "ab"),
        ("Transfer-Encoding: chunked", ""),
        ("Transfer-Encoding: chunked", "2\r\nab\r\n"),
    ] {
        let mut client = p8.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{begun}"
        ));
        let reply = client.reply();
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (401, "who are you"),
            "{framing}, {begun:?}"
        );
    }
}

#[test]
fn a_connection_ends_or_goes_on_in_step_after_an_early_answer() {
    let backend = Backend::scripted(|exchange| {
        let answer = Answer::ok(exchange.request().target);
        if exchange.request().method == "POST" {
            while exchange.request().body.len() < 30_000 && exchange.read_some_body() > 0 {}
            exchange.answer(&answer.header("Connection", "close"));
        } else {
            exchange.answer(&answer);
        }
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send("POST /early HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("7530\r\n{}\r\n", "x".repeat(30_000)));
    let reply = client.reply();
    assert_eq!(reply.text(), "/early");
    // Which of the two happens depends on who hears of the backend's end first.
    if reply.head.header("connection") == Some("close") {
        client.expect_end();
    } else {
        client.send("4\r\nrest\r\n0\r\n\r\n");
        assert_eq!(client.get("/next").text(), "/next");
    }
}

#[test]
fn many_requests_go_over_one_client_and_one_backend_connection() {
    let backend = Backend::answering(|request| Answer::ok(&request.target));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    for n in 0..20 {
        let target = format!("/?n={n}");
        assert_eq!(client.get(&target).text(), target);
    }
    assert_eq!(backend.accepted(), 1);
}

#[test]
fn connection_close_is_honoured_in_any_case() {
    let (_backend, p8) = before(Answer::ok("bye"));
    for close in ["close", "Close", "x, close"] {
        let mut client = p8.client();
        let reply = client.get_with("/", &[("Connection", close)]);
        assert_eq!(reply.text(), "bye");
        client.expect_end();
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::answering(|request| Answer::ok(request.query()));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    let requests: String = (0..10)
        .map(|n| format!("GET /?{n} HTTP/1.1\r\nHost: h\r\n\r\n"))
        .collect();
    client.send(requests);
    for n in 0..10 {
        assert_eq!(client.reply().text(), n.to_string());
    }
}

#[test]
fn a_request_pipelined_behind_a_body_is_answered() {
    let backend = Backend::answering(|request| Answer::ok(&request.body));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none\
         POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n\
         GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    let bodies = [
        client.reply().text(),
        client.reply().text(),
        client.reply().text(),
    ];
    assert_eq!(bodies, ["one", "two", ""]);
}

#[test]
fn a_client_that_stops_reading_stops_the_backend() {
    const SIZE: usize = 64 << 20;
    let (tell, stuck_at) = mpsc::channel();
    let tell = Mutex::new(tell);
    let backend = Backend::scripted(move |exchange| {
        exchange.raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
        let body = vec![b'z'; SIZE];
        let written = exchange.write_until_stuck(&body);
        tell.lock()
            .expect("a sender")
            .send(written)
            .expect("the test waits");
        exchange.raw(&body[written..]);
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = Client::connect_with_small_window(p8.clients);
    client.request("GET", "/", &[], b"");
    let written = stuck_at.recv().expect("the backend tells");
    assert!(
        written < SIZE / 2,
        "P-8 and the kernel took {written} bytes for a client that waits"
    );
    client.final_head();
    assert_eq!(client.read_to_end().expect("an end").len(), SIZE);
}

#[test]
fn a_backend_that_stops_reading_stops_the_client() {
    const SIZE: usize = 64 << 20;
    let (gate, wait) = gate();
    let backend = Backend::scripted(move |exchange| {
        wait();
        exchange.read_body();
        exchange.answer(&Answer::ok("got it"));
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send(format!(
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {SIZE}\r\n\r\n"
    ));
    let body = vec![b'z'; SIZE];
    let sent = client.send_until_stuck(&body);
    assert!(
        sent < SIZE / 2,
        "P-8 and the kernel took {sent} bytes for a backend that waits"
    );
    gate.open();
    client.send(&body[sent..]);
    assert_eq!(client.reply().text(), "got it");
    assert_eq!(backend.only_request().body.len(), SIZE);
}

#[test]
fn a_slow_backend_holds_nobody_else_up() {
    let (gate, wait) = gate();
    let backend = Backend::scripted(move |exchange| {
        if exchange.request().target == "/slow" {
            wait();
        }
        exchange.answer(&Answer::ok("answer"));
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut slow = p8.client();
    slow.request("GET", "/slow", &[], b"");
    wait_until(DEADLINE, "the slow request at the backend", || {
        backend.seen().len() == 1
    });
    for _ in 0..20 {
        assert_eq!(p8.get("/fast").text(), "answer");
    }
    gate.open();
    assert_eq!(slow.reply().text(), "answer");
}

#[test]
fn a_hundred_clients_at_once_each_get_their_own_answer() {
    let backend = Backend::answering(|request| Answer::ok(request.query()));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut clients: Vec<Client> = (0..100).map(|_| p8.client()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.request("GET", &format!("/?{n}"), &[], b"");
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.reply().text(), n.to_string());
    }
}
