//! Clients that break HTTP/2's rules or flood: their stream or connection ends, others are served.
//!
//! The main cases of h2spec, written by hand: it needs a download that builds do not have.

use crate::support::http2::{
    block, frame, Http2Client, RawHttp2, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM,
    ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GET, GOAWAY, HEADERS, PING,
    PROTOCOL_ERROR, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

fn serving() -> (Backend, P8) {
    let backend = Backend::answering(|_| Answer::ok("fine"));
    let p8 = P8::start(&Config::to(backend.addr));
    (backend, p8)
}

/// Others are served, on new connections and on that one.
#[track_caller]
fn expect_served(p8: &P8, witness: &mut Http2Client) {
    assert_eq!(witness.get("/").text(), "fine");
    assert_eq!(p8.get("/").text(), "fine");
}

#[test]
fn a_rapid_reset_ends_with_enhance_your_calm() {
    let (_backend, p8) = serving();
    let mut witness = Http2Client::connect(p8.clients);
    let mut client = RawHttp2::connect(p8.clients, &[]);
    let mut flood = Vec::new();
    for n in 0..1_000 {
        let stream = 2 * n + 1;
        flood.extend(frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            stream,
            &block(&GET),
        ));
        flood.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }
    client.try_send(&flood);
    client.expect_goaway(ENHANCE_YOUR_CALM);
    wait_until(DEADLINE, "it to be counted", || {
        p8.snapshot().refused("http2-flood") == 1
    });
    expect_served(&p8, &mut witness);
}

#[test]
fn requests_taken_back_one_by_one_end_the_connection_too() {
    let config = Config::new().route_to("host = \"*\"", "{ test = true }");
    let p8 = P8::start(&config.http("workers = 1"));
    let mut witness = Http2Client::connect(p8.clients);
    let mut client = RawHttp2::connect(p8.clients, &[]);
    let slow = block(&[GET[0], GET[1], GET[2], (":path", "/response?channel=a")]);
    let mut streams = (1..).step_by(2);
    for _ in 0..200 {
        let batch: Vec<u32> = streams.by_ref().take(50).collect();
        for stream in &batch {
            client.try_send(frame(HEADERS, WHOLE, *stream, &slow));
        }
        // A ping's answer says that the requests have been taken.
        client.try_send(frame(PING, 0, 0, &[0; 8]));
        if client.next_of(PING).is_none() {
            break;
        }
        let code = CANCEL.to_be_bytes();
        let resets = batch
            .iter()
            .map(|stream| frame(RST_STREAM, 0, *stream, &code));
        client.try_send(resets.collect::<Vec<_>>().concat());
    }
    wait_until(DEADLINE, "it to be counted", || {
        p8.snapshot().refused("http2-flood") == 1
    });
    assert_eq!(witness.get("/").status, 200);
    super::wait_until_gone(&p8, "what was taken back");
}

#[test]
fn a_flood_of_continuations_ends_the_connection() {
    let (_backend, p8) = serving();
    let mut witness = Http2Client::connect(p8.clients);
    let mut client = RawHttp2::connect(p8.clients, &[]);
    client.send(frame(HEADERS, END_STREAM, 1, &block(&GET)));
    let more = block(&[("x", "y")]);
    for _ in 0..10_000 {
        if !client.try_send(frame(CONTINUATION, 0, 1, &more)) {
            break;
        }
    }
    client.expect_goaway(ENHANCE_YOUR_CALM);
    expect_served(&p8, &mut witness);
}

#[test]
fn a_header_bomb_is_not_unpacked_and_ends_the_connection() {
    let (backend, p8) = serving();
    let mut client = RawHttp2::connect(p8.clients, &[]);
    let mut bomb = block(&GET);
    // Puts a field of 4,000 bytes into the table, and names it 10,000 times with a byte each.
    bomb.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    bomb.extend([b'y'; 4_000]);
    bomb.extend([0xbe; 10_000]);
    client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb));
    client.expect_goaway(ENHANCE_YOUR_CALM);
    assert_eq!(backend.seen().len(), 0);
    let mut witness = Http2Client::connect(p8.clients);
    expect_served(&p8, &mut witness);
}

#[test]
fn a_head_over_the_limit_is_answered_431() {
    let (backend, p8) = serving();
    let mut client = Http2Client::connect(p8.clients);
    let mut request = crate::support::http2::get("/", &[]);
    let long = http::HeaderValue::from_str(&"x".repeat(9_000)).expect("a value");
    request.headers_mut().insert("x-long", long);
    let asked = client.begin(request, true);
    let open = client.open(asked);
    assert_eq!(open.status, 431);
    assert_eq!(backend.seen().len(), 0);
    assert_eq!(client.get("/").text(), "fine");
}

#[test]
fn too_many_headers_are_refused_as_on_http1() {
    let (backend, p8) = serving();
    let mut client = Http2Client::connect(p8.clients);
    let many: Vec<_> = (0..70).map(|_| ("x", "y")).collect();
    let reply = client.request(crate::support::http2::get("/", &many), b"");
    assert_eq!(
        (reply.status, reply.header("p8-reason")),
        (400, Some("too-many-headers"))
    );
    assert_eq!(backend.seen().len(), 0);
    assert_eq!(p8.snapshot().refused("bad-request"), 1);
}

#[test]
fn pings_and_settings_are_answered_and_their_floods_cost_no_memory() {
    let (_backend, p8) = serving();
    let mut witness = Http2Client::connect(p8.clients);
    let mut client = RawHttp2::connect(p8.clients, &[]);
    for round in 0..100_u64 {
        for _ in 0..20 {
            client.send(frame(PING, 0, 0, &round.to_be_bytes()));
            client.send(frame(SETTINGS, 0, 0, &[]));
        }
        let pong = client.next_of(PING).expect("a pong");
        assert_eq!(pong.flags, 1);
    }
    expect_served(&p8, &mut witness);
    // One that reads no answers is not read on.
    let mut deaf = RawHttp2::connect(p8.clients, &[]);
    let flood = frame(PING, 0, 0, &[0; 8]).repeat(10_000);
    deaf.patience(std::time::Duration::from_secs(1));
    let sent = (0..1_000).take_while(|_| deaf.try_send(&flood)).count();
    assert!(sent < 1_000, "P-8 reads on");
    expect_served(&p8, &mut witness);
}

/// What a client must not do, its bytes, and the code that its connection ends with.
type Broken = (&'static str, Vec<u8>, u32);

const WHOLE: u8 = END_STREAM | END_HEADERS;

fn get_on(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &block(&GET))
}

/// The crate `h2` says PROTOCOL_ERROR of some faults that have a code of their own.
fn broken_streams() -> Vec<Broken> {
    let reset = |stream, length| frame(RST_STREAM, 0, stream, &[0; 4][..length]);
    let backwards = [get_on(3), get_on(1)].concat();
    let short = [get_on(1), reset(1, 3)].concat();
    vec![
        ("DATA on stream 0", frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
        (
            "DATA on an idle one",
            frame(DATA, 0, 1, b"x"),
            PROTOCOL_ERROR,
        ),
        ("HEADERS on stream 0", get_on(0), PROTOCOL_ERROR),
        ("HEADERS on an even one", get_on(2), PROTOCOL_ERROR),
        ("a number that goes back", backwards, PROTOCOL_ERROR),
        ("RST_STREAM on an idle one", reset(1, 4), PROTOCOL_ERROR),
        ("RST_STREAM on stream 0", reset(0, 4), PROTOCOL_ERROR),
        ("RST_STREAM of 3 bytes", short, PROTOCOL_ERROR),
        (
            "PUSH_PROMISE",
            frame(5, 4, 1, &[0, 0, 0, 2]),
            PROTOCOL_ERROR,
        ),
    ]
}

fn broken_settings() -> Vec<Broken> {
    let settings = |flags, stream, payload: &[u8]| frame(SETTINGS, flags, stream, payload);
    let ping = |stream, length| frame(PING, 0, stream, &[0; 8][..length]);
    let window = |by: u32| frame(WINDOW_UPDATE, 0, 0, &by.to_be_bytes());
    let large = [0, 4, 0x80, 0, 0, 0];
    vec![
        ("SETTINGS on a stream", settings(0, 1, &[]), PROTOCOL_ERROR),
        (
            "SETTINGS of 5 bytes",
            settings(0, 0, &[0; 5]),
            PROTOCOL_ERROR,
        ),
        (
            "ACK with a payload",
            settings(1, 0, &[0; 6]),
            PROTOCOL_ERROR,
        ),
        ("a large window", settings(0, 0, &large), PROTOCOL_ERROR),
        ("PING of 7 bytes", ping(0, 7), PROTOCOL_ERROR),
        ("PING on a stream", ping(1, 8), PROTOCOL_ERROR),
        (
            "GOAWAY on one",
            frame(GOAWAY, 0, 1, &[0; 8]),
            PROTOCOL_ERROR,
        ),
        ("WINDOW_UPDATE of 0", window(0), PROTOCOL_ERROR),
        ("too much window", window(0x7fff_ffff), FLOW_CONTROL_ERROR),
    ]
}

fn broken_heads() -> Vec<Broken> {
    let begun = frame(HEADERS, END_STREAM, 1, &block(&GET));
    let amid = [begun, frame(PING, 0, 0, &[0; 8])].concat();
    let nothing = frame(CONTINUATION, END_HEADERS, 1, &block(&GET));
    let index = frame(HEADERS, WHOLE, 1, &[0xff, 0x80, 0x10]);
    let large = frame(DATA, 0, 1, &[0; 16_385]);
    vec![
        ("a CONTINUATION of nothing", nothing, PROTOCOL_ERROR),
        ("PING amid a header block", amid, PROTOCOL_ERROR),
        ("an index beyond the tables", index, PROTOCOL_ERROR),
        ("a frame over 16,384 bytes", large, FRAME_SIZE_ERROR),
    ]
}

#[test]
fn a_broken_rule_of_the_connection_ends_it() {
    let (_backend, p8) = serving();
    let mut wrong = Vec::new();
    let cases = [broken_streams(), broken_settings(), broken_heads()];
    for (what, bytes, code) in cases.concat() {
        let mut client = RawHttp2::connect(p8.clients, &[]);
        client.try_send(bytes);
        let mut last = None;
        while let Some(goaway) = client.next_of(GOAWAY) {
            last = Some(goaway.code());
        }
        if last != Some(code) {
            wrong.push((what, last));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Fields, as names and values.
type Fields = Vec<(&'static str, &'static str)>;

/// Heads that must not be.
fn malformed() -> Vec<Fields> {
    let [method, scheme, authority, path] = GET;
    let with = |field| [&GET[..], &[field]].concat();
    vec![
        with(("connection", "close")),
        with(("transfer-encoding", "chunked")),
        with(("upgrade", "websocket")),
        with(("te", "gzip")),
        with((":status", "200")),
        with(path),
        vec![method, scheme, ("x", "1"), authority, path],
        vec![scheme, authority, path],
        vec![method, authority, path],
        vec![method, scheme, authority],
        vec![method, scheme, authority, (":path", "")],
    ]
}

#[test]
fn a_malformed_request_resets_its_stream() {
    let (backend, p8) = serving();
    let mut wrong = Vec::new();
    let mut client = RawHttp2::connect(p8.clients, &[]);
    for (n, fields) in malformed().into_iter().enumerate() {
        let stream = u32::try_from(2 * n + 1).expect("few");
        client.send(frame(HEADERS, WHOLE, stream, &block(&fields)));
        let ended = client.frame_of(&[RST_STREAM, GOAWAY]);
        let ended = ended.map(|frame| (frame.kind, frame.stream, frame.code()));
        if ended != Some((RST_STREAM, stream, PROTOCOL_ERROR)) {
            wrong.push((fields, ended));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    client.get(101);
    assert_eq!(client.next_of(HEADERS).expect("an answer").stream, 101);
    // Names that are none end the connection.
    for name in ["X-Upper", ":x"] {
        let mut client = RawHttp2::connect(p8.clients, &[]);
        let fields = [&GET[..], &[(name, "1")]].concat();
        client.send(frame(HEADERS, WHOLE, 1, &block(&fields)));
        client.expect_goaway(PROTOCOL_ERROR);
    }
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn a_body_that_is_not_as_long_as_said_resets_its_stream() {
    let (_backend, p8) = serving();
    let post = [
        (":method", "POST"),
        GET[1],
        GET[2],
        GET[3],
        ("content-length", "5"),
    ];
    let mut client = RawHttp2::connect(p8.clients, &[]);
    for (stream, body) in [(1, &b"123"[..]), (3, b"1234567")] {
        client.send(frame(HEADERS, END_HEADERS, stream, &block(&post)));
        client.send(frame(DATA, END_STREAM, stream, body));
        let reset = client.next_of(RST_STREAM).expect("a reset");
        assert_eq!((reset.stream, reset.code()), (stream, PROTOCOL_ERROR));
    }
    client.get(5);
    assert_eq!(client.next_of(HEADERS).expect("an answer").stream, 5);
}

#[test]
fn connect_is_not_served() {
    let (backend, p8) = serving();
    let mut client = Http2Client::connect(p8.clients);
    let plain = http::Request::connect("h:443").body(()).expect("a request");
    let tunnel = crate::support::http2::connect("/", "connect-udp", &[]);
    for request in [plain, tunnel] {
        let reply = client.request(request, b"");
        assert_eq!(
            (reply.status, reply.header("p8-reason")),
            (501, Some("connect-not-served"))
        );
    }
    assert_eq!(backend.seen().len(), 0);
}
