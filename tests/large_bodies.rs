//! Large counted bodies, which leave past the dispatcher's buffer: whole, in order, as if there were none.
//!
//! Source: `docs/architecture.md`, large bodies.

use crate::support::wait::gate;
use crate::support::{Answer, Backend, Client, Config, P8};

/// Bodies on both sides of what is large, and larger than what sockets take at once.
const SIZES: [usize; 6] = [16_383, 16_384, 16_385, 100_000, 1_000_000, 6_000_000];

/// A body of this many bytes in which no part could be taken for another.
fn body(size: usize) -> Vec<u8> {
    (0u32..)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
        .take(size)
        .collect()
}

/// P-8 before a backend that answers with as many bytes as the query says.
fn sized() -> (Backend, P8) {
    let backend = Backend::answering(|request| {
        Answer::ok(body(request.query().parse().expect("a size"))).header("X-Size", request.query())
    });
    let p8 = P8::start(&Config::to(backend.addr));
    (backend, p8)
}

fn expect_body(client: &mut Client, size: usize) {
    let reply = client.reply();
    let lengths = reply.head.all("content-length");
    assert_eq!(lengths, [size.to_string()]);
    assert!(!reply.head.is_chunked(), "{size}");
    assert!(reply.body == body(size), "{size} bytes arrive as they were");
}

#[test]
fn bodies_of_every_size_arrive_whole_over_one_connection() {
    let (backend, p8) = sized();
    let mut client = p8.client();
    for size in SIZES {
        client.request("GET", &format!("/?{size}"), &[], b"");
        expect_body(&mut client, size);
    }
    assert_eq!(backend.accepted(), 1, "its connection is used again");
}

#[test]
fn pipelined_requests_get_their_bodies_in_order() {
    let (_backend, p8) = sized();
    let mut client = p8.client();
    let sizes = [100_000, 20, 16_384, 1_000_000, 0, 50_000];
    let requests = sizes.map(|size| format!("GET /?{size} HTTP/1.1\r\nHost: h\r\n\r\n"));
    client.send(requests.concat());
    for size in sizes {
        expect_body(&mut client, size);
    }
}

#[test]
fn a_client_with_a_small_window_gets_pipelined_bodies_in_order() {
    let (_backend, p8) = sized();
    let mut client = Client::connect_with_small_window(p8.clients);
    let sizes = [300_000, 20, 120_000, 16_384];
    let requests = sizes.map(|size| format!("GET /?{size} HTTP/1.1\r\nHost: h\r\n\r\n"));
    client.send(requests.concat());
    for size in sizes {
        expect_body(&mut client, size);
    }
}

#[test]
fn the_length_of_a_large_body_is_told_to_head_without_the_body() {
    let (_backend, p8) = sized();
    let mut client = p8.client();
    for _ in 0..2 {
        client.request("HEAD", "/?100000", &[], b"");
        let head = client.head_for("HEAD");
        assert_eq!(head.header("content-length"), Some("100000"));
        client.request("GET", "/?100000", &[], b"");
        expect_body(&mut client, 100_000);
    }
}

#[test]
fn an_http_1_0_client_keeps_its_connection_behind_a_large_body() {
    let (_backend, p8) = sized();
    let mut client = p8.client();
    for _ in 0..2 {
        client.send("GET /?100000 HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
        expect_body(&mut client, 100_000);
    }
    client.send("GET /?100000 HTTP/1.0\r\nHost: h\r\n\r\n");
    expect_body(&mut client, 100_000);
    client.expect_end();
}

#[test]
fn a_large_body_is_passed_on_piece_by_piece() {
    let (gate, wait) = gate();
    let backend = Backend::scripted(move |exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n");
        exchange.raw(&body(40_000)[..5]);
        wait();
        exchange.raw(&body(40_000)[5..]);
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.request("GET", "/", &[], b"");
    client.final_head();
    assert_eq!(client.read_exact(5), &body(40_000)[..5]);
    gate.open();
    assert!(client.read_exact(39_995) == body(40_000)[5..]);
    client.expect_nothing_unread();
}

#[test]
fn a_large_body_that_breaks_off_cuts_the_client_off_behind_what_came() {
    let backend = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n");
        exchange.raw(body(150_000));
        exchange.close();
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.request("GET", "/", &[], b"");
    client.final_head();
    assert!(client.read_exact(150_000) == body(150_000));
    assert!(client.read_to_end().is_err(), "the body is cut short");
}

#[test]
fn an_interim_answer_leaves_before_a_large_body() {
    let backend = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        exchange.answer(&Answer::ok(body(100_000)));
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    for _ in 0..2 {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.head().status, 103);
        expect_body(&mut client, 100_000);
    }
}

#[test]
fn a_hold_follows_a_large_body_on_its_connection() {
    let backend = Backend::answering(|request| match request.query() {
        "hold" => Answer::ok("")
            .header("Grip-Hold", "response")
            .header("Grip-Channel", "a")
            .header("Grip-Timeout", "1"),
        _ => Answer::ok(body(1_000_000)),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send(
        "GET /? HTTP/1.1\r\nHost: h\r\n\r\nGET /?hold HTTP/1.1\r\nHost: h\r\n\r\n\
         GET /? HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    expect_body(&mut client, 1_000_000);
    assert_eq!(client.reply().status(), 200);
    expect_body(&mut client, 1_000_000);
}
