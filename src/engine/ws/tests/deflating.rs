//! Groups 12 and 13: messages deflated by peers of all kinds, and those that P-8 deflates.

use miniz_oxide::deflate::core::{CompressionStrategy, CompressorOxide};
use miniz_oxide::deflate::stream;
use miniz_oxide::{DataFormat, MZFlush};

use super::*;

const DEFLATING: DecoderOptions = DecoderOptions {
    has_deflate: true,
    ..CLIENT
};
const RSV1: u8 = 0x40;

/// What comes out of a compressor, flushed after each of the pieces.
fn raw(level: u8, pieces: &[&[u8]], flushes: [MZFlush; 2]) -> Vec<u8> {
    let strategy = CompressionStrategy::Default;
    let mut peer = CompressorOxide::with_params(DataFormat::Raw, level, strategy, 15);
    let [flush, last_flush] = flushes;
    let mut out = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let is_last = at + 1 == pieces.len();
        let flush = if is_last { last_flush } else { flush };
        let mut room = vec![0; piece.len() * 2 + 100];
        let outcome = stream::deflate(&mut peer, piece, &mut room, flush);
        assert!(outcome.status.is_ok() && outcome.bytes_consumed == piece.len());
        out.extend_from_slice(&room[..outcome.bytes_written]);
    }
    out
}

fn deflated(level: u8, content: &[u8]) -> Vec<u8> {
    let mut out = raw(level, &[content], [MZFlush::Sync; 2]);
    assert!(out.ends_with(&[0, 0, 0xFF, 0xFF]));
    out.truncate(out.len() - 4);
    out
}

/// A deflated payload as a message of fragments of `size`, with a ping before the last.
fn in_fragments(kind: MessageKind, payload: &[u8], size: usize) -> Vec<u8> {
    let count = payload.len().div_ceil(size).max(1);
    let mut input = Vec::new();
    for at in 0..count {
        let fragment = &payload[at * size..((at + 1) * size).min(payload.len())];
        let is_last = at + 1 == count;
        if is_last && at > 0 {
            input.extend(sent(Opcode::Ping, b"between", true));
        }
        input.extend(match at {
            0 => sent_with(RSV1, kind.into(), fragment, is_last),
            _ => sent(Opcode::Continuation, fragment, is_last),
        });
    }
    input
}

fn whole(payload: &[u8]) -> Vec<u8> {
    sent_with(RSV1, Opcode::Text, payload, true)
}

/// Neither all alike nor random.
fn sample(size: usize, seed: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let words = ["{\"id\": ", "1234", "\u{e4}\u{1f600}", "}, ", "value", " "];
    let mut out = String::new();
    while out.len() < size {
        out.push_str(words[rng.usize(..words.len())]);
    }
    while out.len() > size {
        out.pop();
    }
    out.extend(std::iter::repeat_n('.', size - out.len()));
    out.into_bytes()
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    let mut two_fragments = sent_with(RSV1, Opcode::Text, b"\xF2\x48\xCD", false);
    two_fragments.extend(sent(Opcode::Continuation, b"\xC9\xC9\x07\x00", true));
    for input in [
        whole(b"\xF2\x48\xCD\xC9\xC9\x07\x00"),
        two_fragments,
        whole(b"\x00\x05\x00\xFA\xFFHello\x00"),
        whole(b"\xF3\x48\xCD\xC9\xC9\x07\x00\x00"),
        whole(b"\xF2\x48\x05\x00\x00\x00\xFF\xFF\xCA\xC9\xC9\x07\x00"),
        // The last block without the empty one that should follow it, and as a stored block.
        whole(b"\xF3\x48\xCD\xC9\xC9\x07\x00"),
        whole(b"\x01\x05\x00\xFA\xFFHello"),
        whole(b"\x01\x05\x00\xFA\xFFHello\x00"),
        // Two streams, one after the other.
        whole(b"\x01\x02\x00\xFD\xFFHe\x01\x03\x00\xFC\xFFllo\x00"),
        // Not deflated at all.
        sent(Opcode::Text, b"Hello", true),
    ] {
        assert_eq!(read(DEFLATING, &input), (vec![text("Hello")], Ok(())));
    }
}

#[test]
fn empty_messages_are_read() {
    for payload in [
        b"".as_slice(),
        b"\x00",
        b"\x01",
        b"\x02\x00",
        b"\x01\x00\x00\xFF\xFF",
        b"\x03\x00",
    ] {
        let message = read(DEFLATING, &whole(payload));
        assert_eq!(message, (vec![text("")], Ok(())), "{payload:x?}");
        assert_eq!(
            parts(DEFLATING, &whole(payload)),
            [(Bytes::new(), true, true)]
        );
    }
    let mut empty_fragments = sent_with(RSV1, Opcode::Text, b"", false);
    empty_fragments.extend(sent(Opcode::Continuation, b"", true));
    assert_eq!(read(DEFLATING, &empty_fragments), (vec![text("")], Ok(())));
}

#[test]
fn all_sizes_levels_and_fragments_are_read() {
    for size in [
        1, 16, 64, 256, 1_024, 4_096, 8_192, 32_767, 32_768, 32_769, 131_072,
    ] {
        let content = sample(size, size as u64);
        for level in [0, 1, 6, 9] {
            let payload = deflated(level, &content);
            for fragment in [256, 1_000, usize::MAX / 2] {
                let input = in_fragments(MessageKind::Text, &payload, fragment);
                let (mut told, outcome) = read(DEFLATING, &input);
                assert_eq!(outcome, Ok(()));
                let message = Told::Message(MessageKind::Text, content.clone().into());
                assert!(told.pop() == Some(message), "{size} {level} {fragment}");
                assert!(told
                    .iter()
                    .all(|t| *t == Told::Ping(Bytes::from("between"))));
            }
        }
    }
}

#[test]
fn flushes_and_last_blocks_inside_a_message_are_read() {
    let (one, two) = (sample(3_000, 1), sample(40_000, 2));
    let pieces = [one.as_slice(), b"", &two, b"end"];
    let content = pieces.concat();
    let mut flushed = raw(6, &pieces, [MZFlush::Sync; 2]);
    flushed.truncate(flushed.len() - 4);
    let mut full = raw(1, &pieces, [MZFlush::Full; 2]);
    full.truncate(full.len() - 4);
    let mut ended = raw(9, &pieces, [MZFlush::Sync, MZFlush::Finish]);
    ended.push(0);
    for payload in [flushed, full, ended] {
        for size in [777, usize::MAX / 2] {
            let input = in_fragments(MessageKind::Binary, &payload, size);
            let (told, outcome) = read(DEFLATING, &input);
            assert!(outcome.is_ok() && told.last() == Some(&binary(&content)));
        }
    }
}

#[test]
fn a_message_does_not_know_the_one_before() {
    let content = sample(5_000, 3);
    let mut input = whole(&deflated(6, &content)).repeat(3);
    input.extend(sent(Opcode::Text, b"plain", true));
    let (told, outcome) = read(DEFLATING, &input);
    assert_eq!((told.len(), outcome), (4, Ok(())));
    assert!(told[0] == told[1] && told[1] == told[2] && told[3] == text("plain"));
}

#[test]
fn a_reference_to_the_message_before_is_refused() {
    let (first, pieces) = (sample(3_000, 9), [sample(3_000, 9), sample(3_000, 9)]);
    let with_context = raw(6, &[&pieces[0], &pieces[1]], [MZFlush::Sync; 2]);
    let payload = deflated(6, &first);
    let second = &with_context[payload.len() + 4..with_context.len() - 4];
    assert!(with_context.starts_with(&payload) && second.len() < 100);
    let input = [whole(&payload), whole(second)].concat();
    let (told, outcome) = read(DEFLATING, &input);
    assert_eq!(
        (told.len(), outcome),
        (1, Err(ProtocolError::InvalidDeflate))
    );
}

#[test]
fn what_is_not_deflate_is_refused() {
    let good = deflated(6, &sample(2_000, 4));
    assert_eq!(ProtocolError::InvalidDeflate.close_code(), 1007);
    for payload in [
        b"\x06".as_slice(),
        b"\xFF\xFF\xFF",
        // Three bytes from one back, where nothing is.
        b"\x03\x02\x00",
        b"\x00\x05\x00\xFA\xFEHello\x00",
        b"\x00\x05\x00\xFA\xFFHell",
        &good[..good.len() - 2],
        &good[..good.len() / 2],
    ] {
        let input = sent_with(RSV1, Opcode::Binary, payload, true);
        let refused = Err(ProtocolError::InvalidDeflate);
        assert_eq!(read(DEFLATING, &input), (vec![], refused), "{payload:x?}");
    }
}

#[test]
fn inflated_text_is_checked() {
    for content in [
        b"good, then \xED\xA0\x80 bad".as_slice(),
        b"unfinished \xCE",
    ] {
        for level in [0, 6] {
            let input = in_fragments(MessageKind::Text, &deflated(level, content), 3);
            assert_eq!(read(DEFLATING, &input).1, Err(ProtocolError::InvalidText));
        }
    }
}

#[test]
fn inflating_stops_at_the_limit() {
    let limited = DecoderOptions {
        message_max: 100_000,
        ..DEFLATING
    };
    let refused = Err(ProtocolError::MessageTooLarge);
    for (size, expected) in [(100_000, Ok(())), (100_001, refused), (20_000_000, refused)] {
        let input = whole(&deflated(9, &vec![0; size]));
        assert_eq!(read(limited, &input).1, expected, "{size}");
        let mut received = Vec::new();
        let mut decoder = Decoder::new(limited);
        let outcome = decoder.on_bytes(&mut input.clone(), &mut received);
        assert_eq!(outcome, expected);
        assert!(received.len() <= 10, "no part beyond the limit is made");
    }
    // Noise, which grows when it is deflated, is not refused for the size of its frames.
    let mut rng = fastrand::Rng::with_seed(5);
    let noise: Vec<u8> = (0..100_000).map(|_| rng.u8(..)).collect();
    let payload = deflated(0, &noise);
    assert!(payload.len() > 100_000);
    let input = sent_with(RSV1, Opcode::Binary, &payload, true);
    assert_eq!(read(limited, &input), (vec![binary(&noise)], Ok(())));
    // The earlier fault is told: bad text before the limit, the limit before bad text.
    for (at, expected) in [
        (99_999, Err(ProtocolError::InvalidText)),
        (100_000, refused),
    ] {
        let mut content = vec![b'x'; 100_100];
        content[at] = 0xFF;
        assert_eq!(read(limited, &whole(&deflated(6, &content))).1, expected);
    }
}

#[test]
fn inflated_parts_are_small() {
    let input = whole(&deflated(9, &vec![b'x'; 5_000_000]));
    let parts = parts(DEFLATING, &input);
    assert!(parts.iter().all(|(content, ..)| !content.is_empty()));
    assert!(parts.iter().all(|(content, ..)| content.len() <= 32_768));
    let ends = parts.iter().filter(|(.., is_last)| *is_last).count();
    assert!(parts[0].1 && ends == 1 && parts[parts.len() - 1].2);
}

#[test]
fn deflated_frames_are_smaller_and_read_again() {
    let backend = DecoderOptions {
        sender: Sender::Backend,
        ..DEFLATING
    };
    let mut deflater = Deflater::new();
    let mut rng = fastrand::Rng::with_seed(7);
    for size in [
        0, 1, 5, 100, 125, 126, 130, 1_000, 65_535, 65_536, 70_000, 200_000,
    ] {
        let content = sample(size, 8);
        for kind in [MessageKind::Text, MessageKind::Binary] {
            let Some(written) = deflater.frame(kind, &content) else {
                assert!(size < 100, "{size} was not deflated");
                continue;
            };
            assert!(written.len() < frame(kind.into(), &content, true).len());
            assert_eq!(written[0], 0xC0 | Opcode::from(kind).bits());
            assert_eq!(deflater.frame(kind, &content), Some(written.clone()));
            let expected = vec![Told::Message(kind, content.clone().into())];
            assert!(read(backend, &written) == (expected, Ok(())), "{size}");
        }
        let noise: Vec<u8> = (0..size).map(|_| rng.u8(..)).collect();
        assert_eq!(deflater.frame(MessageKind::Binary, &noise), None);
    }
}
