//! The tests' own WebSockets and codecs, tried on each other and on a library, without P-8.

use std::net::TcpListener;
use std::thread;

use tokio_tungstenite::tungstenite;

use crate::support::events::{bare, binary, close, decode, encode, event, text};
use crate::support::frames::{Deflate, RSV1};
use crate::support::ws::{echo_peer, Event, Frame, Peers, WsClient, CONTINUATION, PONG, TEXT};

#[test]
fn a_client_and_a_peer_exchange_every_kind_of_message() {
    let backend = echo_peer();
    let mut client = WsClient::connect(backend.addr, "/", &[]).expect("it accepts");
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        client.send_text(&"x".repeat(length));
        client.expect_text(&"x".repeat(length));
        client.send_binary(&vec![255; length]);
        client.expect_binary(&vec![255; length]);
    }
    client.send(&Frame::new(TEXT, "one ").unfinished());
    client.ping("between");
    client.expect_pong("between");
    client.send(&Frame::new(CONTINUATION, "message"));
    client.expect_text("one message");
    client.pong("nobody asked");
    client.send_fragments(TEXT, &["a", "", "b"]);
    client.expect_text("ab");
    client.expect_nothing_unread();
    client.close(4000, "over");
    assert_eq!(client.expect_closed(4000), "over");
}

#[test]
fn a_peer_may_send_with_its_head_and_sees_the_client_leave() {
    let peers = Peers::accepting(&[("X-A", "1")]);
    let mut client = WsClient::connect(peers.backend.addr, "/", &[]).expect("it accepts");
    assert_eq!(client.head.header("x-a"), Some("1"));
    let mut peer = peers.next();
    assert!(peer.send_raw(&Frame::new(PONG, "early").encode(false)));
    client.expect_pong("early");
    drop(client);
    assert_eq!(peer.recv(), Event::Eof);
}

#[test]
fn the_codec_reads_and_writes_the_examples_of_rfc_7692() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let mut keeping = Deflate::new((true, true));
    assert_eq!(keeping.decompress(&hello), b"Hello");
    assert_eq!(keeping.decompress(&again), b"Hello");
    let mut forgetting = Deflate::new((false, false));
    assert_eq!(forgetting.compress(b"Hello"), hello);
    assert_eq!(forgetting.compress(b"Hello"), hello);
    assert_eq!(forgetting.compress(b""), [0]);
    for payload in [Vec::new(), vec![7; 1_000_000], (0..=255).collect()] {
        let compressed = keeping.compress(&payload);
        let mut other = Deflate::new((true, false));
        assert_eq!(other.decompress(&forgetting.compress(&payload)), payload);
        drop(compressed);
    }
}

#[test]
fn a_compressing_client_marks_its_messages() {
    let answer = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";
    let peers = Peers::accepting(&[("Sec-WebSocket-Extensions", answer)]);
    let mut client = WsClient::connect(peers.backend.addr, "/", &[]).expect("it accepts");
    let mut peer = peers.next();
    let mut codec = Deflate::new((false, false));
    client.send_text("Hello");
    let frame = peer.frame().expect("a frame");
    assert_eq!((frame.rsv, frame.opcode), (RSV1, TEXT));
    assert_eq!(codec.decompress(&frame.payload), b"Hello");
    let frame = Frame::new(TEXT, codec.compress(b"and back"));
    assert!(peer.send(&frame.reserved(RSV1)));
    client.expect_text("and back");
}

#[test]
fn a_library_understands_the_client() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    let library = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut socket = tungstenite::accept(stream).expect("a handshake");
        let message = socket.read().expect("a message");
        socket.send(message).expect("it is sent back");
        while socket.read().is_ok() {}
    });
    let mut client = WsClient::connect(addr, "/", &[]).expect("it accepts");
    client.send_fragments(TEXT, &["čaj", "☕"]);
    client.expect_text("čaj☕");
    client.close(1000, "");
    client.expect_closed(1000);
    library.join().expect("it was content");
}

#[test]
fn events_are_written_as_the_reference_shows() {
    let events = [text("hi"), bare("PING"), close(1000, "")];
    let bytes = b"TEXT 2\r\nhi\r\nPING\r\nCLOSE 2\r\n\x03\xe8\r\n";
    assert_eq!(encode(&events), bytes);
    assert_eq!(decode(bytes), events);
    let events = [
        event("TEXT", "x".repeat(171)),
        binary(b"\r\n"),
        bare("OPEN"),
    ];
    assert_eq!(decode(&encode(&events)), events);
}
