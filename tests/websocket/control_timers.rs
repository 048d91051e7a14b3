//! What P-8 sends by itself because the backend said so: keep-alives and delayed messages.
//!
//! A session with an interval of a second is the clock of these tests; each wait may be up to a second
//! shorter than was asked for.
//!
//! Source: `docs/compatibility.md`, W79 to W84.

use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::support::events::{accept, answer, closes, control, events_of, opens, subscribe};
use crate::support::publish::ws_item;
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::ws::{Event, WsClient};
use crate::support::{Backend, P8};

use super::{over_http, subscribed};

/// A session whose backend sends these control messages at the opening and subscribes it to `a`.
fn told(messages: &[Value]) -> (Backend, P8, WsClient) {
    let backend = telling(&[("/", messages)]);
    let p8 = over_http(&backend);
    let client = subscribed(&p8);
    (backend, p8, client)
}

/// A backend that sends its control messages by path.
fn telling(by_path: &[(&str, &[Value])]) -> Backend {
    let by_path: Vec<(String, Vec<Value>)> = by_path
        .iter()
        .map(|(path, messages)| ((*path).to_owned(), messages.to_vec()))
        .collect();
    Backend::answering(move |request| {
        if !opens(request) {
            return answer(&closes(&events_of(request)));
        }
        let messages = by_path.iter().find(|(path, _)| *path == request.target);
        let messages = messages.map_or(&[][..], |(_, messages)| messages);
        let mut events = vec![subscribe("a")];
        events.extend(messages.iter().map(control));
        accept(&events)
    })
}

fn keep_alive(fields: Value) -> Value {
    with_type("keep-alive", fields)
}

fn send_delayed(fields: Value) -> Value {
    with_type("send-delayed", fields)
}

fn with_type(kind: &str, mut fields: Value) -> Value {
    fields["type"] = json!(kind);
    fields
}

/// What comes, and comes again.
#[track_caller]
fn expect_twice(client: &mut WsClient, event: &Event) {
    assert_eq!(client.recv(), *event);
    assert_eq!(client.recv(), *event);
}

/// Ends within a second, again and again.
const CLOCK: &str = r#"{"content": "tick", "timeout": 1, "mode": "interval"}"#;

/// A P-8 with a clock and another session, which was told these.
fn beside_a_clock(messages: &[Value]) -> (Backend, P8, WsClient, WsClient) {
    let clock = keep_alive(serde_json::from_str(CLOCK).expect("JSON"));
    let backend = telling(&[("/clock", &[clock]), ("/", messages)]);
    let p8 = over_http(&backend);
    let client = p8.ws("/");
    let clock = p8.ws("/clock");
    Snapshot::wait_for_subscribers(p8.control, "a", 2);
    (backend, p8, clock, client)
}

/// Waits for a tick of the clock, whatever else it is told.
#[track_caller]
fn tick(clock: &mut WsClient) {
    while clock.recv() != Event::Text("tick".into()) {}
}

#[test]
fn a_keep_alive_is_a_message_of_any_type() {
    let table = [
        (json!({"content": "b"}), Event::Text("b".into())),
        (json!({"content": ""}), Event::Text(String::new())),
        (
            json!({"content": "b", "message-type": "binary"}),
            Event::Binary(b"b".into()),
        ),
        (
            json!({"content-bin": "AP8=", "message-type": "binary"}),
            Event::Binary(vec![0, 255]),
        ),
        (
            json!({"content": "p", "message-type": "ping"}),
            Event::Ping(b"p".into()),
        ),
        (
            json!({"content": "q", "message-type": "pong"}),
            Event::Pong(b"q".into()),
        ),
    ];
    let mut sessions = Vec::new();
    for (mut fields, event) in table {
        fields["timeout"] = json!(1);
        sessions.push((told(&[keep_alive(fields)]), event));
    }
    for ((_backend, _p8, client), event) in &mut sessions {
        expect_twice(client, event);
    }
}

#[test]
fn content_in_base64_is_text_unless_a_type_is_given() {
    let fields = json!({"content-bin": "aGk=", "timeout": 1});
    let (_backend, _p8, mut client) = told(&[keep_alive(fields)]);
    client.expect_text("hi");
}

#[test]
fn a_timeout_may_be_a_text_or_a_fraction() {
    for timeout in [json!("1"), json!(1.2), json!(0.6)] {
        let fields = json!({"content": "b", "timeout": timeout});
        let (_backend, _p8, mut client) = told(&[keep_alive(fields)]);
        client.expect_text("b");
    }
}

#[test]
fn a_message_with_a_negative_timeout_or_an_unknown_type_changes_nothing() {
    let (_backend, _p8, mut client) = told(&[
        keep_alive(json!({"content": "first", "timeout": 1})),
        keep_alive(json!({"content": "negative", "timeout": -1})),
        keep_alive(json!({"content": "odd", "timeout": 1, "message-type": "song"})),
    ]);
    client.expect_text("first");
    client.expect_text("first");
}

#[test]
fn without_content_it_is_off_and_without_a_usable_timeout_it_is_a_matter_of_a_minute() {
    let first = keep_alive(json!({"content": "first", "timeout": 1}));
    let seconds = [
        json!({}),
        json!({"timeout": 1}),
        json!({"content": "second"}),
        json!({"content": "second", "timeout": 0}),
        json!({"content": "second", "timeout": "soon"}),
    ];
    let told: Vec<(String, [Value; 2])> = seconds
        .into_iter()
        .enumerate()
        .map(|(n, second)| (format!("/{n}"), [first.clone(), keep_alive(second)]))
        .collect();
    let clock = [keep_alive(serde_json::from_str(CLOCK).expect("JSON"))];
    let mut by_path: Vec<(&str, &[Value])> = vec![("/clock", &clock)];
    by_path.extend(told.iter().map(|(path, both)| (path.as_str(), &both[..])));
    let backend = telling(&by_path);
    let p8 = over_http(&backend);
    let mut silent: Vec<WsClient> = told.iter().map(|(path, _)| p8.ws(path)).collect();
    let mut clock = p8.ws("/clock");
    for _ in 0..4 {
        tick(&mut clock);
    }
    for client in &mut silent {
        client.expect_nothing_unread();
    }
}

#[test]
fn what_is_sent_to_the_client_puts_an_idle_keep_alive_off() {
    let idle = keep_alive(json!({"content": "idle", "timeout": 3}));
    let (_backend, p8, mut clock, mut client) = beside_a_clock(&[idle]);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        tick(&mut clock);
        p8.publish(&[ws_item("a", "item")]);
        client.expect_text("item");
    }
    client.expect_text("idle");
}

#[test]
fn what_the_client_sends_does_not_put_it_off() {
    let idle = keep_alive(json!({"content": "idle", "timeout": 3, "mode": "unknown"}));
    let (_backend, _p8, mut clock, mut client) = beside_a_clock(&[idle]);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        tick(&mut clock);
        client.send_text("I am here");
    }
    client.expect_text("idle");
}

#[test]
fn an_interval_is_kept_whatever_is_sent() {
    let regular = keep_alive(json!({"content": "beat", "timeout": 2, "mode": "interval"}));
    let (_backend, p8, mut client) = told(&[regular]);
    let begun = Instant::now();
    let mut beats = 0;
    p8.publish(&[ws_item("a", "item")]);
    while beats < 3 {
        match client.recv() {
            Event::Text(text) if text == "beat" => beats += 1,
            _ => p8.publish(&[ws_item("a", "item")]),
        }
        assert!(begun.elapsed() < DEADLINE, "{beats} beats");
    }
}

#[test]
fn a_delayed_message_comes_after_its_time() {
    let delayed = send_delayed(json!({"content": "late", "timeout": 1}));
    let (_backend, p8, mut client) = told(&[delayed]);
    p8.publish(&[ws_item("a", "first")]);
    client.expect_text("first");
    client.expect_text("late");
}

#[test]
fn a_delayed_message_waits_a_second_unless_it_says_more() {
    let begun = Instant::now();
    for fields in [
        json!({"content": "late"}),
        json!({"content": "late", "timeout": 0}),
    ] {
        let (_backend, _p8, mut client) = told(&[send_delayed(fields)]);
        client.expect_text("late");
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn a_second_delayed_message_sends_the_first_at_once() {
    let (_backend, p8, mut client) = told(&[
        send_delayed(json!({"content": "one", "timeout": 3600})),
        send_delayed(json!({"content": "two", "timeout": 3600})),
    ]);
    client.expect_text("one");
    p8.publish(&[ws_item("a", "item")]);
    client.expect_text("item");
}

#[test]
fn flushing_sends_the_waiting_message_once() {
    let (_backend, p8, mut client) = told(&[
        send_delayed(json!({"content": "one", "timeout": 3600})),
        json!({"type": "flush-delayed"}),
        json!({"type": "flush-delayed"}),
    ]);
    client.expect_text("one");
    p8.publish(&[ws_item("a", "item")]);
    client.expect_text("item");
}

#[test]
fn a_delayed_message_may_be_empty_and_of_any_type() {
    let flush = json!({"type": "flush-delayed"});
    let table = [
        (json!({}), Event::Text(String::new())),
        (
            json!({"content-bin": "AP8=", "message-type": "binary"}),
            Event::Binary(vec![0, 255]),
        ),
        (
            json!({"content": "p", "message-type": "ping"}),
            Event::Ping(b"p".into()),
        ),
    ];
    for (fields, event) in table {
        let (_backend, _p8, mut client) = told(&[send_delayed(fields), flush.clone()]);
        assert_eq!(client.recv(), event);
    }
}

#[test]
fn a_detached_session_keeps_its_keep_alive() {
    let (_backend, _p8, mut client) = told(&[
        keep_alive(json!({"content": "beat", "timeout": 1})),
        json!({"type": "detach"}),
    ]);
    expect_twice(&mut client, &Event::Text("beat".into()));
}
