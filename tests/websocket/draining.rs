//! The end of a server with WebSockets open: both sides are told, and nobody holds it up.
//!
//! Source: `docs/operations.md`, start and stop; `docs/compatibility.md`, W180.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::events::{
    accept, accept_plain, answer, bare, echoed, open_and, opening_with, subscribe, text,
    wait_for_bodies, wait_for_event,
};
use crate::support::publish::ws_item;
use crate::support::wait::{gate, DEADLINE};
use crate::support::ws::{Event, Opening, Peers};
use crate::support::{wait_until, Backend, Client, Config, P8};

use super::subscribed;

/// "At once" on a busy machine; far less than the drains here may take.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Begins to stop P-8.
fn stop(p8: P8) -> JoinHandle<()> {
    thread::spawn(move || drop(p8))
}

/// P-8 has stopped, long before its drain is over.
#[track_caller]
fn expect_stopped(stopping: JoinHandle<()>) {
    wait_until(AT_ONCE, "P-8 to stop", || stopping.is_finished());
    stopping.join().expect("P-8 stops well");
}

fn patient(config: Config) -> P8 {
    P8::start(&config.http("drain_secs = 60"))
}

#[test]
fn over_http_the_client_is_closed_with_1001_and_the_backend_told() {
    let backend = open_and(&[subscribe("a")]);
    let p8 = patient(Config::over_http(backend.addr));
    let mut client = subscribed(&p8);
    let stopping = stop(p8);
    client.expect_closed(1001);
    wait_for_event(&backend, &bare("DISCONNECT"));
    expect_stopped(stopping);
}

#[test]
fn in_pass_through_both_sides_are_closed_with_1001() {
    let peers = Peers::accepting(&[]);
    let p8 = patient(Config::to(peers.backend.addr));
    let mut client = p8.ws("/");
    let mut peer = peers.next();
    let stopping = stop(p8);
    client.expect_closed(1001);
    assert_eq!(peer.expect_gone(), Some(1001));
    expect_stopped(stopping);
}

#[test]
fn what_was_published_before_arrives_before_the_close() {
    let backend = open_and(&[subscribe("a")]);
    let p8 = patient(Config::over_http(backend.addr));
    let mut client = subscribed(&p8);
    let items: Vec<_> = (0..100).map(|n| ws_item("a", &n.to_string())).collect();
    p8.publish(&items);
    let stopping = stop(p8);
    for n in 0..100 {
        client.expect_text(&n.to_string());
    }
    client.expect_closed(1001);
    expect_stopped(stopping);
}

#[test]
fn a_request_under_way_is_followed_by_the_word_of_the_end() {
    let (gate, wait) = gate();
    let backend = opening_with(accept_plain(&[]), move |events| {
        wait();
        answer(&echoed(events))
    });
    let p8 = patient(Config::over_http(backend.addr));
    let mut client = p8.ws("/");
    client.send_text("x");
    wait_for_bodies(&backend, 2);
    let stopping = stop(p8);
    gate.open();
    let texts = client.texts_until_gone();
    assert!(texts.is_empty() || texts == ["x"], "{texts:?}");
    let events = wait_for_event(&backend, &bare("DISCONNECT"));
    assert_eq!(events, [bare("OPEN"), text("x"), bare("DISCONNECT")]);
    expect_stopped(stopping);
}

#[test]
fn a_detached_session_is_closed_with_1001_and_its_backend_left_alone() {
    let detach = serde_json::json!({"type": "detach"});
    let backend = open_and(&[subscribe("a"), crate::support::events::control(&detach)]);
    let p8 = patient(Config::over_http(backend.addr));
    let mut client = subscribed(&p8);
    wait_for_event(&backend, &bare("CLOSE"));
    let stopping = stop(p8);
    client.expect_closed(1001);
    expect_stopped(stopping);
    let events = crate::support::events::all_events(&backend);
    assert_eq!(events, [bare("OPEN"), bare("CLOSE")]);
}

#[test]
fn a_handshake_that_is_answered_meanwhile_ends_at_once() {
    let (gate, wait) = gate();
    let backend = Backend::answering(move |request| {
        if request.target == "/late" {
            wait();
        }
        accept(&[])
    });
    let p8 = patient(Config::over_http(backend.addr).http("workers = 1"));
    let mut witness = p8.ws("/");
    let late = Opening::begin(p8.client(), "/late", &[]);
    wait_until(DEADLINE, "the backend to be asked", || {
        backend.seen().len() == 2
    });
    let stopping = stop(p8);
    witness.expect_closed(1001);
    gate.open();
    // Whether it is accepted and closed, or refused, the client is told.
    match late.finish() {
        Ok(mut client) => {
            client.expect_closed(1001);
        }
        Err(refusal) => assert!(refusal.status() >= 500, "{refusal:?}"),
    }
    expect_stopped(stopping);
}

#[test]
fn clients_that_answer_no_close_or_read_nothing_hold_nobody_up() {
    let backend = open_and(&[subscribe("a")]);
    let config = Config::over_http(backend.addr)
        .handler("slow_client = \"drop-newest\"")
        .http("drain_secs = 1");
    let p8 = P8::start(&config);
    let mut silent = subscribed(&p8);
    let deaf = Client::connect_with_small_window(p8.clients);
    let _deaf = Opening::begin(deaf, "/", &[]).finish().expect("accepted");
    let items = vec![ws_item("a", &"x".repeat(40_000)); 20];
    for _ in 0..10 {
        p8.publish(&items);
    }
    let stopping = stop(p8);
    let mut last = silent.recv();
    while let Event::Text(_) = last {
        last = silent.recv();
    }
    assert!(matches!(last, Event::Close(Some((1001, _)))), "{last:?}");
    expect_stopped(stopping);
}
