//! The faults, each with a victim of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::json;

use crate::support::publish::{post, response_item, stream_item, ws_close};
use crate::support::wait::{slowness, DEADLINE};
use crate::support::ws::WsClient;
use crate::support::{wait_until, Client};

use super::clients::GLANCE;
use super::publishers::publish_until_taken;
use super::Subject;

/// What was done.
#[derive(Default)]
pub struct Faults {
    done: BTreeMap<&'static str, usize>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: usize = self.done.values().sum();
        write!(f, "{total} faults: {:?}", self.done)
    }
}

pub type Fault = fn(&Subject, &mut fastrand::Rng);

const FAULTS: [(&str, Fault); 17] = [
    ("client resets", client_resets),
    ("client half-closes", client_half_closes),
    ("client vanishes", client_vanishes),
    ("session panics", session_panics),
    ("WebSocket panics", web_socket_panics),
    ("upstream panics", upstream_panics),
    ("bad frame", bad_frame),
    ("bad request", bad_request),
    ("bad HTTP/2", bad_http2),
    ("hostile publish", hostile_publish),
    ("dead backend", dead_backend),
    ("backend never answers", backend_never_answers),
    ("backend stalls", backend_stalls),
    ("backend restarts", backend_restarts),
    ("reload", reload),
    ("no files", no_files),
    ("worker stands still", worker_stands_still),
];

/// Those of them with which an actor of that kind panics once, but for what an item of a publisher does.
pub const PANICS: [(&str, Fault); 7] = [
    ("session", session_panics),
    ("session", web_socket_panics),
    ("upstream", upstream_panics),
    ("meter", |subject, _| blind_actor_panics(subject, "meter")),
    ("supervisor", |subject, _| {
        blind_actor_panics(subject, "supervisor");
    }),
    ("checker", |subject, _| {
        blind_actor_panics(subject, "checker");
    }),
    ("dealer", dealer_panics),
];

/// Injects faults one after another until the time is over.
pub fn inject(subject: &Subject, seed: u64, until: Instant) -> Faults {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut faults = Faults::default();
    while Instant::now() < until {
        let (name, fault) = FAULTS[rng.usize(..FAULTS.len())];
        fault(subject, &mut rng);
        *faults.done.entry(name).or_default() += 1;
        plain_request(subject);
    }
    faults
}

/// Whatever happens, an ordinary request is answered.
#[track_caller]
fn plain_request(subject: &Subject) {
    let reply = Client::connect(subject.p8.clients).get("/plain");
    assert_eq!((reply.status(), reply.text().as_str()), (200, "plain"));
}

fn victim(subject: &Subject, target: &str) -> Client {
    let mut client = Client::connect(subject.p8.clients);
    client.request("GET", target, &[], b"");
    assert_eq!(client.final_head().status, 200);
    client
}

fn client_resets(subject: &Subject, rng: &mut fastrand::Rng) {
    victim(subject, &format!("/stream/c{}", rng.usize(..9))).reset();
}

fn client_half_closes(subject: &Subject, rng: &mut fastrand::Rng) {
    victim(subject, &format!("/stream/c{}", rng.usize(..9))).finish_sending();
}

fn client_vanishes(subject: &Subject, rng: &mut fastrand::Rng) {
    let mut client = Client::connect(subject.p8.clients);
    let request = "GET /stream/v HTTP/1.1\r\nHost: h\r\n\r\n";
    client.send(&request[..rng.usize(1..request.len())]);
}

/// A long-poll is the victim of an item, and nobody else.
fn session_panics(subject: &Subject, _: &mut fastrand::Rng) {
    let mut poll = Client::connect(subject.p8.clients);
    poll.request("GET", "/poll/victim", &[], b"");
    wait_until(DEADLINE, "the victim to be held", || {
        subject.snapshot().subscribers("victim") == 1
    });
    let mut item = response_item("victim", "never sent");
    item["meta"] = json!({"p8-chaos": "panic-session"});
    publish_until_taken(subject.p8.control, &item);
    wait_until(DEADLINE, "the victim to end", || {
        subject.snapshot().subscribers("victim") == 0
    });
}

/// A WebSocket is the victim of the item that closes it.
fn web_socket_panics(subject: &Subject, _: &mut fastrand::Rng) {
    let socket = WsClient::connect(subject.p8.clients, "/ws/victim-socket", &[]);
    let mut socket = socket.expect("it is accepted");
    wait_until(DEADLINE, "the victim to be held", || {
        subject.snapshot().subscribers("victim-socket") == 1
    });
    let mut item = ws_close("victim-socket", json!({}));
    item["meta"] = json!({"p8-chaos": "panic-session"});
    publish_until_taken(subject.p8.control, &item);
    socket.expect_gone();
    wait_until(DEADLINE, "the victim to end", || {
        subject.snapshot().subscribers("victim-socket") == 0
    });
}

fn upstream_panics(subject: &Subject, _: &mut fastrand::Rng) {
    let before = subject.snapshot().restarts("upstream");
    let header = [("P8-Chaos", "panic-upstream")];
    let reply = Client::connect(subject.p8.clients).get_with("/plain", &header);
    assert_eq!(reply.status(), 502, "{}", reply.text());
    assert!(subject.snapshot().restarts("upstream") > before);
}

/// The item asks an actor to fail that sees no items: whoever of them is next does.
pub fn ask_to_fail(subject: &Subject, wish: &str, ms: u64) {
    let mut item = stream_item("victims", "x");
    item["meta"] = json!({"p8-chaos": wish, "p8-chaos-ms": ms.to_string()});
    publish_until_taken(subject.p8.control, &item);
}

/// It is restarted, and does again what it is there for.
fn blind_actor_panics(subject: &Subject, actor: &str) {
    let before = subject.snapshot().restarts(actor);
    ask_to_fail(subject, &format!("panic-{actor}"), 0);
    wait_until(DEADLINE, "it to be restarted", || {
        subject.snapshot().restarts(actor) > before
    });
}

/// A dealer panics upon a request: its client sees 502 or 504, and the backend connects again.
fn dealer_panics(subject: &Subject, _: &mut fastrand::Rng) {
    let before = subject.snapshot().restarts("dealer");
    ask_to_fail(subject, "panic-dealer", 0);
    let reply = Client::connect(subject.p8.clients).get("/zeromq");
    assert!(matches!(reply.status(), 502 | 504), "{}", reply.status());
    wait_until(DEADLINE, "it to be restarted", || {
        subject.snapshot().restarts("dealer") > before
    });
}

fn bad_frame(subject: &Subject, rng: &mut fastrand::Rng) {
    let socket = WsClient::connect(subject.p8.clients, "/ws/victims", &[]);
    let mut socket = socket.expect("it is accepted");
    let bytes: Vec<u8> = (0..rng.usize(2..200)).map(|_| rng.u8(..)).collect();
    socket.send_raw(bytes);
}

fn raw(subject: &Subject, bytes: &[u8]) {
    let mut socket = TcpStream::connect(subject.p8.clients).expect("P-8 accepts connections");
    socket.set_read_timeout(Some(GLANCE)).expect("a timeout");
    let _ = socket.write_all(bytes);
    let _ = socket.read(&mut [0; 4096]);
}

fn bad_request(subject: &Subject, rng: &mut fastrand::Rng) {
    let heads = [
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\0\0\0\0",
        "GET /stream/v HTTP/1.1\r\nHost: a\r\n bad: fold\r\n\r\n",
        "POST /plain HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhalf",
    ];
    raw(subject, heads[rng.usize(..heads.len())].as_bytes());
}

fn bad_http2(subject: &Subject, rng: &mut fastrand::Rng) {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend((0..rng.usize(..500)).map(|_| rng.u8(..)));
    raw(subject, &bytes);
}

fn hostile_publish(subject: &Subject, rng: &mut fastrand::Rng) {
    let bodies: [&[u8]; 5] = [
        b"{",
        b"[]",
        br#"{"items": [{"channel": 7}]}"#,
        br#"{"items": [{"channel": "c0", "formats": {"http-stream": {"content": {}}}}]}"#,
        &[0xff; 500],
    ];
    let reply = post(subject.p8.control, bodies[rng.usize(..bodies.len())]);
    assert_eq!(reply.status(), 400, "{}", reply.text());
}

fn dead_backend(subject: &Subject, _: &mut fastrand::Rng) {
    let reply = Client::connect(subject.p8.clients).get("/dead");
    assert_eq!(reply.status(), 502);
}

/// It takes the request and says nothing.
fn backend_never_answers(subject: &Subject, rng: &mut fastrand::Rng) {
    let mut client = Client::connect(subject.p8.clients);
    client.request("GET", "/stall/silent", &[], b"");
    if rng.bool() {
        assert_eq!(client.reply().status(), 504);
    }
}

/// It stops amid its head, or amid its body: the client gets 504, or leaves amid the answer.
fn backend_stalls(subject: &Subject, rng: &mut fastrand::Rng) {
    let mut client = Client::connect(subject.p8.clients);
    if rng.bool() {
        client.request("GET", "/stall/head", &[], b"");
        assert_eq!(client.reply().status(), 504);
    } else {
        client.request("GET", "/stall/body", &[], b"");
        assert_eq!(client.final_head().status, 200);
        client.expect("half");
    }
}

/// Every connection to it ends, whatever was on its way.
fn backend_restarts(subject: &Subject, _: &mut fastrand::Rng) {
    subject.backend.close_connections();
}

/// A file with another limit or with a mistake; the first one is put back.
fn reload(subject: &Subject, rng: &mut fastrand::Rng) {
    let (counter, config) = match rng.bool() {
        true => {
            let config = subject
                .config
                .clone()
                .handler("channel_waiting_items_max = 50");
            ("reloads_total", config.toml())
        }
        false => (
            "reload_failures_total",
            "[http]\nno_such_key = 1\n".to_owned(),
        ),
    };
    for (counter, text) in [(counter, config), ("reloads_total", subject.config.toml())] {
        let before = subject.snapshot().total(counter);
        std::fs::write(subject.p8.config(), text).expect("a file");
        subject.p8.signal("HUP");
        wait_until(DEADLINE, "the configuration to be read", || {
            subject.snapshot().total(counter) > before
        });
    }
}

/// For a moment no file can be opened, so no connection is accepted.
fn no_files(subject: &Subject, _: &mut fastrand::Rng) {
    let pid = subject.p8.running.0.id() as i32;
    let files = rlimit::Resource::NOFILE;
    let mut limits = (0, 0);
    let (soft, hard) = (&mut limits.0, &mut limits.1);
    rlimit::prlimit(pid, files, None, Some((soft, hard))).expect("its limits");
    let few = subject.open_files() as u64;
    rlimit::prlimit(pid, files, Some((few, limits.1)), None).expect("a lower limit");
    let waiting: Vec<_> = (0..5)
        .map(|_| TcpStream::connect(subject.p8.clients))
        .collect();
    slowness(GLANCE * 10);
    rlimit::prlimit(pid, files, Some(limits), None).expect("the limit again");
    drop(waiting);
}

/// A worker stands still for a moment: its clients get what waits later.
fn worker_stands_still(subject: &Subject, _: &mut fastrand::Rng) {
    let _victim = victim(subject, "/stream/victims");
    let mut item = stream_item("victims", "x");
    item["meta"] = json!({"p8-chaos": "wedge-hub", "p8-chaos-ms": "300"});
    publish_until_taken(subject.p8.control, &item);
}
