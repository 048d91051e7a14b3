//! What ZeroMQ backends send: ZMTP in any pieces, tnetstrings, packets.

use bytes::{Bytes, BytesMut};
use p8::engine::zmq::{
    tnetstring::Value,
    zhttp::{Packet, BODY_MAX},
    zmtp::{Decoder, Received, SocketKind, ZmtpError, MESSAGE_MAX},
};

/// Checks one input.
pub fn check(input: (usize, &[u8])) {
    let (piece, bytes) = input;
    let whole = decode(bytes, bytes.len().max(1));
    assert_eq!(whole, decode(bytes, piece % 64 + 1));
    for received in whole.0 {
        if let Received::Message(frames) = received {
            assert!(frames.iter().map(Bytes::len).sum::<usize>() <= MESSAGE_MAX);
        }
    }
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(value) = Value::read(&bytes) {
        let mut written = Vec::new();
        value.write(&mut written);
        let again = Value::read(&Bytes::from(written)).unwrap();
        assert_eq!(format!("{again:?}"), format!("{value:?}"));
    }
    if let Ok(answer) = Packet::read(&bytes).and_then(|packet| packet.answer()) {
        assert!((200..1000).contains(&answer.code) && answer.body.len() <= BODY_MAX);
        assert!(!answer.reason.contains(['\r', '\n']));
    }
}

/// What is received until the end, or up to the fault.
fn decode(bytes: &[u8], piece: usize) -> (Vec<Received>, Option<ZmtpError>) {
    let (mut decoder, mut input, mut received) = (
        Decoder::new(SocketKind::Dealer),
        BytesMut::new(),
        Vec::new(),
    );
    for piece in bytes.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(next)) => received.push(next),
                Ok(None) => break,
                Err(error) => return (received, Some(error)),
            }
        }
    }
    (received, None)
}
