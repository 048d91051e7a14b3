//! RFC 6455 at P-8's client side, row by row as the Autobahn suite's groups 1 to 5, 7, 9 and 10 do it, before a
//! backend that echoes. Group 6 is in `utf8`, groups 12 and 13 in `deflate`.
//!
//! Source: `docs/compatibility.md`, W97 to W100; RFC 6455, sections 5 and 7.

use crate::support::frames::header;
use crate::support::ws::{
    echo_peer, Event, Frame, Peers, WsClient, BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT,
};
use crate::support::{Backend, P8};

use super::{close_without_code, masked, over_http, passing_through};

/// P-8 before an echo.
fn echoing() -> (Backend, P8) {
    let backend = echo_peer();
    let p8 = passing_through(&backend);
    (backend, p8)
}

/// A client whose frames end its connection with that code, though it was a good one before.
#[track_caller]
fn expect_failure(p8: &P8, frames: &[Frame], code: u16) {
    let mut client = p8.ws("/");
    client.send_text("before");
    client.expect_text("before");
    client.try_send_raw(&masked(frames));
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        client.expect_closed(code);
    }));
    assert!(failed.is_ok(), "after {frames:?}");
}

/// The sizes of groups 1.1 and 1.2.
const SIZES: [usize; 8] = [0, 125, 126, 127, 128, 65_535, 65_536, 65_537];

#[test]
fn group_1_messages_of_every_form_of_length_are_echoed() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    for size in SIZES {
        client.send_text(&"*".repeat(size));
        client.expect_text(&"*".repeat(size));
        client.send_binary(&vec![0xfe; size]);
        client.expect_binary(&vec![0xfe; size]);
    }
}

#[test]
fn group_1_messages_in_small_pieces_of_the_stream_are_echoed() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    for (size, piece) in [(65_536, 997), (300, 1)] {
        let text = "*".repeat(size);
        for bytes in Frame::new(TEXT, &text).encode(true).chunks(piece) {
            client.send_raw(bytes);
        }
        client.expect_text(&text);
    }
}

#[test]
fn group_2_pings_are_answered_with_their_payload() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    let long = vec![0xfe; 125];
    for payload in [
        &b""[..],
        b"Hello, world!",
        b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff",
        &long,
    ] {
        client.send(&Frame::new(PING, payload));
        assert_eq!(client.recv(), Event::Pong(payload.to_vec()));
    }
}

#[test]
fn group_2_a_ping_of_126_bytes_is_an_error() {
    let (_backend, p8) = echoing();
    expect_failure(&p8, &[Frame::new(PING, vec![0xfe; 126])], 1002);
    expect_failure(&p8, &[Frame::new(PONG, vec![0xfe; 126])], 1002);
}

#[test]
fn group_2_pongs_that_nobody_asked_for_do_no_harm() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    client.pong("");
    client.pong("unsolicited");
    client.ping("asked");
    client.expect_pong("asked");
}

#[test]
fn group_2_many_pings_are_answered_in_order_however_they_are_cut() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    let pings: Vec<Frame> = (0..10)
        .map(|n| Frame::new(PING, format!("payload {n}")))
        .collect();
    for piece in [1000, 1] {
        for bytes in masked(&pings).chunks(piece) {
            client.send_raw(bytes);
        }
        for n in 0..10 {
            client.expect_pong(&format!("payload {n}"));
        }
    }
}

#[test]
fn group_3_reserved_bits_are_an_error() {
    let (_backend, p8) = echoing();
    for rsv in 1..=7 {
        expect_failure(&p8, &[Frame::new(TEXT, "x").reserved(rsv)], 1002);
        expect_failure(&p8, &[Frame::new(PING, "x").reserved(rsv)], 1002);
        expect_failure(&p8, &[Frame::close(1000, "").reserved(rsv)], 1002);
    }
    let fragments = [
        Frame::new(TEXT, "x").unfinished(),
        Frame::new(CONTINUATION, "x").reserved(4),
    ];
    expect_failure(&p8, &fragments, 1002);
}

#[test]
fn group_4_reserved_opcodes_are_an_error() {
    let (_backend, p8) = echoing();
    for opcode in (3..=7).chain(11..=15) {
        expect_failure(&p8, &[Frame::new(opcode, "")], 1002);
        expect_failure(&p8, &[Frame::new(opcode, "payload")], 1002);
    }
}

#[test]
fn group_5_fragmented_control_frames_are_an_error() {
    let (_backend, p8) = echoing();
    for opcode in [PING, PONG, CLOSE] {
        let fragments = [
            Frame::new(opcode, [3, 232]).unfinished(),
            Frame::new(CONTINUATION, "x"),
        ];
        expect_failure(&p8, &fragments, 1002);
    }
}

#[test]
fn group_5_fragments_are_one_message_however_they_are_cut() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    let fragments = [
        Frame::new(TEXT, "frag").unfinished(),
        Frame::new(CONTINUATION, "").unfinished(),
        Frame::new(CONTINUATION, "ment"),
    ];
    for piece in [1000, 7, 1] {
        for bytes in masked(&fragments).chunks(piece) {
            client.send_raw(bytes);
        }
        client.expect_text("fragment");
    }
    let empty: Vec<&str> = vec![""; 5];
    client.send_fragments(TEXT, &empty);
    client.expect_text("");
}

#[test]
fn group_5_pings_between_fragments_are_answered_and_the_message_is_whole() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    for piece in [1000, 1] {
        let frames = [
            Frame::new(TEXT, "1").unfinished(),
            Frame::new(CONTINUATION, "2").unfinished(),
            Frame::new(PING, "pongme 1"),
            Frame::new(CONTINUATION, "3").unfinished(),
            Frame::new(PING, "pongme 2"),
            Frame::new(CONTINUATION, "4"),
        ];
        for bytes in masked(&frames).chunks(piece) {
            client.send_raw(bytes);
        }
        client.expect_pong("pongme 1");
        client.expect_pong("pongme 2");
        client.expect_text("1234");
    }
}

#[test]
fn group_5_continuations_of_nothing_are_an_error() {
    let (_backend, p8) = echoing();
    expect_failure(&p8, &[Frame::new(CONTINUATION, "x")], 1002);
    expect_failure(&p8, &[Frame::new(CONTINUATION, "x").unfinished()], 1002);
    expect_failure(&p8, &[Frame::new(CONTINUATION, "")], 1002);
}

#[test]
fn group_5_a_message_inside_another_is_an_error() {
    let (_backend, p8) = echoing();
    for opcode in [TEXT, BINARY] {
        let frames = [Frame::new(TEXT, "x").unfinished(), Frame::new(opcode, "y")];
        expect_failure(&p8, &frames, 1002);
    }
}

#[test]
fn group_7_a_close_is_answered_with_its_code_and_what_follows_is_ignored() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    client.send_text("before");
    client.expect_text("before");
    client.send_raw(masked(&[
        Frame::close(1000, "done"),
        Frame::new(PING, "ignored"),
        Frame::new(TEXT, "ignored"),
        Frame::close(1001, "ignored"),
    ]));
    assert_eq!(client.expect_close(1000), "done");
    client.expect_end();
}

#[test]
fn group_7_a_close_during_an_unfinished_message_is_answered() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    client.send(&Frame::new(TEXT, "unfinished").unfinished());
    client.close(1000, "");
    client.expect_closed(1000);
}

#[test]
fn group_7_a_close_without_a_code_is_answered() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    client.send(&close_without_code());
    assert!(matches!(
        client.recv(),
        Event::Close(None | Some((1000, _)))
    ));
    client.expect_end();
}

#[test]
fn group_7_a_close_of_one_byte_is_an_error() {
    let (_backend, p8) = echoing();
    expect_failure(&p8, &[Frame::new(CLOSE, "x")], 1002);
}

#[test]
fn group_7_a_reason_of_123_bytes_passes_and_one_more_is_an_error() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    let reason = "r".repeat(123);
    client.close(1000, &reason);
    assert_eq!(client.expect_close(1000), reason);
    expect_failure(&p8, &[Frame::close(1000, "r".repeat(124))], 1002);
}

#[test]
fn group_7_codes_that_may_be_sent_come_back() {
    let (_backend, p8) = echoing();
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999,
    ] {
        let mut client = p8.ws("/");
        client.close(code, "");
        client.expect_closed(code);
    }
}

#[test]
fn group_7_codes_that_may_not_be_sent_are_an_error() {
    let (_backend, p8) = echoing();
    for code in [
        0, 5, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        expect_failure(&p8, &[Frame::close(code, "")], 1002);
    }
}

#[test]
fn unmasked_frames_are_an_error() {
    let (_backend, p8) = echoing();
    for frame in [
        Frame::new(TEXT, "x"),
        Frame::new(PING, ""),
        Frame::close(1000, ""),
    ] {
        let mut client = p8.ws("/");
        client.send_raw(frame.encode(false));
        client.expect_closed(1002);
    }
}

#[test]
fn a_length_of_64_bits_is_an_error() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    client.send_raw(header(0x81, 1 << 63, Some([0; 4])));
    match client.recv() {
        Event::Close(Some((1002 | 1009, _))) => {}
        event => panic!("{event:?}"),
    }
}

#[test]
fn an_error_ends_the_backends_connection_too() {
    let peers = Peers::accepting(&[]);
    let p8 = passing_through(&peers.backend);
    let mut client = p8.ws("/");
    let mut peer = peers.next();
    client.send(&Frame::new(3, ""));
    client.expect_closed(1002);
    peer.expect_gone();
}

#[test]
fn the_rules_hold_over_http_too() {
    let backend = crate::support::events::echo();
    let p8 = over_http(&backend);
    let table: [&[Frame]; 10] = [
        &[Frame::new(PING, vec![0; 126])],
        &[Frame::new(PING, "x").unfinished()],
        &[Frame::new(PING, "x").reserved(4)],
        &[Frame::new(TEXT, "x").reserved(4)],
        &[Frame::new(TEXT, "x").reserved(1)],
        &[Frame::new(3, "x")],
        &[Frame::new(CONTINUATION, "x")],
        &[Frame::new(TEXT, "x").unfinished(), Frame::new(TEXT, "y")],
        &[Frame::new(CLOSE, "x")],
        &[Frame::close(1005, "")],
    ];
    for frames in table {
        expect_failure(&p8, frames, 1002);
    }
    let mut client = p8.ws("/");
    client.send(&Frame::new(TEXT, "1").unfinished());
    client.ping("between");
    client.send(&Frame::new(CONTINUATION, "2"));
    client.expect_pong("between");
    client.expect_text("12");
}

/// Sizes of group 9 in KiB.
const LARGE: [usize; 6] = [64, 256, 1024, 4 * 1024, 8 * 1024, 16 * 1024];

/// That many KiB of which no two neighbouring blocks are the same.
fn kib(n: usize) -> Vec<u8> {
    (0..n * 256)
        .flat_map(|n| (n as u32).to_be_bytes())
        .collect()
}

#[test]
fn group_9_large_messages_are_echoed_whole() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    for size in LARGE {
        let bytes = kib(size);
        send_beside(&mut client, &[Frame::new(BINARY, &bytes)], |client| {
            client.expect_binary(&bytes);
        });
    }
}

#[test]
fn group_9_large_messages_in_fragments_are_echoed_whole() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    let bytes = kib(4 * 1024);
    for fragment in [256, 4_096, 65_536, 1 << 20] {
        let mut frames: Vec<Frame> = bytes
            .chunks(fragment)
            .map(|part| Frame::new(CONTINUATION, part).unfinished())
            .collect();
        frames[0].opcode = BINARY;
        frames.last_mut().expect("a frame").fin = true;
        send_beside(&mut client, &frames, |client| client.expect_binary(&bytes));
    }
}

/// Sends frames from a thread of their own, so that the client can read what comes meanwhile.
fn send_beside(client: &mut WsClient, frames: &[Frame], read: impl FnOnce(&mut WsClient)) {
    let mut sender = client.sender();
    let bytes = masked(frames);
    std::thread::scope(|scope| {
        scope.spawn(move || sender(&bytes));
        read(client);
    });
}

#[test]
fn group_9_many_messages_that_are_not_waited_for_are_echoed_in_order() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    for size in [0, 16, 64, 256, 1024] {
        let texts: Vec<String> = (0..500).map(|n| format!("{n:0>size$}")).collect();
        let frames: Vec<Frame> = texts.iter().map(|text| Frame::new(TEXT, text)).collect();
        send_beside(&mut client, &frames, |client| {
            for text in &texts {
                client.expect_text(text);
            }
        });
    }
}

#[test]
fn group_10_a_message_in_many_fragments_is_echoed_whole() {
    let (_backend, p8) = echoing();
    let mut client = p8.ws("/");
    let text = "*".repeat(65_536);
    let parts: Vec<&[u8]> = text.as_bytes().chunks(1_300).collect();
    client.send_fragments(TEXT, &parts);
    client.expect_text(&text);
}
