//! A backend that is slower than its requests arrive.

use std::net::SocketAddr;

use super::refusal;
use crate::support::events::{accept_plain, answer, echoed, opening_with, opens, wait_for_event};
use crate::support::grip::hold;
use crate::support::http2::Http2Client;
use crate::support::publish::stream_item;
use crate::support::wait::{gate, Gate, DEADLINE};
use crate::support::ws::Peers;
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

const BUSY: &str = "Service unavailable: too many requests wait for the backend.\n";

/// A backend that answers `/slow` when the gate is open, and everything else at once.
fn slow_backend() -> (Backend, Gate) {
    let (gate, wait) = gate();
    let backend = Backend::answering(move |request| match request.target.as_str() {
        "/slow" => {
            wait();
            Answer::ok("at last")
        }
        "/stream" => hold("stream", "a", "open\n"),
        _ => Answer::ok("quick"),
    });
    (backend, gate)
}

fn bounded(backend: SocketAddr, max: usize) -> Config {
    Config::to(backend).proxy(&format!("requests_max = {max}"))
}

/// Clients whose requests wait at that backend.
#[track_caller]
fn waiting(p8: &P8, backend: &Backend, count: usize) -> Vec<Client> {
    let before = asked_slowly(backend);
    let clients = (0..count).map(|_| {
        let mut client = p8.client();
        client.request("GET", "/slow", &[], b"");
        client
    });
    let clients = clients.collect();
    wait_until(DEADLINE, "the backend to have them all", || {
        asked_slowly(backend) == before + count
    });
    clients
}

fn asked_slowly(backend: &Backend) -> usize {
    let seen = backend.seen();
    let slow = seen.iter().filter(|request| request.target == "/slow");
    slow.count()
}

const REFUSED: (u16, Option<&str>, Option<&str>) = (503, Some("target-busy"), Some("1"));

#[test]
fn requests_past_the_bound_get_503_at_once_and_what_there_is_goes_on() {
    let (backend, gate) = slow_backend();
    let p8 = P8::start(&bounded(backend.addr, 3));
    let mut held = p8.stream("/stream");
    held.expect("open\n");
    let mut under_way = waiting(&p8, &backend, 3);
    for path in ["/slow", "/quick"] {
        let reply = p8.get(path);
        assert_eq!(refusal(&reply.head), REFUSED);
        assert_eq!(reply.text(), BUSY);
    }
    p8.publish(&[stream_item("a", "while it is busy\n")]);
    held.expect("while it is busy\n");
    gate.open();
    for client in &mut under_way {
        assert_eq!(client.reply().text(), "at last");
    }
    assert_eq!(p8.get("/quick").text(), "quick");
    assert_eq!(p8.snapshot().refused("target-busy"), 2);
    assert_eq!(p8.snapshot().refused("backend"), 0);
    assert_eq!(
        asked_slowly(&backend),
        3,
        "the backend never saw the others"
    );
}

#[test]
fn the_connection_of_a_refused_client_serves_it_when_it_tries_again() {
    let (backend, gate) = slow_backend();
    let p8 = P8::start(&bounded(backend.addr, 1));
    let mut under_way = waiting(&p8, &backend, 1);
    let mut client = p8.client();
    assert_eq!(refusal(&client.get("/").head), REFUSED);
    assert_eq!(refusal(&client.post("/", b"some body").head), REFUSED);
    gate.open();
    assert_eq!(under_way[0].reply().text(), "at last");
    assert_eq!(client.get("/").text(), "quick");
}

#[test]
fn workers_have_the_bound_together() {
    let (backend, _gate) = slow_backend();
    let p8 = P8::start(&bounded(backend.addr, 4).http("workers = 4"));
    let _under_way = waiting(&p8, &backend, 4);
    for _ in 0..8 {
        assert_eq!(refusal(&p8.get("/").head), REFUSED);
    }
}

#[test]
fn a_client_that_leaves_makes_room() {
    let (backend, _gate) = slow_backend();
    let p8 = P8::start(&bounded(backend.addr, 2));
    let mut under_way = waiting(&p8, &backend, 2);
    assert_eq!(refusal(&p8.get("/").head), REFUSED);
    under_way.pop();
    wait_until(DEADLINE, "room", || p8.get("/").status() == 200);
}

#[test]
fn answers_that_have_begun_count_no_more() {
    let (gate, wait) = gate();
    let backend = Backend::scripted(move |exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
        wait();
        exchange.raw("full");
    });
    let p8 = P8::start(&bounded(backend.addr, 1));
    let mut clients: Vec<Client> = (0..4).map(|_| p8.client()).collect();
    for client in &mut clients {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.final_head().status, 200);
    }
    gate.open();
    for client in &mut clients {
        client.expect("halffull");
    }
}

#[test]
fn the_next_target_has_what_is_too_much_for_the_first() {
    let (backend, _gate) = slow_backend();
    let other = Backend::answering(|_| Answer::ok("other"));
    let config = Config::new().route("host = \"*\"", &[backend.addr, other.addr]);
    let p8 = P8::start(&config.proxy("requests_max = 1\neject_after = 1"));
    let _under_way = waiting(&p8, &backend, 1);
    for _ in 0..3 {
        assert_eq!(p8.get("/").text(), "other");
    }
    let snapshot = p8.snapshot();
    let first = snapshot.json()["targets"].as_array().expect("targets");
    let first = first
        .iter()
        .find(|target| target["target"] == backend.addr.to_string());
    let first = first.expect("the first target");
    assert_eq!(
        (&first["refused_total"], &first["requests_current"]),
        (&3.into(), &1.into())
    );
    assert_eq!(first["ejections_total"], 0, "to be busy is no failure");
    assert_eq!(snapshot.refused("target-busy"), 0, "nobody was refused");
    assert_eq!(snapshot.total("target_failovers_total"), 3);
}

#[test]
fn a_route_may_have_a_bound_of_its_own() {
    let (backend, _gate) = slow_backend();
    let config = Config::new()
        .route(
            "host = \"narrow.example\"\nrequests_max = 1",
            &[backend.addr],
        )
        .route("host = \"*\"", &[backend.addr]);
    let p8 = P8::start(&config.proxy("requests_max = 2"));
    let _under_way = waiting(&p8, &backend, 1);
    let to_narrow = || p8.client().get_with("/", &[("Host", "narrow.example")]);
    assert_eq!(refusal(&to_narrow().head), REFUSED);
    assert_eq!(p8.get("/").text(), "quick");
}

#[test]
fn streams_of_http2_are_refused_alone_and_their_connection_goes_on() {
    let (backend, gate) = slow_backend();
    let p8 = P8::start(&bounded(backend.addr, 1));
    let mut client = Http2Client::connect(p8.clients);
    let mut held = client.stream("/stream");
    let slow = client.ask("/slow");
    wait_until(DEADLINE, "the backend to have it", || {
        asked_slowly(&backend) == 1
    });
    let reply = client.get("/");
    let found = (
        reply.status,
        reply.header("p8-reason"),
        reply.header("retry-after"),
    );
    assert_eq!(found, REFUSED);
    p8.publish(&[stream_item("a", "item\n")]);
    client.expect(&mut held, "open\nitem\n");
    gate.open();
    assert_eq!(client.finish(slow).text(), "at last");
    assert_eq!(client.get("/").text(), "quick");
}

#[test]
fn open_websockets_over_http_go_on_while_new_ones_are_refused() {
    let (gate, wait) = gate();
    let backend = opening_with(accept_plain(&[]), move |events| {
        if events
            .iter()
            .any(|event| event.content.as_deref() == Some(b"slow"))
        {
            wait();
        }
        answer(&echoed(events))
    });
    let p8 = P8::start(&Config::over_http(backend.addr).proxy("requests_max = 1"));
    let (mut slow, mut quick) = (p8.ws("/"), p8.ws("/"));
    slow.send_text("slow");
    wait_for_event(&backend, &crate::support::events::text("slow"));
    assert_eq!(refusal(&p8.ws_refused("/").head), REFUSED);
    quick.send_text("quick");
    quick.expect_text("quick");
    gate.open();
    slow.expect_text("slow");
    p8.ws("/").send_text("again");
    let opened = backend
        .seen()
        .iter()
        .filter(|request| opens(request))
        .count();
    assert_eq!(opened, 3, "the refused one never reached it");
}

#[test]
fn websockets_that_are_passed_through_count_until_their_backend_has_accepted() {
    let peers = Peers::grip();
    let p8 = P8::start(&Config::to(peers.backend.addr).proxy("requests_max = 1"));
    let open: Vec<_> = (0..3).map(|_| (p8.ws("/"), peers.next())).collect();
    drop(open);
    let (_gate, wait) = gate();
    let silent = Backend::scripted(move |_| wait());
    let p8 = P8::start(&bounded(silent.addr, 1));
    let mut first = p8.client();
    first.request("GET", "/", &[], b"");
    wait_until(DEADLINE, "its request", || silent.seen().len() == 1);
    assert_eq!(refusal(&p8.ws_refused("/").head), REFUSED);
}

#[test]
fn what_held_clients_ask_again_is_not_refused() {
    let (gate, wait) = gate();
    let backend = Backend::answering(move |request| match request.target.as_str() {
        "/slow" => {
            wait();
            Answer::ok("at last")
        }
        _ => match request.header("grip-last") {
            None => hold("response", "a; prev-id=1", "").header("Grip-Timeout", "100"),
            Some(_) => Answer::ok("asked again"),
        },
    });
    let p8 = P8::start(&bounded(backend.addr, 1));
    let mut poll = p8.long_poll("/poll", "a", 1);
    let _under_way = waiting(&p8, &backend, 1);
    p8.publish(&[crate::support::publish::hint_item("a")]);
    assert_eq!(poll.reply().text(), "asked again");
    gate.open();
}

#[test]
fn browsers_are_told_by_a_page() {
    let (backend, _gate) = slow_backend();
    let p8 = P8::start(&bounded(backend.addr, 1));
    let _under_way = waiting(&p8, &backend, 1);
    let reply = p8.client().get_with("/", &[("Accept", "text/html")]);
    assert_eq!(refusal(&reply.head), REFUSED);
    assert!(reply.text().contains("This site is busy at the moment"));
}

#[test]
fn the_log_hears_of_refused_requests_once_a_second() {
    let (backend, _gate) = slow_backend();
    let config = bounded(backend.addr, 1);
    let program = crate::support::programs::Program::start(&config.toml(), &[("RUST_LOG", "warn")]);
    let mut first = Client::connect(program.clients);
    first.request("GET", "/slow", &[], b"");
    wait_until(DEADLINE, "its request", || asked_slowly(&backend) == 1);
    let mut client = Client::connect(program.clients);
    for _ in 0..200 {
        assert_eq!(refusal(&client.get("/").head), REFUSED);
    }
    let log = program.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("busy")).collect();
    assert!((1..=20).contains(&lines.len()), "{lines:#?}");
    assert!(lines[0].contains("target-busy"), "{lines:#?}");
}
