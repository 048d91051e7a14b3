//! Actors that panic in mid fan-out are restarted in place, and no held client notices.
//!
//! Only with the feature `chaos`: items with the meta `p8-chaos` make a named actor panic.
//! Source: `docs/architecture.md`, crashes.

use std::collections::HashMap;
use std::thread;

use serde_json::{json, Value};

use crate::support::client::Client;
use crate::support::grip::hold;
use crate::support::publish::{
    close_item, numbered, post_items, publish, response_item, stream_item,
};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Backend, Config, P8};

const CLIENTS: usize = 1000;

/// P-8 on one worker, with a thousand streams on channel `a`.
fn a_thousand_streams() -> (Backend, P8, Vec<Client>) {
    a_thousand_streams_on(1)
}

/// P-8 on that many workers, with a thousand streams on channel `a`.
fn a_thousand_streams_on(workers: usize) -> (Backend, P8, Vec<Client>) {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/poll" => hold("response", "a", ""),
        _ => hold("stream", "a", ""),
    });
    let p8 = P8::start(&Config::to(backend.addr).http(&format!("workers = {workers}")));
    let clients = (0..CLIENTS).map(|_| p8.stream("/")).collect();
    assert_eq!(p8.snapshot().subscribers("a"), CLIENTS as u64);
    (backend, p8, clients)
}

/// An item that makes an actor panic while it is on its way.
fn poisonous(text: &str, meta: Value) -> Value {
    let mut item = stream_item("a", text);
    item["meta"] = meta;
    item
}

/// Publishes items with a poisonous one among them; gives the answer's status.
#[track_caller]
fn publish_poison(p8: &P8, items: &[Value]) -> u16 {
    post_items(p8.control, items).status()
}

/// Reads every stream to its end and counts how many got which body.
#[track_caller]
fn bodies(clients: &mut [Client]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for client in clients {
        let body = client.read_to_end().expect("no client is lost");
        *counts
            .entry(String::from_utf8_lossy(&body).into_owned())
            .or_insert(0) += 1;
    }
    counts
}

/// Publishes from several publishers at once, behind what is already on its way; then closes.
fn publish_behind(p8: &P8) {
    let control = p8.control;
    let publishers: Vec<_> = (0..4)
        .map(|_| thread::spawn(move || publish(control, &[stream_item("a", "b")])))
        .collect();
    for publisher in publishers {
        publisher.join().expect("each publish is accepted");
    }
    p8.publish(&[close_item("a")]);
}

#[test]
fn a_hub_that_panics_in_mid_fan_out_loses_one_delivery_and_no_client() {
    let (_backend, p8, mut clients) = a_thousand_streams();
    let meta = json!({"p8-chaos": "panic-hub", "p8-chaos-at": "500"});
    p8.publish(&[
        stream_item("a", "0"),
        poisonous("X", meta),
        stream_item("a", "1"),
    ]);
    publish_behind(&p8);
    let expected = HashMap::from([
        ("0X1bbbb".to_owned(), CLIENTS - 1),
        ("01bbbb".to_owned(), 1),
    ]);
    assert_eq!(bodies(&mut clients), expected);
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.restarts("hub"), 1, "{}", snapshot.json());
    assert_eq!(snapshot.dropped("panic"), 1, "{}", snapshot.json());
}

#[test]
fn a_hub_that_panics_at_the_first_or_last_session_goes_on_too() {
    let (_backend, p8, mut clients) = a_thousand_streams();
    for at in ["1", "1000"] {
        let meta = json!({"p8-chaos": "panic-hub", "p8-chaos-at": at});
        p8.publish(&[poisonous("X", meta)]);
    }
    publish_behind(&p8);
    let counts = bodies(&mut clients);
    assert_eq!(counts.get("XXbbbb"), Some(&(CLIENTS - 2)), "{counts:?}");
    assert_eq!(counts.get("Xbbbb"), Some(&2), "{counts:?}");
}

#[test]
fn hubs_of_several_workers_crash_each_for_itself() {
    let (_backend, p8, mut clients) = a_thousand_streams_on(2);
    let meta = json!({"p8-chaos": "panic-hub", "p8-chaos-at": "10"});
    p8.publish(&[poisonous("X", meta)]);
    publish_behind(&p8);
    let expected = HashMap::from([("Xbbbb".to_owned(), CLIENTS - 2), ("bbbb".to_owned(), 2)]);
    assert_eq!(bodies(&mut clients), expected);
    assert_eq!(p8.snapshot().restarts("hub"), 2);
}

#[test]
fn a_channel_that_panics_loses_no_client_and_nothing_behind_it() {
    let (_backend, p8, mut clients) = a_thousand_streams();
    let meta = json!({"p8-chaos": "panic-channel"});
    let items = [
        stream_item("a", "0"),
        poisonous("X", meta),
        stream_item("a", "1"),
    ];
    assert_eq!(publish_poison(&p8, &items), 500, "its publisher is told");
    publish_behind(&p8);
    let expected = HashMap::from([("01bbbb".to_owned(), CLIENTS)]);
    assert_eq!(
        bodies(&mut clients),
        expected,
        "nobody gets the one that panicked"
    );
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.restarts("channel"), 1, "{}", snapshot.json());
    assert_eq!(snapshot.dropped("panic"), 1, "{}", snapshot.json());
}

#[test]
fn a_publisher_that_panics_answers_that_publish_with_500_and_goes_on() {
    let (_backend, p8, mut clients) = a_thousand_streams();
    p8.publish(&[stream_item("a", "0")]);
    let poison = poisonous("X", json!({"p8-chaos": "panic-publisher"}));
    assert_eq!(publish_poison(&p8, &[poison]), 500);
    publish_behind(&p8);
    assert_eq!(
        bodies(&mut clients),
        HashMap::from([("0bbbb".to_owned(), CLIENTS)])
    );
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.restarts("publisher"), 1, "{}", snapshot.json());
    assert_eq!(snapshot.dropped("panic"), 1, "{}", snapshot.json());
}

#[test]
fn a_proxied_request_and_a_long_poll_outlive_every_panic() {
    let (_backend, p8, mut clients) = a_thousand_streams();
    let mut poll = p8.long_poll("/poll", "a", CLIENTS as u64 + 1);
    for meta in [
        json!({"p8-chaos": "panic-hub", "p8-chaos-at": "7"}),
        json!({"p8-chaos": "panic-channel"}),
        json!({"p8-chaos": "panic-publisher"}),
    ] {
        publish_poison(&p8, &[poisonous("", meta)]);
    }
    p8.publish(&[response_item("a", "still held")]);
    assert_eq!(poll.reply().text(), "still held");
    Snapshot::wait_for_subscribers(p8.control, "a", CLIENTS as u64);
    p8.publish(&[close_item("a")]);
    assert_eq!(bodies(&mut clients).values().sum::<usize>(), CLIENTS);
}

#[test]
fn subscriptions_made_after_a_panic_work_and_ended_ones_are_forgotten() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let p8 = P8::start(&Config::to(backend.addr));
    let leaving = p8.stream("/");
    for meta in [
        json!({"p8-chaos": "panic-channel"}),
        json!({"p8-chaos": "panic-hub"}),
    ] {
        publish_poison(&p8, &[poisonous("", meta)]);
    }
    let mut staying = p8.stream("/");
    drop(leaving);
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[stream_item("a", "after"), close_item("a")]);
    let body = staying.read_to_end().expect("an end");
    assert_eq!(body, b"after");
    wait_until(DEADLINE, "the channel to end", || {
        p8.snapshot().actors("channel") == 0
    });
}

#[test]
fn the_restart_and_its_cause_are_shown_to_the_operator() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.stream("/");
    let mut item = poisonous("X", json!({"p8-chaos": "panic-channel"}));
    item["id"] = json!("the-poisonous-one");
    assert_eq!(publish_poison(&p8, &[item]), 500);
    p8.publish(&[close_item("a")]);
    assert_eq!(client.read_to_end().expect("an end"), b"");
    let snapshot = p8.snapshot();
    let told = snapshot.json()["actors"]["channel"]["last_panic"]
        .as_str()
        .unwrap_or_default();
    assert!(
        told.contains("p8-chaos") || told.contains("chaos"),
        "{}",
        snapshot.json()
    );
}

/// P-8 with a stream on channel `a`, where items wait so long for others.
fn ordered(wait_ms: u32) -> (Backend, P8, Client) {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let wait = format!("message_wait = {wait_ms}");
    let p8 = P8::start(&Config::to(backend.addr).handler(&wait));
    let stream = p8.stream("/");
    (backend, p8, stream)
}

#[test]
fn items_that_wait_outlive_a_panic_of_their_channel() {
    let (_backend, p8, mut stream) = ordered(3_600_000);
    p8.publish(&[numbered("1", "0"), numbered("3", "2")]);
    let meta = json!({"p8-chaos": "panic-channel"});
    assert_eq!(publish_poison(&p8, &[poisonous("X", meta)]), 500);
    p8.publish(&[numbered("2", "1")]);
    stream.expect("123");
}

#[test]
fn the_time_of_a_waiting_item_goes_on_behind_a_panic_of_its_channel() {
    let (_backend, p8, mut stream) = ordered(300);
    let meta = json!({"p8-chaos": "panic-channel"});
    let items = [numbered("1", "0"), numbered("3", "2"), poisonous("X", meta)];
    assert_eq!(publish_poison(&p8, &items), 500);
    stream.expect("13");
    assert_eq!(p8.snapshot().restarts("channel"), 1);
}

#[test]
fn a_waiting_item_that_crashes_its_channel_may_be_published_again_in_its_place() {
    let (_backend, p8, mut stream) = ordered(3_600_000);
    let mut poison = numbered("3", "2");
    poison["meta"] = json!({"p8-chaos": "panic-delivery"});
    p8.publish(&[numbered("1", "0"), numbered("4", "3"), poison]);
    p8.publish(&[numbered("2", "1")]);
    stream.expect("12");
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.dropped("panic"), 1, "{}", snapshot.json());
    assert_eq!(snapshot.total("items_waiting_current"), 1);
    p8.publish(&[numbered("3", "2")]);
    stream.expect("34");
}

#[test]
fn an_item_whose_publish_was_answered_500_may_be_published_again() {
    let (_backend, p8, mut stream) = ordered(3_600_000);
    for (id, actor) in [("1", "panic-channel"), ("2", "panic-publisher")] {
        let item = numbered(id, "");
        let mut poison = item.clone();
        poison["meta"] = json!({ "p8-chaos": actor });
        assert_eq!(publish_poison(&p8, &[poison]), 500);
        p8.publish(std::slice::from_ref(&item));
        p8.publish(&[item]);
        stream.expect(id);
        p8.publish(&[stream_item("a", ".")]);
        stream.expect(".");
    }
}
