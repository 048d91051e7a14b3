//! Text is UTF-8, as the Autobahn suite's group 6 has it: whole or in pieces, and in close reasons.
//!
//! Source: `docs/compatibility.md`, W101; RFC 6455, section 8.1.

use crate::support::ws::{echo_peer, Frame, BINARY, CLOSE, CONTINUATION, TEXT};
use crate::support::P8;

use super::{masked, over_http, passing_through};

/// Texts of group 6: the last code points of each length, and those beside the surrogates.
const VALID: [&str; 12] = [
    "",
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "\u{0}",
    "\u{7f}",
    "\u{80}\u{7ff}",
    "\u{800}\u{ffff}",
    "\u{10000}\u{10ffff}",
    "\u{d7ff}\u{e000}\u{fffd}",
    "\u{fffe}\u{1fffe}\u{10fffe}",
    "☃ žluťoučký kůň",
    "\u{feff}byte order",
];

/// Bytes of group 6 that are no text.
const INVALID: [&[u8]; 27] = [
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xf7\xbf\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf\xbf",
    b"\x80",
    b"\xbf",
    b"\x80\xbf\x80\xbf\x80\xbf",
    b"\xc0 \xc1 \xc2 \xdf",
    b"\xe0 \xef",
    b"\xf0 \xf7",
    b"\xc0",
    b"\xe0\x80",
    b"\xf0\x80\x80",
    b"\xdf",
    b"\xef\xbf",
    b"\xf4\x8f\xbf",
    b"\xfe",
    b"\xff",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xc1\xbf",
    b"\xed\xa0\x80",
    b"\xed\xad\xbf\xed\xb0\x80",
];

#[track_caller]
fn expect_failure(p8: &P8, frames: &[Frame]) {
    let mut client = p8.ws("/");
    client.try_send_raw(&masked(frames));
    client.expect_closed(1007);
}

/// A text in frames of one byte.
fn by_bytes(bytes: &[u8]) -> Vec<Frame> {
    let parts = bytes
        .iter()
        .map(|byte| Frame::new(CONTINUATION, [*byte]).unfinished());
    let mut frames: Vec<Frame> = parts.collect();
    frames[0].opcode = TEXT;
    frames.last_mut().expect("a frame").fin = true;
    frames
}

#[test]
fn group_6_valid_text_passes_whole_and_byte_by_byte() {
    let backend = echo_peer();
    let p8 = passing_through(&backend);
    let mut client = p8.ws("/");
    for text in VALID {
        client.send_text(text);
        client.expect_text(text);
    }
    for text in VALID.into_iter().filter(|text| !text.is_empty()) {
        client.send_raw(masked(&by_bytes(text.as_bytes())));
        client.expect_text(text);
    }
}

#[test]
fn group_6_what_is_no_text_is_an_error_whole_and_byte_by_byte() {
    let backend = echo_peer();
    let p8 = passing_through(&backend);
    for bytes in INVALID {
        expect_failure(&p8, &[Frame::new(TEXT, bytes)]);
        expect_failure(&p8, &by_bytes(bytes));
    }
}

#[test]
fn group_6_a_text_that_ends_inside_a_character_is_an_error() {
    let backend = echo_peer();
    let p8 = passing_through(&backend);
    expect_failure(
        &p8,
        &[
            Frame::new(TEXT, "☃").unfinished(),
            Frame::new(CONTINUATION, &"☃".as_bytes()[..2]),
        ],
    );
    let mut client = p8.ws("/");
    let (head, tail) = "☃".as_bytes().split_at(1);
    client.send_fragments(TEXT, &[head, tail]);
    client.expect_text("☃");
}

#[test]
fn binary_may_be_anything() {
    let backend = echo_peer();
    let p8 = passing_through(&backend);
    let mut client = p8.ws("/");
    for bytes in INVALID {
        client.send(&Frame::new(BINARY, bytes));
        client.expect_binary(bytes);
    }
}

#[test]
fn a_close_reason_that_is_no_text_is_an_error() {
    let backend = echo_peer();
    let p8 = passing_through(&backend);
    let payload = [&1000_u16.to_be_bytes()[..], b"\xce\xba\xff"].concat();
    expect_failure(&p8, &[Frame::new(CLOSE, payload)]);
}

#[test]
fn over_http_what_is_no_text_is_an_error_too_and_reaches_nobody() {
    let backend = crate::support::events::echo();
    let p8 = over_http(&backend);
    for bytes in [&b"\xff"[..], b"\xe2\x98", b"\xed\xa0\x80"] {
        expect_failure(&p8, &[Frame::new(TEXT, bytes)]);
        expect_failure(&p8, &by_bytes(bytes));
    }
    let kinds = crate::support::events::all_events(&backend);
    assert!(kinds.iter().all(|event| event.kind != "TEXT"), "{kinds:?}");
}
