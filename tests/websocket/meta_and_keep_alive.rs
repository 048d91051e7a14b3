//! What a backend has P-8 remember of a session, and requests that it wants although nothing came.
//!
//! Source: `docs/compatibility.md`, W28, W51, W55 and W56.

use std::time::{Duration, Instant};

use crate::support::events::{
    accept_plain, all_events, answer, bare, close, closes, echo, events_of, opening_with, opens,
    text, wait_for_bodies, wait_for_event,
};
use crate::support::links::{seen_at, wait_for_requests};
use crate::support::ws::Opening;
use crate::support::{wait_until, Backend};

use super::{over_http, settle};

/// Names and values of the metas in the backend's request with that number.
fn metas(backend: &Backend, request: usize) -> Vec<(String, String)> {
    let mut metas = backend.seen()[request].headers.clone();
    metas.retain(|(name, _)| name.to_ascii_lowercase().starts_with("meta-"));
    for (name, _) in &mut metas {
        name.make_ascii_lowercase();
    }
    metas.sort();
    metas
}

/// Metas as they are compared.
fn named(metas: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
    metas.iter().map(owned).collect()
}

#[test]
fn a_meta_is_bound_for_all_later_requests() {
    let accepting = accept_plain(&[])
        .header("Set-Meta-User", "alice")
        .header("Set-Meta-Room", "7");
    let backend = opening_with(accepting, answer);
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("x");
    client.expect_text("x");
    client.close(1000, "");
    client.expect_closed(1000);
    let both = named(&[("meta-room", "7"), ("meta-user", "alice")]);
    assert_eq!(metas(&backend, 0), []);
    assert_eq!(metas(&backend, 1), both);
    assert_eq!(metas(&backend, 2), both, "the close's request too");
}

#[test]
fn a_later_answer_rebinds_and_unbinds_whatever_the_case() {
    let accepting = accept_plain(&[])
        .header("Set-Meta-User", "alice")
        .header("Set-Meta-Room", "7");
    let backend = opening_with(accepting, |events| {
        answer(events)
            .header("set-META-user", "bob")
            .header("SET-meta-ROOM", "")
            .header("Set-Meta-", "nameless")
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    for _ in 0..2 {
        client.send_text("x");
        client.expect_text("x");
    }
    assert_eq!(metas(&backend, 2), named(&[("meta-user", "bob")]));
}

#[test]
fn metas_are_a_sessions_own() {
    let backend = Backend::answering(|request| {
        if opens(request) {
            let user = request.query();
            accept_plain(&[]).header("Set-Meta-User", user)
        } else {
            answer(&[text(request.header("meta-user").unwrap_or("nobody"))])
        }
    });
    let p8 = over_http(&backend);
    let mut clients = ["alice", "bob"].map(|user| p8.ws(&format!("/?{user}")));
    for (client, user) in clients.iter_mut().zip(["alice", "bob"]) {
        client.send_text("who am I?");
        client.expect_text(user);
    }
}

#[test]
fn the_request_that_tells_of_a_loss_has_the_metas_too() {
    let accepting = accept_plain(&[]).header("Set-Meta-User", "alice");
    let backend = opening_with(accepting, |events| answer(&closes(events)));
    let p8 = over_http(&backend);
    drop(p8.ws("/"));
    wait_for_event(&backend, &bare("DISCONNECT"));
    assert_eq!(metas(&backend, 1), named(&[("meta-user", "alice")]));
}

#[test]
fn an_empty_answer_is_no_event_and_the_session_goes_on() {
    let backend = opening_with(accept_plain(&[]), |events| {
        let mut wanted = events.to_vec();
        wanted.retain(|event| *event != text("nothing, please"));
        answer(&wanted)
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("nothing, please");
    wait_for_bodies(&backend, 2);
    client.send_text("x");
    client.expect_text("x");
}

#[test]
fn without_an_interval_nothing_is_asked_of_the_backend() {
    let backend = echo();
    let p8 = over_http(&backend);
    let _client = p8.ws("/");
    settle(&p8);
    assert_eq!(all_events(&backend), [bare("OPEN")]);
}

/// The one test that waits for the shortest interval, of several sessions at a time.
#[test]
fn an_interval_is_at_least_twenty_seconds_and_asks_opens_and_closes_again() {
    let backend = Backend::answering(|request| {
        let events = events_of(request);
        let opening = events == [bare("OPEN")];
        match request.target.as_str() {
            "/opening" => answer(&[]).header("Keep-Alive-Interval", "1"),
            "/off" if opening => accept_plain(&[]).header("Keep-Alive-Interval", "1"),
            "/off" => answer(&[text("off")]).header("Keep-Alive-Interval", "0"),
            _ if opening => accept_plain(&[]).header("Keep-Alive-Interval", "1"),
            _ => answer(&[]),
        }
    });
    let p8 = over_http(&backend);
    let _opening = Opening::begin(p8.client(), "/opening", &[]);
    let mut off = p8.ws("/off");
    off.send_text("off");
    off.expect_text("off");
    let _idle = p8.ws("/idle");
    let mut closing = p8.ws("/closing");
    closing.close(4001, "");
    wait_for_requests(&backend, "/closing", 2);
    wait_for_requests(&backend, "/opening", 1);
    let begun = Instant::now();
    wait_until(Duration::from_secs(30), "each to be asked again", || {
        let asked = |path: &str| seen_at(&backend, path).len();
        (asked("/idle"), asked("/closing"), asked("/opening")) == (2, 3, 2)
    });
    let waited = begun.elapsed();
    assert!(waited > Duration::from_secs(18), "{waited:?}");
    let last = |path: &str| seen_at(&backend, path).pop().map(|request| request.body);
    assert_eq!(last("/idle"), Some(Vec::new()));
    assert_eq!(last("/opening"), Some(b"OPEN\r\n".to_vec()));
    let again = seen_at(&backend, "/closing").pop().expect("a request");
    assert_eq!(events_of(&again), [close(4001, "")]);
    assert_eq!(seen_at(&backend, "/off").len(), 2, "0 turns it off");
}
