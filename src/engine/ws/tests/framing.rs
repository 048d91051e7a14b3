//! Groups 1 to 4: sizes, pings and pongs, reserved bits, opcodes; heads that must not come; writing.

use super::*;

const BACKEND: DecoderOptions = DecoderOptions {
    sender: Sender::Backend,
    ..CLIENT
};

#[test]
fn sizes_are_written_and_read_again() {
    for size in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 70_000] {
        let content = vec![b'*'; size];
        for kind in [MessageKind::Text, MessageKind::Binary] {
            let expected = (vec![Told::Message(kind, content.clone().into())], Ok(()));
            let masked = sent(kind.into(), &content, true);
            assert_eq!(read(CLIENT, &masked), expected, "{size} from a client");
            let plain = frame(kind.into(), &content, true);
            assert_eq!(read(BACKEND, &plain), expected, "{size} from a backend");
            assert_eq!(masked.len(), plain.len() + 4);
            assert_eq!(
                parts(CLIENT, &masked),
                [(content.clone().into(), true, true)]
            );
        }
    }
}

#[test]
fn frames_have_the_bytes_of_the_rfc() {
    for (written, expected) in [
        (
            frame(Opcode::Text, b"Hello", true),
            b"\x81\x05Hello".as_slice(),
        ),
        (frame(Opcode::Text, b"Hel", false), b"\x01\x03Hel"),
        (frame(Opcode::Continuation, b"lo", true), b"\x80\x02lo"),
        (frame(Opcode::Ping, b"Hello", true), b"\x89\x05Hello"),
        (frame(Opcode::Pong, b"", true), b"\x8A\x00"),
        (frame(Opcode::Close, &[3, 232], true), b"\x88\x02\x03\xE8"),
        (
            masked_frame(Opcode::Text, b"Hello", true, KEY),
            b"\x81\x85\x37\xFA\x21\x3D\x7F\x9F\x4D\x51\x58",
        ),
    ] {
        assert_eq!(written, expected);
    }
    let heads = [126, 256, 65_536].map(|size| frame(Opcode::Binary, &vec![0; size], true));
    assert!(heads[0].starts_with(b"\x82\x7E\x00\x7E"));
    assert!(heads[1].starts_with(b"\x82\x7E\x01\x00"));
    assert!(heads[2].starts_with(b"\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00"));
}

#[test]
fn masks_of_any_length_are_undone() {
    let mut rng = fastrand::Rng::with_seed(1);
    for size in 0..70 {
        let content: Vec<u8> = (0..size).map(|_| rng.u8(..)).collect();
        let key = rng.u32(..).to_be_bytes();
        let mut masked = content.clone();
        mask::apply(&mut masked, key);
        let slow = content.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k);
        assert!(slow.eq(masked.iter().copied()));
        let written = masked_frame(Opcode::Binary, &content, true, key);
        assert_eq!(read(CLIENT, &written), (vec![binary(&content)], Ok(())));
    }
}

#[test]
fn a_part_tells_the_key_of_its_frame() {
    let mut received = Vec::new();
    let mut decoder = Decoder::new(CLIENT);
    for byte in sent(Opcode::Binary, b"abc", true) {
        decoder.on_bytes(&mut [byte], &mut received).unwrap();
    }
    assert_eq!(received.len(), 3);
    for (received, content) in received.into_iter().zip([b"a", b"b", b"c"]) {
        let Received::Part(part) = received else {
            panic!("{received:?}")
        };
        assert_eq!((part.key, part.content), (KEY, Bytes::from_static(content)));
    }
}

#[test]
fn pings_and_pongs_are_told_with_their_payload() {
    for size in [0, 1, 2, 124, 125] {
        let payload = vec![0xFE; size];
        let mut input = sent(Opcode::Ping, &payload, true);
        input.extend(sent(Opcode::Pong, &payload, true));
        input.extend(sent(Opcode::Ping, b"next", true));
        let payload = Bytes::from(payload);
        let expected = vec![
            Told::Ping(payload.clone()),
            Told::Pong(payload),
            Told::Ping(Bytes::from("next")),
        ];
        assert_eq!(read(CLIENT, &input), (expected, Ok(())));
    }
}

#[test]
fn reserved_bits_are_refused() {
    let deflating = DecoderOptions {
        has_deflate: true,
        ..CLIENT
    };
    for opcode in [
        Opcode::Text,
        Opcode::Binary,
        Opcode::Close,
        Opcode::Ping,
        Opcode::Pong,
    ] {
        for bits in (0x10..=0x70).step_by(0x10) {
            let mut input = sent(Opcode::Text, b"before", true);
            input.extend(sent_with(bits, opcode, b"", true));
            let refused = (vec![text("before")], Err(ProtocolError::ReservedBits));
            assert_eq!(read(CLIENT, &input), refused, "{bits:x} {opcode:?}");
            if bits != 0x40 || opcode.is_control() {
                assert_eq!(read(deflating, &input), refused, "{bits:x} {opcode:?}");
            }
        }
    }
    for first_bits in [0, 0x40] {
        let mut input = sent_with(first_bits, Opcode::Text, b"", false);
        input.extend(sent_with(0x40, Opcode::Continuation, b"", true));
        assert_eq!(read(deflating, &input).1, Err(ProtocolError::ReservedBits));
    }
}

#[test]
fn unknown_opcodes_are_refused() {
    for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        let mut input = sent(Opcode::Text, b"before", true);
        input.extend([0x80 | opcode, 0x80, 0, 0, 0, 0]);
        let refused = Err(ProtocolError::UnknownOpcode { opcode });
        assert_eq!(read(CLIENT, &input), (vec![text("before")], refused));
    }
}

#[test]
fn masks_are_as_the_sender_must_have_them() {
    let plain = frame(Opcode::Text, b"x", true);
    assert_eq!(read(CLIENT, &plain).1, Err(ProtocolError::UnmaskedFrame));
    let masked = sent(Opcode::Text, b"x", true);
    assert_eq!(read(BACKEND, &masked).1, Err(ProtocolError::MaskedFrame));
    assert_eq!(fault_index(CLIENT, &plain), Some(1));
    assert_eq!(Sender::Client.side(), Side::Client);
    assert_eq!(Sender::Backend.side(), Side::Backend);
}

#[test]
fn lengths_are_minimal_and_positive() {
    for (head, error) in [
        (
            b"\x82\xFE\x00\x00".as_slice(),
            ProtocolError::LengthNotMinimal,
        ),
        (b"\x82\xFE\x00\x7D", ProtocolError::LengthNotMinimal),
        (
            b"\x82\xFF\0\0\0\0\0\0\0\x7D",
            ProtocolError::LengthNotMinimal,
        ),
        (
            b"\x82\xFF\0\0\0\0\0\0\xFF\xFF",
            ProtocolError::LengthNotMinimal,
        ),
        (b"\x82\xFF\x80\0\0\0\0\0\0\0", ProtocolError::LengthTooLarge),
        (
            b"\x82\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            ProtocolError::LengthTooLarge,
        ),
        (b"\x89\xFE\x00\x7E", ProtocolError::ControlTooLarge),
        (
            b"\x88\xFF\0\0\0\0\0\0\0\x01",
            ProtocolError::ControlTooLarge,
        ),
        (b"\x09\x80", ProtocolError::FragmentedControl),
        (b"\x0A\x80", ProtocolError::FragmentedControl),
        (b"\x08\x80", ProtocolError::FragmentedControl),
    ] {
        assert_eq!(read(CLIENT, head), (vec![], Err(error)), "{head:x?}");
        assert_eq!(error.close_code(), 1002);
    }
}

#[test]
fn an_announced_size_allocates_nothing() {
    let mut input = b"\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0".to_vec();
    input.extend(b"some");
    assert_eq!(parts(CLIENT, &input), [(Bytes::from("some"), true, false)]);
}

#[test]
fn a_message_over_the_limit_is_refused_at_the_head() {
    let limited = DecoderOptions {
        message_max: 300,
        ..CLIENT
    };
    let refused = Err(ProtocolError::MessageTooLarge);
    assert_eq!(ProtocolError::MessageTooLarge.close_code(), 1009);
    assert_eq!(
        read(limited, &sent(Opcode::Binary, &[1; 300], true)).1,
        Ok(())
    );
    let large = sent(Opcode::Binary, &[1; 301], true);
    assert_eq!(read(limited, &large), (vec![], refused));
    assert_eq!(fault_index(limited, &large), Some(3));

    let mut fragments = sent(Opcode::Text, &[b'1'; 200], false);
    fragments.extend(sent(Opcode::Continuation, &[b'1'; 100], false));
    fragments.extend(sent(Opcode::Ping, &[b'1'; 125], true));
    let ended = [&fragments[..], &sent(Opcode::Continuation, b"", true)].concat();
    assert_eq!(read(limited, &ended).1, Ok(()));
    let one_more = sent(Opcode::Continuation, b"1", true);
    let longer = [&fragments[..], &one_more].concat();
    assert_eq!(read(limited, &longer).1, refused);
    assert_eq!(fault_index(limited, &longer), Some(fragments.len() + 1));
    // The next message has all its room.
    let two = sent(Opcode::Binary, &[1; 300], true).repeat(2);
    assert_eq!(read(limited, &two).1, Ok(()));

    let none = DecoderOptions {
        message_max: 0,
        ..CLIENT
    };
    assert_eq!(read(none, &sent(Opcode::Text, b"", true)).1, Ok(()));
    assert_eq!(read(none, &sent(Opcode::Text, b"1", true)).1, refused);
}
