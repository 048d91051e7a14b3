//! Requests, holds and WebSockets of clients behind TLS; clients that do not get that far.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustls::version::{TLS12, TLS13};
use rustls::HandshakeKind;
use tokio_tungstenite::tungstenite::{client, Message};

use super::Secure;
use crate::support::grip::hold;
use crate::support::publish::{close_item, response_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::tls::Trust;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

#[test]
fn a_backend_is_told_that_a_request_came_over_tls() {
    let backend = Backend::answering(|request| {
        let proto = request.header("x-forwarded-proto").unwrap_or("none");
        Answer::ok(proto)
    });
    let config = Config::to(backend.addr).proxy("set_x_forwarded_protocol = \"proto-only\"");
    let secure = Secure::start(config);
    let mut client = secure.client();
    assert_eq!(client.get("/").text(), "https");
    assert_eq!(
        client.get("/again").text(),
        "https",
        "the connection is kept"
    );
    assert_eq!(secure.p8.get("/").text(), "none", "without TLS");
    assert_eq!(secure.p8.snapshot().total("tls_handshakes_total"), 1);
}

#[test]
fn routes_are_chosen_by_tls() {
    let plain = Backend::answering(|_| Answer::ok("plain"));
    let tls = Backend::answering(|_| Answer::ok("tls"));
    let config = Config::new()
        .route("host = \"*\"\nssl = false", &[plain.addr])
        .route("host = \"*\"\nssl = true", &[tls.addr]);
    let secure = Secure::start(config);
    assert_eq!(secure.client().get("/").text(), "tls");
    assert_eq!(secure.p8.get("/").text(), "plain");
}

#[test]
fn large_bodies_pass_both_ways() {
    let backend = Backend::answering(|request| Answer::ok(request.body.clone()));
    let secure = Secure::in_front_of(&backend);
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut client = secure.client();
    assert_eq!(client.post("/", &body).body, body);
    assert_eq!(client.post("/", b"more").text(), "more");
}

#[test]
fn a_stream_is_parked_and_the_connection_goes_on_after_it() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/stream" => hold("stream", "a", "open,"),
        _ => Answer::ok("next"),
    });
    let secure = Secure::in_front_of(&backend);
    let mut client = secure.stream("/stream");
    client.expect("open,");
    assert_eq!(secure.p8.snapshot().total("sessions_parked_current"), 1);
    secure
        .p8
        .publish(&[stream_item("a", "one,"), stream_item("a", "two")]);
    client.expect("one,two");
    secure.p8.publish(&[close_item("a")]);
    assert_eq!(client.read_to_end().expect("an end"), b"");
    assert_eq!(client.get("/next").text(), "next");
}

#[test]
fn a_long_poll_is_answered_and_asked_again() {
    let backend = Backend::answering(|_| hold("response", "a", "timeout"));
    let secure = Secure::in_front_of(&backend);
    let mut client = secure.client();
    for text in ["one", "two"] {
        client.request("GET", "/", &[], b"");
        Snapshot::wait_for_subscribers(secure.p8.control, "a", 1);
        wait_until(DEADLINE, "the poll", || {
            secure.p8.snapshot().total("sessions_parked_current") == 1
        });
        secure.p8.publish(&[response_item("a", text)]);
        assert_eq!(client.reply().text(), text);
    }
}

#[test]
fn nothing_is_lost_of_what_a_slow_client_is_sent() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let secure = Secure::in_front_of(&backend);
    let mut slow = secure.stream("/");
    let mut quick = secure.stream("/");
    let item = |n: usize| format!("{n:06}{}", "x".repeat(49_994));
    let mut sent = String::new();
    for n in 0..60 {
        sent += &item(n);
        secure.p8.publish(&[stream_item("a", &item(n))]);
        quick.expect(item(n));
        if n % 20 == 19 {
            // What rustls had taken when the socket was full leaves before what follows.
            slow.expect(&sent);
            sent.clear();
        }
    }
    secure
        .p8
        .publish(&[stream_item("a", &item(60)), close_item("a")]);
    slow.expect(item(60));
    assert_eq!(slow.read_to_end().expect("an end"), b"");
    assert_eq!(secure.p8.snapshot().dropped("slow-client-closed"), 0);
}

#[test]
fn the_tail_of_a_stream_that_ends_waits_for_a_client_that_reads_late() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let secure = Secure::in_front_of(&backend);
    let mut client = secure.client();
    client.request("GET", "/", &[("Connection", "close")], b"");
    assert_eq!(client.final_head().status, 200);
    let items: Vec<_> = (0..20)
        .map(|n| stream_item("a", &format!("{n:02}{}", "y".repeat(49_998))))
        .collect();
    items.chunks(1).for_each(|item| secure.p8.publish(item));
    secure.p8.publish(&[close_item("a")]);
    wait_until(DEADLINE, "a client that takes no more", || {
        let written = secure.p8.snapshot().total("held_bytes_written_total");
        (1..1_000_000).contains(&written)
    });
    let body = client.read_to_end().expect("an end");
    assert_eq!(body.len(), 20 * 50_000);
    assert!(body.ends_with(b"y"));
    client.expect_end();
}

#[test]
fn a_client_that_leaves_is_noticed() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let secure = Secure::in_front_of(&backend);
    let (with_a_word, without) = (secure.stream("/"), secure.stream("/"));
    drop(without);
    wait_until(DEADLINE, "one to be gone", || {
        secure.p8.snapshot().total("sessions_current") == 1
    });
    let mut socket = match with_a_word.into_socket() {
        crate::support::socket::Socket::Tls(socket) => socket,
        _ => panic!("TLS"),
    };
    socket.conn.send_close_notify();
    socket.flush().expect("a last word");
    wait_until(DEADLINE, "both to be gone", || {
        secure.p8.snapshot().total("sessions_current") == 0
    });
}

#[test]
fn websockets_are_spoken_over_tls() {
    let backend = crate::support::ws::echo_peer();
    let config = Config::to(backend.addr).proxy("set_x_forwarded_protocol = \"proto-only\"");
    let secure = Secure::start(config);
    let connected = secure.trust.try_connect(secure.p8.secure(), "localhost");
    let stream = connected.expect("a handshake").0;
    let (mut socket, _) = client("wss://localhost/chat", stream).expect("a handshake");
    for size in [5, 70_000, 0] {
        let text = "z".repeat(size);
        socket.send(Message::text(text.clone())).expect("sent");
        assert_eq!(socket.read().expect("an echo"), Message::text(text));
    }
    assert_eq!(secure.p8.snapshot().total("sessions_parked_current"), 1);
    socket.close(None).expect("a close");
    while socket.read().is_ok() {}
    let mut end = [0; 1];
    let ended = socket.get_mut().read(&mut end).expect("an end with a word");
    assert_eq!(ended, 0);
}

#[test]
fn both_versions_are_spoken_unless_one_is_too_old() {
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let secure = Secure::in_front_of(&backend);
    let strict = Secure::start(Config::to(backend.addr).http("tls_min_version = \"1.3\""));
    for version in [&TLS12, &TLS13] {
        let trust = |secure: &Secure| Trust::only(&[&secure.certificate], &[version]);
        let mut client = trust(&secure).client(secure.p8.secure(), "localhost");
        assert_eq!(client.get("/").text(), "ok", "{version:?}");
        let outcome = trust(&strict).try_connect(strict.p8.secure(), "localhost");
        assert_eq!(outcome.is_ok(), *version == TLS13, "{version:?}");
    }
    wait_until(DEADLINE, "the refusal to be counted", || {
        strict.p8.snapshot().refused("tls-handshake") == 1
    });
}

#[test]
fn a_session_is_resumed() {
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let secure = Secure::in_front_of(&backend);
    for version in [&TLS12, &TLS13] {
        let trust = Trust::only(&[&secure.certificate], &[version]);
        let kinds = [(); 2].map(|()| {
            let connected = trust.try_connect(secure.p8.secure(), "localhost");
            let mut stream = connected.expect("a handshake").0;
            let request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
            stream.write_all(request).expect("sent");
            stream.read_to_end(&mut Vec::new()).expect("an answer");
            stream.conn.handshake_kind().expect("a handshake")
        });
        assert_eq!(
            kinds[1],
            HandshakeKind::Resumed,
            "{version:?}, after {kinds:?}"
        );
    }
}

#[test]
fn the_best_protocol_of_both_is_agreed_on() {
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let secure = Secure::in_front_of(&backend);
    let agreed = |secure: &Secure, protocols: &[&str]| {
        let trust = secure.trust.clone().speaking(protocols);
        let connected = trust.try_connect(secure.p8.secure(), "localhost")?;
        let agreed = connected.0.conn.alpn_protocol();
        Ok::<_, String>(agreed.map(|agreed| String::from_utf8_lossy(agreed).into_owned()))
    };
    let named = |name: &str| Ok(Some(name.to_owned()));
    assert_eq!(agreed(&secure, &["http/1.1"]), named("http/1.1"));
    assert_eq!(agreed(&secure, &["http/1.1", "h2"]), named("h2"));
    assert_eq!(agreed(&secure, &[]), Ok(None));
    assert!(agreed(&secure, &["spdy/3"]).is_err());
    let secure = Secure::start(Config::to(backend.addr).http("http2 = false"));
    assert_eq!(agreed(&secure, &["h2", "http/1.1"]), named("http/1.1"));
    assert!(agreed(&secure, &["h2"]).is_err());
}

/// What a client is told that sends no TLS, up to its connection's end.
fn told(p8: &P8, sent: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(p8.secure()).expect("P-8 accepts connections");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    socket.write_all(sent).expect("sent");
    let mut told = Vec::new();
    // What was not read makes it a reset.
    let _ = socket.read_to_end(&mut told);
    told
}

#[test]
fn what_is_no_tls_is_refused_and_counted() {
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let secure = Secure::in_front_of(&backend);
    let mut random = fastrand::Rng::with_seed(176);
    let mut garbage: Vec<Vec<u8>> = (0..50)
        .map(|n| {
            let mut bytes: Vec<u8> = (0..600).map(|_| random.u8(..)).collect();
            if n % 2 == 0 {
                // The head of a record that goes on with anything.
                bytes[..5].copy_from_slice(&[22, 3, 1, 2, 0]);
            }
            bytes
        })
        .collect();
    garbage.push(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec());
    for sent in &garbage {
        let told = told(&secure.p8, sent);
        assert!(
            told.first().is_none_or(|kind| *kind == 21),
            "an alert: {told:?}"
        );
    }
    wait_until(DEADLINE, "all refusals to be counted", || {
        secure.p8.snapshot().refused("tls-handshake") == garbage.len() as u64
    });
    assert_eq!(secure.client().get("/").text(), "ok");
}

#[test]
fn a_handshake_takes_a_place() {
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let secure = Secure::start(Config::to(backend.addr).http("client_maxconn = 1"));
    let address = secure.p8.secure();
    let silent = TcpStream::connect(address).expect("P-8 accepts connections");
    wait_until(DEADLINE, "the one place to be taken", || {
        secure.p8.snapshot().total("connections_current") == 1
    });
    assert_eq!(secure.p8.get("/").status(), 503);
    assert!(secure.trust.try_connect(address, "localhost").is_err());
    drop(silent);
    wait_until(DEADLINE, "the place to be free", || {
        secure.p8.get("/").status() == 200
    });
}

#[test]
fn a_handshake_is_bounded_in_time() {
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let secure = Secure::start(Config::to(backend.addr).http("header_timeout_secs = 1"));
    for begun in [&[][..], &[22, 3, 1, 2, 0, 1]] {
        assert_eq!(told(&secure.p8, begun), b"");
    }
    wait_until(DEADLINE, "both to be counted", || {
        secure.p8.snapshot().refused("tls-handshake") == 2
    });
    assert_eq!(secure.client().get("/").text(), "ok");
}
