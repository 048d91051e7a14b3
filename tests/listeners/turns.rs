//! New connections in turn, if more come than are wanted in a second.

use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

fn started(accept_rate: u32) -> (Backend, P8) {
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let config = Config::to(backend.addr).http(&format!("accept_rate = {accept_rate}"));
    let p8 = P8::start(&config);
    (backend, p8)
}

#[test]
fn connections_over_the_rate_wait_for_their_turn() {
    let (_backend, p8) = started(40);
    let mut clients: Vec<Client> = (0..60).map(|_| p8.client()).collect();
    clients
        .iter_mut()
        .for_each(|client| client.request("GET", "/", &[], b""));
    for client in &mut clients {
        assert_eq!(client.reply().text(), "ok");
    }
    let snapshot = p8.snapshot();
    assert!(
        snapshot.total("connections_delayed_total") >= 10,
        "most wait"
    );
    assert_eq!(snapshot.refused("accept-rate"), 0);
    assert_eq!(clients[0].get("/").text(), "ok", "requests are not counted");
}

#[test]
fn those_whose_turn_would_come_too_late_are_answered_503() {
    let (_backend, p8) = started(1);
    let clients: Vec<Client> = (0..30).map(|_| p8.client()).collect();
    wait_until(DEADLINE, "the last ones to be refused", || {
        p8.snapshot().refused("accept-rate") >= 20
    });
    let mut last = clients.into_iter().next_back().expect("a client");
    let reply = last.reply();
    assert_eq!(reply.status(), 503);
    assert_eq!(reply.head.header("p8-reason"), Some("accept-rate"));
    assert_eq!(reply.head.header("retry-after"), Some("1"));
    last.expect_end();
}
