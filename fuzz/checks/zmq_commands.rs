//! What ZeroMQ backends and publishers say: commands, items in JSON and tnetstrings, topics, addresses.
//! Every command that can be read has an answer that can be read.

use bytes::Bytes;
use p8::engine::zmq::{command, endpoint::Endpoint, item, tnetstring::Value, topics::Topics};

/// Checks one input.
pub fn check(input: (&str, &[u8], Vec<Vec<u8>>)) {
    let (text, frame, frames) = input;
    let frame = Bytes::copy_from_slice(frame);
    if let Some(request) = command::Request::read(&frame) {
        let refusal = request.command.as_ref().err().cloned();
        let answer = request.answer(refusal.map_or(Ok(Value::Null), Err));
        let answer = Value::read(&answer.into()).unwrap();
        let succeeded = matches!(answer.get("success"), Some(Value::Bool(true)));
        assert_eq!(succeeded, request.command.is_ok());
    }
    for read in [
        item::read_pushed(std::slice::from_ref(&frame)),
        item::read_published(&[Bytes::copy_from_slice(text.as_bytes()), frame]),
    ] {
        assert!(read.map_or_else(|error| !error.to_string().is_empty(), |_| true));
    }
    let mut topics = Topics::default();
    for topic in frames.iter().map(|topic| Bytes::copy_from_slice(topic)) {
        let is_topic = topic.first() == Some(&1);
        if topics.on_message(std::slice::from_ref(&topic)).is_ok() && is_topic {
            assert!(topics.want(&topic[1..]) && topics.may_want(b""));
        }
    }
    for endpoint in [Endpoint::parse(text), Endpoint::parse_remote(text)] {
        let _ = format!("{endpoint:?}");
    }
}
