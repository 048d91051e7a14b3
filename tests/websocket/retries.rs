//! A backend that cannot be reached once a session is open: asked again when nothing was said to
//! it, and otherwise not.
//!
//! Source: `docs/compatibility.md`, W62 to W65.

use std::net::TcpListener;
use std::time::Duration;

use crate::support::backend::Request;
use crate::support::events::{
    accept_plain, all_events, answer, bare, echo, echoed, events_of, opens, text, wait_for_event,
    HttpEvent,
};
use crate::support::wait::{gate, slowness, DEADLINE};
use crate::support::{wait_until, Answer, Backend};

use super::over_http;

/// Echoes, on a connection for each request.
fn echo_once(events: &[HttpEvent]) -> Answer {
    answer(&echoed(events)).header("Connection", "close")
}

/// The first pause is a second and up to one more; all five are 31 s and up to five more.
#[test]
fn messages_survive_a_backend_that_is_restarted() {
    let script = |request: &Request| {
        if opens(request) {
            accept_plain(&[]).header("Connection", "close")
        } else {
            echo_once(&events_of(request))
        }
    };
    let backend = Backend::answering(script);
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("before");
    client.expect_text("before");
    let addr = backend.addr;
    drop(backend);
    let mut listener = None;
    wait_until(DEADLINE, "the port to be free", || {
        listener = TcpListener::bind(addr).ok();
        listener.is_some()
    });
    drop(listener);
    client.send_text("during");
    client.send_text("this too");
    // Refused once at least: nothing listens until P-8 has tried.
    slowness(Duration::from_millis(500));
    let mut backend = None;
    wait_until(DEADLINE, "the port to be free", || {
        let listener = TcpListener::bind(addr).ok();
        backend = listener.map(|listener| Backend::answering_on(listener, script));
        backend.is_some()
    });
    let backend = backend.expect("a backend");
    client.expect_text("during");
    client.expect_text("this too");
    let events = all_events(&backend);
    assert_eq!(events, [text("during"), text("this too")]);
    let id = backend.seen()[0].header("connection-id").map(str::to_owned);
    assert!(id.is_some(), "the same session goes on");
}

#[test]
fn a_request_that_was_sent_whole_is_not_sent_again() {
    let backend = Backend::scripted(|exchange| {
        exchange.read_body();
        let request = exchange.request();
        if opens(&request) {
            exchange.answer(&accept_plain(&[]).header("Connection", "close"));
        } else {
            exchange.close();
        }
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("x");
    client.expect_gone();
    wait_for_event(&backend, &bare("DISCONNECT"));
    // It hears of the end once, and not of the message again.
    let events = [bare("OPEN"), text("x"), bare("DISCONNECT")];
    assert_eq!(all_events(&backend), events);
}

#[test]
fn an_opening_that_was_sent_is_not_sent_again() {
    let backend = Backend::scripted(|exchange| {
        exchange.read_body();
        exchange.close();
    });
    let p8 = over_http(&backend);
    assert_eq!(p8.ws_refused("/").status(), 502);
    assert_eq!(all_events(&backend), [bare("OPEN")]);
}

#[test]
fn an_idle_connection_that_the_backend_closed_costs_no_message() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    for n in 0..3 {
        client.send_text(&n.to_string());
        client.expect_text(&n.to_string());
        // The answers did not say that the connection would not stay.
        backend.close_connections();
        wait_until(DEADLINE, "no connection", || backend.open() == 0);
    }
}

#[test]
fn a_backend_that_loses_a_request_when_the_client_is_gone_hears_of_the_end() {
    let (gate, wait) = gate();
    let backend = Backend::scripted(move |exchange| {
        exchange.read_body();
        let request = exchange.request();
        if opens(&request) {
            exchange.answer(&accept_plain(&[]).header("Connection", "close"));
        } else {
            wait();
            exchange.close();
        }
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("x");
    wait_for_event(&backend, &text("x"));
    drop(client);
    gate.open();
    let events = wait_for_event(&backend, &bare("DISCONNECT"));
    assert_eq!(events, [bare("OPEN"), text("x"), bare("DISCONNECT")]);
}
