//! Filters that ask the backend: http-check and http-modify.
//!
//! Source: `docs/grip.md`, filters.

use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::support::backend::Request;
use crate::support::links::{by_path, checked, seen_at, wait_for_requests};
use crate::support::publish::{close_item, response_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::{gate, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

/// A hold on channel `a` with these filters, whose answers come from that URL.
fn filtered(mode: &str, filters: &str, url: &str) -> Answer {
    let filters: String = filters
        .split(' ')
        .map(|name| format!("; filter={name}"))
        .collect();
    let answer = Answer::ok("").header("Grip-Hold", mode);
    let answer = answer.header("Grip-Channel", format!("a{filters}"));
    answer.header("Grip-Set-Meta", format!("user=alice, url=\"{url}\""))
}

/// A backend that streams with these filters, and says that of each item.
fn streaming(
    filters: &'static str,
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> (Backend, P8, Client) {
    let backend = Backend::answering(move |request| match request.target.as_str() {
        "/" => filtered("stream", filters, "/filter"),
        _ => answer(request),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let client = p8.stream("/");
    (backend, p8, client)
}

/// Ends a stream and reads what was left of it.
#[track_caller]
fn rest(p8: &P8, mut stream: Client) -> String {
    p8.publish(&[close_item("a")]);
    String::from_utf8_lossy(&stream.read_to_end().expect("an end")).into_owned()
}

fn tagged(content: &str, level: &str) -> Value {
    let mut item = stream_item("a", content);
    item["meta"] = json!({ "level": level });
    item
}

/// Answers by what the item's meta says.
fn by_level(request: &Request) -> Answer {
    let meta: Value =
        serde_json::from_str(request.header("pub-meta").expect("meta")).expect("JSON");
    let level = meta["level"].as_str().expect("a level").to_owned();
    match level.as_str() {
        "pass" => Answer::ok("modified "),
        "keep" => Answer::new(204),
        "drop" => Answer::ok("").header("Action", "drop"),
        "other" => Answer::ok("other ").header("Action", "Drop"),
        "empty" => Answer::ok(""),
        "full" => Answer::ok(vec![b'x'; 100_000]),
        "large" => Answer::ok(vec![b'x'; 100_001]),
        "cut" => Answer::ok("")
            .header("Content-Length", "9")
            .header("Connection", "close"),
        status => Answer::new(status.parse().expect("a status")),
    }
}

#[test]
fn a_check_passes_drops_or_skips_what_it_is_asked_about() {
    let (backend, p8, stream) = streaming("http-check", by_level);
    let levels = [
        "pass", "keep", "drop", "other", "empty", "500", "302", "201", "cut", "large", "pass",
    ];
    let items: Vec<_> = levels
        .iter()
        .map(|level| tagged(&format!("{level} "), level))
        .collect();
    p8.publish(&items);
    assert_eq!(rest(&p8, stream), "pass keep other empty pass ");
    assert_eq!(seen_at(&backend, "/filter").len(), levels.len());
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("filter_requests_total"), levels.len() as u64);
    assert_eq!(snapshot.total("items_filtered_total"), 1);
    assert_eq!(snapshot.dropped("filter-error"), 5);
}

#[test]
fn modifying_replaces_keeps_or_drops_the_content() {
    let (backend, p8, stream) = streaming("http-modify", by_level);
    let levels = [
        "pass", "keep", "drop", "empty", "500", "large", "full", "keep",
    ];
    let items: Vec<_> = levels
        .iter()
        .map(|level| tagged(&format!("{level} "), level))
        .collect();
    p8.publish(&items);
    let full = "x".repeat(100_000);
    assert!(rest(&p8, stream) == format!("modified keep {full}keep "));
    let bodies: Vec<_> = seen_at(&backend, "/filter")
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert_eq!(bodies[0], b"pass ");
    assert_eq!(p8.snapshot().dropped("filter-error"), 2);
}

#[test]
fn a_filter_is_asked_by_a_signed_post_with_both_metas_and_the_known_ids() {
    for (filter, body) in [("http-check", ""), ("http-modify", "content")] {
        let backend = by_path(move |path, _| match path {
            "/x/" => filtered("stream", filter, "filter?a=b")
                .header("Grip-Channel", "b; prev-id=7, c")
                .next("/n"),
            _ => Answer::new(204),
        });
        let p8 = P8::start(&Config::to(backend.addr));
        let mut client = p8.client();
        client.request("GET", "/x/", &[("Cookie", "c=1"), ("X-Mine", "1")], b"");
        client.final_head();
        p8.publish(&[tagged("content", "open")]);
        client.expect("content");
        let request = &seen_at(&backend, "/x/filter")[0];
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/x/filter?a=b")
        );
        assert_eq!(String::from_utf8_lossy(&request.body), body);
        assert_eq!(
            request.header("content-length"),
            Some(body.len().to_string().as_str())
        );
        assert_eq!(
            request.header("sub-meta"),
            Some(r#"{"url":"filter?a=b","user":"alice"}"#)
        );
        assert_eq!(request.header("pub-meta"), Some(r#"{"level":"open"}"#));
        assert_eq!(request.header("grip-last"), Some("b; last-id=7"));
        assert!(request.header("grip-sig").is_some() && request.header("grip-feature").is_some());
        assert!(request.header("cookie").is_none() && request.header("x-mine").is_none());
    }
}

#[test]
fn one_id_is_told_for_each_channel_even_after_items() {
    let backend = by_path(|path, _| match path {
        "/" => filtered("stream", "http-check", "/filter")
            .header("Grip-Channel", "b; prev-id=7")
            .next("/n"),
        _ => Answer::ok(""),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.stream("/");
    for id in ["1", "2"] {
        let mut item = stream_item("a", id);
        item["id"] = json!(id);
        p8.publish(&[item]);
        client.expect(id);
    }
    let seen = seen_at(&backend, "/filter");
    let last = |at: usize| -> Vec<&str> { seen[at].all("grip-last") };
    assert_eq!(last(1).len(), 2, "{:?}", last(1));
    assert!(last(1).contains(&"b; last-id=7"), "{:?}", last(1));
}

#[test]
fn without_a_url_or_with_a_bad_one_an_item_is_skipped_and_counted() {
    for url in ["", "ftp://h/", "http://"] {
        let backend = Backend::answering(move |_| filtered("stream", "http-check", url));
        let p8 = P8::start(&Config::to(backend.addr));
        let stream = p8.stream("/");
        p8.publish(&[stream_item("a", "wrong")]);
        assert_eq!(rest(&p8, stream), "", "{url}");
        assert_eq!(p8.snapshot().dropped("filter-error"), 1, "{url}");
        assert_eq!(backend.seen().len(), 1, "{url}");
    }
}

#[test]
fn an_absolute_url_elsewhere_is_asked_unsigned_and_a_private_one_that_the_client_named_is_not() {
    for is_named in [false, true] {
        let other = Backend::answering(|_| Answer::new(204));
        let url = format!("http://{}/filter?x", other.addr);
        let backend = Backend::answering(move |_| filtered("stream", "http-check", &url));
        let config = Config::new().route("path_beg = \"/mine\"", &[backend.addr]);
        let p8 = P8::start(&config);
        let host = if is_named {
            other.addr.to_string()
        } else {
            "h".to_owned()
        };
        let mut stream = p8.client();
        stream.request("GET", "/mine", &[("Host", &host)], b"");
        assert_eq!(stream.final_head().status, 200);
        p8.publish(&[tagged("checked", "open")]);
        if is_named {
            assert_eq!(rest(&p8, stream), "");
            assert_eq!(other.accepted(), 0);
            continue;
        }
        assert_eq!(rest(&p8, stream), "checked");
        let request = other.only_request();
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/filter?x")
        );
        assert_eq!(
            request.header("host"),
            Some(other.addr.to_string().as_str())
        );
        assert_eq!(request.header("grip-sig"), None);
        assert_eq!(request.header("pub-meta"), Some(r#"{"level":"open"}"#));
    }
}

#[test]
fn a_filters_url_is_relative_to_the_last_link() {
    let backend = by_path(|path, _| match path {
        "/" => Answer::ok("").next("/deep/n"),
        "/deep/n" => filtered("stream", "http-check", "filter"),
        "/deep/filter" => Answer::ok(""),
        _ => Answer::new(500),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.stream("/");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[stream_item("a", "checked")]);
    client.expect("checked");
    assert_eq!(seen_at(&backend, "/deep/filter").len(), 1);
}

#[test]
fn items_behind_one_that_is_asked_about_wait_and_keep_their_order() {
    let (answer, wait) = gate();
    let (backend, p8, mut stream) = streaming("http-check", move |request| {
        if request.header("pub-meta") == Some(r#"{"level":"slow"}"#) {
            wait();
        }
        Answer::new(204)
    });
    let mut quick = p8.stream("/");
    p8.publish(&[
        tagged("1", "quick"),
        tagged("2", "slow"),
        tagged("3", "quick"),
    ]);
    p8.publish(&[close_item("a")]);
    stream.expect("1");
    quick.expect("1");
    wait_for_requests(&backend, "/filter", 4);
    stream.expect_nothing_unread();
    answer.open();
    assert_eq!(stream.read_to_end(), Ok(b"23".to_vec()));
    assert_eq!(quick.read_to_end(), Ok(b"23".to_vec()));
}

#[test]
fn a_poll_is_answered_by_the_first_item_that_passes() {
    for (filter, expected) in [("http-check", "third"), ("http-modify", "modified ")] {
        let backend = Backend::answering(move |request| match request.target.as_str() {
            "/" => filtered("response", filter, "/filter"),
            _ => by_level(request),
        });
        let p8 = P8::start(&Config::to(backend.addr));
        let mut client = p8.long_poll("/", "a", 1);
        let item = |body: &str, level: &str| {
            let mut item = response_item("a", body);
            item["meta"] = json!({ "level": level });
            item
        };
        p8.publish(&[
            item("first", "drop"),
            item("second", "500"),
            item("third", "pass"),
        ]);
        p8.publish(&[item("fourth", "pass")]);
        assert_eq!(client.reply().text(), expected);
    }
}

#[test]
fn filters_run_in_order_and_a_drop_stops_the_rest() {
    let (backend, p8, stream) =
        streaming(
            "var-subst http-modify http-check",
            |request| match String::from_utf8_lossy(&request.body).as_ref() {
                "for alice" => Answer::ok("modified for alice "),
                "drop alice" => Answer::ok("").header("Action", "drop"),
                _ => Answer::new(204),
            },
        );
    p8.publish(&[
        tagged("for %(user)s", "x"),
        tagged("drop %(user)s", "x"),
        tagged("keep ", "x"),
    ]);
    assert_eq!(rest(&p8, stream), "modified for alice keep ");
    let bodies: Vec<_> = seen_at(&backend, "/filter")
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body).into_owned())
        .collect();
    assert_eq!(bodies, ["for alice", "", "drop alice", "keep ", ""]);
}

#[test]
fn a_dropped_item_moves_the_prev_id_on_and_a_failed_one_does_not() {
    let backend = by_path(|path, before| match (path, before) {
        ("/", _) => checked("stream", "1", "")
            .header("Grip-Channel", "a; prev-id=1; filter=http-check")
            .header("Grip-Set-Meta", "url=/filter")
            .next("/n"),
        ("/filter", 0) => Answer::ok("").header("Action", "drop"),
        ("/filter", 2) => Answer::new(500),
        ("/filter", _) => Answer::ok(""),
        _ => Answer::ok("what was missed"),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.stream("/");
    for n in 2..=5 {
        let mut item = stream_item("a", &n.to_string());
        (item["id"], item["prev-id"]) = (json!(n.to_string()), json!((n - 1).to_string()));
        p8.publish(&[item]);
    }
    assert_eq!(client.read_to_end(), Ok(b"3what was missed".to_vec()));
    assert_eq!(
        seen_at(&backend, "/n")[0].header("grip-last"),
        Some("a; last-id=3")
    );
}

#[test]
fn a_client_that_leaves_while_its_filter_is_asked_leaves_nothing_behind() {
    let (answer, wait) = gate();
    let (backend, p8, stream) = streaming("http-check", move |_| {
        wait();
        Answer::new(204)
    });
    p8.publish(&[tagged("1", "x"), tagged("2", "x")]);
    wait_for_requests(&backend, "/filter", 1);
    drop(stream);
    wait_until(DEADLINE, "nothing to be left", || {
        let snapshot = p8.snapshot();
        snapshot.total("sessions_current") == 0 && backend.open() <= 1
    });
    answer.open();
    let other = p8.stream("/");
    p8.publish(&[tagged("3", "x")]);
    assert_eq!(rest(&p8, other), "3");
}

#[test]
fn an_answer_that_takes_longer_than_10_s_is_not_waited_for() {
    let (answer, wait) = gate();
    let (backend, p8, mut stream) = streaming("http-check", move |request| {
        if request.header("pub-meta") == Some(r#"{"level":"slow"}"#) {
            wait();
        }
        Answer::new(204)
    });
    p8.publish(&[tagged("1", "slow"), tagged("2", "quick")]);
    wait_for_requests(&backend, "/filter", 1);
    let started = Instant::now();
    wait_until(2 * DEADLINE, "the item to be skipped", || {
        p8.snapshot().dropped("filter-error") == 1
    });
    let waited = started.elapsed();
    assert!(
        waited > Duration::from_secs(9) && waited < Duration::from_secs(15),
        "{waited:?}"
    );
    stream.expect("2");
    answer.open();
}
