//! The codec as its users see it: what is told of bytes, however they are cut. Groups are Autobahn's.

mod closing;
mod deflating;
mod fragments;
mod framing;
mod mixed;
mod opening;
mod text;

use super::*;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
const CLIENT: DecoderOptions = DecoderOptions {
    sender: Sender::Client,
    message_max: usize::MAX,
    has_deflate: false,
};
/// Longest input that is also fed byte by byte.
const BYTEWISE_MAX: usize = 6_000;

/// What was read, messages joined.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Message(MessageKind, Bytes),
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<Close>),
}

type Outcome = (Vec<Told>, Result<(), ProtocolError>);

fn text(content: &'static str) -> Told {
    Told::Message(MessageKind::Text, Bytes::from(content))
}

fn binary(content: &[u8]) -> Told {
    Told::Message(MessageKind::Binary, Bytes::copy_from_slice(content))
}

fn close(code: u16, reason: &str) -> Close {
    Close {
        code,
        reason: reason.to_owned(),
    }
}

/// A client's frame.
fn sent(opcode: Opcode, payload: &[u8], is_last: bool) -> Vec<u8> {
    masked_frame(opcode, payload, is_last, KEY).to_vec()
}

/// A client's frame with other bits in its first byte.
fn sent_with(bits: u8, opcode: Opcode, payload: &[u8], is_last: bool) -> Vec<u8> {
    let mut frame = sent(opcode, payload, is_last);
    frame[0] |= bits;
    frame
}

/// Feeds `input` in pieces whose sizes `cut` tells, and checks what holds of any parts.
fn run(options: DecoderOptions, input: &[u8], mut cut: impl FnMut() -> usize) -> Outcome {
    let (mut decoder, mut assembly) = (Decoder::new(options), Assembly::default());
    let (mut told, mut under_way, mut rest) = (Vec::new(), None::<usize>, input);
    let mut outcome = Ok(());
    while !rest.is_empty() && outcome.is_ok() {
        let (piece, after) = rest.split_at(cut().clamp(1, rest.len()));
        rest = after;
        let mut received = Vec::new();
        outcome = decoder.on_bytes(&mut piece.to_vec(), &mut received);
        for received in received {
            told.extend(match received {
                Received::Part(part) => {
                    assert_eq!(part.is_first, under_way.is_none());
                    let size = under_way.unwrap_or(0) + part.content.len();
                    assert!(size <= options.message_max);
                    under_way = (!part.is_last).then_some(size);
                    let message = assembly.on_part(part);
                    message.map(|(kind, content)| Told::Message(kind, content))
                }
                Received::Ping(payload) => Some(Told::Ping(payload)),
                Received::Pong(payload) => Some(Told::Pong(payload)),
                Received::Close(close) => Some(Told::Close(close)),
            });
        }
    }
    let mut nothing = Vec::new();
    if outcome.is_err() {
        let more = &mut sent(Opcode::Ping, b"", true);
        assert_eq!(decoder.on_bytes(more, &mut nothing), outcome);
    }
    if outcome.is_err() || matches!(told.last(), Some(Told::Close(_))) {
        assert!(decoder.is_idle());
    }
    assert!(nothing.is_empty());
    assert!(!decoder.is_idle() || under_way.is_none() || outcome.is_err() || rest.is_empty());
    (told, outcome)
}

/// What is told of `input`, which must not depend on how it is cut.
fn read(options: DecoderOptions, input: &[u8]) -> Outcome {
    let whole = run(options, input, || usize::MAX);
    if input.len() <= BYTEWISE_MAX {
        assert_eq!(run(options, input, || 1), whole, "byte by byte");
    }
    for seed in 0..4 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let largest = if seed % 2 == 0 { 24 } else { input.len() + 1 };
        let largest = largest.max(input.len() / 1_000 + 1);
        let cut = run(options, input, || rng.usize(1..=largest));
        assert_eq!(cut, whole, "cut with seed {seed}");
    }
    whole
}

/// The parts of `input` fed whole, as content, first and last.
fn parts(options: DecoderOptions, input: &[u8]) -> Vec<(Bytes, bool, bool)> {
    let mut received = Vec::new();
    let mut decoder = Decoder::new(options);
    decoder
        .on_bytes(&mut input.to_vec(), &mut received)
        .unwrap();
    received
        .into_iter()
        .filter_map(|received| match received {
            Received::Part(part) => Some((part.content, part.is_first, part.is_last)),
            _ => None,
        })
        .collect()
}

/// The index of the byte after which an error is told, if input comes byte by byte.
fn fault_index(options: DecoderOptions, input: &[u8]) -> Option<usize> {
    let mut decoder = Decoder::new(options);
    input
        .iter()
        .position(|byte| decoder.on_bytes(&mut [*byte], &mut Vec::new()).is_err())
}

#[test]
fn idle_state_is_small() {
    assert!(size_of::<Decoder>() <= 40, "{}", size_of::<Decoder>());
    assert!(size_of::<Assembly>() <= 24, "{}", size_of::<Assembly>());
    assert!(size_of::<ProtocolError>() <= 4);
}

#[test]
fn nothing_is_kept_between_messages() {
    let mut decoder = Decoder::new(CLIENT);
    let mut input = sent(Opcode::Text, b"one", false);
    input.extend(sent(Opcode::Ping, b"p", true));
    input.extend(sent(Opcode::Continuation, b"two", true));
    assert!(decoder.is_idle());
    for at in 0..input.len() {
        decoder.on_bytes(&mut [input[at]], &mut Vec::new()).unwrap();
        assert_eq!(decoder.is_idle(), at + 1 == input.len(), "after {at}");
    }
}

#[test]
fn a_message_of_one_part_passes_uncopied_through_an_assembly() {
    let mut assembly = Assembly::default();
    let part = |content: &Bytes, is_first, is_last| Part {
        kind: MessageKind::Text,
        content: content.clone(),
        is_first,
        is_last,
        key: KEY,
    };
    let content = Bytes::from(vec![b'x'; 100]);
    let (_, whole) = assembly.on_part(part(&content, true, true)).unwrap();
    assert_eq!(whole.as_ptr(), content.as_ptr());
    assert_eq!(assembly.on_part(part(&content, true, false)), None);
    let (_, joined) = assembly.on_part(part(&content, false, true)).unwrap();
    assert_eq!(joined, [b'x'; 200].as_slice());
    assert!(assembly.joined.is_none());
}
