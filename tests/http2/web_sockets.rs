//! WebSockets over HTTP/2: the same sessions, opened by an extended CONNECT.

use serde_json::json;

use crate::support::events::{all_events, bare, close, echo, text, wait_for_event};
use crate::support::http2::{connect, get, Http2Client};
use crate::support::publish::{ws_close, ws_item};
use crate::support::snapshot::Snapshot;
use crate::support::ws::{echo_peer, Peers, WsClient, OFFER};
use crate::support::{Answer, Backend, Config, P8};

use super::{wait_for_streams, wait_until_gone};

#[track_caller]
fn open(client: &mut Http2Client, path: &str, headers: &[(&str, &str)]) -> WsClient {
    let (headers, socket) = client.web_socket(path, headers).expect("it accepts");
    WsClient::on_stream(&headers, socket)
}

/// A backend whose sessions are subscribed to channel `a`.
fn subscribing() -> Backend {
    crate::support::events::open_and(&[crate::support::events::subscribe("a")])
}

#[test]
fn a_backend_over_http_hears_the_client_and_answers() {
    let backend = echo();
    let p8 = P8::start(&Config::over_http(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    let mut socket = open(&mut client, "/chat?x=1", &[("cookie", "a=b")]);
    for name in [
        "upgrade",
        "connection",
        "sec-websocket-accept",
        "content-length",
    ] {
        assert_eq!(socket.head.header(name), None, "{name}");
    }
    for message in ["hello", "", &"x".repeat(60_000)] {
        socket.send_text(message);
        socket.expect_text(message);
    }
    socket.send_binary(&[0, 255]);
    socket.expect_binary(&[0, 255]);
    wait_for_streams(&p8, 1);
    assert_eq!(p8.snapshot().total("websockets_current"), 1);
    socket.close(4000, "bye");
    socket.expect_closed(4000);
    wait_for_event(&backend, &close(4000, "bye"));
    wait_until_gone(&p8, "the session");
    wait_for_streams(&p8, 0);
    let opening = &backend.seen()[0];
    assert_eq!(opening.target, "/chat?x=1");
    assert_eq!(opening.header("cookie"), Some("a=b"));
    assert_eq!(opening.header("host"), Some("h"));
}

#[test]
fn a_direct_backend_is_passed_through_to() {
    let backend = echo_peer();
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    let mut sockets: Vec<_> = (0..20).map(|_| open(&mut client, "/", &[])).collect();
    for (n, socket) in sockets.iter_mut().enumerate() {
        socket.send_text(&format!("{n}"));
        socket.ping("p");
    }
    for (n, socket) in sockets.iter_mut().enumerate() {
        socket.expect_text(&format!("{n}"));
        socket.expect_pong("p");
    }
    let large = "x".repeat(1_000_000);
    sockets[0].send_text(&large);
    sockets[0].expect_text(&large);
    sockets[1].close(1000, "");
    sockets[1].expect_closed(1000);
}

#[test]
fn published_messages_and_closes_reach_the_client() {
    let backend = subscribing();
    let p8 = P8::start(&Config::over_http(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    let mut sockets: Vec<_> = (0..10).map(|_| open(&mut client, "/", &[])).collect();
    Snapshot::wait_for_subscribers(p8.control, "a", 10);
    p8.publish(&[ws_item("a", "one"), ws_item("a", "two")]);
    for socket in &mut sockets {
        socket.expect_text("one");
        socket.expect_text("two");
    }
    p8.publish(&[ws_close("a", json!({"code": 4001, "reason": "over"}))]);
    for socket in &mut sockets {
        assert_eq!(socket.expect_closed(4001), "over");
    }
    wait_until_gone(&p8, "the sessions");
}

#[test]
fn messages_are_compressed_for_clients_that_offer_it() {
    let backend = subscribing();
    let p8 = P8::start(&Config::over_http(backend.addr).http("allow_compression = true"));
    let mut client = Http2Client::connect(p8.clients);
    let mut socket = open(&mut client, "/", &[OFFER]);
    assert!(socket.head.header("sec-websocket-extensions").is_some());
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    let long = "all the same ".repeat(1_000);
    p8.publish(&[ws_item("a", &long)]);
    socket.expect_text(&long);
    socket.send_text(&long);
    wait_for_event(&backend, &text(&long));
}

#[test]
fn a_client_that_vanishes_is_told_to_its_backend_at_once() {
    let backend = subscribing();
    let p8 = P8::start(&Config::over_http(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    let sockets: Vec<_> = (0..5).map(|_| open(&mut client, "/", &[])).collect();
    Snapshot::wait_for_subscribers(p8.control, "a", 5);
    client.cut();
    wait_until_gone(&p8, "sessions of a lost connection");
    wait_for_event(&backend, &bare("DISCONNECT"));
    drop(sockets);
    // One whose stream is reset.
    let mut client = Http2Client::connect(p8.clients);
    let asked = client.begin(connect("/", "websocket", &[]), false);
    let stream = client.open(asked);
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    drop(stream);
    wait_until_gone(&p8, "the session of a reset stream");
    wait_for_streams(&p8, 0);
}

#[test]
fn draining_closes_with_1001() {
    let backend = subscribing();
    let p8 = P8::start(&Config::over_http(backend.addr).http("drain_secs = 60"));
    let mut client = Http2Client::connect(p8.clients);
    let mut socket = open(&mut client, "/", &[]);
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    let stopping = std::thread::spawn(move || drop(p8));
    socket.expect_closed(1001);
    stopping.join().expect("P-8 stops well");
    assert!(all_events(&backend).contains(&bare("OPEN")));
}

#[test]
fn a_refusal_is_passed_on_and_what_is_no_handshake_refused() {
    let backend = Backend::answering(|_| Answer::new(403).body("not you"));
    for config in [Config::over_http(backend.addr), Config::to(backend.addr)] {
        let p8 = P8::start(&config);
        let mut client = Http2Client::connect(p8.clients);
        let refusal = client.web_socket("/", &[]).expect_err("a refusal");
        assert_eq!((refusal.status, refusal.text().as_str()), (403, "not you"));
        let mut request = connect("/", "websocket", &[]);
        request.headers_mut().remove("sec-websocket-version");
        let asked = client.begin(request, false);
        let refusal = client.finish(asked);
        assert_eq!(refusal.status, 400);
        assert_eq!(refusal.header("p8-reason"), Some("bad-handshake"));
        // The connection goes on.
        assert_eq!(client.request(get("/", &[]), b"").status, 403);
        wait_for_streams(&p8, 0);
    }
}

#[test]
fn a_client_that_does_not_read_is_bounded_and_its_backend_slowed_down() {
    let peers = Peers::accepting(&[]);
    let p8 = P8::start(&Config::to(peers.backend.addr).http("workers = 1"));
    let builder = {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(65_535);
        builder
    };
    let mut client = Http2Client::connect_with(p8.clients, &builder);
    let asked = client.begin(connect("/", "websocket", &[]), false);
    let mut stream = client.open(asked);
    assert_eq!(stream.status, 200);
    let mut peer = peers.next();
    let message = "x".repeat(50_000);
    let (done, sent) = std::sync::mpsc::channel();
    let sending = std::thread::spawn(move || {
        for _ in 0..1_000 {
            if !peer.send_text(&message) {
                break;
            }
        }
        let _ = done.send(());
        peer
    });
    // 50 MB fit into no buffer on the way.
    let waited = sent.recv_timeout(std::time::Duration::from_secs(1));
    assert!(waited.is_err(), "the backend was not slowed down");
    let mut received = 0;
    while received < 1_000 * 50_004 {
        let piece = client
            .piece(&mut stream)
            .expect("more")
            .expect("an open stream");
        received += piece.len();
    }
    drop(stream);
    drop(sending.join());
    wait_until_gone(&p8, "the session");
}
