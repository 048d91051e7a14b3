//! The reader of requests beside actix-http's parser: whatever passes is taken there too, and read as
//! the same requests with the same headers, contents and ends.

use actix_codec::Decoder;
use actix_http::h1::{Codec, Message, MessageType};
use actix_http::ServiceConfig;
use bytes::BytesMut;
use p8::engine::framing::{Body, Fields, Framing, FramingLimits, HeadFacts, Upgrade, Verdict};

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
                fields,
            } => {
                assert!(ended && buffer.is_empty());
                buffer.extend_from_slice(rewritten.as_deref().unwrap_or(&waiting[..len]));
                let passed = buffer.clone();
                ended = on_head(&mut codec, &mut buffer, &head, (&passed, &fields));
                from += len;
                if head.upgrade == Upgrade::WebSocket {
                    return;
                }
            }
            Verdict::PassBody { len, content } => {
                assert!(!ended);
                buffer.extend_from_slice(&waiting[..len]);
                let read;
                (ended, read) = on_body(&mut codec, &mut buffer);
                assert_eq!(read, waiting[content]);
                from += len;
            }
            Verdict::Complete => {
                assert!(ended);
                framing.next_request();
            }
        }
    }
}

/// Tells whether the request ended with its head.
fn on_head(
    codec: &mut Codec,
    buffer: &mut BytesMut,
    facts: &HeadFacts,
    (passed, fields): (&[u8], &Fields),
) -> bool {
    let request = match codec.decode(buffer) {
        Ok(Some(Message::Item(request))) => request,
        other => panic!("{:?}", other.err()),
    };
    assert!(buffer.is_empty());
    assert_eq!(request.head().expect(), facts.expect_continue);
    assert!(request.head().headers().contains_key("host"));
    assert_eq!(
        request.method().as_str().as_bytes(),
        fields.method.of(passed)
    );
    assert_eq!(request.head().headers().len(), fields.headers.len());
    for (name, value) in &fields.headers {
        let name = std::str::from_utf8(name.of(passed)).unwrap_or_default();
        let mut values = request.head().headers().get_all(name);
        assert!(values.any(|other| other.as_bytes() == value.of(passed)));
    }
    if facts.upgrade != Upgrade::WebSocket {
        assert_eq!(codec.keep_alive(), facts.keep_alive);
        let bodiless = matches!(facts.body, Body::None | Body::Counted(0));
        assert_eq!(codec.message_type() == MessageType::None, bodiless);
        assert_ne!(codec.message_type(), MessageType::Stream);
    }
    codec.message_type() == MessageType::None
}

/// Tells whether the body ended, and what was read of it.
fn on_body(codec: &mut Codec, buffer: &mut BytesMut) -> (bool, Vec<u8>) {
    let mut read = Vec::new();
    loop {
        match codec.decode(buffer) {
            Ok(Some(Message::Chunk(Some(chunk)))) => read.extend_from_slice(&chunk),
            Ok(Some(Message::Chunk(None))) => {
                assert!(buffer.is_empty());
                return (true, read);
            }
            Ok(None) => {
                assert!(buffer.is_empty());
                return (false, read);
            }
            Ok(Some(Message::Item(_))) => panic!("a request within a body"),
            Err(error) => panic!("{error}"),
        }
    }
}
