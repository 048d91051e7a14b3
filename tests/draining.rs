//! The end of a server: what is held is answered, what comes late too, and nobody holds it up.
//!
//! Source: `docs/operations.md`, start and stop.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::grip::hold;
use crate::support::programs::Program;
use crate::support::publish::{begin_publish, close_item, response_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::{gate, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

/// "At once" on a busy machine; far less than the drains here may take.
const AT_ONCE: Duration = Duration::from_secs(2);

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

#[test]
fn polls_are_answered_by_their_timeout_and_told_that_the_connection_ends() {
    let backend = Backend::answering(|_| hold("response", "a", "nothing new"));
    let p8 = P8::start(&Config::to(backend.addr).http("drain_secs = 60"));
    let mut client = p8.long_poll("/", "a", 1);
    let stopping = stop(p8);
    let reply = client.reply();
    assert_eq!(reply.text(), "nothing new");
    assert_eq!(reply.head.header("connection"), Some("close"));
    client.expect_end();
    expect_stopped(stopping);
}

#[test]
fn holds_that_begin_while_draining_end_at_once() {
    let (gate, wait) = gate();
    let backend = Backend::answering(move |request| {
        if request.target != "/witness" {
            wait();
        }
        match request.target.as_str() {
            "/poll" => hold("response", "a", "nothing new"),
            "/large" => hold("stream", "a", &"x".repeat(200_000)),
            _ => hold("stream", "a", "open\n"),
        }
    });
    let config = Config::to(backend.addr).http("drain_secs = 60");
    let p8 = P8::start(&config.http("workers = 1"));
    let mut witness = p8.stream("/witness");
    let mut late = ["/poll", "/stream", "/large"].map(|target| {
        let mut client = p8.client();
        client.request("GET", target, &[], b"");
        client
    });
    wait_until(DEADLINE, "the backend to be asked", || {
        backend.seen().len() == 4
    });
    let stopping = stop(p8);
    assert_eq!(witness.read_to_end(), Ok(b"open\n".to_vec()));
    gate.open();
    let bodies = [
        "nothing new".to_owned(),
        "open\n".into(),
        "x".repeat(200_000),
    ];
    for (client, body) in late.iter_mut().zip(&bodies) {
        let reply = client.reply();
        assert_eq!(reply.status(), 200);
        assert!(reply.text() == *body, "{} bytes came", reply.body.len());
        client.expect_end();
    }
    expect_stopped(stopping);
}

#[test]
fn idle_connections_end_without_a_word_whatever_came_before() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/poll" => hold("response", "a", ""),
        "/stream" => hold("stream", "a", ""),
        _ => Answer::ok("plain"),
    });
    let p8 = P8::start(&Config::to(backend.addr).http("drain_secs = 60"));
    let mut plain = p8.client();
    assert_eq!(plain.get("/").text(), "plain");
    let mut polled = p8.long_poll("/poll", "a", 1);
    p8.publish(&[response_item("a", "an answer")]);
    assert_eq!(polled.reply().text(), "an answer");
    let mut streamed = p8.stream("/stream");
    p8.publish(&[close_item("a")]);
    assert_eq!(streamed.read_to_end(), Ok(Vec::new()));
    let stopping = stop(p8);
    for client in [&mut plain, &mut polled, &mut streamed] {
        client.expect_end();
    }
    expect_stopped(stopping);
}

/// What keeps a hub busy for longer than the drain: this many streams, this many items.
const STREAMS: usize = 500;
const ITEMS: usize = 20_000;

#[test]
fn a_backlog_does_not_hold_the_end_up() {
    let config = Config::new()
        .http("drain_secs = 1")
        .http("workers = 1")
        .control("max_body_size = 10000000")
        .handler("slow_client = \"drop-newest\"")
        .route_to("host = \"*\"", "{ test = true }");
    let mut p8 = Program::start(&config.toml(), &[]);
    let mut streams: Vec<Client> = (0..STREAMS).map(|_| Client::connect(p8.clients)).collect();
    for stream in &mut streams {
        stream.request("GET", "/stream?channel=a", &[], b"");
        assert_eq!(stream.final_head().status, 200);
    }
    let _publisher = begin_publish(p8.control, &vec![stream_item("a", "item\n"); ITEMS]);
    let witness = streams.last_mut().expect("a stream");
    witness.expect("[stream opened]\nitem\n");
    p8.terminate();
    let terminated = Instant::now();
    assert_eq!(p8.exit_code(), Some(0));
    let took = terminated.elapsed();
    let drain = Duration::from_secs(1);
    assert!(took <= drain + Duration::from_millis(1500), "{took:?}");
}

/// Enough for the whole drain.
const MANY: usize = 600;

#[test]
fn many_ends_are_spread_over_the_drain() {
    let config = Config::new()
        .http("drain_secs = 2")
        .http("workers = 1")
        .route_to("host = \"*\"", "{ test = true }");
    let mut p8 = Program::start(&config.toml(), &[]);
    let ready = |control| Client::connect(control).get("/ready");
    assert_eq!(ready(p8.control).text(), "ready\n");
    let mut streams: Vec<Client> = (0..MANY).map(|_| Client::connect(p8.clients)).collect();
    for stream in &mut streams {
        stream.request("GET", "/stream?channel=a", &[], b"");
        assert_eq!(stream.final_head().status, 200);
    }
    p8.terminate();
    let mut seen = BTreeSet::new();
    wait_until(DEADLINE, "some to end before others", || {
        let held = Snapshot::take(p8.control).total("sessions_current");
        seen.insert(held);
        seen.len() >= 5 && held < MANY as u64 / 2
    });
    let not_ready = ready(p8.control);
    assert_eq!(not_ready.status(), 503);
    assert_eq!(not_ready.text(), "draining\n");
    assert_eq!(not_ready.head.header("p8-reason"), Some("draining"));
    assert_eq!(Client::connect(p8.control).get("/live").text(), "live\n");
    for stream in &mut streams {
        stream.expect("[stream opened]\n");
        assert_eq!(stream.read_to_end(), Ok(Vec::new()), "a proper end");
    }
    assert_eq!(p8.exit_code(), Some(0));
}

#[test]
fn a_client_that_has_just_come_is_answered_and_told_that_the_connection_ends() {
    let backend = Backend::answering(|_| Answer::ok("plain"));
    let p8 = P8::start(&Config::to(backend.addr).http("drain_secs = 60"));
    let mut before = p8.client();
    assert_eq!(before.get("/").head.header("connection"), None);
    let mut client = p8.client();
    wait_until(DEADLINE, "both to be there", || {
        p8.snapshot().total("connections_current") == 2
    });
    let (clients, stopping) = (p8.clients, stop(p8));
    wait_until(DEADLINE, "the end to begin", || {
        TcpStream::connect(clients).is_err()
    });
    let reply = client.get("/");
    assert_eq!(reply.text(), "plain");
    assert_eq!(reply.head.header("connection"), Some("close"));
    client.expect_end();
    expect_stopped(stopping);
}
