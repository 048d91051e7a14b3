//! Groups 5, 9 and 10: fragments with control frames between them, large messages, many fragments.

use super::*;

#[test]
fn fragments_are_parts_and_control_frames_stand_between_them() {
    let mut input = sent(Opcode::Text, b"frag", false);
    input.extend(sent(Opcode::Ping, b"ping", true));
    input.extend(sent(Opcode::Continuation, b"", false));
    input.extend(sent(Opcode::Pong, b"", true));
    input.extend(sent(Opcode::Continuation, b"ment", true));
    input.extend(sent(Opcode::Binary, b"", true));
    let expected = vec![
        Told::Ping(Bytes::from("ping")),
        Told::Pong(Bytes::new()),
        text("fragment"),
        binary(b""),
    ];
    assert_eq!(read(CLIENT, &input), (expected, Ok(())));
    let expected = [
        (Bytes::from("frag"), true, false),
        (Bytes::new(), false, false),
        (Bytes::from("ment"), false, true),
        (Bytes::new(), true, true),
    ];
    assert_eq!(parts(CLIENT, &input), expected);
}

#[test]
fn a_frame_that_comes_in_pieces_is_as_many_parts() {
    let mut decoder = Decoder::new(CLIENT);
    let mut input = sent(Opcode::Text, b"abcdef", true);
    let mut received = Vec::new();
    let lens_of = |received: &mut Vec<Received>| -> Vec<(usize, bool, bool)> {
        received
            .drain(..)
            .map(|received| match received {
                Received::Part(part) => (part.content.len(), part.is_first, part.is_last),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    for (range, expected) in [
        (0..3, vec![]),
        (3..6, vec![]),
        (6..8, vec![(2, true, false)]),
        (8..8, vec![]),
        (8..11, vec![(3, false, false)]),
        (11..12, vec![(1, false, true)]),
    ] {
        decoder
            .on_bytes(&mut input[range.clone()], &mut received)
            .unwrap();
        assert_eq!(lens_of(&mut received), expected, "{range:?}");
    }
}

#[test]
fn continuations_and_first_frames_keep_their_order() {
    let (first, next) = (Opcode::Text, Opcode::Continuation);
    let stray = Err(ProtocolError::StrayContinuation);
    let unfinished = Err(ProtocolError::UnfinishedMessage);
    for (frames, outcome) in [
        (vec![(next, true)], stray),
        (vec![(next, false)], stray),
        (vec![(first, true), (next, true)], stray),
        (vec![(first, false), (next, true), (next, false)], stray),
        (vec![(first, false), (first, true)], unfinished),
        (vec![(first, false), (Opcode::Binary, false)], unfinished),
        (
            vec![(first, false), (next, false), (first, true)],
            unfinished,
        ),
        (
            vec![(first, false), (Opcode::Ping, true), (next, true)],
            Ok(()),
        ),
    ] {
        let input: Vec<u8> = frames
            .iter()
            .flat_map(|(opcode, is_last)| sent(*opcode, b"x", *is_last))
            .collect();
        assert_eq!(read(CLIENT, &input).1, outcome, "{frames:?}");
    }
}

#[test]
fn large_messages_pass_in_frames_and_fragments_of_any_size() {
    for (total, fragment) in [
        (1 << 20, 1 << 20),
        (4 << 20, 4 << 20),
        (16 << 20, 16 << 20),
        (4 << 20, 1 << 16),
        (1 << 20, 1 << 10),
        (1 << 20, 64),
    ] {
        let content = vec![b'*'; total];
        let count = total / fragment;
        let input: Vec<u8> = (0..count)
            .flat_map(|at| {
                let opcode = if at == 0 {
                    Opcode::Text
                } else {
                    Opcode::Continuation
                };
                sent(opcode, &content[..fragment], at + 1 == count)
            })
            .collect();
        let expected = vec![Told::Message(MessageKind::Text, content.into())];
        let pieces = [usize::MAX, 65_536, 1_447];
        // The largest only once.
        for piece in pieces.into_iter().skip(total >> 23) {
            let (told, outcome) = run(CLIENT, &input, || piece);
            assert!(told == expected && outcome.is_ok(), "{total} in {fragment}");
        }
    }
}
