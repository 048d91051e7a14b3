//! Actors that block their thread for ever, as far as anybody can tell: a handler's channels go to a
//! fresh one, and no held client notices; a worker is reported.
//!
//! Only with the feature `chaos`: items with the meta `p8-chaos` make a named actor block.
//! Source: `docs/reliability.md`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread;

use serde_json::{json, Value};

use crate::support::client::Client;
use crate::support::grip::hold;
use crate::support::programs::Program;
use crate::support::publish::{
    begin_publish, close_item, expect_handler_lost, numbered, post_items, response_item,
    stream_item,
};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Backend, Config, P8};

const CLIENTS: usize = 1000;

/// Longer than a test takes to see that a thread is wedged, and short enough to see it end.
const WEDGED_MS: &str = "5000";

fn config(backend: &Backend) -> Config {
    Config::to(backend.addr)
        .http("workers = 2")
        .handler("wedge_deadline_ms = 1000")
}

fn backend() -> Backend {
    Backend::answering(|request| match request.target.as_str() {
        "/poll" => hold("response", "a", ""),
        "/other" => hold("stream", "b", ""),
        _ => hold("stream", "a", ""),
    })
}

/// An item that makes that actor block its thread.
fn wedging(actor: &str, text: &str) -> Value {
    let mut item = stream_item("a", text);
    item["meta"] = json!({"p8-chaos": format!("wedge-{actor}"), "p8-chaos-ms": WEDGED_MS});
    item
}

/// Publishes items, again whenever their handler was lost; returns how often it was.
#[track_caller]
fn publish_until_taken(control: SocketAddr, items: &[Value]) -> usize {
    let mut lost = 0;
    loop {
        let reply = post_items(control, items);
        if reply.status() == 200 {
            return lost;
        }
        expect_handler_lost(&reply);
        lost += 1;
    }
}

/// Reads every stream to its end and counts how many got which body.
#[track_caller]
fn bodies(clients: &mut [Client]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for client in clients {
        let body = client.read_to_end().expect("no client is lost");
        let body = String::from_utf8_lossy(&body).into_owned();
        *counts.entry(body).or_insert(0) += 1;
    }
    counts
}

/// How many threads are in that state.
fn threads(snapshot: &Snapshot, state: &str) -> usize {
    let threads = snapshot.json()["threads"].as_array().expect("a list");
    let of_state = threads.iter().filter(|thread| thread["state"] == state);
    of_state.count()
}

fn unwell(snapshot: &Snapshot) -> String {
    snapshot.json()["unwell"].to_string()
}

/// A thousand streams, an actor that wedges amid publishes, and publishers that publish again what was
/// not taken: everybody gets everything once and in order.
#[track_caller]
fn wedge_among_a_thousand(actor: &str) {
    let backend = backend();
    let p8 = P8::start(&config(&backend));
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| p8.stream("/")).collect();
    p8.publish(&[stream_item("a", "0")]);
    let control = p8.control;
    let item = wedging(actor, "X");
    let wedging = thread::spawn(move || expect_handler_lost(&post_items(control, &[item])));
    wait_until(DEADLINE, "the item to be in hand", || {
        p8.snapshot().json()["actors"]["publisher"]["count"] == 0
    });
    let lost = publish_until_taken(p8.control, &[stream_item("a", "1")]);
    assert!(lost <= 1, "held or refused once, not {lost} times");
    wedging.join().expect("it is answered");
    for text in ["2", "3", "4"] {
        publish_until_taken(p8.control, &[stream_item("a", text)]);
    }
    let snapshot = p8.snapshot();
    assert_eq!(
        snapshot.total("handlers_replaced_total"),
        1,
        "{}",
        snapshot.json()
    );
    assert_eq!(threads(&snapshot, "lost"), 1, "{}", snapshot.json());
    assert_eq!(unwell(&snapshot), "[]", "it was replaced");
    wait_until(DEADLINE, "the lost thread to end", || {
        threads(&p8.snapshot(), "lost") == 0
    });
    let stale = p8.snapshot().total("deliveries_stale_total");
    assert!(stale > 0, "what the lost one sent at last was dropped");
    p8.publish(&[stream_item("a", "5"), close_item("a")]);
    let expected = HashMap::from([("012345".to_owned(), CLIENTS)]);
    assert_eq!(bodies(&mut clients), expected);
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.dropped("handler-lost"), 1, "{}", snapshot.json());
    assert_eq!(snapshot.total("handlers_replaced_total"), 1);
}

#[test]
fn a_channel_that_wedges_costs_a_thousand_clients_nothing() {
    wedge_among_a_thousand("channel");
}

#[test]
fn a_publisher_that_wedges_costs_a_thousand_clients_nothing() {
    wedge_among_a_thousand("publisher");
}

#[test]
fn a_long_poll_and_a_hold_that_begins_meanwhile_outlive_a_wedge() {
    let backend = backend();
    let p8 = P8::start(&config(&backend));
    let mut poll = p8.long_poll("/poll", "a", 1);
    expect_handler_lost(&post_items(p8.control, &[wedging("channel", "X")]));
    let mut late = p8.stream("/");
    p8.publish(&[response_item("a", "still held")]);
    assert_eq!(poll.reply().text(), "still held");
    p8.publish(&[stream_item("a", "1")]);
    late.expect("1");
}

#[test]
fn a_hold_that_begins_while_its_handler_is_wedged_is_subscribed_to_the_fresh_one() {
    let backend = backend();
    let p8 = P8::start(&config(&backend));
    let mut first = p8.stream("/");
    let control = p8.control;
    let wedge = thread::spawn(move || {
        expect_handler_lost(&post_items(control, &[wedging("channel", "X")]))
    });
    let mut during = p8.stream("/other");
    wedge.join().expect("it is answered");
    p8.publish(&[stream_item("a", "1"), stream_item("b", "2")]);
    first.expect("1");
    during.expect("2");
}

#[test]
fn the_order_by_prev_id_goes_on_with_the_fresh_handler() {
    let backend = backend();
    let p8 = P8::start(&config(&backend).handler("message_wait = 3600000"));
    let mut stream = p8.stream("/");
    p8.publish(&[numbered("1", "")]);
    expect_handler_lost(&post_items(p8.control, &[wedging("publisher", "X")]));
    p8.publish(&[numbered("3", "2")]);
    p8.publish(&[numbered("2", "1")]);
    stream.expect("123");
}

#[test]
fn items_that_waited_for_others_are_counted_and_the_item_that_wedged_is_named() {
    let backend = backend();
    let p8 = P8::start(&config(&backend).handler("message_wait = 3600000"));
    let mut stream = p8.stream("/");
    p8.publish(&[numbered("1", ""), numbered("3", "2"), numbered("4", "3")]);
    let mut item = wedging("channel", "X");
    item["id"] = json!("the-one");
    expect_handler_lost(&post_items(p8.control, &[item]));
    p8.publish(&[numbered("2", "1")]);
    stream.expect("12");
    let snapshot = p8.snapshot();
    assert_eq!(
        snapshot.dropped("handler-lost"),
        3,
        "two that waited and the one"
    );
    assert_eq!(snapshot.total("items_waiting_current"), 0);
    assert_eq!(snapshot.total("items_published_total"), 5, "counts go on");
    let named = &snapshot.json()["lost_items"][0];
    assert_eq!(
        (&named["channel"], &named["id"]),
        (&json!("a"), &json!("the-one"))
    );
}

#[test]
fn channels_of_another_handler_go_on_as_if_nothing_was() {
    let backend = Backend::answering(|request| hold("stream", &request.target[1..], ""));
    let p8 = P8::start(&config(&backend).handler("arbiters = 2"));
    let mut streams: Vec<_> = (0..8).map(|n| (n, p8.stream(&format!("/{n}")))).collect();
    let mut item = wedging("channel", "X");
    item["channel"] = json!("0");
    let control = p8.control;
    let wedge = thread::spawn(move || expect_handler_lost(&post_items(control, &[item])));
    wait_until(DEADLINE, "the item to be in hand", || {
        p8.snapshot().json()["actors"]["publisher"]["count"] == 1
    });
    let mut lost = 0;
    for (n, stream) in &mut streams {
        lost += publish_until_taken(p8.control, &[stream_item(&n.to_string(), "1")]);
        stream.expect("1");
    }
    assert!(lost <= 1, "{lost} publishes had to wait for the wedged one");
    wedge.join().expect("it is answered");
    assert_eq!(p8.snapshot().total("handlers_replaced_total"), 1);
}

#[test]
fn past_the_bound_of_replacements_p8_says_that_it_is_not_well() {
    let backend = backend();
    let p8 = P8::start(&config(&backend).handler("replacements_max = 1"));
    let _stream = p8.stream("/");
    expect_handler_lost(&post_items(p8.control, &[wedging("channel", "X")]));
    let second = p8.control;
    let second = thread::spawn(move || post_items(second, &[wedging("channel", "Y")]).status());
    wait_until(DEADLINE, "P-8 to give up", || {
        unwell(&p8.snapshot()).contains("too many handlers had to be replaced")
    });
    assert_eq!(p8.snapshot().total("handlers_replaced_total"), 1);
    drop(second.join());
}

#[test]
fn past_the_bound_of_replacements_the_program_ends_with_exit_code_1() {
    let backend = backend();
    let config = config(&backend).handler("replacements_max = 0");
    let mut p8 = Program::start(&config.toml(), &[]);
    let mut stream = Client::connect(p8.clients);
    stream.request("GET", "/", &[], b"");
    assert_eq!(stream.final_head().status, 200);
    let _publisher = begin_publish(p8.control, &[wedging("channel", "X")]);
    let ended = stream.read_to_end();
    assert_eq!(ended, Ok(Vec::new()), "it is drained in good order");
    assert_eq!(p8.exit_code(), Some(1));
    assert!(p8.log().contains("giving up"), "{}", p8.log());
}

#[test]
fn a_worker_that_wedges_is_reported_until_it_turns_again() {
    let backend = backend();
    let p8 = P8::start(&config(&backend));
    let mut streams: Vec<_> = (0..2).map(|_| p8.stream("/")).collect();
    let item = wedging("hub", "X");
    p8.publish(&[item]);
    wait_until(DEADLINE, "the worker to be reported", || {
        let ready = Client::connect(p8.control).get("/ready");
        let snapshot = p8.snapshot();
        ready.status() == 503
            && ready.text().contains("worker")
            && threads(&snapshot, "wedged") > 0
            && unwell(&snapshot).contains("worker")
    });
    wait_until(DEADLINE, "it to turn again", || {
        Client::connect(p8.control).get("/ready").status() == 200
    });
    assert_eq!(unwell(&p8.snapshot()), "[]");
    for stream in &mut streams {
        stream.expect("X");
    }
    assert_eq!(p8.snapshot().total("handlers_replaced_total"), 0);
}
