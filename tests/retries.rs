//! Requests of long-polls that are asked again, as the backend, other clients and operators see them.
//!
//! Source: `docs/grip.md`, recovery.

use serde_json::json;

use crate::support::backend::Request;
use crate::support::grip::hold;
use crate::support::links::{by_path, seen_at, wait_for_requests};
use crate::support::programs::Program;
use crate::support::publish::{hint_item, publish, response_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::{gate, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

/// Posts `/recover`.
#[track_caller]
fn recover(p8: &P8) {
    assert_eq!(
        Client::connect(p8.control).post("/recover/", b"").status(),
        200
    );
}

#[test]
fn a_request_is_asked_again_as_it_was() {
    let backend = by_path(|_, before| match before {
        0 => hold("response", "a", ""),
        _ => Answer::ok("again"),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    let headers = [
        ("Cookie", "c=1"),
        ("Grip-Last", "a; last-id=forged"),
        ("X-Mine", "1"),
        ("Host", "shop.example"),
    ];
    client.request("PUT", "/x?y=z", &headers, b"the body");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[hint_item("a")]);
    assert_eq!(client.reply().text(), "again");
    let seen = backend.seen();
    let without_renewed = |request: &Request| {
        let mut headers = request.headers.clone();
        let renewed = ["grip-sig", "x-request-id"];
        headers.retain(|(name, _)| !renewed.contains(&name.to_ascii_lowercase().as_str()));
        headers.sort();
        (
            request.method.clone(),
            request.target.clone(),
            headers,
            request.body.clone(),
        )
    };
    assert_eq!(without_renewed(&seen[0]), without_renewed(&seen[1]));
    assert_eq!(seen[1].body, b"the body");
    assert!(seen[1].header("grip-sig").is_some());
}

#[test]
fn recovery_asks_polls_and_links_again_and_leaves_plain_streams_alone() {
    let backend = by_path(|path, before| match (path, before) {
        ("/poll", 0) => hold("response", "a", ""),
        ("/plain", 0) => hold("stream", "a", "open "),
        ("/linked", 0) => hold("stream", "a", "open ").next("/n"),
        ("/n", _) => hold("stream", "a", "asked ").next("/n"),
        _ => Answer::ok("asked again"),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let (mut plain, mut linked) = (p8.stream("/plain"), p8.stream("/linked"));
    let mut poll = p8.long_poll("/poll", "a", 3);
    recover(&p8);
    assert_eq!(poll.reply().text(), "asked again");
    linked.expect("open asked ");
    p8.publish(&[stream_item("a", "live")]);
    linked.expect("live");
    plain.expect("open live");
    assert_eq!(seen_at(&backend, "/plain").len(), 1);
    let snapshot = p8.snapshot();
    assert_eq!(
        snapshot.total("requests_total"),
        3,
        "a retry is no request of a client"
    );
    assert_eq!(snapshot.total("requests_retried_total"), 1);
}

#[test]
fn the_access_log_marks_a_retry() {
    let backend = by_path(|_, before| match before {
        0 => hold("response", "a", ""),
        _ => Answer::ok("again"),
    });
    let p8 = Program::start(
        &Config::to(backend.addr).toml(),
        &[("RUST_LOG", "p8::access=info")],
    );
    let mut client = Client::connect(p8.clients);
    client.request("GET", "/marked", &[], b"");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    publish(p8.control, &[hint_item("a")]);
    assert_eq!(client.reply().text(), "again");
    let mut lines = Vec::new();
    wait_until(DEADLINE, "both lines", || {
        let log = p8.log();
        lines = log
            .lines()
            .filter(|line| line.contains("/marked"))
            .map(str::to_owned)
            .collect();
        lines.len() == 2
    });
    assert!(
        lines[0].contains("retry=false") && lines[1].contains("retry=true"),
        "{lines:?}"
    );
}

#[test]
fn a_client_that_reads_its_answer_slowly_keeps_nobody_from_being_asked_again() {
    const SIZE: usize = 100_000_000;
    let backend = Backend::scripted(|exchange| {
        let request = exchange.request();
        match (request.target.as_str(), exchange.index()) {
            ("/slow", 0) => exchange.answer(&hold("response", "a", "")),
            ("/slow", _) => {
                exchange.raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
                exchange.write_until_stuck(&vec![b'x'; SIZE]);
                exchange.close();
            }
            (_, 1) => exchange.answer(&hold("response", "b", "")),
            _ => exchange.answer(&Answer::ok("in its turn")),
        }
    });
    let config = Config::to(backend.addr).http("workers = 1");
    let p8 = P8::start(&config.proxy("recovery_requests_max = 1"));
    let mut slow = Client::connect_with_small_window(p8.clients);
    slow.request("GET", "/slow", &[], b"");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    let mut quick = p8.long_poll("/quick", "b", 1);
    p8.publish(&[hint_item("a")]);
    wait_for_requests(&backend, "/slow", 2);
    p8.publish(&[hint_item("b")]);
    assert_eq!(quick.reply().text(), "in its turn");
}

#[test]
fn an_item_published_while_a_long_poll_becomes_a_stream_is_not_lost() {
    let (answer, wait) = gate();
    let backend = by_path(move |_, before| match before {
        0 => hold("response", "a", ""),
        _ => {
            wait();
            hold("stream", "a", "open ")
        }
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.long_poll("/", "a", 1);
    p8.publish(&[hint_item("a")]);
    wait_for_requests(&backend, "/", 2);
    let mut item = response_item("a", "for polls");
    item["formats"]["http-stream"] = json!({"content": "for streams "});
    p8.publish(&[item]);
    wait_until(DEADLINE, "the session to take the item", || {
        p8.snapshot().waiting("session") == 0
    });
    answer.open();
    assert_eq!(client.final_head().status, 200);
    client.expect("open for streams ");
    p8.publish(&[stream_item("a", "live")]);
    client.expect("live");
}

#[test]
fn items_kept_for_a_client_that_leaves_while_its_request_is_asked_again_are_counted() {
    let (answer, wait) = gate();
    let backend = by_path(move |_, before| {
        if before > 0 {
            wait();
        }
        hold("response", "a", "")
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let client = p8.long_poll("/", "a", 1);
    p8.publish(&[hint_item("a")]);
    wait_for_requests(&backend, "/", 2);
    p8.publish(&[response_item("a", "kept")]);
    wait_until(DEADLINE, "the session to take the item", || {
        p8.snapshot().waiting("session") == 0
    });
    drop(client);
    wait_until(DEADLINE, "the item to be counted", || {
        p8.snapshot().dropped("client-gone") == 1
    });
    answer.open();
}

#[test]
fn a_long_poll_that_becomes_a_large_stream_is_subscribed_once() {
    let body = vec![b'x'; 200_000];
    let backend = by_path(move |_, before| match before {
        0 => hold("response", "a", ""),
        _ => hold("stream", "a", "").body(body.clone()),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.long_poll("/", "a", 1);
    p8.publish(&[hint_item("a")]);
    assert_eq!(client.final_head().status, 200);
    client.read_exact(200_000);
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[stream_item("a", "live")]);
    client.expect("live");
}
