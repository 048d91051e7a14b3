//! Each kind of actor, one after another: it panics or stands still, is told of, and everybody else goes
//! on.

use std::time::Duration;

use serde_json::json;

use crate::support::publish::{post_items, stream_item, ws_item};
use crate::support::wait::DEADLINE;
use crate::support::ws::WsClient;
use crate::support::{wait_until, Client};

use super::publishers::publish_until_taken;
use super::{faults, Plan, Subject};

fn subject() -> Subject {
    Subject::start(&Plan {
        seed: 0,
        clients: 50,
        time: Duration::ZERO,
    })
}

/// Held clients that must get whatever is published.
struct Witnesses {
    stream: Client,
    socket: WsClient,
    items: usize,
}

impl Witnesses {
    fn of(subject: &Subject) -> Witnesses {
        let clients = subject.p8.clients;
        let socket = WsClient::connect(clients, "/ws/witness", &[]);
        let mut stream = Client::connect(clients);
        stream.request("GET", "/stream/witness", &[], b"");
        assert_eq!(stream.final_head().status, 200);
        Witnesses {
            stream,
            socket: socket.expect("it is accepted"),
            items: 0,
        }
    }

    #[track_caller]
    fn are_served(&mut self, subject: &Subject) {
        self.items += 1;
        let text = self.items.to_string();
        let mut item = stream_item("witness", &text);
        item["formats"]["ws-message"] = ws_item("", &text)["formats"]["ws-message"].clone();
        publish_until_taken(subject.p8.control, &item);
        self.stream.expect(&text);
        self.socket.expect_text(&text);
        assert_eq!(Client::connect(subject.p8.clients).get("/").text(), "plain");
    }
}

#[test]
fn whatever_actor_panics_it_is_told_of_and_everybody_else_goes_on() {
    let subject = subject();
    let mut witnesses = Witnesses::of(&subject);
    let mut rng = fastrand::Rng::with_seed(1);
    for (kind, fault) in faults::PANICS {
        let before = subject.snapshot().restarts(kind);
        fault(&subject, &mut rng);
        witnesses.are_served(&subject);
        let after = subject.snapshot().restarts(kind);
        assert_eq!(after, before + 1, "{kind}");
    }
    for actor in ["publisher", "channel"] {
        let mut item = stream_item("witness", "x");
        item["meta"] = json!({"p8-chaos": format!("panic-{actor}")});
        assert_eq!(post_items(subject.p8.control, &[item]).status(), 500);
        witnesses.are_served(&subject);
        assert_eq!(subject.snapshot().restarts(actor), 1, "{actor}");
    }
    assert!(subject.snapshot().json()["unwell"]
        .as_array()
        .is_some_and(Vec::is_empty));
}

/// It is what watches the others: its own silence shows where everybody may look.
#[test]
fn a_supervisor_that_stands_still_is_told_of_and_nobody_is_served_later() {
    let subject = subject();
    let mut witnesses = Witnesses::of(&subject);
    let is_ready = || Client::connect(subject.p8.control).get("/ready").status();
    assert_eq!(is_ready(), 200);
    faults::ask_to_fail(&subject, "wedge-supervisor", 6_000);
    wait_until(DEADLINE, "it to be missed", || is_ready() == 503);
    let told = Client::connect(subject.p8.control).get("/ready").text();
    assert!(told.contains("supervisor"), "{told}");
    witnesses.are_served(&subject);
    wait_until(DEADLINE, "it to look again", || is_ready() == 200);
    witnesses.are_served(&subject);
}
