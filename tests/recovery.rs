//! Long-polls that are asked again: why, with what, and that nothing is lost or doubled meanwhile.
//!
//! Source: `docs/grip.md`, recovery.

use serde_json::{json, Value};

use crate::support::backend::Request;
use crate::support::grip::hold;
use crate::support::links::{by_path, checked, seen_at, wait_for_requests};
use crate::support::publish::{hint_item, mute_item, response_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::{gate, Gate, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

fn config(backend: &Backend) -> Config {
    Config::to(backend.addr).handler("message_wait = 3600000")
}

/// An item that answers long-polls on channel `a` with its id.
fn numbered(id: &str, prev_id: &str) -> Value {
    let mut item = response_item("a", id);
    item["id"] = json!(id);
    item["prev-id"] = json!(prev_id);
    item["no-seq"] = json!(true);
    item
}

/// A hint with an id.
fn numbered_hint(id: &str, prev_id: &str) -> Value {
    let mut item = numbered(id, prev_id);
    item["formats"] = hint_item("a")["formats"].clone();
    item
}

fn last(request: &Request) -> String {
    request.all("grip-last").join(" + ")
}

/// A poll that has item 1, and what its backend says when it is asked again.
fn polling(again: impl Fn(usize) -> Answer + Send + Sync + 'static) -> (Backend, P8, Client) {
    let backend = by_path(move |_, before| match before {
        0 => checked("response", "1", ""),
        _ => again(before),
    });
    let p8 = P8::start(&config(&backend));
    let client = p8.long_poll("/", "a", 1);
    (backend, p8, client)
}

/// A poll that is being asked again, until told.
fn asked_again(
    again: impl Fn(usize) -> Answer + Send + Sync + 'static,
) -> (Backend, P8, Client, Gate) {
    let (answer, wait) = gate();
    let (backend, p8, client) = polling(move |before| {
        wait();
        again(before)
    });
    p8.publish(&[numbered_hint("2", "1")]);
    wait_for_requests(&backend, "/", 2);
    (backend, p8, client, answer)
}

/// Publishes and waits until the sessions have heard of it.
#[track_caller]
fn publish(p8: &P8, items: &[Value]) {
    p8.publish(items);
    wait_until(DEADLINE, "the sessions to take the items", || {
        p8.snapshot().waiting("session") == 0
    });
}

#[test]
fn a_conflict_at_the_start_asks_again_at_once_and_does_not_recur() {
    let backend = by_path(|path, _| match path {
        "/listener" => hold("stream", "a", ""),
        _ => checked("response", "1", "timed out"),
    });
    let p8 = P8::start(&config(&backend));
    let _listener = p8.stream("/listener");
    let mut item = stream_item("a", "5");
    item["id"] = json!("5");
    p8.publish(&[item]);
    let mut client = p8.client();
    client.request("GET", "/", &[], b"");
    let seen = wait_for_requests(&backend, "/", 2);
    Snapshot::wait_for_subscribers(p8.control, "a", 2);
    p8.publish(&[numbered("2", "1")]);
    assert_eq!(client.reply().text(), "2");
    assert_eq!(
        (last(&seen[0]), last(&seen[1])),
        (String::new(), "a; last-id=1".to_owned())
    );
    assert_eq!(seen_at(&backend, "/").len(), 2);
}

#[test]
fn every_session_that_comes_with_a_stale_id_is_recovered() {
    let backend = Backend::scripted(|exchange| {
        let request = exchange.request();
        let has_last = !last(&request).is_empty();
        let answer = match (request.target.as_str(), has_last) {
            ("/listener", _) => hold("stream", "a", ""),
            (_, false) => checked("response", "1", "timed out"),
            (_, true) => Answer::ok("all up to five"),
        };
        exchange.answer(&answer);
    });
    let p8 = P8::start(&config(&backend));
    let _listener = p8.stream("/listener");
    let mut item = stream_item("a", "5");
    item["id"] = json!("5");
    p8.publish(&[item]);
    let mut clients: Vec<_> = (0..5).map(|_| p8.client()).collect();
    for client in &mut clients {
        client.request("GET", "/", &[], b"");
    }
    for client in &mut clients {
        assert_eq!(client.reply().text(), "all up to five");
    }
}

#[test]
fn an_item_that_does_not_follow_or_names_no_prev_id_asks_again() {
    for prev_id in [Some("8"), None] {
        let (backend, p8, mut client) = polling(|_| Answer::ok("all up to nine").header("X", "1"));
        let mut item = numbered("9", "8");
        if prev_id.is_none() {
            item.as_object_mut().expect("an object").remove("prev-id");
        }
        p8.publish(&[item]);
        let reply = client.reply();
        assert_eq!(
            (reply.text().as_str(), reply.head.header("x")),
            ("all up to nine", Some("1"))
        );
        assert_eq!(last(&backend.seen()[1]), "a; last-id=1");
        wait_until(DEADLINE, "the session to end", || {
            p8.snapshot().total("sessions_current") == 0
        });
    }
}

#[test]
fn a_hint_with_an_id_is_told_to_the_backend() {
    let (backend, p8, mut client) = polling(|_| checked("response", "2", ""));
    p8.publish(&[numbered_hint("2", "1")]);
    assert_eq!(
        last(&wait_for_requests(&backend, "/", 2)[1]),
        "a; last-id=2"
    );
    p8.publish(&[numbered("3", "2")]);
    assert_eq!(client.reply().text(), "3");
}

#[test]
fn an_item_without_an_id_ends_the_checking() {
    let (backend, p8, mut client) = polling(|_| Answer::ok("wrong"));
    let mut mute = mute_item("a");
    mute["prev-id"] = json!("1");
    p8.publish(&[mute, numbered("9", "8")]);
    assert_eq!(client.reply().text(), "9");
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn what_is_published_during_a_retry_is_reconciled_by_the_answers_prev_id() {
    for (prev_id, expected) in [("2", "3"), ("3", "4"), ("4", "5")] {
        let (backend, p8, mut client, answer) =
            asked_again(move |_| checked("response", prev_id, ""));
        publish(&p8, &[numbered("3", "2"), numbered("4", "3")]);
        answer.open();
        if expected == "5" {
            Snapshot::wait_for_subscribers(p8.control, "a", 1);
            wait_until(DEADLINE, "the new hold", || {
                p8.snapshot().total("response_holds_total") == 2
            });
            publish(&p8, &[numbered("5", "4")]);
        }
        assert_eq!(client.reply().text(), expected, "after {prev_id}");
        assert_eq!(backend.seen().len(), 2);
    }
}

#[test]
fn an_answer_that_leaves_a_gap_asks_again_and_keeps_what_was_told_before() {
    let (backend, p8, mut client, answer) = asked_again(|before| match before {
        1 => checked("response", "7", ""),
        _ => checked("response", "9", "").header("Grip-Channel", "b; prev-id=x"),
    });
    publish(&p8, &[numbered("9", "8")]);
    answer.open();
    let seen = wait_for_requests(&backend, "/", 3);
    assert_eq!(last(&seen[1]), "a; last-id=2");
    assert_eq!(last(&seen[2]), "a; last-id=7");
    wait_until(DEADLINE, "the new hold", || {
        p8.snapshot().total("response_holds_total") == 3
    });
    let mut other = numbered("z", "y");
    other["channel"] = json!("b");
    p8.publish(&[other]);
    assert_eq!(
        last(&wait_for_requests(&backend, "/", 4)[3]),
        "a; last-id=9 + b; last-id=x"
    );
    wait_until(DEADLINE, "the new hold", || {
        p8.snapshot().total("response_holds_total") >= 4
    });
    p8.publish(&[numbered("10", "9")]);
    assert_eq!(client.reply().text(), "10");
}

#[test]
fn ids_told_for_one_request_are_not_told_for_the_next_one_on_its_connection() {
    let (backend, p8, mut client) = polling(|before| match before {
        1 => checked("response", "2", ""),
        _ => Answer::ok("next"),
    });
    p8.publish(&[numbered_hint("2", "1")]);
    wait_until(DEADLINE, "the new hold", || {
        p8.snapshot().total("response_holds_total") == 2
    });
    p8.publish(&[numbered("3", "2")]);
    assert_eq!(client.reply().text(), "3");
    assert_eq!(client.get("/").text(), "next");
    assert_eq!(last(&backend.seen()[2]), "");
}

#[test]
fn without_ids_an_item_of_the_time_between_answers_the_new_hold() {
    let (answer, wait) = gate();
    let backend = by_path(move |_, before| {
        if before == 1 {
            wait();
        }
        hold("response", "a", "")
    });
    let p8 = P8::start(&config(&backend));
    let mut client = p8.long_poll("/", "a", 1);
    p8.publish(&[hint_item("a")]);
    wait_for_requests(&backend, "/", 2);
    publish(&p8, &[response_item("a", "between")]);
    answer.open();
    assert_eq!(client.reply().text(), "between");
    assert_eq!(p8.snapshot().total("items_superseded_total"), 0);
}

#[test]
fn an_answer_without_a_hold_stands_for_what_came_meanwhile() {
    for text in ["short".to_owned(), "long ".repeat(60_000)] {
        let body = text.clone();
        let (_backend, p8, mut client, answer) = asked_again(move |_| Answer::ok(&body));
        publish(&p8, &[numbered("3", "2")]);
        answer.open();
        assert!(client.reply().text() == text);
        wait_until(DEADLINE, "the session to end", || {
            p8.snapshot().total("sessions_current") == 0
        });
        assert_eq!(p8.snapshot().total("items_superseded_total"), 1);
        client.request("GET", "/", &[], b"");
        assert!(client.reply().text() == text, "the connection goes on");
    }
}

#[test]
fn a_backend_that_fails_a_retry_answers_the_client_502() {
    let (answer, wait) = gate();
    let backend = Backend::scripted(move |exchange| {
        if exchange.index() > 0 {
            wait();
            return exchange.close();
        }
        exchange.answer(&checked("response", "1", ""));
    });
    let p8 = P8::start(&config(&backend));
    let mut client = p8.long_poll("/", "a", 1);
    p8.publish(&[numbered("9", "8")]);
    wait_for_requests(&backend, "/", 2);
    answer.open();
    assert_eq!(client.reply().status(), 502);
    wait_until(DEADLINE, "the session to end", || {
        p8.snapshot().subscribers("a") == 0
    });
}

#[test]
fn a_retried_request_may_become_a_stream() {
    let (_backend, p8, mut client) = polling(|_| checked("stream", "2", "open ").next("/n"));
    p8.publish(&[numbered_hint("2", "1")]);
    assert_eq!(client.final_head().status, 200);
    client.expect("open ");
    let mut item = stream_item("a", "live");
    (item["id"], item["prev-id"]) = (json!("3"), json!("2"));
    p8.publish(&[item]);
    client.expect("live");
}

#[test]
fn a_client_that_leaves_during_a_retry_leaves_nothing_behind() {
    for reset in [false, true] {
        let (backend, p8, client, answer) = asked_again(|_| checked("response", "2", ""));
        if reset {
            client.reset();
        } else {
            drop(client);
        }
        wait_until(DEADLINE, "nothing to be left", || {
            let snapshot = p8.snapshot();
            let left = [
                "sessions_current",
                "connections_current",
                "items_waiting_current",
            ];
            snapshot.subscribers("a") == 0 && left.iter().all(|name| snapshot.total(name) == 0)
        });
        assert_eq!(p8.snapshot().total("clients_gone_total"), 1);
        answer.open();
        // Another one finds everything as it should be.
        let mut other = p8.client();
        other.request("GET", "/", &[], b"");
        wait_for_requests(&backend, "/", 3);
        Snapshot::wait_for_subscribers(p8.control, "a", 1);
        p8.publish(&[numbered("3", "2")]);
        assert_eq!(other.reply().text(), "3");
    }
}

#[test]
fn every_client_whose_ids_are_old_catches_up_not_only_the_first() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/holder" => hold("stream", "a", "open "),
        _ if request.header("grip-last").is_some() => Answer::ok("caught up"),
        _ => checked("response", "1", ""),
    });
    let p8 = P8::start(&Config::to(backend.addr).http("workers = 1"));
    let mut holder = p8.stream("/holder");
    let mut item = stream_item("a", "2");
    item["id"] = json!("2");
    p8.publish(&[item]);
    holder.expect("open 2");
    for client in 1..=3 {
        assert_eq!(p8.get("/").text(), "caught up", "client {client}");
    }
}

#[test]
fn every_stream_whose_ids_are_old_catches_up_and_none_goes_on_asking() {
    let backend = by_path(|path, _| match path {
        "/holder" => hold("stream", "a", "open "),
        "/n" => checked("stream", "2", "caught up ").next("/n"),
        "/stubborn" => checked("stream", "1", "still there ").next("/stubborn"),
        _ => checked("stream", "1", "").next(&path.replace("old", "n")),
    });
    let p8 = P8::start(&config(&backend).http("workers = 1"));
    let _holder = p8.stream("/holder");
    let item = |id: &str, prev_id: &str| {
        let mut item = stream_item("a", id);
        (item["id"], item["prev-id"]) = (json!(id), json!(prev_id));
        item
    };
    p8.publish(&[item("2", "1")]);
    let mut clients = [(); 3].map(|()| p8.stream("/old"));
    for client in &mut clients {
        client.expect("caught up ");
    }
    let mut stubborn = p8.stream("/stubborn");
    stubborn.expect("still there still there ");
    p8.publish(&[item("7", "1")]);
    stubborn.expect("7");
    assert_eq!(seen_at(&backend, "/stubborn").len(), 2);
}
