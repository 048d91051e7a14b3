//! How long a route's requests may take.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::{answers, named, route, told};
use crate::support::client::CutShort;
use crate::support::grip::hold;
use crate::support::publish::stream_item;
use crate::support::{Answer, Backend, Config, P8};

/// A listener whose queue is full: connecting to it hangs. It lasts as long as what is returned.
fn hanging() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("a port");
    socket.listen(1).expect("a listener");
    let listener = TcpListener::from(socket);
    let addr = listener.local_addr().expect("an address");
    let moment = Duration::from_millis(100);
    let connects = std::iter::from_fn(|| TcpStream::connect_timeout(&addr, moment).ok());
    let queued = connects.collect();
    (addr, listener, queued)
}

/// A backend that reads requests and says nothing.
fn silent() -> Backend {
    Backend::scripted(|exchange| {
        exchange.read_body();
        exchange.peer_left();
    })
}

#[test]
fn a_route_has_its_own_time_to_connect_and_the_next_target_is_asked_after_it() {
    let (hangs, _listener, _queued) = hanging();
    let second = named("second");
    let p8 = P8::start(&route("connect_timeout_ms = 50", &[hangs, second.addr]));
    assert_eq!(answers(&p8, 6), ["second"; 6]);
    assert_eq!(told(&p8, hangs)["ejections_total"], 1);
    let p8 = P8::start(&route("connect_timeout_ms = 50", &[hangs]));
    let reply = p8.get("/");
    assert_eq!(
        (reply.status(), reply.head.header("p8-reason")),
        (502, Some("connect-timeout"))
    );
}

#[test]
fn a_route_has_its_own_time_for_the_response_and_no_other_target_is_asked_after_it() {
    let (first, second) = (silent(), named("second"));
    let config = route("response_timeout_secs = 1", &[first.addr, second.addr]);
    let p8 = P8::start(&config.proxy("eject_after = 1"));
    let reply = p8.get("/");
    assert_eq!(
        (reply.status(), reply.head.header("p8-reason")),
        (504, Some("answer-timeout"))
    );
    assert_eq!(second.accepted(), 0, "the first had the request");
    assert_eq!(p8.snapshot().total("answer_timeouts_total"), 1);
    assert_eq!(p8.get("/").text(), "second", "the first is ejected by it");
}

#[test]
fn a_client_that_sends_its_body_too_slowly_is_not_held_against_the_target() {
    let first = silent();
    let config = route("response_timeout_secs = 1", &[first.addr]);
    let p8 = P8::start(&config.proxy("eject_after = 1"));
    let mut client = p8.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nbegin");
    assert_eq!(client.reply().status(), 504);
    let target = told(&p8, first.addr);
    assert_eq!(target["failures_total"], 0);
    assert_eq!(target["ejections_total"], 0);
}

#[test]
fn a_request_may_take_its_routes_time_and_no_longer() {
    let endless = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin");
        exchange.peer_left();
    });
    let silent = silent();
    let config = Config::new()
        .route(
            "path_beg = \"/endless\"\nrequest_timeout_secs = 1",
            &[endless.addr],
        )
        .route(
            "path_beg = \"/silent\"\nrequest_timeout_secs = 1",
            &[silent.addr],
        );
    let p8 = P8::start(&config);
    let reply = p8.get("/silent");
    assert_eq!(
        (reply.status(), reply.head.header("p8-reason")),
        (504, Some("request-timeout"))
    );
    let mut client = p8.client();
    client.request("GET", "/endless", &[], b"");
    assert_eq!(client.final_head().status, 200);
    client.expect("begin");
    assert_eq!(client.read_to_end(), Err(CutShort));
    assert_eq!(p8.snapshot().total("request_timeouts_total"), 2);
    assert_eq!(told(&p8, endless.addr)["requests_current"], 0);
}

#[test]
fn a_hold_outlives_the_time_of_its_routes_requests() {
    let backend = Backend::scripted(|exchange| match exchange.request().target.as_str() {
        "/hold" => exchange.answer(&hold("stream", "a", "opened\n")),
        "/short" => exchange.answer(&Answer::ok("short")),
        _ => {
            exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin");
            exchange.peer_left();
        }
    });
    let p8 = P8::start(&route("request_timeout_secs = 1", &[backend.addr]));
    let mut held = p8.stream("/hold");
    held.expect("opened\n");
    assert_eq!(p8.get("/short").text(), "short");
    let mut client = p8.client();
    client.request("GET", "/endless", &[], b"");
    client.final_head();
    client.expect("begin");
    assert_eq!(client.read_to_end(), Err(CutShort), "its time is over");
    p8.publish(&[stream_item("a", "later\n")]);
    held.expect("later\n");
}
