//! Whose turn it is.

use super::{answers, named, route, told};
use crate::support::grip::hold;
use crate::support::wait::{gate, DEADLINE};
use crate::support::ws::Peers;
use crate::support::{wait_until, Backend, P8};

#[test]
fn without_an_order_the_first_target_is_asked() {
    let (a, b) = (named("a"), named("b"));
    let p8 = P8::start(&route("", &[a.addr, b.addr]));
    assert_eq!(answers(&p8, 4), ["a", "a", "a", "a"]);
    assert_eq!(b.accepted(), 0);
}

#[test]
fn round_robin_gives_each_target_its_turn() {
    let (a, b, c) = (named("a"), named("b"), named("c"));
    let targets = [a.addr, b.addr, c.addr];
    let p8 = P8::start(&route("order = \"round-robin\"", &targets));
    assert_eq!(answers(&p8, 7), ["a", "b", "c", "a", "b", "c", "a"]);
}

#[test]
fn each_target_sees_its_own_host() {
    let hosts = |backend: &Backend| backend.only_request().header("host").map(str::to_owned);
    let (a, b) = (named("a"), named("b"));
    let (one, two) = (a.addr, b.addr);
    let targets = format!(
        "{{ url = \"http://{one}\" }}, {{ url = \"http://{two}\", host = \"inner.example\" }}"
    );
    let lines = "host = \"*\"\norder = \"round-robin\"";
    let config = crate::support::Config::new().http("workers = 1");
    let p8 = P8::start(&config.route_to(lines, targets));
    for _ in 0..2 {
        p8.client().get_with("/", &[("Host", "outer.example")]);
    }
    assert_eq!(hosts(&a).as_deref(), Some("outer.example"));
    assert_eq!(hosts(&b).as_deref(), Some("inner.example"));
}

#[test]
fn the_target_with_the_fewest_requests_is_asked_until_an_answers_last_byte() {
    let (rest, waits) = gate();
    let slow = Backend::scripted(move |exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl");
        waits();
        exchange.raw("ow");
    });
    let quick = named("quick");
    let p8 = P8::start(&route(
        "order = \"least-requests\"",
        &[slow.addr, quick.addr],
    ));
    let mut client = p8.client();
    client.request("GET", "/", &[], b"");
    client.final_head();
    assert_eq!(told(&p8, slow.addr)["requests_current"], 1);
    assert_eq!(answers(&p8, 4), ["quick"; 4]);
    rest.open();
    client.expect("slow");
    wait_until(DEADLINE, "its end", || {
        told(&p8, slow.addr)["requests_current"] == 0
    });
    assert!(answers(&p8, 2).contains(&"slow".to_owned()));
}

#[test]
fn a_hold_does_not_count_once_its_backend_has_answered() {
    let backends = ["one", "two"].map(|_| Backend::answering(|_| hold("stream", "a", "")));
    let targets = [backends[0].addr, backends[1].addr];
    let p8 = P8::start(&route("order = \"least-requests\"", &targets));
    let _streams: Vec<_> = (0..3).map(|_| p8.stream("/")).collect();
    for target in targets {
        assert_eq!(told(&p8, target)["requests_current"], 0);
    }
    assert_eq!(backends[0].seen().len() + backends[1].seen().len(), 3);
}

#[test]
fn a_websocket_that_is_passed_on_counts_as_long_as_it_is_open() {
    let (one, two) = (Peers::accepting(&[]), Peers::accepting(&[]));
    let targets = [one.backend.addr, two.backend.addr];
    let p8 = P8::start(&route("order = \"least-requests\"", &targets));
    let mut first = p8.ws("/");
    let mut peer = one.next();
    let second = p8.ws("/");
    let _other = two.next();
    for target in targets {
        assert_eq!(told(&p8, target)["requests_current"], 1);
    }
    first.send_text("still here");
    assert!(peer.frame().is_some());
    first.reset();
    wait_until(DEADLINE, "its end", || {
        told(&p8, targets[0])["requests_current"] == 0
    });
    let _third = p8.ws("/");
    one.next();
    assert_eq!(told(&p8, targets[1])["requests_current"], 1);
    drop(second);
}

#[test]
fn websocket_handshakes_take_turns_too() {
    let (one, two) = (Peers::accepting(&[]), Peers::accepting(&[]));
    let targets = [Backend::nowhere(), one.backend.addr, two.backend.addr];
    let config = route("order = \"round-robin\"", &targets).proxy("eject_after = 0");
    let p8 = P8::start(&config);
    let _open: Vec<_> = (0..6).map(|_| p8.ws("/")).collect();
    // Whoever was to ask the first went on to the second.
    assert_eq!(one.backend.seen().len(), 4);
    assert_eq!(two.backend.seen().len(), 2);
    assert_eq!(p8.snapshot().total("target_failovers_total"), 2);
}
