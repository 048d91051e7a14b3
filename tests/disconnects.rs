//! Clients that leave: by FIN, by RST, or without a word. Their sessions end and their channels know.
//!
//! Source: `docs/operations.md`, connections. The client that vanishes is `fixtures/vanish.py`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::sync::Mutex;
use std::time::Duration;

use crate::support::grip::hold;
use crate::support::programs::{find_program, Running};
use crate::support::publish::{begin_publish, mute_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Backend, Client, Config, P8};

/// "At once" on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// P-8 with a backend that streams at `/stream` and polls elsewhere.
fn holding(configure: impl Fn(Config) -> Config) -> (Backend, P8) {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/stream" => hold("stream", "a", "open\n"),
        _ => hold("response", "a", ""),
    });
    let p8 = P8::start(&configure(Config::to(backend.addr)));
    (backend, p8)
}

/// Sends that request and waits until it is held.
#[track_caller]
fn held(p8: &P8, target: &str) -> Client {
    p8.long_poll(target, "a", 1)
}

/// Nothing of a session is left.
#[track_caller]
fn wait_until_gone(p8: &P8, deadline: Duration, what: &str) {
    wait_until(deadline, what, || {
        let snapshot = p8.snapshot();
        snapshot.subscribers("a") == 0 && snapshot.total("sessions_current") == 0
    });
}

#[test]
fn a_client_that_closes_is_noticed_at_once() {
    let (_backend, p8) = holding(|config| config);
    for target in ["/stream", "/poll"] {
        let client = held(&p8, target);
        drop(client);
        wait_until_gone(&p8, AT_ONCE, target);
    }
    assert_eq!(p8.snapshot().total("clients_gone_total"), 2);
}

#[test]
fn a_client_that_resets_is_noticed_at_once() {
    let (_backend, p8) = holding(|config| config);
    for target in ["/stream", "/poll"] {
        let client = held(&p8, target);
        client.reset();
        wait_until_gone(&p8, AT_ONCE, target);
    }
}

#[test]
fn a_client_that_ends_its_sending_side_counts_as_gone() {
    let (_backend, p8) = holding(|config| config);
    for target in ["/stream", "/poll"] {
        let client = held(&p8, target);
        client.finish_sending();
        wait_until_gone(&p8, AT_ONCE, target);
    }
}

#[test]
fn a_client_that_sent_more_during_the_hold_is_noticed_too() {
    let (_backend, p8) = holding(|config| config);
    let mut client = held(&p8, "/poll");
    client.send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    drop(client);
    wait_until_gone(&p8, AT_ONCE, "the client with a pipelined request");
}

#[test]
fn a_client_that_vanishes_without_fin_is_found_by_keep_alive() {
    let Some(python) = find_program(&["python3"]) else {
        return;
    };
    let (_backend, p8) = holding(|config| config.http("tcp_keepalive_secs = 1"));
    for target in ["/stream", "/poll"] {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/vanish.py");
        let port = p8.clients.port().to_string();
        let mut command = Command::new(&python);
        command
            .args([script, &port, target])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut client = Running(command.spawn().expect("python starts"));
        let mut lines = BufReader::new(client.0.stdout.take().expect("its output")).lines();
        let Some(Ok(first)) = lines.next() else {
            let status = client.0.wait().expect("it ends");
            assert_eq!(status.code(), Some(77), "the helper failed");
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "TCP_REPAIR is not permitted"
            );
            eprintln!("SKIPPED: TCP_REPAIR needs CAP_NET_ADMIN");
            return;
        };
        assert_eq!(first, "held");
        Snapshot::wait_for_subscribers(p8.control, "a", 1);
        writeln!(client.0.stdin.take().expect("its input")).expect("it waits");
        assert_eq!(lines.next().and_then(Result::ok).as_deref(), Some("gone"));
        wait_until_gone(&p8, DEADLINE, target);
    }
}

#[test]
fn a_client_that_leaves_while_the_backend_thinks_cancels_its_request() {
    let (tell, left) = mpsc::channel();
    let tell = Mutex::new(tell);
    let backend = Backend::scripted(move |exchange| {
        exchange.read_body();
        tell.lock()
            .expect("a sender")
            .send(exchange.peer_left())
            .expect("the test waits");
        exchange.close();
    });
    let p8 = P8::start(&Config::to(backend.addr));
    for (method, headers) in [("GET", &[][..]), ("POST", &[("Content-Length", "0")][..])] {
        let mut client = p8.client();
        let before = backend.seen().len();
        client.request(method, "/", headers, b"");
        wait_until(DEADLINE, "the request", || backend.seen().len() > before);
        drop(client);
        assert_eq!(left.recv_timeout(AT_ONCE), Ok(true), "{method}");
    }
}

#[test]
fn a_client_that_leaves_during_a_transfer_cancels_it() {
    let (tell, left) = mpsc::channel();
    let tell = Mutex::new(tell);
    let backend = Backend::scripted(move |exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        exchange.chunk("x");
        tell.lock()
            .expect("a sender")
            .send(exchange.peer_left())
            .expect("the test waits");
        exchange.close();
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.request("GET", "/", &[], b"");
    client.final_head();
    client.expect("x");
    drop(client);
    assert_eq!(left.recv_timeout(AT_ONCE), Ok(true));
}

#[test]
fn those_who_stay_get_everything_when_others_leave() {
    let (_backend, p8) = holding(|config| config);
    let mut stay = p8.stream("/stream");
    stay.expect("open\n");
    for n in 0..50 {
        let leaving = p8.stream("/stream");
        p8.publish(&[stream_item("a", &format!("{n}\n"))]);
        drop(leaving);
        stay.expect(format!("{n}\n"));
    }
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
}

#[test]
fn a_thousand_clients_that_leave_at_once_leave_nothing_behind() {
    let (_backend, p8) = holding(|config| config);
    let clients: Vec<Client> = (0..1000).map(|_| p8.stream("/stream")).collect();
    assert_eq!(p8.snapshot().subscribers("a"), 1000);
    drop(clients);
    wait_until_gone(&p8, DEADLINE, "a thousand clients");
    wait_until(DEADLINE, "their connections", || {
        p8.snapshot().total("connections_current") == 0
    });
}

#[test]
fn messages_to_clients_that_left_wait_nowhere_and_count_as_theirs() {
    let (_backend, p8) = holding(|config| config.http("workers = 1"));
    for round in 0..10 {
        let mut clients: Vec<_> = (1..=30).map(|n| p8.long_poll("/poll", "a", n)).collect();
        let publishers = [0; 4].map(|_| begin_publish(p8.control, &vec![mute_item("a"); 3]));
        clients.drain(..15).for_each(Client::reset);
        drop(clients);
        for mut publisher in publishers {
            assert_eq!(publisher.reply().status(), 200, "round {round}");
        }
        wait_until_gone(&p8, DEADLINE, "the clients of a round");
        wait_until(AT_ONCE, "their mailboxes to be forgotten", || {
            p8.snapshot().waiting("session") == 0
        });
    }
    assert_eq!(p8.snapshot().dropped("session-busy"), 0);
}
