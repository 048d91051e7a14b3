//! Targets that give no answer are left alone for a while, and then tried again.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use super::{answers, named, route, told};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

/// A backend that closes every connection without an answer as long as it is ill.
fn ill() -> (Arc<AtomicBool>, Backend) {
    let is_ill = Arc::new(AtomicBool::new(true));
    let ill = is_ill.clone();
    let backend = Backend::scripted(move |exchange| match ill.load(Ordering::SeqCst) {
        true => exchange.close(),
        false => exchange.answer(&Answer::ok("well")),
    });
    (is_ill, backend)
}

#[test]
fn a_target_that_gives_no_answer_is_left_alone_and_then_tried_again() {
    let (is_ill, first) = ill();
    let second = named("second");
    let config = route("", &[first.addr, second.addr]);
    let p8 = P8::start(&config.proxy("eject_after = 2\neject_secs = 1\neject_secs_max = 1"));
    for _ in 0..2 {
        let reply = p8.get("/");
        assert_eq!(
            (reply.status(), reply.head.header("p8-reason")),
            (502, Some("closed-before-answer"))
        );
    }
    assert_eq!(p8.get("/").text(), "second", "nobody else has to wait");
    let target = told(&p8, first.addr);
    assert_eq!(
        (&target["failures_total"], &target["ejections_total"]),
        (&2.into(), &1.into())
    );
    assert_eq!(target["workers_ejecting"], 1);
    is_ill.store(false, Ordering::SeqCst);
    wait_until(DEADLINE, "the first again", || p8.get("/").text() == "well");
    assert_eq!(answers(&p8, 3), ["well"; 3]);
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("targets_ejected_total"), 1);
    assert_eq!(snapshot.total("targets_back_total"), 1);
    assert_eq!(told(&p8, first.addr)["workers_ejecting"], 0);
}

#[test]
fn a_target_nobody_listens_at_costs_no_request_and_comes_back() {
    let (first, second) = (Backend::nowhere(), named("second"));
    let config = route("order = \"round-robin\"", &[first, second.addr]);
    let p8 = P8::start(&config.proxy("eject_after = 3\neject_secs = 1\neject_secs_max = 1"));
    assert_eq!(answers(&p8, 12), ["second"; 12]);
    let total = |name| p8.snapshot().total(name);
    assert!(total("targets_ejected_total") >= 1);
    assert!(total("target_failovers_total") >= 3);
    let listener = TcpListener::bind(first).expect("the port is still free");
    let _first = Backend::answering_on(listener, |_| Answer::ok("first"));
    wait_until(DEADLINE, "the first", || p8.get("/").text() == "first");
    let mut both = answers(&p8, 2);
    both.sort();
    assert_eq!(both, ["first", "second"]);
}

#[test]
fn when_all_are_ejected_all_are_tried() {
    let (is_ill, only) = ill();
    let nowhere = Backend::nowhere();
    let config = route("", &[nowhere, only.addr]);
    let p8 = P8::start(&config.proxy("eject_after = 1\neject_secs = 3600\neject_secs_max = 3600"));
    assert_eq!(p8.get("/").status(), 502);
    assert_eq!(p8.snapshot().total("targets_ejected_total"), 2);
    is_ill.store(false, Ordering::SeqCst);
    assert_eq!(answers(&p8, 3), ["well"; 3]);
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("targets_back_total"), 1);
    assert_eq!(snapshot.total("targets_ejected_total"), 2);
}

#[test]
fn an_answer_of_any_status_speaks_for_a_target() {
    let first = Backend::answering(|_| Answer::new(503).body("busy"));
    let second = named("second");
    let config = route("", &[first.addr, second.addr]);
    let p8 = P8::start(&config.proxy("eject_after = 1"));
    assert_eq!(answers(&p8, 3), ["busy"; 3]);
    assert_eq!(p8.snapshot().total("targets_ejected_total"), 0);
    assert_eq!(second.accepted(), 0);
}

#[test]
fn nothing_is_ejected_where_that_is_switched_off() {
    let (_, first) = ill();
    let second = named("second");
    let config = route("", &[first.addr, second.addr]);
    let p8 = P8::start(&config.proxy("eject_after = 0"));
    for _ in 0..12 {
        assert_eq!(p8.get("/").status(), 502);
    }
    assert_eq!(second.accepted(), 0);
    assert_eq!(told(&p8, first.addr)["failures_total"], 12);
}

#[test]
fn routes_to_the_same_backend_share_what_is_known_of_it() {
    let (_, first) = ill();
    let (second, third) = (named("second"), named("third"));
    let config = Config::new()
        .http("workers = 1")
        .proxy("eject_after = 1")
        .route("path_beg = \"/a\"", &[first.addr, second.addr])
        .route("path_beg = \"/b\"", &[first.addr, third.addr]);
    let p8 = P8::start(&config);
    assert_eq!(p8.get("/a").status(), 502);
    assert_eq!(p8.get("/b").text(), "third");
}

#[test]
fn a_name_that_is_unknown_moves_on_to_the_next_target() {
    let second = named("second");
    let targets = format!(
        "{{ url = \"http://name.invalid:80\" }}, {{ url = \"http://{}\" }}",
        second.addr
    );
    let p8 = P8::start(&Config::new().route_to("host = \"*\"", targets));
    assert_eq!(p8.get("/").text(), "second");
    assert_eq!(p8.snapshot().total("target_failovers_total"), 1);
}
