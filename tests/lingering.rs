//! New channels are asked about once; those of long-polls stay for a while, with their last id.
//!
//! Source: `docs/grip.md`, recovery.

use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::support::grip::hold;
use crate::support::links::{by_path, checked, seen_at, wait_for_requests};
use crate::support::publish::{mute_item, response_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

fn numbered(id: &str) -> Value {
    let mut item = response_item("a", id);
    item["id"] = json!(id);
    item
}

fn config(backend: &Backend) -> Config {
    Config::to(backend.addr).http("workers = 1")
}

/// A first poll that was answered by that item.
fn answered_by(p8: &P8, target: &str, id: &str) -> Client {
    let mut client = p8.long_poll(target, "a", 1);
    p8.publish(&[numbered(id)]);
    assert_eq!(client.reply().text(), id);
    client
}

#[test]
fn the_sessions_of_a_new_channel_are_asked_again_once_a_second_after() {
    let backend = by_path(|path, before| match (path, before) {
        ("/poll", 1) => Answer::ok("asked again"),
        ("/poll", _) => hold("response", "a", ""),
        ("/stream", _) => hold("stream", "a", "open ").next("/n"),
        ("/n", _) => hold("stream", "a", "asked too ").next("/n"),
        _ => hold("stream", "a", ""),
    });
    let p8 = P8::start(&config(&backend).handler("update_on_first_subscription = true"));
    let started = Instant::now();
    let mut poll = p8.long_poll("/poll", "a", 1);
    let mut stream = p8.stream("/stream");
    let _plain = p8.stream("/plain");
    assert_eq!(poll.reply().text(), "asked again");
    assert!(started.elapsed() >= Duration::from_secs(1));
    stream.expect("open asked too ");
    let mut poll = p8.long_poll("/poll", "a", 3);
    wait_until(DEADLINE, "more than another second", || {
        started.elapsed() > Duration::from_millis(3_500)
    });
    p8.publish(&[response_item("a", "not again")]);
    assert_eq!(poll.reply().text(), "not again");
    assert_eq!(seen_at(&backend, "/n").len(), 1);
}

#[test]
fn a_channel_that_lingers_is_not_new() {
    let backend = by_path(|_, _| hold("response", "a", ""));
    let p8 = P8::start(&config(&backend).handler("update_on_first_subscription = true"));
    let client = p8.long_poll("/", "a", 1);
    wait_for_requests(&backend, "/", 2);
    drop(client);
    Snapshot::wait_for_subscribers(p8.control, "a", 0);
    let started = Instant::now();
    let mut client = p8.long_poll("/", "a", 1);
    wait_until(DEADLINE, "more than a second", || {
        started.elapsed() > Duration::from_millis(1_500)
    });
    p8.publish(&[response_item("a", "not again")]);
    assert_eq!(client.reply().text(), "not again");
    assert_eq!(backend.seen().len(), 3);
}

#[test]
fn a_stale_prev_id_conflicts_at_once_because_the_last_id_is_remembered_between_two_polls() {
    let backend = by_path(|_, before| match before {
        0 => hold("response", "a", ""),
        1 => checked("response", "1", ""),
        _ => Answer::ok("what was missed"),
    });
    let p8 = P8::start(&config(&backend));
    let mut client = answered_by(&p8, "/", "2");
    client.request("GET", "/", &[], b"");
    assert_eq!(client.reply().text(), "what was missed");
    assert_eq!(backend.seen()[2].header("grip-last"), Some("a; last-id=1"));
}

#[test]
fn items_that_came_between_two_polls_count_too() {
    let backend = by_path(|_, before| match before {
        0 => hold("response", "a", ""),
        1 => checked("response", "2", ""),
        _ => Answer::ok("what was missed"),
    });
    let p8 = P8::start(&config(&backend));
    let mut client = answered_by(&p8, "/", "2");
    p8.publish(&[numbered("3")]);
    client.request("GET", "/", &[], b"");
    assert_eq!(client.reply().text(), "what was missed");
}

#[test]
fn a_current_prev_id_conflicts_with_nothing() {
    let backend = by_path(|_, before| match before {
        0 => hold("response", "a", ""),
        _ => checked("response", "2", ""),
    });
    let p8 = P8::start(&config(&backend));
    let mut client = answered_by(&p8, "/", "2");
    client.request("GET", "/", &[], b"");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    let mut item = numbered("3");
    item["prev-id"] = json!("2");
    p8.publish(&[item]);
    assert_eq!(client.reply().text(), "3");
    assert_eq!(backend.seen().len(), 2);
}

/// Tells whether P-8 still listens to channel `a` though nobody does.
fn lingers(p8: &P8) -> bool {
    let unsubscribed = || p8.snapshot().total("items_unsubscribed_total");
    let before = unsubscribed();
    p8.publish(&[mute_item("a")]);
    unsubscribed() == before
}

#[test]
fn after_its_time_a_lingering_subscription_ends_and_its_last_id_is_forgotten() {
    let backend = by_path(|_, before| match before {
        0 => hold("response", "a", ""),
        _ => checked("response", "1", ""),
    });
    let config = config(&backend).handler("subscription_linger = 1");
    let p8 = P8::start(&config);
    let started = Instant::now();
    let mut client = answered_by(&p8, "/", "2");
    assert!(lingers(&p8));
    wait_until(DEADLINE, "the subscription to end", || !lingers(&p8));
    assert!(started.elapsed() >= Duration::from_secs(1));
    client.request("GET", "/", &[], b"");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    let mut item = numbered("3");
    item["prev-id"] = json!("1");
    p8.publish(&[item]);
    assert_eq!(client.reply().text(), "3");
    assert_eq!(backend.seen().len(), 2);
}

#[test]
fn streams_and_polls_without_a_linger_end_their_subscriptions_at_once() {
    let backend = by_path(|path, _| match path {
        "/stream" => hold("stream", "a", ""),
        _ => hold("response", "a", ""),
    });
    let p8 = P8::start(&config(&backend));
    drop(p8.stream("/stream"));
    wait_until(DEADLINE, "the subscription to end", || !lingers(&p8));
    let p8 = P8::start(&config(&backend).handler("subscription_linger = 0"));
    drop(p8.long_poll("/poll", "a", 1));
    wait_until(DEADLINE, "the subscription to end", || !lingers(&p8));
}

#[test]
fn past_their_bound_the_oldest_lingering_subscription_ends_and_is_counted() {
    let backend = Backend::answering(|request| hold("response", &request.target[1..], ""));
    let p8 = P8::start(&config(&backend).handler("lingering_subscriptions_max = 2"));
    for channel in ["a", "b", "c"] {
        drop(p8.long_poll(&format!("/{channel}"), channel, 1));
        Snapshot::wait_for_subscribers(p8.control, channel, 0);
    }
    wait_until(DEADLINE, "the oldest to end", || !lingers(&p8));
    assert_eq!(p8.snapshot().total("lingering_subscriptions_cut_total"), 1);
    let before = p8.snapshot().total("items_unsubscribed_total");
    p8.publish(&[mute_item("b"), mute_item("c"), stream_item("c", "")]);
    assert_eq!(p8.snapshot().total("items_unsubscribed_total"), before);
}
