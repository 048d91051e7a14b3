//! Events as they are written, as they may be read, and what is refused.

use super::*;

fn event(kind: EventKind, content: &'static str) -> Event {
    let content = (!content.is_empty()).then(|| Bytes::from_static(content.as_bytes()));
    Event { kind, content }
}

fn read(body: &'static [u8]) -> Vec<Event> {
    decode(&Bytes::from_static(body)).unwrap()
}

const KINDS: [EventKind; 7] = [
    EventKind::Open,
    EventKind::Text,
    EventKind::Binary,
    EventKind::Ping,
    EventKind::Pong,
    EventKind::Close,
    EventKind::Disconnect,
];

#[test]
fn events_are_written_as_backends_know_them() {
    let long = Bytes::from(vec![b'x'; 0x1c]);
    for (events, expected) in [
        (vec![], &b""[..]),
        (vec![Event::bare(EventKind::Open)], b"OPEN\r\n"),
        (
            vec![
                event(EventKind::Text, "hi"),
                Event::bare(EventKind::Ping),
                Event::new(EventKind::Close, close_content(1000, "")),
            ],
            b"TEXT 2\r\nhi\r\nPING\r\nCLOSE 2\r\n\x03\xe8\r\n",
        ),
        (vec![Event::new(EventKind::Text, Bytes::new())], b"TEXT\r\n"),
        (
            vec![Event::new(EventKind::Binary, long)],
            b"BINARY 1c\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
        ),
        (vec![event(EventKind::Pong, "p")], b"PONG 1\r\np\r\n"),
        (vec![Event::bare(EventKind::Close)], b"CLOSE\r\n"),
        (
            vec![
                event(EventKind::Disconnect, "x"),
                event(EventKind::Open, "x"),
            ],
            b"DISCONNECT\r\nOPEN\r\n",
        ),
    ] {
        assert_eq!(encode(&events), expected, "{events:?}");
    }
}

#[test]
fn reading_is_lenient() {
    use EventKind::{Binary, Disconnect, Open, Ping, Text};
    for (body, expected) in [
        (&b""[..], vec![]),
        (
            b"TEXT B\r\nhello world\r\n",
            vec![event(Text, "hello world")],
        ),
        (
            b"TEXT 0xb\r\nhello world\r\n",
            vec![event(Text, "hello world")],
        ),
        (
            b"TEXT  +0Xb \r\nhello world\r\n",
            vec![event(Text, "hello world")],
        ),
        (b"TEXT 00000000000002\r\nhi\r\n", vec![event(Text, "hi")]),
        (
            b"TEXT\r\nTEXT 0\r\n\r\n",
            vec![event(Text, ""), event(Text, "")],
        ),
        (b"TEXT 5\r\nhi", vec![event(Text, "hi")]),
        (b"TEXT 7fffffff\r\nhi\r\n", vec![event(Text, "hi\r\n")]),
        (b"TEXT 2\r\nhi", vec![event(Text, "hi")]),
        (b"TEXT 2\r\nhi\r", vec![event(Text, "hi")]),
        (
            b"TEXT 2\r\nhiXXPING\r\n",
            vec![event(Text, "hi"), event(Ping, "")],
        ),
        (b"TEXT 2\r\n", vec![event(Text, "")]),
        (
            b"OPEN 0\r\n\r\nBINARY 2\r\n\r\n\r\n",
            vec![event(Open, ""), event(Binary, "\r\n")],
        ),
        (
            b"OPEN 2\r\nhi\r\nDISCONNECT 1\r\nx\r\n",
            vec![event(Open, ""), event(Disconnect, "")],
        ),
        (
            b"WHAT\r\nWHAT 5\r\nTEXT\n\r\nPING\r\n",
            vec![event(Ping, "")],
        ),
        (b"\r\ntext\r\n 0\r\n\r\n", vec![]),
        (b"PI\nNG\r\nPING\r\n", vec![event(Ping, "")]),
    ] {
        assert_eq!(read(body), expected, "{}", body.escape_ascii());
    }
}

#[test]
fn broken_bodies_have_no_events() {
    for (body, expected) in [
        (&b"TEXT"[..], "bad-event-line"),
        (b"TEXT 2\r\nhi\r\nPING", "bad-event-line"),
        (b" TEXT\r\n", "bad-event-size"),
        (b"\r", "bad-event-line"),
        (b"OPEN\n", "bad-event-line"),
        (b"TEXT \r\n", "bad-event-size"),
        (b"TEXT x\r\nhi\r\n", "bad-event-size"),
        (b"TEXT 0x\r\nhi\r\n", "bad-event-size"),
        (b"TEXT -1\r\nhi\r\n", "bad-event-size"),
        (b"TEXT ++1\r\nhi\r\n", "bad-event-size"),
        (b"TEXT 0x-1\r\nhi\r\n", "bad-event-size"),
        (b"TEXT 2 2\r\nhi\r\n", "bad-event-size"),
        (b"TEXT 80000000\r\nhi\r\n", "bad-event-size"),
        (b"TEXT 99999999999999999999\r\nhi\r\n", "bad-event-size"),
        (b"TEXT \xff\r\nhi\r\n", "bad-event-size"),
        (b"WHAT x\r\n", "bad-event-size"),
    ] {
        let error = decode(&Bytes::from_static(body)).unwrap_err();
        assert_eq!(error.code(), expected, "{}", body.escape_ascii());
        assert_eq!(error.side(), Side::Backend);
    }
}

#[test]
fn what_is_written_is_read_again_wherever_it_is_cut() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..200 {
        let events: Vec<Event> = (0..random.usize(0..6))
            .map(|_| {
                let kind = KINDS[random.usize(0..KINDS.len())];
                let size = if kind.has_content() {
                    random.usize(0..40)
                } else {
                    0
                };
                let bytes: Vec<u8> = (0..size).map(|_| random.u8(..)).collect();
                let content = (!bytes.is_empty()).then(|| Bytes::from(bytes));
                Event { kind, content }
            })
            .collect();
        let body = encode(&events);
        assert_eq!(decode(&body).as_ref(), Ok(&events));
        for end in 0..body.len() {
            if let Ok(got) = decode(&body.slice(..end)) {
                assert!(got.len() <= events.len());
                let whole = got.len().saturating_sub(1);
                assert_eq!(got[..whole], events[..whole]);
            }
        }
    }
}

#[test]
fn contents_share_the_memory_of_the_body() {
    let body = Bytes::from_static(b"BINARY 3\r\nabc\r\n");
    let events = decode(&body).unwrap();
    let content = events[0].content.as_ref().unwrap();
    assert_eq!(content.as_ptr(), body[10..].as_ptr());
}

#[test]
fn many_small_events_are_read_in_one_go() {
    let body = Bytes::from("PING\r\n".repeat(1 << 17));
    assert_eq!(decode(&body).unwrap().len(), 1 << 17);
    assert!(decode(&Bytes::from("\r".repeat(1 << 20))).is_err());
}

#[test]
fn a_close_has_a_code_or_none() {
    for (content, expected) in [
        (None, None),
        (Some(&b""[..]), None),
        (Some(b"\x03"), None),
        (Some(b"\x03\xe8"), Some((1000, ""))),
        (Some(b"\x00\x05bye \xc5\xbe"), Some((5, "bye \u{17e}"))),
        (Some(b"\x03\xe8a\xff"), Some((1000, "a\u{fffd}"))),
    ] {
        let content = content.map(Bytes::from_static);
        let expected = expected.map(|(code, reason): (u16, &str)| (code, reason.to_owned()));
        assert_eq!(parse_close(content.as_ref()), expected, "{content:?}");
    }
    assert_eq!(close_content(1001, "away"), &b"\x03\xe9away"[..]);
}

#[test]
fn messages_are_events_of_their_kind() {
    for kind in [WsKind::Text, WsKind::Binary, WsKind::Ping, WsKind::Pong] {
        assert_eq!(EventKind::from(kind).message_kind(), Some(kind));
    }
    for kind in KINDS {
        assert_eq!(EventKind::from_name(kind.as_str().as_bytes()), Some(kind));
    }
    assert_eq!(EventKind::Close.message_kind(), None);
}
