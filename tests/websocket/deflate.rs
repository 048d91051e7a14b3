//! permessage-deflate: who gets it, what may be asked for, and messages that come through it whole;
//! groups 12 and 13 of the Autobahn suite.
//!
//! Source: `docs/compatibility.md`, W102; RFC 7692.

use crate::support::events::{accept, all_events, answer, echo, opening_with, subscribe, text};
use crate::support::frames::{Deflate, RSV1};
use crate::support::publish::ws_item;
use crate::support::snapshot::Snapshot;
use crate::support::ws::{
    echo_peer, Event, Frame, Peers, WsClient, BINARY, CONTINUATION, OFFER, PING, TEXT,
};
use crate::support::{Backend, Config, P8};

use super::{masked, over_http};

const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn compressing(config: Config) -> P8 {
    P8::start(&config.http("allow_compression = true"))
}

/// Both kinds of echo behind a P-8 that compresses.
fn echoing() -> [(Backend, P8); 2] {
    let (plain, upgraded) = (echo(), echo_peer());
    let over_http = compressing(Config::over_http(plain.addr));
    let passing = compressing(Config::to(upgraded.addr));
    [(plain, over_http), (upgraded, passing)]
}

#[track_caller]
fn offering(p8: &P8, offer: &str) -> WsClient {
    p8.ws_with("/", &[("Sec-WebSocket-Extensions", offer)])
        .expect("it is accepted")
}

#[track_caller]
fn compressed(p8: &P8) -> WsClient {
    let client = offering(p8, OFFER.1);
    let agreed = client.head.header("sec-websocket-extensions");
    assert_eq!(agreed, Some(AGREED));
    client
}

#[test]
fn it_is_off_unless_the_configuration_says_otherwise() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = offering(&p8, OFFER.1);
    assert_eq!(client.head.header("sec-websocket-extensions"), None);
    client.send(&Frame::new(TEXT, "x").reserved(RSV1));
    client.expect_closed(1002);
}

#[test]
fn who_does_not_offer_it_does_not_get_it() {
    for (_backend, p8) in echoing() {
        let mut client = p8.ws("/");
        assert_eq!(client.head.header("sec-websocket-extensions"), None);
        client.send_text("x");
        client.expect_text("x");
    }
}

#[test]
fn workable_offers_are_answered() {
    for (_backend, p8) in echoing() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=15",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "x-webkit-deflate-frame, permessage-deflate",
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            "permessage-deflate; unknown, permessage-deflate; client_max_window_bits",
        ] {
            let mut client = offering(&p8, offer);
            let agreed = client.head.header("sec-websocket-extensions");
            assert_eq!(agreed, Some(AGREED), "{offer}");
            client.send_text("x ☃");
            client.expect_text("x ☃");
        }
    }
}

#[test]
fn other_offers_leave_the_connection_uncompressed() {
    for (_backend, p8) in echoing() {
        for offer in [
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; unknown",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-bzip2",
            "PERMESSAGE-DEFLATE-X",
            ";,=",
        ] {
            let mut client = offering(&p8, offer);
            let agreed = client.head.header("sec-websocket-extensions");
            assert_eq!(agreed, None, "{offer}");
            client.send_text("x");
            client.expect_text("x");
        }
    }
}

/// The sizes of groups 12 and 13.
const SIZES: [usize; 11] = [
    0, 16, 64, 256, 1_024, 4_096, 8_192, 16_384, 32_768, 65_536, 131_072,
];

/// Words in an order that a seed decides.
fn words(seed: u64, size: usize) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    let words = [
        "push",
        "proxy",
        "channel",
        "item ",
        "☃",
        "{\"a\": 1}",
        "\n",
        "hold",
    ];
    let mut text = String::new();
    while text.len() < size {
        text.push_str(words[random.usize(..words.len())]);
    }
    text
}

#[test]
fn groups_12_and_13_texts_come_back_as_they_were() {
    for (_backend, p8) in echoing() {
        let mut client = compressed(&p8);
        for size in SIZES {
            for seed in 0..10 {
                let text = words(seed, size);
                client.send_text(&text);
                client.expect_text(&text);
            }
        }
    }
}

#[test]
fn groups_12_and_13_binaries_that_do_not_compress_come_back_as_they_were() {
    let mut random = fastrand::Rng::with_seed(8);
    for (_backend, p8) in echoing() {
        let mut client = compressed(&p8);
        for size in SIZES {
            let mut bytes = vec![0; size];
            random.fill(&mut bytes);
            client.send_binary(&bytes);
            client.expect_binary(&bytes);
        }
    }
}

#[test]
fn a_compressed_message_may_be_in_fragments_with_pings_between() {
    for (_backend, p8) in echoing() {
        let mut client = compressed(&p8);
        let text = words(1, 20_000);
        let bytes = Deflate::new((false, false)).compress(text.as_bytes());
        let (head, rest) = bytes.split_at(100);
        let (middle, tail) = rest.split_at(1);
        client.send(&Frame::new(TEXT, head).unfinished().reserved(RSV1));
        client.send(&Frame::new(CONTINUATION, middle).unfinished());
        client.ping("between");
        client.expect_pong("between");
        client.send(&Frame::new(CONTINUATION, tail).unfinished());
        client.send(&Frame::new(CONTINUATION, ""));
        client.expect_text(&text);
    }
}

#[test]
fn a_message_may_be_left_uncompressed() {
    for (_backend, p8) in echoing() {
        let mut client = compressed(&p8);
        client.send(&Frame::new(TEXT, "plain"));
        client.expect_text("plain");
        client.send_text("compressed");
        client.expect_text("compressed");
    }
}

#[test]
fn the_mark_anywhere_else_is_an_error() {
    for (_backend, p8) in echoing() {
        let marked_ping = [Frame::new(PING, "x").reserved(RSV1)];
        let marked_continuation = [
            Frame::new(TEXT, "x").unfinished(),
            Frame::new(CONTINUATION, "x").reserved(RSV1),
        ];
        let other_bits = [Frame::new(TEXT, "x").reserved(RSV1 | 1)];
        for frames in [&marked_ping[..], &marked_continuation, &other_bits] {
            let mut client = compressed(&p8);
            client.send_raw(masked(frames));
            client.expect_closed(1002);
        }
    }
}

#[test]
fn what_cannot_be_decompressed_is_an_error() {
    for (_backend, p8) in echoing() {
        let mut client = compressed(&p8);
        client.send(&Frame::new(BINARY, [0xff; 20]).reserved(RSV1));
        match client.recv() {
            Event::Close(Some((1002 | 1007, _))) => {}
            event => panic!("{event:?}"),
        }
    }
}

#[test]
fn text_is_checked_behind_the_compression() {
    for (_backend, p8) in echoing() {
        let mut client = compressed(&p8);
        let bytes = Deflate::new((false, false)).compress(b"x\xff");
        client.send(&Frame::new(TEXT, bytes).reserved(RSV1));
        client.expect_closed(1007);
    }
}

#[test]
fn a_backend_over_http_sees_nothing_of_it() {
    let backend = echo();
    let p8 = compressing(Config::over_http(backend.addr));
    let mut client = compressed(&p8);
    let message = words(3, 5_000);
    client.send_text(&message);
    client.expect_text(&message);
    assert_eq!(all_events(&backend)[1..], [text(&message)]);
    let offered = backend.seen()[0]
        .header("sec-websocket-extensions")
        .map(str::to_owned);
    assert_eq!(offered.as_deref(), Some("grip"));
}

#[test]
fn a_backend_that_agrees_to_none_gets_plain_messages() {
    let peers = Peers::grip();
    let p8 = compressing(Config::to(peers.backend.addr));
    let mut client = compressed(&p8);
    let mut peer = peers.next();
    client.send_text("x");
    peer.expect(&Event::Text("x".into()));
    peer.send_text("m:y");
    client.expect_text("y");
}

#[test]
fn items_reach_compressing_and_plain_clients_of_a_channel() {
    let backend = opening_with(accept(&[subscribe("a")]), |_| answer(&[]));
    let p8 = compressing(Config::over_http(backend.addr));
    let mut clients = [compressed(&p8), p8.ws("/"), compressed(&p8)];
    Snapshot::wait_for_subscribers(p8.control, "a", 3);
    for size in [0, 1, 100, 10_000, 100_000] {
        let content = words(size as u64, size);
        p8.publish(&[ws_item("a", &content)]);
        for client in &mut clients {
            client.expect_text(&content);
        }
    }
}

#[test]
fn control_messages_and_prefixes_are_read_before_compressing() {
    let accepting = accept(&[
        subscribe("a"),
        text("m:hello"),
        text("unmarked"),
        text("m:end"),
    ]);
    let backend = opening_with(accepting, |_| answer(&[]));
    let p8 = compressing(Config::over_http(backend.addr));
    let mut client = compressed(&p8);
    client.expect_text("hello");
    client.expect_text("end");
}
