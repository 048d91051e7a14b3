//! Backends that answer nonsense and clients that send it: each gets an end that it can see, and what
//! comes next is served as if nothing had been.
//!
//! Source: `docs/operations.md#limits`.

use std::slice::from_ref;

use crate::hostile::assert_sound;
use crate::support::events::{
    accept_plain, answer, echo, event, open_and, opening_with, opens, subscribe, text, EVENTS,
};
use crate::support::publish::ws_item;
use crate::support::snapshot::Snapshot;
use crate::support::ws::{
    accepting_head, brief, echo_peer, Event, Frame, Peers, WsClient, WsPeer, BINARY, CLOSE, PING,
    TEXT,
};
use crate::support::{Answer, Backend, Config, P8};

use super::{over_http, passing_through};

/// Reads messages until the session ends; a close frame must come, with one of these codes.
#[track_caller]
fn expect_close_with(client: &mut WsClient, codes: &[u16]) {
    loop {
        match client.recv() {
            Event::Close(Some((code, _))) if codes.contains(&code) => return,
            Event::Close(_) | Event::Eof => panic!("no close with {codes:?}"),
            _ => {}
        }
    }
}

/// A backend that accepts, and then writes these bytes as its answer and leaves.
fn writing(bytes: Vec<u8>) -> Backend {
    Backend::scripted(move |exchange| {
        exchange.read_body();
        if opens(&exchange.request()) {
            return exchange.answer(&accept_plain(&[]));
        }
        exchange.raw(&bytes);
        exchange.close();
    })
}

#[test]
fn later_answers_that_break_off_or_are_none_end_the_session_visibly() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {EVENTS}\r\n");
    let table = [
        format!("{head}Content-Length: 100\r\n\r\nTEXT 2\r\nhi\r\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nTEXT "),
        format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        format!("{head}Content-Length: x\r\n\r\n"),
        head.clone(),
        "HTTP/1.1 200".to_owned(),
        "\x00\x01\x02\x03\r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_owned(),
        format!("{head}Content-Length: 4000000000\r\n\r\nTEXT 2\r\nhi\r\n"),
        format!("{head}Content-Length: 9\r\nContent-Length: 8\r\n\r\nTEXT 2\r\nhi\r\n"),
    ];
    for bytes in table {
        let backend = writing(bytes.clone().into_bytes());
        let p8 = over_http(&backend);
        let mut client = p8.ws("/");
        client.send_text("x");
        assert_eq!(client.texts_until_gone(), Vec::<String>::new(), "{bytes:?}");
        assert_sound(&p8);
    }
}

#[test]
fn an_answer_that_ends_with_its_connection_is_whole() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {EVENTS}\r\n\r\n");
    let backend = writing(format!("{head}TEXT 2\r\nhi\r\n").into_bytes());
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("x");
    client.expect_text("hi");
}

#[test]
fn opening_answers_that_break_off_are_a_bad_gateway() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {EVENTS}\r\n");
    for bytes in [
        format!("{head}Content-Length: 100\r\n\r\nOPEN\r\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n6\r\nOPEN\r\n"),
        "HTTP/1.1 200".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
    ] {
        let backend = Backend::scripted(move |exchange| {
            exchange.read_body();
            exchange.raw(&bytes);
            exchange.close();
        });
        let p8 = over_http(&backend);
        assert_eq!(p8.ws_refused("/").status(), 502);
        assert_sound(&p8);
    }
}

#[test]
fn sizes_beyond_all_bounds_neither_reserve_nor_overflow() {
    for size in [
        "7fffffff",
        "ffffffff",
        "7fffffffffffffff",
        "ffffffffffffffff",
        "10000000000000000",
        "ffffffffffffffffffffffffffffffffff",
    ] {
        let body = format!("TEXT 2\r\nhi\r\nTEXT {size}\r\nx\r\n");
        let answer = Answer::ok(body).header("Content-Type", EVENTS);
        let backend = opening_with(accept_plain(&[]), move |_| answer.clone());
        let p8 = over_http(&backend);
        let mut client = p8.ws("/");
        client.send_text("x");
        // Short content is tolerated, a size that is no number is not.
        match client.recv() {
            Event::Text(text) => assert_eq!(text, "hi"),
            Event::Close(Some((1011, _))) => {}
            event => panic!("{size}: {}", brief(&event)),
        }
        assert_sound(&p8);
    }
}

#[test]
fn ten_thousand_tiny_events_in_one_answer_all_arrive() {
    let many = answer(&vec![text(""); 10_000]);
    let backend = opening_with(accept_plain(&[]), move |_| many.clone());
    let config = Config::over_http(backend.addr).handler("session_queue_items_max = 100000");
    let p8 = P8::start(&config);
    let mut client = p8.ws("/");
    client.send_text("x");
    for _ in 0..10_000 {
        client.expect_text("");
    }
}

#[test]
fn control_events_too_long_for_a_frame_are_not_sent_and_counted() {
    for long in [
        event("PING", "x".repeat(126)),
        event("PONG", "x".repeat(5_000)),
    ] {
        let backend = opening_with(accept_plain(&[]), move |_| {
            answer(&[long.clone(), text("behind")])
        });
        let p8 = over_http(&backend);
        let mut client = p8.ws("/");
        client.send_text("x");
        client.expect_text("behind");
        assert_eq!(p8.snapshot().refused("bad-control"), 1);
        assert_sound(&p8);
    }
}

#[test]
fn closes_that_may_not_be_sent_still_close() {
    let payloads: [&[u8]; 5] = [
        &[0, 5],
        &[0x03, 0xed],
        &[0xff, 0xff],
        b"\x03\xe8\xff\xfe",
        &[&[0x03, 0xe8][..], &[b'r'; 200]].concat(),
    ];
    for payload in payloads {
        let closing = event("CLOSE", payload);
        let backend = opening_with(accept_plain(&[]), move |_| answer(from_ref(&closing)));
        let p8 = over_http(&backend);
        let mut client = p8.ws("/");
        client.send_text("x");
        // What comes is a frame that the client's checks accept, or the end.
        client.expect_gone();
        assert_sound(&p8);
    }
}

#[test]
fn text_that_is_no_utf_8_never_reaches_a_client() {
    let backend = opening_with(accept_plain(&[]), |_| answer(&[event("TEXT", b"x\xff")]));
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("x");
    client.expect_gone();
    assert_sound(&p8);
}

/// A client whose backend writes these bytes behind its 101.
fn behind_101(bytes: &[u8]) -> (Peers, P8, WsClient, WsPeer) {
    let peers = Peers::accepting(&[]);
    let p8 = passing_through(&peers.backend);
    let client = p8.ws("/");
    let mut peer = peers.next();
    peer.send_raw(bytes);
    (peers, p8, client, peer)
}

#[test]
fn frames_of_a_backend_that_are_none_close_the_client_with_an_error() {
    let table = [
        Frame::new(TEXT, "masked").encode(true),
        Frame::new(TEXT, "x").reserved(4).encode(false),
        Frame::new(TEXT, "x").reserved(1).encode(false),
        Frame::new(3, "x").encode(false),
        Frame::new(11, "x").encode(false),
        Frame::new(PING, vec![0; 126]).encode(false),
        Frame::new(PING, "x").unfinished().encode(false),
        Frame::new(0, "stray").encode(false),
        Frame::new(CLOSE, "x").encode(false),
        Frame::close(1005, "").encode(false),
        Frame::new(TEXT, b"\xff").encode(false),
        b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
    ];
    for bytes in table {
        let (_peers, p8, mut client, mut peer) = behind_101(&bytes);
        expect_close_with(&mut client, &[1002, 1007, 1011]);
        peer.expect_gone();
        assert_sound(&p8);
    }
}

#[test]
fn garbage_behind_a_handshake_ends_the_connection_and_no_other() {
    let seed = match std::env::var("P8_SIM_SEED") {
        Ok(text) => text.parse().expect("P8_SIM_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("P8_SIM_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (plain, upgraded) = (echo(), echo_peer());
    for p8 in [over_http(&plain), passing_through(&upgraded)] {
        let mut witness = p8.ws("/");
        for _ in 0..100 {
            let mut client = p8.ws("/");
            let mut bytes = vec![0; random.usize(1..2_000)];
            random.fill(&mut bytes);
            client.try_send_raw(&bytes);
            client.finish_sending();
            while client.recv() != Event::Eof {}
            witness.send_text("unharmed");
            witness.expect_text("unharmed");
        }
        assert_sound(&p8);
    }
}

#[test]
fn valid_frames_with_a_byte_changed_end_the_connection_or_are_frames() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let backend = echo_peer();
    let p8 = passing_through(&backend);
    for _ in 0..200 {
        let mut bytes = super::masked(&[
            Frame::new(TEXT, "one").unfinished(),
            Frame::new(PING, "two"),
            Frame::new(0, "three"),
            Frame::new(BINARY, "four"),
            Frame::close(1000, "five"),
        ]);
        let at = random.usize(..bytes.len());
        bytes[at] ^= 1 << random.u8(..8);
        let mut client = p8.ws("/");
        client.try_send_raw(&bytes);
        client.finish_sending();
        while client.recv() != Event::Eof {}
    }
    assert_sound(&p8);
}

#[test]
fn a_client_that_leaves_at_any_point_of_its_handshake_leaves_nothing_behind() {
    let backend = open_and(&[subscribe("a")]);
    let p8 = over_http(&backend);
    let whole = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n";
    for end in (0..=whole.len()).step_by(7).chain([whole.len()]) {
        let mut client = p8.client();
        client.send(&whole[..end]);
        client.reset();
    }
    let client = p8.ws("/");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    drop(client);
    Snapshot::wait_for_subscribers(p8.control, "a", 0);
    assert_sound(&p8);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_burst_disturbs_nobody() {
    let backend = open_and(&[subscribe("a")]);
    let p8 = over_http(&backend);
    let mut clients: Vec<WsClient> = (0..50).map(|_| p8.ws("/")).collect();
    Snapshot::wait_for_subscribers(p8.control, "a", 50);
    for n in 0..50 {
        p8.publish(&[ws_item("a", &format!("{n}: {}", "x".repeat(10_000)))]);
        if clients.len() > 1 {
            clients.swap_remove(n % clients.len()).reset();
        }
    }
    let last = clients.first_mut().expect("one is left");
    for n in 0..50 {
        last.expect_text(&format!("{n}: {}", "x".repeat(10_000)));
    }
    assert_sound(&p8);
}

#[test]
fn a_101_with_a_hostile_header_never_splits_the_clients_answer() {
    let backend = Backend::scripted(|exchange| {
        let request = exchange.request();
        let key = request.header("sec-websocket-key").expect("a key");
        let head = accepting_head("Fine", key, &[("X-A", "b\rX-Injected: 1"), ("X-B", "\0")]);
        exchange.raw(head);
        exchange.peer_left();
    });
    let p8 = passing_through(&backend);
    match p8.ws_with("/", &[]) {
        Ok(client) => assert_eq!(client.head.header("x-injected"), None),
        Err(refusal) => assert_eq!(refusal.status(), 502),
    }
    assert_sound(&p8);
}
