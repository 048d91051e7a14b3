//! What a client of HTTP/2 may have at a time: streams, bytes that wait, time.

use std::time::{Duration, Instant};

use h2::client::Builder;

use crate::support::grip::hold;
use crate::support::http2::{
    block, frame, Http2Client, RawHttp2, CANCEL, DATA, END_HEADERS, END_STREAM, GET, GOAWAY,
    HEADERS, NO_ERROR, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use crate::support::publish::{close_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

use super::{wait_for_streams, wait_until_gone};

/// SETTINGS_INITIAL_WINDOW_SIZE of 0: the client takes no body at all.
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

fn holding(configure: impl Fn(Config) -> Config) -> (Backend, P8) {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/plain" => Answer::ok("plain"),
        "/large" => Answer::ok(vec![b'x'; 3_000_000]),
        _ => hold("stream", "a", "open\n"),
    });
    let p8 = P8::start(&configure(Config::to(backend.addr)));
    (backend, p8)
}

#[test]
fn streams_over_the_limit_are_refused_and_may_be_tried_again() {
    let (_backend, p8) = holding(|config| config.http("http2_streams_max = 3"));
    let mut client = RawHttp2::connect(p8.clients, &[]);
    for stream in [1, 3, 5] {
        client.get(stream);
    }
    Snapshot::wait_for_subscribers(p8.control, "a", 3);
    client.get(7);
    let reset = client.next_of(RST_STREAM).expect("a refusal");
    assert_eq!((reset.stream, reset.code()), (7, REFUSED_STREAM));
    client.send(frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()));
    Snapshot::wait_for_subscribers(p8.control, "a", 2);
    client.get(9);
    Snapshot::wait_for_subscribers(p8.control, "a", 3);
}

#[test]
fn streams_count_as_connections_of_their_own() {
    let (_backend, p8) = holding(|config| config.http("client_maxconn = 5"));
    let mut client = Http2Client::connect(p8.clients);
    let streams: Vec<_> = (0..4).map(|_| client.stream("/")).collect();
    let reply = client.get("/plain");
    assert_eq!(
        (reply.status, reply.header("p8-reason")),
        (503, Some("too-many-connections"))
    );
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(p8.snapshot().refused("too-many-connections"), 1);
    drop(streams);
    wait_for_streams(&p8, 0);
    assert_eq!(client.get("/plain").text(), "plain");
}

#[test]
fn a_stream_that_takes_nothing_waits_within_its_bounds_and_holds_up_no_other() {
    let (_backend, p8) = holding(|config| {
        let config = config.handler("session_queue_bytes_max = 100000");
        config
            .handler("slow_client = \"drop-newest\"")
            .http("workers = 1")
    });
    let mut slow = RawHttp2::connect(p8.clients, &NO_WINDOW);
    slow.send(frame(WINDOW_UPDATE, 0, 0, &1_000_000_u32.to_be_bytes()));
    slow.get(1);
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    slow.send(frame(
        HEADERS,
        END_STREAM | END_HEADERS,
        3,
        &block(&[GET[0], GET[1], GET[2], (":path", "/other")]),
    ));
    slow.send(frame(WINDOW_UPDATE, 0, 3, &1_000_000_u32.to_be_bytes()));
    Snapshot::wait_for_subscribers(p8.control, "a", 2);
    assert_eq!(slow.next_of(DATA).expect("data").payload, b"open\n");
    let item = "x".repeat(10_000);
    let mut received = 0;
    for _ in 0..50 {
        p8.publish(&[stream_item("a", &item)]);
        // The stream with a window gets every item.
        while received < 10_000 {
            let data = slow.next_of(DATA).expect("data");
            assert_eq!(data.stream, 3);
            received += data.payload.len();
        }
        received -= 10_000;
    }
    let dropped = p8.snapshot().dropped("slow-client");
    // 100,000 bytes in its outbox, 65,536 in its body's queue, one item each in hyper and on the way.
    assert!((30..=42).contains(&dropped), "{dropped} of 50 dropped");
    slow.send(frame(WINDOW_UPDATE, 0, 1, &1_000_000_u32.to_be_bytes()));
    slow.send(frame(WINDOW_UPDATE, 0, 0, &1_000_000_u32.to_be_bytes()));
    let mut late = 0;
    let whole = 5 + (50 - usize::try_from(dropped).expect("few")) * 10_000;
    while late < whole {
        late += slow.next_of(DATA).expect("data").payload.len();
    }
    assert_eq!(late, whole, "what waited comes whole");
}

#[test]
fn a_stream_whose_policy_is_to_close_is_reset_past_its_bounds() {
    let (_backend, p8) = holding(|config| {
        config
            .handler("session_queue_bytes_max = 100000")
            .handler("slow_client = \"close\"")
    });
    let mut slow = RawHttp2::connect(p8.clients, &NO_WINDOW);
    slow.get(1);
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    let item = "x".repeat(10_000);
    let mut published = 0;
    wait_until(DEADLINE, "the stream to be closed", || {
        p8.publish(&[stream_item("a", &item)]);
        published += 1;
        p8.snapshot().dropped("slow-client-closed") > 0
    });
    assert!(published < 25, "{published} items waited");
    wait_until_gone(&p8, "the slow stream");
    assert_eq!(slow.next_of(RST_STREAM).expect("a reset").stream, 1);
    wait_for_streams(&p8, 0);
}

#[test]
fn a_proxied_body_that_is_not_read_stops_its_backend_and_holds_up_no_other() {
    let (_backend, p8) = holding(|config| config);
    let builder = {
        let mut builder = Builder::new();
        builder.initial_connection_window_size(1 << 20);
        builder
    };
    let mut client = Http2Client::connect_with(p8.clients, &builder);
    let asked = client.ask("/large");
    let mut unread = client.open(asked);
    assert_eq!(client.get("/plain").text(), "plain");
    assert_eq!(
        client.read_to_end(&mut unread).expect("a proper end").len(),
        3_000_000
    );
}

#[test]
fn a_connection_without_streams_is_ended_with_a_goaway() {
    let (_backend, p8) = holding(|config| config.http("keep_alive_secs = 1"));
    let mut silent = RawHttp2::connect(p8.clients, &[]);
    let since = Instant::now();
    silent.expect_goaway(NO_ERROR);
    assert!(since.elapsed() >= Duration::from_millis(900));
    let mut held = RawHttp2::connect(p8.clients, &[]);
    held.get(1);
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    held.next_of(DATA).expect("the first part");
    held.expect_silence(Duration::from_millis(2_500));
    p8.publish(&[close_item("a")]);
    held.expect_goaway(NO_ERROR);
}

#[test]
fn a_client_that_sends_nothing_after_the_preface_is_ended_too() {
    let (_backend, p8) = holding(|config| config.http("keep_alive_secs = 1"));
    let mut client = p8.client();
    client.send(crate::support::http2::PREFACE);
    wait_until(DEADLINE, "its connection", || {
        p8.snapshot().total("http2_connections_current") == 1
    });
    wait_until(DEADLINE, "its end", || {
        p8.snapshot().total("http2_connections_current") == 0
    });
}

#[test]
fn a_client_that_answers_no_ping_is_gone() {
    let (_backend, p8) = holding(|config| {
        config
            .http("http2_ping_secs = 1")
            .http("http2_ping_timeout_secs = 1")
    });
    let mut client = RawHttp2::connect(p8.clients, &[]);
    client.get(1);
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    client.next_of(crate::support::http2::PING).expect("a ping");
    assert!(client
        .next_of(GOAWAY)
        .is_none_or(|goaway| goaway.code() == NO_ERROR));
    wait_until_gone(&p8, "the silent client");
    // One that answers is not.
    let mut client = Http2Client::connect(p8.clients);
    let mut stream = client.stream("/");
    client.expect(&mut stream, "open\n");
    crate::support::wait::slowness(Duration::from_millis(2_500));
    p8.publish(&[stream_item("a", "still here\n")]);
    client.expect(&mut stream, "still here\n");
}

#[test]
fn the_settings_say_what_the_limits_are() {
    let (_backend, p8) = holding(|config| {
        config
            .http("http2_streams_max = 77")
            .http("client_buffer_size = 5000")
    });
    let mut client = RawHttp2::connect(p8.clients, &[]);
    let settings = client.next_of(SETTINGS).expect("settings").payload;
    let of = |id: u16| {
        let mut settings = settings.chunks_exact(6);
        let found = settings.find(|setting| setting[..2] == id.to_be_bytes());
        found.map(|setting| u32::from_be_bytes(setting[2..].try_into().expect("four bytes")))
    };
    assert_eq!(of(3), Some(77), "SETTINGS_MAX_CONCURRENT_STREAMS");
    assert_eq!(of(6), Some(5000), "SETTINGS_MAX_HEADER_LIST_SIZE");
    assert_eq!(of(8), Some(1), "SETTINGS_ENABLE_CONNECT_PROTOCOL");
}
