//! Gone links: who is told of a session's end, when, and how often.
//!
//! Source: `docs/grip.md`, links.

use serde_json::json;

use crate::support::grip::hold;
use crate::support::links::{by_path, checked, seen_at, wait_for_requests};
use crate::support::publish::{close_item, hint_item, response_item, stream_item, stream_with};
use crate::support::snapshot::Snapshot;
use crate::support::wait::{gate, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

/// A backend that holds at `/stream` and `/poll`, with the same gone link.
fn holding() -> Backend {
    by_path(|path, _| match path {
        "/stream" => hold("stream", "a", "open ").gone("/gone?x=1"),
        "/poll" => hold("response", "a", "timed out")
            .header("Grip-Timeout", "5")
            .gone("/gone?x=1"),
        "/chain" => Answer::ok("open ").next("/end").gone("/gone?x=1"),
        "/plain" => Answer::ok("plain").gone("/gone?x=1"),
        _ => Answer::ok(""),
    })
}

fn before(backend: &Backend) -> P8 {
    P8::start(&Config::to(backend.addr))
}

#[track_caller]
fn wait_until_told(p8: &P8, times: u64) {
    wait_until(DEADLINE, &format!("{times} gone links told"), || {
        p8.snapshot().total("gone_link_requests_total") == times
    });
}

/// Nothing more is told after all sessions have ended.
#[track_caller]
fn assert_told(backend: &Backend, p8: &P8, times: usize) {
    wait_for_requests(backend, "/gone", times);
    wait_until(DEADLINE, "the sessions to end", || {
        p8.snapshot().total("sessions_current") == 0
    });
    assert_eq!(seen_at(backend, "/gone").len(), times);
    assert_eq!(
        p8.snapshot().total("gone_link_requests_total"),
        times as u64
    );
    assert_eq!(p8.snapshot().total("gone_link_failures_total"), 0);
}

#[test]
fn every_end_is_told_once_by_an_empty_signed_post() {
    let backend = holding();
    let p8 = before(&backend);
    let mut told = 0;
    let mut one_more = || {
        told += 1;
        assert_told(&backend, &p8, told);
    };
    let mut poll = p8.long_poll("/poll", "a", 1);
    p8.publish(&[response_item("a", "pushed")]);
    assert_eq!(poll.reply().text(), "pushed");
    one_more();
    poll.request("GET", "/poll", &[("Cookie", "c=1")], b"");
    assert_eq!(poll.reply().text(), "timed out");
    one_more();
    drop(p8.long_poll("/poll", "a", 1));
    one_more();
    let mut stream = p8.stream("/stream");
    p8.publish(&[stream_item("a", "x"), close_item("a")]);
    assert_eq!(stream.read_to_end(), Ok(b"open x".to_vec()));
    one_more();
    drop(p8.stream("/stream"));
    one_more();
    assert_eq!(p8.get("/chain").text(), "open ");
    one_more();
    assert_eq!(p8.get("/plain").text(), "plain");
    for request in seen_at(&backend, "/gone") {
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/gone?x=1")
        );
        assert_eq!(request.header("content-length"), Some("0"));
        assert!(request.header("grip-sig").is_some() && request.header("cookie").is_none());
        assert!(request.all("grip-last").is_empty());
    }
    assert_told(&backend, &p8, told);
}

#[test]
fn a_head_request_and_a_refused_hold_tell_nothing() {
    let backend = by_path(|path, _| match path {
        "/bad" => hold("sideways", "a", "").gone("/gone"),
        _ => hold("stream", "a", "").gone("/gone"),
    });
    let p8 = before(&backend);
    let mut client = p8.client();
    client.request("HEAD", "/stream", &[], b"");
    assert_eq!(client.head_for("HEAD").status, 200);
    assert_eq!(client.get("/bad").status(), 502);
    assert_told(&backend, &p8, 0);
}

#[test]
fn a_poll_that_is_asked_again_tells_its_end_first_and_the_new_hold_its_own() {
    let backend = by_path(|path, before| match (path, before) {
        ("/poll", 0) => hold("response", "a", "").gone("/gone/first"),
        ("/poll", _) => hold("response", "a", "").gone("/gone/second"),
        _ => Answer::ok(""),
    });
    let p8 = before(&backend);
    let mut client = p8.long_poll("/poll", "a", 1);
    p8.publish(&[hint_item("a")]);
    wait_for_requests(&backend, "/poll", 2);
    let targets: Vec<_> = backend
        .seen()
        .into_iter()
        .map(|request| request.target)
        .collect();
    assert_eq!(targets, ["/poll", "/gone/first", "/poll"]);
    p8.publish(&[response_item("a", "pushed")]);
    assert_eq!(client.reply().text(), "pushed");
    wait_for_requests(&backend, "/gone/second", 1);
    wait_until_told(&p8, 2);
}

#[test]
fn a_gone_link_is_that_of_the_first_answer_and_relative_to_the_request() {
    let backend = by_path(|path, _| match path {
        "/x/stream" => checked("stream", "1", "open ")
            .next("/deep/er/n")
            .gone("gone"),
        "/deep/er/n" => checked("stream", "1", "answer ")
            .next("/deep/er/n")
            .gone("/wrong"),
        _ => Answer::ok(""),
    });
    let p8 = before(&backend);
    let mut client = p8.stream("/x/stream");
    p8.publish(&[stream_with("a", json!({"action": "hint"}))]);
    client.expect("open answer ");
    drop(client);
    wait_for_requests(&backend, "/x/gone", 1);
    wait_until_told(&p8, 1);
    assert!(seen_at(&backend, "/wrong").is_empty());
}

#[test]
fn a_failing_gone_link_is_counted_and_asked_once() {
    let backend = by_path(|path, _| match path {
        "/500" | "/full" | "/cut" => hold("stream", path, "open ").gone(&format!("/gone{path}")),
        "/gone/500" => Answer::new(500),
        "/gone/full" => Answer::ok("not empty"),
        _ => Answer::ok("")
            .header("Content-Length", "9")
            .header("Connection", "close"),
    });
    let p8 = before(&backend);
    for (failures, target) in (1..).zip(["/500", "/full", "/cut"]) {
        drop(p8.stream(target));
        wait_until(DEADLINE, "the failure to be counted", || {
            p8.snapshot().total("gone_link_failures_total") == failures
        });
        assert_eq!(seen_at(&backend, &format!("/gone{target}")).len(), 1);
    }
}

#[test]
fn a_gone_link_that_hangs_harms_nothing() {
    let (answer, wait) = gate();
    let backend = Backend::scripted(move |exchange| {
        exchange.read_body();
        match exchange.request().target.as_str() {
            "/gone" => {
                wait();
                exchange.answer(&Answer::ok(""));
            }
            "/poll" => exchange.answer(&hold("response", "a", "").gone("/gone")),
            "/other" => exchange.answer(&hold("response", "b", "")),
            _ => exchange.answer(&hold("stream", "a", "open ").gone("/gone")),
        }
    });
    let config = Config::to(backend.addr)
        .http("workers = 1")
        .http("drain_secs = 60");
    let p8 = P8::start(&config.proxy("recovery_requests_max = 1"));
    for _ in 0..3 {
        drop(p8.stream("/"));
    }
    wait_for_requests(&backend, "/gone", 1);
    let mut polls = [1, 2].map(|count| p8.long_poll("/poll", "a", count));
    let mut other = p8.long_poll("/other", "b", 1);
    p8.publish(&[hint_item("a"), hint_item("b")]);
    wait_for_requests(&backend, "/other", 2);
    p8.publish(&[response_item("b", "another is asked again meanwhile")]);
    assert_eq!(other.reply().text(), "another is asked again meanwhile");
    wait_for_requests(&backend, "/poll", 4);
    p8.publish(&[response_item("a", "and so are these, a little later")]);
    for poll in &mut polls {
        assert_eq!(poll.reply().text(), "and so are these, a little later");
    }
    answer.open();
    wait_until_told(&p8, 7);
}

#[test]
fn a_client_that_leaves_while_its_poll_is_asked_again_is_told_of_once() {
    let (answer, wait) = gate();
    let backend = by_path(move |path, before| match path {
        "/poll" => {
            if before == 1 {
                wait();
            }
            hold("response", "a", "").gone("/gone")
        }
        _ => Answer::ok(""),
    });
    let p8 = before(&backend);
    let client = p8.long_poll("/poll", "a", 1);
    p8.publish(&[hint_item("a")]);
    wait_for_requests(&backend, "/poll", 2);
    drop(client);
    Snapshot::wait_for_subscribers(p8.control, "a", 0);
    answer.open();
    assert_told(&backend, &p8, 1);
}

#[test]
fn a_client_that_leaves_before_its_turn_to_be_asked_again_is_told_of_too() {
    let (answer, wait) = gate();
    let backend = by_path(move |path, before| match (path, before) {
        ("/slow", 1) => {
            wait();
            hold("response", "a", "")
        }
        ("/slow", _) => hold("response", "a", ""),
        ("/poll", _) => hold("response", "a", "").gone("/gone"),
        _ => Answer::ok(""),
    });
    let config = Config::to(backend.addr).http("workers = 1");
    let p8 = P8::start(&config.proxy("recovery_requests_max = 1"));
    let _slow = p8.long_poll("/slow", "a", 1);
    p8.publish(&[hint_item("a")]);
    wait_for_requests(&backend, "/slow", 2);
    let client: Client = p8.long_poll("/poll", "a", 2);
    p8.publish(&[hint_item("a")]);
    wait_until(DEADLINE, "the session to hear of it", || {
        p8.snapshot().waiting("session") == 0
    });
    drop(client);
    wait_for_requests(&backend, "/gone", 1);
    wait_until_told(&p8, 1);
    assert_eq!(
        seen_at(&backend, "/poll").len(),
        1,
        "it was never asked again"
    );
    answer.open();
}

#[test]
fn sessions_that_end_because_p8_stops_are_told_of() {
    let backend = holding();
    let config = Config::to(backend.addr).http("drain_secs = 60");
    let p8 = P8::start(&config);
    let mut stream = p8.stream("/stream");
    let mut poll = p8.long_poll("/poll", "a", 2);
    let stopping = std::thread::spawn(move || drop(p8));
    assert_eq!(stream.read_to_end(), Ok(b"open ".to_vec()));
    assert_eq!(poll.reply().text(), "timed out");
    stopping.join().expect("P-8 stops well");
    assert_eq!(wait_for_requests(&backend, "/gone", 2).len(), 2);
}
