//! Rates: how many deliveries leave in a second, what may wait, and what is dropped past that.
//!
//! Source: `docs/configuration.md`, `message_rate`.

use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::support::grip::hold;
use crate::support::programs::Program;
use crate::support::publish::{hint_item, publish, response_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

/// A backend that holds `/poll/NAME` and `/stream/NAME` on that channel and answers anything else.
fn holding() -> Backend {
    Backend::answering(|request| {
        let (kind, name) = request.target[1..].split_once('/').unwrap_or_default();
        match kind {
            "poll" => hold("response", name, ""),
            "stream" => hold("stream", name, ""),
            _ => Answer::ok("plain"),
        }
    })
}

/// P-8 with these lines in `[handler]`, and its backend.
fn limited(lines: &[&str]) -> (Backend, P8) {
    let backend = holding();
    let config = Config::to(backend.addr);
    let config = lines
        .iter()
        .fold(config, |config, line| config.handler(line));
    let p8 = P8::start(&config);
    (backend, p8)
}

/// So many items of 4 bytes each: their number, and a line's end.
fn numbered(channel: &str, count: usize) -> Vec<Value> {
    let item = |number| stream_item(channel, &format!("{number:03}\n"));
    (0..count).map(item).collect()
}

#[track_caller]
fn expect_numbered(client: &mut Client, count: usize) {
    for number in 0..count {
        client.expect(format!("{number:03}\n"));
    }
}

/// Waits until each of so many deliveries has left, waits or is dropped.
#[track_caller]
fn settled(p8: &P8, deliveries: u64) -> Snapshot {
    let mut last = None;
    wait_until(DEADLINE, "every delivery's place", || {
        let now = p8.snapshot();
        let left = now.total("items_delivered_total");
        let sum = left + now.total("deliveries_waiting_current") + now.dropped("message-hwm");
        last = Some(now);
        sum == deliveries
    });
    last.expect("a snapshot")
}

fn waiting(p8: &P8) -> u64 {
    p8.snapshot().total("deliveries_waiting_current")
}

fn dropped(p8: &P8) -> u64 {
    p8.snapshot().dropped("message-hwm")
}

#[track_caller]
fn assert_no_drops(snapshot: &Snapshot) {
    let dropped = snapshot.json()["dropped"].as_object().expect("an object");
    assert!(dropped.values().all(|count| count == 0), "{dropped:?}");
}

#[test]
fn all_workers_together_keep_the_rate_and_each_sessions_order() {
    let backend = holding();
    let config = Config::to(backend.addr).http("workers = 2");
    let p8 = P8::start(&config.handler("message_rate = 400"));
    let mut clients = [0; 8].map(|_| p8.stream("/stream/a"));
    let started = Instant::now();
    p8.publish(&numbered("a", 50));
    assert_eq!(p8.get("/").text(), "plain", "other work goes on");
    for client in &mut clients {
        expect_numbered(client, 50);
    }
    // 400 deliveries, of which the first 10 leave at once.
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(950), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("items_delivered_total"), 400);
    assert_eq!(snapshot.total("deliveries_waiting_current"), 0);
    assert_no_drops(&snapshot);
}

#[test]
fn the_first_batch_leaves_at_once() {
    let (_backend, p8) = limited(&["message_rate = 1"]);
    let mut client = p8.stream("/stream/a");
    p8.publish(&numbered("a", 30));
    expect_numbered(&mut client, 1);
    assert!(waiting(&p8) >= 20, "the others wait");
}

#[test]
fn long_polls_are_answered_at_the_rate_too() {
    let (_backend, p8) = limited(&["message_rate = 1"]);
    let mut polls = [1, 2, 3].map(|count| p8.long_poll("/poll/a", "a", count));
    let started = Instant::now();
    p8.publish(&[response_item("a", "now")]);
    for poll in &mut polls {
        assert_eq!(poll.reply().text(), "now");
    }
    assert!(
        started.elapsed() >= Duration::from_millis(1_900),
        "one a second"
    );
}

#[test]
fn past_the_mark_deliveries_are_dropped_and_counted() {
    let (_backend, p8) = limited(&["message_rate = 1", "message_hwm = 5"]);
    let mut client = p8.stream("/stream/a");
    p8.publish(&numbered("a", 100));
    let snapshot = settled(&p8, 100);
    // One left at once and 5 wait; a slow machine may have seen some more seconds.
    let dropped = snapshot.dropped("message-hwm");
    assert!((85..=94).contains(&dropped), "{dropped}");
    assert!(snapshot.total("deliveries_waiting_current") <= 5);
    expect_numbered(&mut client, 2);
}

#[test]
fn drops_are_in_the_log_once_a_second() {
    let config = Config::new()
        .handler("message_rate = 1")
        .handler("message_hwm = 5")
        .route_to("id = \"the-test\"", "{ test = true }");
    let p8 = Program::start(&config.toml(), &[("RUST_LOG", "warn")]);
    let mut client = Client::connect(p8.clients);
    client.request("GET", "/stream?channel=a", &[], b"");
    assert_eq!(client.final_head().status, 200);
    publish(p8.control, &numbered("a", 100));
    let line = "exceeded publish hwm (5), dropping message";
    wait_until(DEADLINE, "the line", || p8.log().contains(line));
    let log = p8.log();
    assert!(log.contains("the-test"), "the route is named: {log}");
    assert!(log.matches(line).count() <= 2, "{log}");
}

#[test]
fn without_a_rate_one_publish_to_many_listeners_loses_nothing() {
    let (_backend, p8) = limited(&["message_hwm = 10"]);
    let mut clients: Vec<_> = (0..300).map(|_| p8.stream("/stream/a")).collect();
    p8.publish(&numbered("a", 100));
    for client in &mut clients {
        expect_numbered(client, 100);
    }
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("items_delivered_total"), 30_000);
    assert_no_drops(&snapshot);
}

/// P-8 with a route to `/stream/a` and one to `/stream/b`, with these ids.
fn two_routes(ids: [&str; 2]) -> (Backend, P8) {
    let backend = holding();
    let mut config = Config::new()
        .handler("message_rate = 4")
        .handler("message_hwm = 60");
    for (channel, id) in ["a", "b"].into_iter().zip(ids) {
        let lines = format!("path_beg = \"/stream/{channel}\"\n{id}");
        config = config.route(&lines, &[backend.addr]);
    }
    let p8 = P8::start(&config);
    (backend, p8)
}

#[test]
fn each_route_with_an_id_has_a_queue_and_they_are_served_in_turn() {
    let (_backend, p8) = two_routes(["id = \"a\"", "id = \"b\""]);
    let (_a, mut b) = (p8.stream("/stream/a"), p8.stream("/stream/b"));
    p8.publish(&numbered("a", 100));
    let before = settled(&p8, 100).dropped("message-hwm");
    assert!(before > 0, "the first queue is full");
    p8.publish(&numbered("b", 2));
    expect_numbered(&mut b, 2);
    assert_eq!(dropped(&p8), before, "the second queue had room");
    assert!(waiting(&p8) > 30, "it did not wait for the first one");
}

#[test]
fn routes_without_an_id_share_a_queue() {
    let (_backend, p8) = two_routes(["", ""]);
    let (_a, _b) = (p8.stream("/stream/a"), p8.stream("/stream/b"));
    p8.publish(&numbered("a", 100));
    let before = settled(&p8, 100).dropped("message-hwm");
    p8.publish(&numbered("b", 60));
    let after = settled(&p8, 160).dropped("message-hwm");
    assert!(
        after > before,
        "there was no room for all: {before} {after}"
    );
}

#[test]
fn deliveries_weigh_their_blocks() {
    let lines = [
        "message_rate = 1",
        "message_hwm = 50",
        "message_block_size = 10",
    ];
    let (_backend, p8) = limited(&lines);
    let mut client = p8.stream("/stream/a");
    let large = stream_item("a", &"x".repeat(300));
    let mut small = large.clone();
    small["size"] = json!(100);
    // 30 leave at once, which is the rate of 30 seconds; 30 wait; 30 more are too much.
    p8.publish(&[large.clone(), large.clone(), large]);
    client.expect("x".repeat(300));
    assert_eq!(settled(&p8, 3).dropped("message-hwm"), 1);
    // Only two of these fit: they say themselves that they weigh 10.
    p8.publish(&[small.clone(), small.clone(), small]);
    let snapshot = settled(&p8, 6);
    assert_eq!(snapshot.dropped("message-hwm"), 2);
    assert_eq!(snapshot.total("deliveries_waiting_current"), 3);
}

#[test]
fn a_session_that_ends_leaves_nothing_behind() {
    let (_backend, p8) = limited(&["message_rate = 1", "message_hwm = 50"]);
    let mut client = p8.stream("/stream/a");
    p8.publish(&numbered("a", 40));
    expect_numbered(&mut client, 1);
    assert!(waiting(&p8) > 30);
    drop(client);
    wait_until(DEADLINE, "an empty queue", || waiting(&p8) == 0);
    assert!(p8.snapshot().dropped("client-gone") > 30);
    // Its room is free again, and its turns as well.
    let mut client = p8.stream("/stream/a");
    p8.publish(&numbered("a", 50));
    expect_numbered(&mut client, 2);
    assert_eq!(dropped(&p8), 0);
}

#[test]
fn what_waits_for_its_turn_while_a_request_is_asked_again_is_not_lost() {
    let backend = holding();
    let config = Config::to(backend.addr).handler("message_rate = 1");
    let p8 = P8::start(&config);
    let mut client = p8.long_poll("/poll/a", "a", 1);
    p8.publish(&[hint_item("a"), response_item("a", "the item")]);
    assert_eq!(client.reply().text(), "the item");
    assert_eq!(p8.snapshot().dropped("client-gone"), 0);
    assert_eq!(backend.seen().len(), 2);
}
