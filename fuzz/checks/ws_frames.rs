//! The WebSocket decoder: never panics, tells the same messages or the same fault however the input is
//! cut, makes no message over its limit, and keeps nothing once it is done. The first bytes say how.

use bytes::Bytes;
use p8::engine::ws::{
    is_sendable, Assembly, Close, DataKind, Decoder, DecoderOptions, ProtocolError, Received,
    Sender,
};

#[derive(Debug, PartialEq)]
enum Told {
    Message(DataKind, Bytes),
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<Close>),
}

#[derive(Debug, Default, PartialEq)]
struct Run {
    told: Vec<Told>,
    fault: Option<ProtocolError>,
}

fn run(options: DecoderOptions, input: &[u8], step: usize) -> Run {
    let (mut decoder, mut assembly) = (Decoder::new(options), Assembly::default());
    let (mut run, mut size, mut is_inside, mut is_closed) = (Run::default(), 0, false, false);
    for piece in input.chunks(step) {
        let mut received = Vec::new();
        let outcome = decoder.on_bytes(&mut piece.to_vec(), &mut received);
        assert!(!is_closed || received.is_empty());
        for received in received {
            run.told.extend(match received {
                Received::Part(part) => {
                    assert_eq!(part.is_first, !is_inside);
                    size = if part.is_first { 0 } else { size } + part.content.len();
                    assert!(size <= options.message_max);
                    is_inside = !part.is_last;
                    let whole = assembly.on_part(part);
                    whole.map(|(kind, content)| Told::Message(kind, content))
                }
                Received::Ping(payload) => Some(Told::Ping(payload)),
                Received::Pong(payload) => Some(Told::Pong(payload)),
                Received::Close(close) => {
                    assert!(close.as_ref().is_none_or(|close| is_sendable(close.code)));
                    is_closed = true;
                    Some(Told::Close(close))
                }
            });
        }
        if let Err(fault) = outcome {
            assert!(matches!(fault.close_code(), 1002 | 1007 | 1009));
            assert!(!fault.to_string().is_empty() && !fault.code().is_empty());
            assert_eq!(
                decoder.on_bytes(&mut [0x89, 0], &mut Vec::new()),
                Err(fault)
            );
            run.fault = Some(fault);
            break;
        }
    }
    let is_over = is_closed || run.fault.is_some();
    assert!(!is_over || decoder.is_idle());
    assert!(is_over || !is_inside || !decoder.is_idle());
    for told in &run.told {
        match told {
            Told::Message(DataKind::Text, text) => assert!(std::str::from_utf8(text).is_ok()),
            Told::Ping(payload) | Told::Pong(payload) => assert!(payload.len() <= 125),
            _ => {}
        }
    }
    run
}

/// Checks one input.
pub fn check(input: &[u8]) {
    let Some((&[how, step], input)) = input.split_first_chunk::<2>() else {
        return;
    };
    let options = DecoderOptions {
        sender: if how & 1 == 0 {
            Sender::Client
        } else {
            Sender::Backend
        },
        has_deflate: how & 2 != 0,
        message_max: match how >> 2 & 3 {
            0 => usize::MAX,
            1 => 10,
            2 => 200,
            _ => 70_000,
        },
    };
    let whole = run(options, input, input.len().max(1));
    assert_eq!(whole, run(options, input, 1));
    assert_eq!(whole, run(options, input, usize::from(step) + 2));
}
