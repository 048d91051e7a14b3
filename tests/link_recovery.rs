//! Streams that ask their next link: when they do, and that nothing is lost or doubled by it.
//!
//! Source: `docs/grip.md`, recovery.

use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::support::grip::hold;
use crate::support::links::{by_path, checked, seen_at, wait_for_requests};
use crate::support::publish::{close_item, numbered, stream_item, stream_with};
use crate::support::snapshot::Snapshot;
use crate::support::wait::{gate, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

fn before(backend: &Backend) -> P8 {
    let config = Config::to(backend.addr).handler("message_wait = 3600000");
    P8::start(&config)
}

/// A backend whose stream has item 1, and whose link says that.
fn answering(link: impl Fn(usize) -> Answer + Send + Sync + 'static) -> (Backend, P8) {
    let backend = by_path(move |path, before| match path {
        "/" => checked("stream", "1", "open ").next("/n"),
        _ => link(before),
    });
    let p8 = before(&backend);
    (backend, p8)
}

/// An item that is not kept back by the order of its channel.
fn out_of_order(id: &str, prev_id: &str) -> Value {
    let mut item = numbered(id, prev_id);
    item["no-seq"] = json!(true);
    item
}

fn hint() -> Value {
    stream_with("a", json!({"action": "hint"}))
}

/// Ends a stream and reads what was left of it.
#[track_caller]
fn rest(p8: &P8, mut stream: Client) -> String {
    p8.publish(&[close_item("a")]);
    String::from_utf8_lossy(&stream.read_to_end().expect("an end")).into_owned()
}

#[track_caller]
fn last_ids(backend: &Backend, count: usize) -> Vec<String> {
    let seen = wait_for_requests(backend, "/n", count);
    let last = |request: &crate::support::backend::Request| request.all("grip-last").join("+");
    seen.iter().map(last).collect()
}

#[test]
fn a_prev_id_without_a_link_ends_the_stream_after_its_body() {
    let backend = Backend::answering(|_| checked("stream", "1", "all there is"));
    let p8 = before(&backend);
    let mut client = p8.client();
    for _ in 0..2 {
        assert_eq!(client.get("/").text(), "all there is");
    }
    Snapshot::wait_for_subscribers(p8.control, "a", 0);
}

#[test]
fn a_conflict_at_the_start_asks_the_link() {
    let backend = by_path(|path, _| match path {
        "/listener" => hold("stream", "a", ""),
        "/" => checked("stream", "1", "open ").next("/n"),
        _ => checked("stream", "5", "to five ").next("/n"),
    });
    let p8 = before(&backend);
    // Somebody who is not checked makes the channel remember its last item.
    let _listener = p8.stream("/listener");
    p8.publish(&[numbered("5", "4")]);
    let mut client = p8.stream("/");
    client.expect("open to five ");
    p8.publish(&[numbered("6", "5")]);
    client.expect("6");
    assert_eq!(last_ids(&backend, 1), ["a; last-id=1"]);
}

#[test]
fn an_item_that_does_not_follow_asks_the_link_and_then_the_stream_goes_on() {
    let (backend, p8) = answering(|_| checked("stream", "9", "to nine ").next("/n"));
    let mut client = p8.stream("/");
    p8.publish(&[numbered("2", "1"), out_of_order("9", "8")]);
    client.expect("open 2to nine ");
    p8.publish(&[out_of_order("10", "9")]);
    client.expect("10");
    assert_eq!(last_ids(&backend, 1), ["a; last-id=2"]);
}

#[test]
fn what_arrives_while_the_link_is_asked_comes_after_it_if_it_follows() {
    let (answer, wait) = gate();
    let (backend, p8) = answering(move |_| {
        wait();
        checked("stream", "10", "to ten ").next("/n")
    });
    let mut client = p8.stream("/");
    p8.publish(&[out_of_order("9", "8")]);
    client.expect("open ");
    wait_for_requests(&backend, "/n", 1);
    // The answer covers two of these, and says so by its prev-id.
    for item in [("9", "8"), ("10", "9"), ("11", "10"), ("12", "11")] {
        p8.publish(&[out_of_order(item.0, item.1)]);
    }
    answer.open();
    client.expect("to ten 1112");
    assert_eq!(last_ids(&backend, 1).len(), 1);
}

#[test]
fn an_answer_older_than_what_has_arrived_asks_again_and_doubles_nothing() {
    let (backend, p8) = answering(|before| match before {
        0 => checked("stream", "3", "to three ").next("/n"),
        _ => checked("stream", "9", "to nine ").next("/n"),
    });
    let mut client = p8.stream("/");
    p8.publish(&[out_of_order("9", "8")]);
    client.expect("open to three to nine ");
    assert_eq!(last_ids(&backend, 2), ["a; last-id=1", "a; last-id=3"]);
    p8.publish(&[out_of_order("10", "9")]);
    client.expect("10");
}

#[test]
fn a_hint_asks_at_once_and_what_is_behind_it_comes_after_the_answer() {
    let backend = by_path(|path, _| match path {
        "/" => hold("stream", "a", "open ").next("/n"),
        _ => hold("stream", "a", "answer ").next("/n"),
    });
    let p8 = before(&backend);
    let mut client = p8.stream("/");
    p8.publish(&[
        stream_item("a", "before "),
        hint(),
        stream_item("a", "behind "),
    ]);
    client.expect("open before answer behind ");
    assert_eq!(seen_at(&backend, "/n").len(), 1);
}

#[test]
fn a_hint_without_a_link_does_nothing() {
    let backend = Backend::answering(|_| hold("stream", "a", "open "));
    let p8 = before(&backend);
    let stream = p8.stream("/");
    p8.publish(&[hint(), stream_item("a", "on")]);
    assert_eq!(rest(&p8, stream), "open on");
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn a_silent_channel_is_asked_about_after_the_links_time_and_a_busy_one_is_not() {
    let backend = by_path(|path, _| {
        let channel = if path.contains("busy") {
            "busy"
        } else {
            "silent"
        };
        let answer = hold("stream", channel, "+");
        answer.header("Grip-Link", format!("</{channel}/n>; rel=next; timeout=1"))
    });
    let p8 = before(&backend);
    let started = Instant::now();
    let mut busy = p8.stream("/busy");
    let mut silent = p8.stream("/silent");
    let mut sent = 0;
    wait_until(DEADLINE, "the silent one to be asked twice", || {
        p8.publish(&[stream_item("busy", ".")]);
        sent += 1;
        seen_at(&backend, "/silent/n").len() == 2
    });
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert_eq!(seen_at(&backend, "/busy/n").len(), 0);
    silent.expect("+++");
    busy.expect(format!("+{}", ".".repeat(sent)));
}

#[test]
fn an_answer_replaces_channels_meta_filters_and_keep_alive() {
    let backend = by_path(|path, _| match path {
        "/" => hold("stream", "a, b", "open ")
            .header("Grip-Set-Meta", "user=alice")
            .next("/n"),
        _ => Answer::ok("answer ")
            .header("Grip-Hold", "stream")
            .header("Grip-Channel", "b; filter=skip-self, c; filter=var-subst")
            .header("Grip-Set-Meta", "user=bob")
            .header("Grip-Keep-Alive", "still here; timeout=1")
            .next("/n"),
    });
    let p8 = before(&backend);
    let mut client = p8.stream("/");
    p8.publish(&[hint()]);
    client.expect("open answer ");
    Snapshot::wait_for_subscribers(p8.control, "a", 0);
    Snapshot::wait_for_subscribers(p8.control, "c", 1);
    let from = |sender: &str, content: &str| {
        let mut item = stream_item("b", content);
        item["meta"] = json!({ "sender": sender });
        item
    };
    p8.publish(&[
        stream_item("a", "wrong"),
        from("bob", "wrong"),
        from("alice", "from alice "),
        stream_item("c", "to %(user)s "),
    ]);
    client.expect("from alice to bob still here");
}

#[test]
fn an_answer_without_a_keep_alive_ends_it_and_one_without_a_link_is_the_last() {
    let backend = by_path(|path, _| match path {
        "/" => hold("stream", "a", "open ")
            .header("Grip-Keep-Alive", "*; timeout=1")
            .next("/n"),
        _ => hold("stream", "a", "answer "),
    });
    let p8 = before(&backend);
    let mut client = p8.stream("/");
    client.expect("open *");
    p8.publish(&[hint()]);
    let mut body = String::new();
    while !body.ends_with("answer ") {
        body += &String::from_utf8_lossy(&client.read_some().expect("more"));
    }
    p8.publish(&[hint(), stream_item("a", "on")]);
    assert_eq!(rest(&p8, client), "on");
    assert_eq!(seen_at(&backend, "/n").len(), 1);
}

#[test]
fn a_link_that_fails_is_asked_again_with_growing_pauses_and_nothing_is_lost_or_doubled() {
    let (backend, p8) = answering(|before| match before {
        0 => Answer::new(500).body("wrong"),
        1 => Answer::new(302).body("wrong").header("Location", "/"),
        _ => checked("stream", "11", "to eleven ").next("/n"),
    });
    let mut client = p8.stream("/");
    p8.publish(&[out_of_order("9", "8")]);
    client.expect("open ");
    wait_for_requests(&backend, "/n", 1);
    let started = Instant::now();
    wait_until(DEADLINE, "the first failure", || {
        p8.snapshot().total("link_failures_total") == 1
    });
    for n in 10..=13 {
        p8.publish(&[out_of_order(&n.to_string(), &(n - 1).to_string())]);
    }
    wait_for_requests(&backend, "/n", 2);
    let first_pause = started.elapsed();
    assert!(first_pause >= Duration::from_secs(1), "{first_pause:?}");
    client.expect("to eleven 1213");
    assert!(started.elapsed() >= Duration::from_secs(3));
    assert_eq!(last_ids(&backend, 3), ["a; last-id=1"; 3]);
    assert_eq!(p8.snapshot().total("link_failures_total"), 2);
}

#[test]
fn an_item_without_an_id_ends_the_checking() {
    let (backend, p8) = answering(|_| Answer::ok("wrong"));
    let stream = p8.stream("/");
    let mut unnamed = numbered("x", "1");
    unnamed.as_object_mut().expect("an object").remove("id");
    p8.publish(&[unnamed, out_of_order("9", "8"), out_of_order("3", "2")]);
    assert_eq!(rest(&p8, stream), "open x93");
    assert_eq!(seen_at(&backend, "/n").len(), 0);
}

#[test]
fn items_that_wait_for_an_answer_when_their_client_leaves_are_counted() {
    let (answer, wait) = gate();
    let backend = by_path(move |path, _| {
        if path == "/n" {
            wait();
        }
        checked("stream", "1", "open ").next("/n")
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.stream("/");
    client.expect("open ");
    let mut behind_a_gap = numbered("3", "2");
    behind_a_gap["no-seq"] = json!(true);
    p8.publish(&[behind_a_gap]);
    wait_for_requests(&backend, "/n", 1);
    drop(client);
    wait_until(DEADLINE, "the item to be counted", || {
        p8.snapshot().dropped("client-gone") == 1
    });
    answer.open();
}
