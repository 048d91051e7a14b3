//! Bytes of peers in, events out; cut in any way.

use super::*;

fn peer_greeting(version: u8, mechanism: &[u8]) -> Vec<u8> {
    let mut bytes = greeting().to_vec();
    bytes[10] = version;
    bytes[12..32].fill(0);
    bytes[12..12 + mechanism.len()].copy_from_slice(mechanism);
    bytes
}

fn peer_ready(kind: &str) -> Bytes {
    let mut rest = b"\x08Identity\x00\x00\x00\x00\x0bSocket-Type\x00\x00\x00".to_vec();
    rest.push(kind.len() as u8);
    rest.extend_from_slice(kind.as_bytes());
    command(b"READY", &rest)
}

/// A message as backends get it.
fn enveloped(content: &[u8]) -> Bytes {
    message(&[&[], content])
}

/// Feeds a DEALER bytes in pieces of that length.
fn feed(bytes: &[u8], piece: usize) -> Result<Vec<Received>, ZmtpError> {
    feed_a(SocketKind::Dealer, bytes, piece)
}

fn feed_a(kind: SocketKind, bytes: &[u8], piece: usize) -> Result<Vec<Received>, ZmtpError> {
    let (mut decoder, mut input, mut received) = (Decoder::new(kind), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        input.extend_from_slice(piece);
        while let Some(next) = decoder.next(&mut input)? {
            received.push(next);
        }
    }
    Ok(received)
}

fn begun(kind: &str) -> Vec<u8> {
    let mut bytes = peer_greeting(3, b"NULL");
    bytes.extend_from_slice(&peer_ready(kind));
    bytes
}

#[test]
fn a_conversation_is_read_however_it_is_cut() {
    let mut bytes = begun("REP");
    bytes.extend_from_slice(&enveloped(b"short"));
    bytes.extend_from_slice(&enveloped(&[b'x'; 300]));
    bytes.extend_from_slice(&command(b"PING", b"\x00\x0actx"));
    bytes.extend_from_slice(&command(b"OTHER", b""));
    bytes.extend_from_slice(&[0, 1, b'a']);
    let short = vec![Bytes::new(), Bytes::from("short")];
    let long = vec![Bytes::new(), Bytes::from(vec![b'x'; 300])];
    let expected = [
        Received::Greeted,
        Received::Ready,
        Received::Message(short),
        Received::Message(long),
        Received::Ping(Bytes::from("ctx")),
        Received::Message(vec![Bytes::from("a")]),
    ];
    for piece in [1, 2, 7, 64, 1_000] {
        assert_eq!(feed(&bytes, piece).unwrap(), expected, "{piece}");
    }
}

#[test]
fn peers_of_no_use_are_told_apart() {
    let with = |mut start: Vec<u8>, more: &[u8]| {
        start.extend_from_slice(more);
        start
    };
    let rep = || begun("REP");
    let greeted = || peer_greeting(3, b"NULL");
    for (bytes, error) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), ZmtpError::Greeting),
        (peer_greeting(2, b"NULL"), ZmtpError::Greeting),
        (peer_greeting(3, b"CURVE"), ZmtpError::Mechanism),
        (peer_greeting(3, b"NULLX"), ZmtpError::Mechanism),
        (
            begun("REQ"),
            ZmtpError::SocketType(SocketKind::Dealer.peers()),
        ),
        (
            begun("PUB"),
            ZmtpError::SocketType(SocketKind::Dealer.peers()),
        ),
        (with(greeted(), &enveloped(b"x")), ZmtpError::Handshake),
        (
            with(greeted(), &command(b"ERROR", b"\x00")),
            ZmtpError::Handshake,
        ),
        (
            with(greeted(), &command(b"READY", b"\x0bSocket")),
            ZmtpError::Handshake,
        ),
        (with(greeted(), &[4, 1, 9]), ZmtpError::Handshake),
        (with(rep(), &[8, 0]), ZmtpError::Flags),
        (with(rep(), &[5, 0]), ZmtpError::Flags),
        (
            with(rep(), &[2, 255, 255, 255, 255, 255, 255, 255, 255]),
            ZmtpError::TooLong,
        ),
        (
            with(rep(), &[2, 0, 0, 64, 0, 0, 0, 0, 0]),
            ZmtpError::TooLong,
        ),
        (
            with(rep(), &[6, 0, 0, 0, 0, 0, 0, 4, 0]),
            ZmtpError::TooLong,
        ),
        (
            with(rep(), &[1, 0].repeat(FRAMES_MAX + 1)),
            ZmtpError::TooLong,
        ),
    ] {
        for piece in [1, 1_000] {
            assert_eq!(feed(&bytes, piece), Err(error), "{bytes:?}");
        }
    }
}

#[test]
fn a_message_is_bounded_over_all_its_frames() {
    let frame = |flags: u8, length: usize| {
        let mut bytes = vec![flags | LONG];
        bytes.extend_from_slice(&(length as u64).to_be_bytes());
        bytes.extend(std::iter::repeat_n(0, length));
        bytes
    };
    let mut fits = begun("DEALER");
    fits.extend(frame(MORE, MESSAGE_MAX - 10));
    fits.extend(frame(0, 10));
    assert_eq!(feed(&fits, 65_536).unwrap().len(), 3);
    let mut over = begun("DEALER");
    over.extend(frame(MORE, MESSAGE_MAX - 10));
    over.extend(frame(0, 11));
    assert_eq!(feed(&over, 65_536), Err(ZmtpError::TooLong));
}

#[test]
fn damage_is_survived() {
    let mut random = fastrand::Rng::with_seed(23);
    let mut whole = begun("ROUTER");
    whole.extend_from_slice(&enveloped(&[b'x'; 300]));
    for _ in 0..5_000 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        let _ = feed(&bytes, random.usize(1..100));
    }
}

#[test]
fn each_kind_of_socket_talks_to_its_own_peers() {
    for kind in [
        SocketKind::Dealer,
        SocketKind::Pull,
        SocketKind::Sub,
        SocketKind::Rep,
        SocketKind::Pub,
    ] {
        for peer in [
            "REQ", "REP", "DEALER", "ROUTER", "PUSH", "PULL", "PUB", "SUB", "XPUB", "XSUB", "PAIR",
        ] {
            let expected = match kind.peers().contains(&peer) {
                true => Ok(vec![Received::Greeted, Received::Ready]),
                false => Err(ZmtpError::SocketType(kind.peers())),
            };
            assert_eq!(
                feed_a(kind, &begun(peer), 1_000),
                expected,
                "{kind:?} {peer}"
            );
        }
        let mut own = greeting().to_vec();
        own.extend_from_slice(&ready(kind));
        let peer = [
            SocketKind::Dealer,
            SocketKind::Pull,
            SocketKind::Sub,
            SocketKind::Rep,
            SocketKind::Pub,
        ];
        let takes = |peer: SocketKind| feed_a(peer, &own, 7).is_ok();
        let expected = |peer: SocketKind| peer.peers().contains(&kind.name());
        assert!(peer.into_iter().all(|peer| takes(peer) == expected(peer)));
    }
}

#[test]
fn subscriptions_are_messages_whether_they_came_as_commands_or_not() {
    let mut bytes = begun("SUB");
    bytes.extend_from_slice(&subscription(b"sub ", true));
    bytes.extend_from_slice(&command(b"SUBSCRIBE", b""));
    bytes.extend_from_slice(&command(b"CANCEL", b"sub "));
    let frame = |bytes: &'static [u8]| Received::Message(vec![Bytes::from(bytes)]);
    let expected = [
        Received::Greeted,
        Received::Ready,
        frame(b"\x01sub "),
        frame(b"\x01"),
        frame(b"\x00sub "),
    ];
    for piece in [1, 5, 1_000] {
        assert_eq!(feed_a(SocketKind::Pub, &bytes, piece).unwrap(), expected);
    }
}

#[test]
fn messages_of_any_frames_are_read_as_they_were_written() {
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..300 {
        let frame = |random: &mut fastrand::Rng| Bytes::from(vec![b'x'; random.usize(..600)]);
        let frames: Vec<Bytes> = (0..random.usize(1..=FRAMES_MAX))
            .map(|_| frame(&mut random))
            .collect();
        let mut bytes = begun("PUSH");
        bytes.extend_from_slice(&message(&frames));
        let received = feed_a(SocketKind::Pull, &bytes, random.usize(1..100)).unwrap();
        assert_eq!(received[2], Received::Message(frames));
    }
}
