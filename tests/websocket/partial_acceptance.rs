//! A backend that takes part of what it is offered: the rest stays, and comes again with more.
//!
//! Source: `docs/compatibility.md`, W57 to W61.

use std::sync::Mutex;

use crate::support::backend::Request;
use crate::support::events::{
    accept_plain, answer, binary, close, closes, echoed, event, opening_with, requests_of, text,
    wait_for_bodies, HttpEvent,
};
use crate::support::ws::{Frame, TEXT};
use crate::support::{Answer, Backend};

use super::{masked, over_http, settle};

/// A backend that answers its requests behind the opening with these counts, then without one; a
/// close is answered.
fn accepting(counts: &[&str]) -> Backend {
    let mut counts: Vec<String> = counts.iter().map(|count| (*count).to_owned()).collect();
    counts.reverse();
    let counts = Mutex::new(counts);
    opening_with(accept_plain(&[]), move |events| {
        let answer = answer(&closes(events));
        // What settles a test is no request of the session.
        let next = match events {
            [] => None,
            _ => counts.lock().expect("counts").pop(),
        };
        accepted(answer, next.as_deref())
    })
}

fn accepted(answer: Answer, count: Option<&str>) -> Answer {
    match count {
        Some(count) => answer.header("Content-Bytes-Accepted", count),
        None => answer,
    }
}

/// What each request said had been offered before.
fn replayed(backend: &Backend) -> Vec<Option<String>> {
    let seen = backend.seen();
    let said = |request: &Request| {
        let value = request.header("content-bytes-replayed");
        value.map(str::to_owned)
    };
    seen.iter().map(said).collect()
}

#[test]
fn what_was_not_accepted_comes_again_with_the_next_message() {
    let backend = accepting(&["3"]);
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("hello");
    wait_for_bodies(&backend, 2);
    settle(&p8);
    client.send_text("W");
    let bodies = wait_for_bodies(&backend, 4);
    assert_eq!(bodies[3], [text("lo"), text("W")]);
}

#[test]
fn a_remainder_keeps_its_type() {
    let backend = accepting(&["2"]);
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_binary(&[0, 1, 2, 255]);
    wait_for_bodies(&backend, 2);
    settle(&p8);
    client.send_text("x");
    let bodies = wait_for_bodies(&backend, 4);
    assert_eq!(bodies[3], [binary(&[2, 255]), text("x")]);
}

#[test]
fn bytes_that_were_offered_before_are_counted() {
    let backend = accepting(&["3", "1", "0"]);
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    for (n, message) in ["hello", "W", "X", "Y"].iter().enumerate() {
        client.send_text(message);
        wait_for_bodies(&backend, 2 * n + 2);
        settle(&p8);
    }
    let bodies: Vec<Vec<HttpEvent>> = requests_of(&backend)
        .into_iter()
        .filter(|events| !events.is_empty())
        .collect();
    assert_eq!(bodies[1], [text("hello")]);
    assert_eq!(bodies[2], [text("lo"), text("W")], "3 of 5 were accepted");
    assert_eq!(bodies[3], [text("o"), text("W"), text("X")], "then 1");
    let all = [text("o"), text("W"), text("X"), text("Y")];
    assert_eq!(bodies[4], all, "then none");
    let replayed: Vec<String> = replayed(&backend).into_iter().flatten().collect();
    assert_eq!(replayed, ["2", "2", "3"]);
}

#[test]
fn a_remainder_is_not_sent_again_by_itself() {
    let backend = accepting(&["0"]);
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("hello");
    wait_for_bodies(&backend, 2);
    settle(&p8);
    settle(&p8);
    let mut bodies = requests_of(&backend);
    bodies.retain(|events| !events.is_empty());
    assert_eq!(bodies.len(), 2, "the opening and one message");
}

#[test]
fn accepting_all_or_saying_nothing_leaves_nothing() {
    for count in ["5", "x", "-1", "", "5.5"] {
        let backend = accepting(&[count]);
        let p8 = over_http(&backend);
        let mut client = p8.ws("/");
        client.send_text("hello");
        wait_for_bodies(&backend, 2);
        settle(&p8);
        client.send_text("W");
        let bodies = wait_for_bodies(&backend, 4);
        assert_eq!(bodies[3], [text("W")], "{count:?}");
        assert_eq!(replayed(&backend)[3], None, "{count:?}");
    }
}

#[test]
fn accepting_more_than_was_offered_ends_the_session() {
    let backend = accepting(&["6"]);
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("hello");
    client.expect_gone();
}

#[test]
fn contents_of_pings_count_and_event_heads_do_not() {
    let backend = accepting(&["4"]);
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.ping("pingpong");
    wait_for_bodies(&backend, 2);
    settle(&p8);
    client.send_text("x");
    let bodies = wait_for_bodies(&backend, 4);
    assert_eq!(bodies[3], [event("PING", "pong"), text("x")]);
}

#[test]
fn a_close_behind_a_remainder_does_not_hang() {
    let backend = accepting(&["3"]);
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_raw(masked(&[
        Frame::new(TEXT, "hello"),
        Frame::close(4001, "bye"),
    ]));
    assert_eq!(client.expect_closed(4001), "bye");
    let bodies = requests_of(&backend);
    let last = bodies.last().expect("a request");
    assert_eq!(last[..], [text("lo"), close(4001, "bye")]);
}

#[test]
fn a_close_that_is_never_accepted_does_not_hang_either() {
    let backend = opening_with(accept_plain(&[]), |_| {
        answer(&[]).header("Content-Bytes-Accepted", "0")
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_raw(masked(&[
        Frame::new(TEXT, "hello"),
        Frame::close(4001, "bye"),
    ]));
    client.expect_gone();
}

#[test]
fn answers_beside_a_partial_acceptance_are_delivered() {
    let backend = opening_with(accept_plain(&[]), |events| {
        answer(&echoed(events)).header("Content-Bytes-Accepted", "1")
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("ab");
    client.expect_text("ab");
    client.send_text("c");
    client.expect_text("b");
    client.expect_text("c");
}
