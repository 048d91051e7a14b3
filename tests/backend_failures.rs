//! Backends that are down, silent, or break off: the pool's one retry, failover, 502, 504, and
//! answers that are visibly cut short.
//!
//! Each error carries a stable word in `P8-Reason`; the words are listed in `docs/`.

use std::net::SocketAddr;

use crate::support::client::{CutShort, Reply};
use crate::support::grip::hold;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

/// Asserts one of P-8's own error answers.
#[track_caller]
fn assert_refused(reply: &Reply, status: u16, reason: &str, body: &str) {
    assert_eq!(reply.status(), status, "{}", reply.text());
    assert_eq!(
        reply.head.header("p8-reason"),
        Some(reason),
        "{}",
        reply.text()
    );
    assert_eq!(reply.text(), body);
    let kind = reply.head.header("content-type").expect("a content type");
    assert!(kind.starts_with("text/plain"), "{kind}");
}

const GENERIC: &str = "Error while proxying to origin.\n";

#[test]
fn a_pooled_connection_that_fails_is_replaced_once() {
    let backend = Backend::scripted(|exchange| {
        exchange.read_body();
        match exchange.index() {
            1 => exchange.close(),
            _ => exchange.answer(&Answer::ok("answer")),
        }
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    assert_eq!(client.get("/").text(), "answer");
    assert_eq!(
        client.get("/").text(),
        "answer",
        "asked again on a fresh connection"
    );
    assert_eq!((backend.seen().len(), backend.accepted()), (3, 2));
}

#[test]
fn an_unsafe_request_is_not_sent_twice_once_the_backend_had_it() {
    let backend = Backend::scripted(|exchange| {
        exchange.read_body();
        match exchange.request().method.as_str() {
            "POST" => exchange.close(),
            _ => exchange.answer(&Answer::ok("answer")),
        }
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    assert_eq!(client.get("/").text(), "answer");
    assert_eq!(client.post("/", b"pay").status(), 502);
    let posts = backend
        .seen()
        .iter()
        .filter(|request| request.method == "POST")
        .count();
    assert_eq!(posts, 1);
}

#[test]
fn a_fresh_connection_that_fails_is_not_retried() {
    let backend = Backend::scripted(|exchange| {
        exchange.read_body();
        exchange.close();
    });
    let p8 = P8::start(&Config::to(backend.addr));
    assert_refused(&p8.get("/"), 502, "closed-before-answer", GENERIC);
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn connections_that_the_backend_closed_while_idle_cost_no_request() {
    let backend = Backend::scripted(|exchange| {
        exchange.read_body();
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        exchange.close();
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    for n in 0..100 {
        let reply = match n % 4 {
            3 => {
                // A POST is not sent twice, so it must not meet a connection that is just closing.
                wait_until(DEADLINE, "the backend's close", || backend.open() == 0);
                client.post("/", b"body")
            }
            _ => client.get("/"),
        };
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (200, "ok"),
            "request {n}"
        );
    }
    assert_eq!(backend.seen().len(), 100);
}

#[test]
fn a_refused_connection_moves_on_to_the_next_target() {
    let backend = Backend::answering(|request| Answer::ok(&request.body));
    let targets = [Backend::nowhere(), backend.addr];
    let p8 = P8::start(&Config::new().route("host = \"*\"", &targets));
    assert_eq!(p8.client().post("/", b"second").text(), "second");
    let mut client = p8.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(
        client.reply().text(),
        "abc",
        "a streamed body is still whole"
    );
}

#[test]
fn an_error_answer_does_not_move_on_to_the_next_target() {
    let first = Backend::answering(|_| Answer::new(500).body("broken"));
    let second = Backend::answering(|_| Answer::ok("second"));
    let p8 = P8::start(&Config::new().route("host = \"*\"", &[first.addr, second.addr]));
    let reply = p8.get("/");
    assert_eq!((reply.status(), reply.text().as_str()), (500, "broken"));
    assert_eq!(second.seen().len(), 0);
}

#[test]
fn a_broken_answer_does_not_move_on_to_the_next_target() {
    let first = Backend::scripted(|exchange| exchange.close());
    let second = Backend::answering(|_| Answer::ok("second"));
    let p8 = P8::start(&Config::new().route("host = \"*\"", &[first.addr, second.addr]));
    assert_eq!(p8.get("/").status(), 502);
    assert_eq!(second.seen().len(), 0);
}

#[test]
fn no_target_reachable_gives_502_and_the_connection_stays() {
    let targets = [Backend::nowhere(), Backend::nowhere()];
    let p8 = P8::start(&Config::new().route("host = \"*\"", &targets));
    let mut client = p8.client();
    for _ in 0..2 {
        assert_refused(&client.get("/"), 502, "connect-refused", GENERIC);
    }
}

#[test]
fn a_debug_route_names_the_targets_that_were_tried() {
    let targets = [Backend::nowhere(), Backend::nowhere()];
    let p8 = P8::start(&Config::new().route("host = \"*\"\ndebug = true", &targets));
    let [one, two] = targets.map(|addr: SocketAddr| addr.to_string());
    let text = format!("Unable to connect to any targets. Tried: {one}, {two}\n");
    assert_refused(&p8.get("/"), 502, "connect-refused", &text);
}

#[test]
fn a_debug_route_says_whose_instructions_are_too_large() {
    let backend = Backend::answering(|_| hold("response", "c", &"x".repeat(100_001)));
    let debug = "host = \"debug.test\"\ndebug = true";
    let p8 = P8::start(&Config::to(backend.addr).route(debug, &[backend.addr]));
    assert_refused(&p8.get("/"), 502, "instruct-too-large", GENERIC);
    let explained = p8.client().get_with("/", &[("Host", "debug.test")]);
    let text = format!("GRIP instruct response too large from {}\n", backend.addr);
    assert_refused(&explained, 502, "instruct-too-large", &text);
}

#[test]
fn a_debug_route_says_no_more_than_others_of_a_backend_that_breaks_off() {
    let backend = Backend::scripted(|exchange| exchange.close());
    let p8 = P8::start(&Config::new().route("host = \"*\"\ndebug = true", &[backend.addr]));
    assert_refused(&p8.get("/"), 502, "closed-before-answer", GENERIC);
}

#[test]
fn a_browser_is_told_what_was_tried_and_what_to_do() {
    let target = Backend::nowhere();
    let p8 = P8::start(&Config::to(target));
    let html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let reply = p8.client().get_with("/", &[("Accept", html)]);
    assert_eq!(
        (reply.status(), reply.head.header("p8-reason")),
        (502, Some("connect-refused"))
    );
    assert_eq!(
        reply.head.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let text = reply.text();
    assert!(
        text.contains(&target.to_string()),
        "names what was tried: {text}"
    );
    assert!(text.contains("p-8.toml"), "says where to change it: {text}");
}

#[test]
fn the_page_shows_nothing_of_the_request_unescaped() {
    let p8 = P8::start(&Config::to(Backend::nowhere()));
    let hostile = [
        ("Accept", "text/html"),
        ("Host", "<script>alert(1)</script>"),
    ];
    let reply = p8.client().get_with("/?%3Cscript%3E<b>", &hostile);
    assert!(reply.status() >= 400);
    let text = reply.text();
    assert!(
        !text.contains("<script>alert") && !text.contains("<b>"),
        "{text}"
    );
}

#[test]
fn a_backend_that_never_answers_gives_504() {
    let backend = Backend::scripted(|exchange| {
        exchange.read_body();
        exchange.peer_left();
    });
    let p8 = P8::start(&Config::to(backend.addr).proxy("response_timeout_secs = 1"));
    assert_refused(&p8.get("/"), 504, "answer-timeout", GENERIC);
}

#[test]
fn answers_that_are_not_http_give_502() {
    for answer in [
        "what is this?\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nNo colon here\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nhello",
    ] {
        let backend = Backend::scripted(move |exchange| {
            exchange.raw(answer);
            exchange.close();
        });
        let p8 = P8::start(&Config::to(backend.addr));
        let mut client = p8.client();
        let reply = client.get("/");
        assert_eq!(reply.status(), 502, "{answer:?}");
        assert_eq!(
            reply.head.header("p8-reason"),
            Some("bad-answer"),
            "{answer:?}"
        );
    }
}

#[test]
fn a_cut_off_answer_is_visibly_cut_off() {
    for (what, answer) in [
        (
            "counted",
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin",
        ),
        (
            "chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n",
        ),
        (
            "in a chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nbegin",
        ),
        (
            "bad size",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\nzz\r\n",
        ),
    ] {
        let backend = Backend::scripted(move |exchange| {
            exchange.raw(answer);
            exchange.close();
        });
        let p8 = P8::start(&Config::to(backend.addr));
        let mut client = p8.client();
        client.request("GET", "/", &[], b"");
        assert_eq!(client.final_head().status, 200, "{what}");
        client.expect("begin");
        assert_eq!(client.read_to_end(), Err(CutShort), "{what}");
    }
}
