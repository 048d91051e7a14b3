//! Holds on streams: as on HTTP/1.1, and they end with their stream.

use crate::support::grip::hold;
use crate::support::http2::{
    frame, get, Http2Client, RawHttp2, CANCEL, DATA, END_STREAM, GOAWAY, RST_STREAM,
};
use crate::support::publish::{close_item, hint_item, response_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

use super::{wait_for_streams, wait_until_gone};

/// P-8 with a backend that polls at `/poll` and streams elsewhere.
fn holding(configure: impl Fn(Config) -> Config) -> (Backend, P8) {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/poll" => hold("response", "a", "nothing new"),
        "/plain" => Answer::ok("plain"),
        "/large" => hold("stream", "a", &"x".repeat(200_000)),
        _ => hold("stream", "a", "open\n"),
    });
    let p8 = P8::start(&configure(Config::to(backend.addr)));
    (backend, p8)
}

#[test]
fn a_stream_gets_its_items_and_its_end() {
    let (_backend, p8) = holding(|config| config);
    let mut client = Http2Client::connect(p8.clients);
    let mut stream = client.stream("/");
    assert_eq!(stream.headers["content-type"], "text/plain");
    assert_eq!(stream.headers.get("content-length"), None);
    client.expect(&mut stream, "open\n");
    p8.publish(&[stream_item("a", "one\n"), stream_item("a", "two\n")]);
    client.expect(&mut stream, "one\ntwo\n");
    p8.publish(&[close_item("a")]);
    assert_eq!(client.read_to_end(&mut stream).expect("a proper end"), b"");
    wait_until_gone(&p8, "the stream");
    assert_eq!(p8.snapshot().total("sessions_parked_current"), 0);
}

#[test]
fn a_large_first_body_comes_whole_before_the_items() {
    let (_backend, p8) = holding(|config| config);
    let mut client = Http2Client::connect(p8.clients);
    let mut stream = client.stream("/large");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[stream_item("a", "one\n"), close_item("a")]);
    let body = client.read_to_end(&mut stream).expect("a proper end");
    assert_eq!(body.len(), 200_004);
    assert!(body.ends_with(b"xone\n"));
}

#[test]
fn a_long_poll_is_answered_by_an_item() {
    let (_backend, p8) = holding(|config| config);
    let mut client = Http2Client::connect(p8.clients);
    let asked = client.ask("/poll");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[response_item("a", "news")]);
    let reply = client.finish(asked);
    assert_eq!((reply.status, reply.text().as_str()), (200, "news"));
    assert_eq!(reply.header("content-length"), Some("4"));
}

#[test]
fn a_long_poll_is_asked_again_with_its_body_and_misses_nothing() {
    let backend = Backend::answering(|request| {
        assert_eq!(request.body, b"body");
        hold("response", "a", "nothing new")
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    let mut request = get("/", &[]);
    *request.method_mut() = http::Method::POST;
    let mut asked = client.begin(request, false);
    let body = bytes::Bytes::from_static(b"body");
    asked.body.send_data(body, true).expect("an open stream");
    for asked in 1..=3 {
        Snapshot::wait_for_subscribers(p8.control, "a", 1);
        wait_until(DEADLINE, "the backend to be asked", || {
            backend.seen().len() == asked
        });
        p8.publish(&[hint_item("a")]);
    }
    wait_until(DEADLINE, "the last retry", || backend.seen().len() == 4);
    p8.publish(&[response_item("a", "news")]);
    assert_eq!(client.finish(asked).text(), "news");
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("requests_retried_total"), 3);
    assert_eq!(snapshot.total("requests_total"), 1);
    wait_until_gone(&p8, "the poll");
}

#[test]
fn a_client_that_leaves_a_poll_that_is_asked_again_leaves_nothing_behind() {
    let (gate, wait) = crate::support::wait::gate();
    let backend = Backend::scripted(move |exchange| {
        if exchange.index() > 0 {
            wait();
        }
        exchange.answer(&hold("response", "a", ""));
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = Http2Client::connect(p8.clients);
    let asked = client.ask("/");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[hint_item("a")]);
    wait_until(DEADLINE, "the retry", || backend.seen().len() == 2);
    drop(asked);
    wait_until_gone(&p8, "a client that was waiting for a retry");
    gate.open();
}

#[test]
fn a_hundred_held_streams_on_one_connection_end_when_they_are_reset() {
    let (_backend, p8) = holding(|config| config.http("workers = 1"));
    let mut builder = h2::client::Builder::new();
    // The crate does not like small frames that wait to be read.
    builder.data_frame_budget(1 << 20);
    let mut client = Http2Client::connect_with(p8.clients, &builder);
    let mut streams: Vec<_> = (0..100).map(|_| client.stream("/")).collect();
    assert_eq!(p8.snapshot().subscribers("a"), 100);
    p8.publish(&[stream_item("a", "one\n")]);
    for stream in &mut streams {
        client.expect(stream, "open\none\n");
    }
    let polls: Vec<_> = (0..100).map(|_| client.ask("/poll")).collect();
    Snapshot::wait_for_subscribers(p8.control, "a", 200);
    wait_for_streams(&p8, 200);
    streams.truncate(1);
    drop(polls);
    wait_until(super::AT_ONCE, "199 sessions to end", || {
        p8.snapshot().total("sessions_current") == 1
    });
    p8.publish(&[stream_item("a", "two\n")]);
    client.expect(&mut streams[0], "two\n");
    drop(streams);
    wait_until_gone(&p8, "the last stream");
    wait_for_streams(&p8, 0);
    assert_eq!(client.get("/plain").text(), "plain");
    assert_eq!(p8.snapshot().total("clients_gone_total"), 200);
}

#[test]
fn held_streams_end_with_their_connection() {
    let (_backend, p8) = holding(|config| config);
    let mut client = Http2Client::connect(p8.clients);
    let streams: Vec<_> = (0..100).map(|_| client.stream("/")).collect();
    let polls: Vec<_> = (0..20).map(|_| client.ask("/poll")).collect();
    Snapshot::wait_for_subscribers(p8.control, "a", 120);
    client.cut();
    wait_until_gone(&p8, "the streams of a lost connection");
    wait_for_streams(&p8, 0);
    drop((streams, polls));
    assert_eq!(p8.snapshot().total("http2_connections_current"), 0);
}

#[test]
fn a_rst_stream_and_a_goaway_end_sessions_at_once() {
    let (_backend, p8) = holding(|config| config);
    let mut client = RawHttp2::connect(p8.clients, &[]);
    for stream in [1, 3, 5] {
        client.get(stream);
    }
    Snapshot::wait_for_subscribers(p8.control, "a", 3);
    client.send(frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()));
    Snapshot::wait_for_subscribers(p8.control, "a", 2);
    client.send(frame(GOAWAY, 0, 0, &[0; 8]));
    wait_until_gone(&p8, "the streams of a client that goes away");
    let mut ended = 0;
    while let Some(frame) = client.frame() {
        ended += usize::from(frame.kind == DATA && frame.flags & END_STREAM != 0);
    }
    assert_eq!(ended, 2, "they end in good order");
}

#[test]
fn draining_ends_streams_and_polls_in_good_order_and_then_the_connection() {
    let (_backend, p8) = holding(|config| config.http("drain_secs = 60"));
    let mut client = Http2Client::connect(p8.clients);
    let mut idle = Http2Client::connect(p8.clients);
    assert_eq!(idle.get("/plain").text(), "plain");
    let mut stream = client.stream("/");
    let poll = client.ask("/poll");
    Snapshot::wait_for_subscribers(p8.control, "a", 2);
    let stopping = std::thread::spawn(move || drop(p8));
    assert_eq!(
        client.read_to_end(&mut stream).expect("a proper end"),
        b"open\n"
    );
    assert_eq!(client.finish(poll).text(), "nothing new");
    wait_until(DEADLINE, "P-8 to stop", || stopping.is_finished());
    stopping.join().expect("P-8 stops well");
    drop(idle);
}

#[test]
fn a_request_under_way_is_answered_while_the_server_stops() {
    let (gate, wait) = crate::support::wait::gate();
    let backend = Backend::answering(move |_| {
        wait();
        Answer::ok("late")
    });
    let p8 = P8::start(&Config::to(backend.addr).http("drain_secs = 60"));
    let mut client = Http2Client::connect(p8.clients);
    let asked = client.ask("/");
    wait_until(DEADLINE, "the request", || backend.seen().len() == 1);
    let stopping = std::thread::spawn(move || drop(p8));
    let refused = client.wait("the connection to take no more", async {
        let mut send = client.send.clone();
        loop {
            match send.clone().ready().await {
                Ok(ready) => send = ready,
                Err(error) => return error,
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    assert!(refused.is_go_away(), "{refused}");
    gate.open();
    assert_eq!(client.finish(asked).text(), "late");
    wait_until(DEADLINE, "P-8 to stop", || stopping.is_finished());
}
