//! Clients that send slowly, or stop: bounded in time, and nobody else waits for them.

use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

const HEAD: &str = "GET / HTTP/1.1\r\nHost: h\r\nX-";

fn started(lines: &[&str]) -> (Backend, P8) {
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let mut config = Config::to(backend.addr);
    for line in lines {
        config = config.http(line);
    }
    let p8 = P8::start(&config);
    (backend, p8)
}

#[track_caller]
fn is_told(client: &mut Client, reason: &str) {
    let reply = client.reply();
    assert_eq!(reply.status(), 408);
    assert_eq!(reply.head.header("p8-reason"), Some(reason));
    client.expect_end();
}

#[test]
fn a_head_that_does_not_end_is_answered_408() {
    let (_backend, p8) = started(&["header_timeout_secs = 1"]);
    let mut first = p8.client();
    first.send(HEAD);
    let mut kept = p8.client();
    assert_eq!(kept.get("/").status(), 200);
    kept.send(HEAD);
    for client in [&mut first, &mut kept] {
        is_told(client, "head-too-slow");
    }
    assert_eq!(p8.snapshot().refused("slow-request"), 2);
    assert_eq!(p8.snapshot().refused("bad-request"), 0);
}

#[test]
fn a_client_that_says_nothing_is_left_without_an_answer() {
    let (_backend, p8) = started(&["header_timeout_secs = 1"]);
    p8.client().expect_end();
    assert_eq!(p8.snapshot().refused("slow-request"), 0);
}

#[test]
fn a_body_that_stops_is_answered_408() {
    let (_backend, p8) = started(&["body_timeout_secs = 1"]);
    let counted = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf";
    let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    for request in [counted, chunked] {
        let mut client = p8.client();
        client.send(request);
        is_told(&mut client, "body-too-slow");
    }
    assert_eq!(p8.snapshot().refused("slow-request"), 2);
}

#[test]
fn a_body_that_stops_behind_a_begun_response_cuts_it() {
    let backend = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nearly");
        exchange.read_body();
    });
    let p8 = P8::start(&Config::to(backend.addr).http("body_timeout_secs = 1"));
    let mut client = p8.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
    assert_eq!(client.final_head().status, 200);
    client.expect("early");
    assert!(client.read_to_end().is_err(), "it is cut");
    wait_until(DEADLINE, "it to be counted", || {
        p8.snapshot().refused("slow-request") == 1
    });
}

#[test]
fn many_slow_clients_do_not_stop_others() {
    let (_backend, p8) = started(&["header_timeout_secs = 20", "workers = 1"]);
    let mut slow: Vec<Client> = (0..300).map(|_| p8.client()).collect();
    slow.iter_mut().for_each(|client| client.send(HEAD));
    wait_until(DEADLINE, "all of them", || {
        p8.snapshot().total("connections_current") == 300
    });
    for _ in 0..20 {
        assert_eq!(p8.get("/").text(), "ok");
        slow.iter_mut().for_each(|client| client.send("x"));
    }
    let mut one = slow.swap_remove(7);
    one.send(": y\r\n\r\n");
    assert_eq!(one.reply().text(), "ok", "slow is not wrong");
}
