//! The request guard before actix-http's parser: whatever passes is taken, and read as the same requests
//! with the same ends.

use actix_codec::Decoder;
use actix_http::h1::{Codec, Message, MessageType};
use actix_http::ServiceConfig;
use bytes::BytesMut;
use p8::engine::framing::{Body, Framing, FramingLimits, HeadFacts, Upgrade, Verdict};

thread_local! {
    static SYSTEM: (actix_rt::SystemRunner, ServiceConfig) = {
        let system = actix_rt::System::new();
        let config = system.block_on(async { ServiceConfig::default() });
        (system, config)
    };
}

/// Checks one input.
pub fn check(input: &[u8]) {
    SYSTEM.with(|(_, config)| follow(config, input))
}

fn follow(config: &ServiceConfig, input: &[u8]) {
    let mut framing = Framing::new(FramingLimits::default());
    let (mut codec, mut buffer) = (Codec::new(config.clone()), BytesMut::new());
    let (mut from, mut ended) = (0, true);
    loop {
        let waiting = &input[from..];
        match framing.on_bytes(waiting) {
            Verdict::NeedMore | Verdict::Refuse(_) => return,
            Verdict::PassHead {
                len,
                rewritten,
                head,
            } => {
                assert!(ended && buffer.is_empty());
                buffer.extend_from_slice(rewritten.as_deref().unwrap_or(&waiting[..len]));
                ended = on_head(&mut codec, &mut buffer, &head);
                from += len;
                if head.upgrade == Upgrade::WebSocket {
                    return;
                }
            }
            Verdict::PassBody(n) => {
                assert!(!ended);
                buffer.extend_from_slice(&waiting[..n]);
                ended = on_body(&mut codec, &mut buffer);
                from += n;
            }
            Verdict::Complete => {
                assert!(ended);
                framing.next_request();
            }
        }
    }
}

/// Tells whether the request ended with its head.
fn on_head(codec: &mut Codec, buffer: &mut BytesMut, facts: &HeadFacts) -> bool {
    let request = match codec.decode(buffer) {
        Ok(Some(Message::Item(request))) => request,
        other => panic!("{:?}", other.err()),
    };
    assert!(buffer.is_empty());
    assert_eq!(request.head().expect(), facts.expect_continue);
    assert!(request.head().headers().contains_key("host"));
    if facts.upgrade != Upgrade::WebSocket {
        assert_eq!(codec.keep_alive(), facts.keep_alive);
        let bodiless = matches!(facts.body, Body::None | Body::Counted(0));
        assert_eq!(codec.message_type() == MessageType::None, bodiless);
        assert_ne!(codec.message_type(), MessageType::Stream);
    }
    codec.message_type() == MessageType::None
}

/// Tells whether the body ended.
fn on_body(codec: &mut Codec, buffer: &mut BytesMut) -> bool {
    loop {
        match codec.decode(buffer) {
            Ok(Some(Message::Chunk(Some(_)))) => {}
            Ok(Some(Message::Chunk(None))) => {
                assert!(buffer.is_empty());
                return true;
            }
            Ok(None) => {
                assert!(buffer.is_empty());
                return false;
            }
            Ok(Some(Message::Item(_))) => panic!("a request within a body"),
            Err(error) => panic!("{error}"),
        }
    }
}
