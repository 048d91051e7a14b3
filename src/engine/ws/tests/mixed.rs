//! Seeded mixtures of everything, and noise: what was sent is told, and nothing depends on the cuts.

use super::*;

fn content(rng: &mut fastrand::Rng, kind: MessageKind) -> Vec<u8> {
    let size = if rng.u8(..8) == 0 {
        rng.usize(..70_000)
    } else {
        rng.usize(..200)
    };
    match kind {
        MessageKind::Binary => (0..size).map(|_| rng.u8(..)).collect(),
        MessageKind::Text => {
            let chars = [
                'a',
                ' ',
                '\u{e4}',
                '\u{20ac}',
                '\u{1f600}',
                '\u{7ff}',
                '\u{ffff}',
            ];
            let text: String = (0..size).map(|_| chars[rng.usize(..chars.len())]).collect();
            text.into_bytes()
        }
    }
}

/// A message in random fragments with pings between them, deflated if that was agreed on; and what is
/// to be told of it.
fn message(rng: &mut fastrand::Rng, deflater: &mut Option<Deflater>) -> (Vec<u8>, Vec<Told>) {
    let kind = if rng.bool() {
        MessageKind::Text
    } else {
        MessageKind::Binary
    };
    let content = content(rng, kind);
    let deflated = deflater.as_mut().and_then(|d| d.frame(kind, &content));
    let mut payload = content.clone();
    if let Some(frame) = &deflated {
        let head = match frame[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        payload = frame[head..].to_vec();
    }
    let (mut input, mut told, mut rest) = (Vec::new(), Vec::new(), &payload[..]);
    let mut opcode = Opcode::from(kind);
    loop {
        let is_last = rng.u8(..3) > 0;
        let len = if is_last {
            rest.len()
        } else {
            rng.usize(..=rest.len())
        };
        let (fragment, after) = rest.split_at(len);
        let key = rng.u32(..).to_be_bytes();
        let mut frame = masked_frame(opcode, fragment, is_last, key).to_vec();
        if deflated.is_some() && opcode != Opcode::Continuation {
            frame[0] |= 0x40;
        }
        input.extend(frame);
        if is_last {
            break;
        }
        (rest, opcode) = (after, Opcode::Continuation);
        if rng.bool() {
            let payload: Vec<u8> = (0..rng.usize(..126)).map(|_| rng.u8(..)).collect();
            input.extend(masked_frame(Opcode::Ping, &payload, true, key));
            told.push(Told::Ping(payload.into()));
        }
    }
    told.push(Told::Message(kind, content.into()));
    (input, told)
}

#[test]
fn what_was_sent_is_told_however_it_is_cut() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut deflater = rng.bool().then(Deflater::new);
        let options = DecoderOptions {
            has_deflate: deflater.is_some(),
            ..CLIENT
        };
        let (mut input, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..rng.usize(1..5) {
            let (bytes, told) = message(&mut rng, &mut deflater);
            input.extend(bytes);
            expected.extend(told);
        }
        assert!(read(options, &input) == (expected, Ok(())), "seed {seed}");
    }
}

#[test]
fn a_changed_byte_is_judged_the_same_however_it_is_cut() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut deflater = rng.bool().then(Deflater::new);
        let options = DecoderOptions {
            has_deflate: deflater.is_some(),
            message_max: 500,
            ..CLIENT
        };
        let mut input = Vec::new();
        while input.len() < 400 {
            input.extend(message(&mut rng, &mut deflater).0);
        }
        input.truncate(3_000);
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..input.len());
            input[at] = rng.u8(..);
        }
        let (told, _) = read(options, &input);
        assert!(told.len() <= input.len());
    }
}
