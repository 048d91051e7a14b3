//! What passes is read by actix-http as the same requests with the same bodies.

use actix_codec::Decoder as _;
use actix_http::h1::{Codec, Message, MessageType};
use actix_http::{ServiceConfig, Version};
use bytes::BytesMut;

use super::super::{Body, Framing, FramingLimits, HeadFacts, Upgrade, Verdict};

/// Feeds `input` in pieces through the guard into actix-http's codec, as a listener would; returns the
/// bodies it read. Panics where the two disagree.
pub(super) fn read_behind_guard(
    config: &ServiceConfig,
    input: &[u8],
    mut cut: impl FnMut() -> usize,
) -> Vec<Vec<u8>> {
    let mut framing = Framing::new(FramingLimits::default());
    let mut reader = Reader::new(config);
    let (mut from, mut to) = (0, 0);
    loop {
        let waiting = &input[from..to];
        match framing.on_bytes(waiting) {
            Verdict::NeedMore if to == input.len() => break,
            Verdict::NeedMore => to = to.saturating_add(cut().max(1)).min(input.len()),
            Verdict::PassHead {
                len,
                rewritten,
                head,
                ..
            } => {
                let passed = rewritten.as_deref().unwrap_or(&waiting[..len]);
                reader.on_head(passed, &head);
                from += len;
            }
            Verdict::PassBody { len, content } => {
                reader.on_body(&waiting[..len], &waiting[content]);
                from += len;
            }
            Verdict::Complete => {
                framing.next_request();
                if !reader.on_end() {
                    break;
                }
            }
            Verdict::Refuse(error) => {
                // What passed before a refused body byte was part of a body that goes on.
                assert_eq!(error.is_in_body(), reader.is_in_body(), "{error}");
                break;
            }
        }
    }
    reader.bodies
}

/// Runs `test` where actix-http's clock can live.
pub(super) fn with_config<T>(test: impl FnOnce(&ServiceConfig) -> T) -> T {
    actix_rt::System::new().block_on(async { test(&ServiceConfig::default()) })
}

struct Reader {
    codec: Codec,
    buffer: BytesMut,
    open: Option<HeadFacts>,
    ended: bool,
    bodies: Vec<Vec<u8>>,
}

impl Reader {
    fn new(config: &ServiceConfig) -> Self {
        Reader {
            codec: Codec::new(config.clone()),
            buffer: BytesMut::new(),
            open: None,
            ended: false,
            bodies: Vec::new(),
        }
    }

    fn is_in_body(&self) -> bool {
        self.open.is_some()
    }

    fn on_head(&mut self, passed: &[u8], facts: &HeadFacts) {
        assert!(self.open.is_none() && self.buffer.is_empty());
        self.buffer.extend_from_slice(passed);
        let shown = passed.escape_ascii().to_string();
        let request = match self.codec.decode(&mut self.buffer) {
            Ok(Some(Message::Item(request))) => request,
            Ok(_) => panic!("no request read of {shown}"),
            Err(error) => panic!("{error} of {shown}"),
        };
        assert!(self.buffer.is_empty(), "{shown}");
        assert_eq!(
            request.version() == Version::HTTP_10,
            facts.http10,
            "{shown}"
        );
        assert_eq!(request.method() == "HEAD", facts.method_is_head, "{shown}");
        assert_eq!(request.head().expect(), facts.expect_continue, "{shown}");
        assert!(request.head().headers().contains_key("host"), "{shown}");
        assert!(
            matches!(request.uri().path().as_bytes(), [b'/', ..] | b"*"),
            "{shown}"
        );
        assert!(request.uri().authority().is_none() && request.uri().scheme().is_none());
        let is_websocket = facts.upgrade == Upgrade::WebSocket;
        if !is_websocket {
            assert_eq!(self.codec.keep_alive(), facts.keep_alive, "{shown}");
            assert!(!self.codec.upgrade(), "{shown}");
        }
        let expected = match facts.body {
            // Only a lone `websocket` is a stream to actix-http.
            _ if is_websocket => self.codec.message_type(),
            Body::None | Body::Counted(0) => MessageType::None,
            Body::Counted(_) | Body::Chunked => MessageType::Payload,
        };
        assert_eq!(self.codec.message_type(), expected, "{shown}");
        self.open = Some(*facts);
        self.bodies.push(Vec::new());
        self.ended = expected == MessageType::None;
    }

    fn on_body(&mut self, passed: &[u8], content: &[u8]) {
        assert!(self.open.is_some() && !self.ended);
        let before = self.bodies.last().map_or(0, Vec::len);
        self.buffer.extend_from_slice(passed);
        loop {
            match self.codec.decode(&mut self.buffer) {
                Ok(None) => break,
                Ok(Some(Message::Chunk(Some(chunk)))) => {
                    self.bodies.last_mut().unwrap().extend_from_slice(&chunk);
                }
                Ok(Some(Message::Chunk(None))) => {
                    self.ended = true;
                    break;
                }
                Ok(Some(Message::Item(_))) => panic!("a request within a body"),
                Err(error) => panic!("{error} in a body"),
            }
        }
        assert!(self.buffer.is_empty(), "all that passed is read");
        let read = self.bodies.last().map(|body| &body[before..]);
        assert_eq!(read, Some(content), "both read the same content");
    }

    /// Tells whether another request may follow.
    fn on_end(&mut self) -> bool {
        let facts = self.open.take().unwrap();
        let goes_on = facts.upgrade != Upgrade::WebSocket;
        assert!(self.ended || !goes_on, "both find the same end");
        goes_on
    }
}

#[test]
fn actix_http_reads_the_same_requests_and_bodies() {
    let input = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /\
        \r\nGET /2 HTTP/1.1\r\n\r\n\
        PUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;a=\"b\"\r\nx\r\n\r\nb \t;c\r\nhello world\r\n00\r\nA: b\r\n\r\n\
        POST /4 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\
        POST /5 HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\ny\
        GET http://a/`6 HTTP/1.1\r\nContent-Length: 0\r\n\r\n\
        OPTIONS http://a HTTP/1.1\r\nExpect: a, 100-continue\r\n\r\n\
        GET /8 HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n\
        GET /9 HTTP/1.1\r\nUpgrade: websocket\r\n\r\nGET /10 HTTP/1.1\r\n\r\n";
    for step in [1, 2, 3, 7, 64, usize::MAX] {
        let bodies = with_config(|config| read_behind_guard(config, input.as_bytes(), || step));
        let expected: [&[u8]; 9] = [
            b"GET /",
            b"",
            b"x\r\nhello world",
            b"",
            b"y",
            b"",
            b"",
            b"",
            b"",
        ];
        assert_eq!(bodies, expected);
    }
}

/// Every byte value at every place of a few requests: nothing passes that actix-http would refuse or
/// read differently.
#[test]
fn no_single_wrong_byte_makes_the_two_disagree() {
    #[rustfmt::skip]
    let requests = [
        "POST /a?b=c HTTP/1.1\r\nHost: a.b:80\r\nContent-Length: 12\r\nConnection: close, x\r\n\r\nGET / HTTP/1",
        "PUT /a HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nConnection: x, upgrade\r\nUpgrade: echo/1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET http://a/b HTTP/1.0\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\nExpect: \"\", 100-continue\r\n\r\n",
    ];
    with_config(|config| {
        for (request, place) in requests
            .iter()
            .flat_map(|r| (0..r.len()).map(move |n| (r, n)))
        {
            for byte in 0..=255 {
                let mut changed = request.as_bytes().to_vec();
                changed[place] = byte;
                read_behind_guard(config, &changed, || usize::MAX);
                changed.insert(place, request.as_bytes()[place]);
                read_behind_guard(config, &changed, || usize::MAX);
            }
        }
    });
}
