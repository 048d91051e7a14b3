//! A session that panics: its own client and backend see an end, the others of its worker notice nothing.
//!
//! Source: `docs/architecture.md`, crashes; `docs/compatibility.md`, W183.

use serde_json::{json, Value};

use crate::support::events::{
    accept, answer, bare, closes, echoed, events_of, opens, subscribe, wait_for_event, HttpEvent,
};
use crate::support::grip::hold;
use crate::support::publish::{response_item, ws_close, ws_item};
use crate::support::snapshot::Snapshot;
use crate::support::ws::{Event, Peers, WsClient};
use crate::support::{Backend, Config, P8};

use super::subscribe_message;

const OTHERS: u64 = 20;

/// A backend that subscribes each WebSocket to the channel in its path, and sends back what comes; other
/// requests to `/poll` are held.
fn backend() -> Backend {
    Backend::answering(|request| {
        let channel = request.target.trim_start_matches('/');
        match request.target.as_str() {
            "/poll" => hold("response", "poll", ""),
            _ if opens(request) => accept(&[subscribe(channel)]),
            _ => answer(&for_client(&events_of(request))),
        }
    })
}

/// What is sent back, with the prefix for the client.
fn for_client(events: &[HttpEvent]) -> Vec<HttpEvent> {
    let mut echoed = echoed(events);
    for event in echoed.iter_mut().filter(|event| event.kind == "TEXT") {
        let content = event.content.iter().flatten();
        event.content = Some(b"m:".iter().chain(content).copied().collect());
    }
    if echoed.iter().any(|event| event.kind == "CLOSE") {
        return closes(&echoed);
    }
    echoed
}

/// One worker, so that all of them share a thread.
fn on_one_worker(config: &Config) -> P8 {
    P8::start(&config.clone().http("workers = 1"))
}

fn poisonous(mut item: Value) -> Value {
    item["meta"] = json!({"p8-chaos": "panic-session"});
    item
}

#[track_caller]
fn expect_served(p8: &P8, clients: &mut [WsClient]) {
    p8.publish(&[ws_item("others", "published")]);
    for client in clients {
        client.expect_text("published");
        client.send_text("said");
        client.expect_text("said");
        client.expect_nothing_unread();
    }
}

#[test]
fn a_session_that_panics_ends_its_own_websocket_and_no_other() {
    let backend = backend();
    let p8 = on_one_worker(&Config::over_http(backend.addr));
    let mut others: Vec<_> = (0..OTHERS).map(|_| p8.ws("/others")).collect();
    let mut poll = p8.long_poll("/poll", "poll", 1);
    let mut crashing = p8.ws("/crashing");
    Snapshot::wait_for_subscribers(p8.control, "crashing", 1);
    Snapshot::wait_for_subscribers(p8.control, "others", OTHERS);
    p8.publish(&[poisonous(ws_close("crashing", json!({"code": 4000})))]);
    crashing.expect_gone();
    wait_for_event(&backend, &bare("DISCONNECT"));
    expect_served(&p8, &mut others);
    p8.publish(&[response_item("poll", "still held")]);
    assert_eq!(poll.reply().text(), "still held");
    Snapshot::wait_for_subscribers(p8.control, "crashing", 0);
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("session_panics_total"), 1);
    assert_eq!(snapshot.restarts("session"), 1, "{}", snapshot.json());
    let mut again = p8.ws("/crashing");
    Snapshot::wait_for_subscribers(p8.control, "crashing", 1);
    p8.publish(&[ws_item("crashing", "again")]);
    again.expect_text("again");
}

#[test]
fn a_session_that_panics_lets_go_of_its_direct_backend_too() {
    let peers = Peers::grip();
    let p8 = on_one_worker(&Config::to(peers.backend.addr));
    let mut crashing = p8.ws("/");
    let mut first = peers.next();
    first.control(&subscribe_message("crashing"));
    let mut other = p8.ws("/");
    let mut second = peers.next();
    Snapshot::wait_for_subscribers(p8.control, "crashing", 1);
    p8.publish(&[poisonous(ws_close("crashing", json!({"code": 4000})))]);
    crashing.expect_gone();
    assert_eq!(first.expect_gone(), Some(1001), "its client is gone");
    other.send_text("x");
    second.expect(&Event::Text("x".into()));
    second.send_text("m:y");
    other.expect_text("y");
}

#[test]
fn a_held_poll_whose_session_panics_is_answered_500_and_no_other_ends() {
    let backend = backend();
    let p8 = on_one_worker(&Config::over_http(backend.addr));
    let mut others: Vec<_> = (0..OTHERS).map(|_| p8.ws("/others")).collect();
    Snapshot::wait_for_subscribers(p8.control, "others", OTHERS);
    let mut poll = p8.long_poll("/poll", "poll", 1);
    p8.publish(&[poisonous(response_item("poll", "never"))]);
    assert_eq!(poll.reply().status(), 500);
    expect_served(&p8, &mut others);
    assert_eq!(p8.snapshot().total("session_panics_total"), 1);
}
