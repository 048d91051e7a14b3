//! Bodies that do not come to their end: answered, or cut, by the time a client has for more of them.

use bytes::Bytes;

use crate::support::http2::{get, Asked, Http2Client};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

/// Begins a POST of ten bytes with the first half of them.
fn begin_half(client: &mut Http2Client) -> Asked {
    let mut request = get("/", &[("content-length", "10")]);
    *request.method_mut() = http::Method::POST;
    let mut asked = client.begin(request, false);
    let half = asked.body.send_data(Bytes::from_static(b"half,"), false);
    half.expect("the stream is open");
    asked
}

fn started(backend: &Backend) -> P8 {
    P8::start(&Config::to(backend.addr).http("body_timeout_secs = 1"))
}

#[test]
fn a_body_that_stops_is_answered_408_and_the_connection_goes_on() {
    let backend = Backend::answering(|request| Answer::ok(request.body.clone()));
    let p8 = started(&backend);
    let mut client = Http2Client::connect(p8.clients);
    let asked = [begin_half(&mut client), begin_half(&mut client)];
    for asked in asked {
        let reply = client.finish(asked);
        assert_eq!(reply.status, 408);
        assert_eq!(reply.header("p8-reason"), Some("body-too-slow"));
    }
    assert_eq!(p8.snapshot().refused("slow-request"), 2);
    assert_eq!(p8.snapshot().refused("bad-request"), 0);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_body_that_stops_behind_a_begun_response_cuts_it() {
    let backend = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nearly");
        exchange.read_body();
    });
    let p8 = started(&backend);
    let mut client = Http2Client::connect(p8.clients);
    let asked = begin_half(&mut client);
    let mut open = client.open(asked);
    assert_eq!(open.status, 200);
    client.expect(&mut open, "early");
    assert!(client.read_to_end(&mut open).is_err(), "it is reset");
    assert_eq!(p8.snapshot().refused("slow-request"), 1);
}

#[test]
fn a_body_that_goes_on_in_time_is_slow_and_not_wrong() {
    let backend = Backend::answering(|request| Answer::ok(request.body.clone()));
    let p8 = started(&backend);
    let mut client = Http2Client::connect(p8.clients);
    let mut asked = begin_half(&mut client);
    for byte in [b"a", b"b", b"c", b"d", b"e"] {
        // Others are served meanwhile, for half of the time that it may take.
        let mut other = Http2Client::connect(p8.clients);
        let begun = std::time::Instant::now();
        wait_until(DEADLINE, "half a second", || {
            assert_eq!(other.get("/").status, 200);
            begun.elapsed().as_millis() > 500
        });
        let sent = asked.body.send_data(Bytes::from_static(byte), byte == b"e");
        sent.expect("the stream is open");
    }
    assert_eq!(client.finish(asked).text(), "half,abcde");
    assert_eq!(p8.snapshot().refused("slow-request"), 0);
}
