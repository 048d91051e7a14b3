//! One test for each fault that was fixed, or found in other GRIP proxies and not copied.
//!
//! The numbers are those of `docs/compatibility.md`, faults not copied. Faults with a test of their
//! own elsewhere: 13 in `forwarding`, 14 in `proxying`, 15 in `slow_client` and `limits`.

use serde_json::json;

use crate::support::client::CutShort;
use crate::support::grip::{hold, instruct};
use crate::support::publish::{close_item, post_items, response_item, response_with, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

#[test]
fn fault_1_head_never_wedges_the_connection_held_or_not() {
    let backend = Backend::scripted(|exchange| {
        exchange.read_body();
        match exchange.request().target.as_str() {
            "/chunked" => {
                exchange.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                if exchange.request().method != "HEAD" {
                    exchange.raw("1\r\nx\r\n0\r\n\r\n");
                }
            }
            "/poll" => exchange.answer(&hold("response", "a", "")),
            "/stream" => exchange.answer(&hold("stream", "a", "body")),
            _ => exchange.answer(&Answer::ok("counted")),
        }
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    for target in ["/counted", "/chunked", "/poll", "/stream"] {
        client.request("HEAD", target, &[], b"");
        if matches!(target, "/poll") {
            Snapshot::wait_for_subscribers(p8.control, "a", 1);
            p8.publish(&[response_item("a", "pushed body")]);
        }
        assert_eq!(client.head_for("HEAD").status, 200, "{target}");
        if target == "/stream" {
            p8.publish(&[stream_item("a", "nothing of this"), close_item("a")]);
        }
        assert_eq!(
            client.get("/counted").text(),
            "counted",
            "in step after HEAD {target}"
        );
    }
}

#[test]
fn fault_2_a_304_with_a_length_does_not_end_the_connection() {
    let backend = Backend::scripted(|exchange| match exchange.request().query() {
        "304" => drop(exchange.raw("HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n")),
        "204" => drop(exchange.raw("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")),
        _ => exchange.answer(&Answer::ok("next")),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    for status in ["304", "204", "304"] {
        assert_eq!(
            client.get(&format!("/?{status}")).status().to_string(),
            status
        );
        assert_eq!(client.get("/").text(), "next");
    }
    assert_eq!(backend.accepted(), 1, "nor does it end the backend's");
}

#[test]
fn fault_3_a_json_instruct_without_hold_and_body_is_an_empty_answer() {
    for document in [
        json!({}),
        json!({"response": {}}),
        json!({"response": {"body": ""}}),
    ] {
        let backend = Backend::answering(move |_| instruct(&document));
        let p8 = P8::start(&Config::to(backend.addr));
        let reply = p8.get("/");
        assert_eq!((reply.status(), reply.body.len()), (200, 0));
    }
}

#[test]
fn fault_4_exposed_headers_of_a_push_are_the_ones_kept() {
    let backend = Backend::answering(|_| hold("response", "a", ""));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.long_poll("/", "a", 1);
    let headers = json!({"X-Keep": "1", "X-Drop": "2", "Grip-Expose-Headers": "x-keep"});
    let format = json!({"headers": headers, "body": "b"});
    p8.publish(&[response_with("a", format)]);
    let reply = client.reply();
    assert_eq!(
        (reply.head.header("x-keep"), reply.head.header("x-drop")),
        (Some("1"), None)
    );
}

#[test]
fn fault_9_line_breaks_in_pushed_headers_and_reasons_are_refused() {
    let backend = Backend::answering(|_| hold("response", "a", ""));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.long_poll("/", "a", 1);
    let bad_header = "Invalid format: headers contains 'X-A' with invalid value\n";
    let bad_reason = "Invalid format: 'http-response' contains 'reason' with invalid value\n";
    for evil in [
        "x\r\nSet-Cookie: evil=1",
        "x\nSet-Cookie: evil=1",
        "x\r",
        "x\0",
    ] {
        let table = [
            (json!({"headers": {"X-A": evil}, "body": "b"}), bad_header),
            (json!({"headers": [["X-A", evil]], "body": "b"}), bad_header),
            (json!({"reason": evil, "body": "b"}), bad_reason),
        ];
        for (format, text) in table {
            let reply = post_items(p8.control, &[response_with("a", format)]);
            assert_eq!(
                (reply.status(), reply.text().as_str()),
                (400, text),
                "{evil:?}"
            );
        }
        let named_so = response_with("a", json!({"headers": {evil: "1"}, "body": "b"}));
        let reply = post_items(p8.control, &[named_so]);
        assert_eq!(reply.status(), 400, "{evil:?}");
    }
    p8.publish(&[response_item("a", "clean")]);
    let reply = client.reply();
    assert_eq!(
        (reply.text().as_str(), reply.head.header("set-cookie")),
        ("clean", None)
    );
}

#[test]
fn fault_9_line_breaks_in_instructions_are_refused_too() {
    for response in [
        json!({"reason": "x\r\nSet-Cookie: evil=1"}),
        json!({"headers": {"X-A": "x\r\nSet-Cookie: evil=1"}}),
        json!({"headers": [["X-A\r\nSet-Cookie: evil=1", "x"]]}),
    ] {
        let document = json!({ "response": response });
        let backend = Backend::answering(move |_| instruct(&document));
        let p8 = P8::start(&Config::to(backend.addr));
        let reply = p8.get("/");
        assert_eq!(
            (reply.status(), reply.head.header("set-cookie")),
            (502, None)
        );
    }
}

#[test]
fn fault_12_six_filters_in_json_are_refused_and_nothing_aborts() {
    let backend = Backend::answering(|request| {
        let count: usize = request.query().parse().expect("a number");
        let filters: Vec<String> = (0..count).map(|n| format!("unknown-{n}")).collect();
        let channels = json!([{"name": "a", "filters": filters}]);
        instruct(&json!({"hold": {"mode": "stream", "channels": channels}}))
    });
    let p8 = P8::start(&Config::to(backend.addr));
    assert_eq!(p8.get("/?6").status(), 502);
    let mut client = p8.stream("/?5");
    p8.publish(&[stream_item("a", "still alive"), close_item("a")]);
    assert_eq!(client.read_to_end().expect("an end"), b"still alive");
}

#[test]
fn fault_16_an_http_1_0_stream_with_keep_alive_still_ends_by_close() {
    let backend = Backend::answering(|_| hold("stream", "a", "open\n"));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
    let head = client.final_head();
    let connection = head
        .header("connection")
        .unwrap_or("close")
        .to_ascii_lowercase();
    assert_eq!((head.is_chunked(), connection.as_str()), (false, "close"));
    p8.publish(&[close_item("a")]);
    assert_eq!(client.read_to_end().expect("an end"), b"open\n");
}

#[test]
fn fault_18_a_closing_chunked_stream_has_one_connection_header() {
    let backend = Backend::answering(|_| hold("stream", "a", "open\n"));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.request("GET", "/", &[("Connection", "close")], b"");
    let head = client.final_head();
    assert_eq!(head.all("connection"), ["close"]);
    p8.publish(&[close_item("a")]);
    assert_eq!(client.read_to_end().expect("an end"), b"open\n");
    client.expect_end();
}

#[test]
fn more_than_64_headers_in_a_push_arrive_or_are_refused_but_never_hang() {
    let backend = Backend::answering(|_| hold("response", "a", ""));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.long_poll("/", "a", 1);
    let headers: Vec<[String; 2]> = (0..200)
        .map(|n| [format!("X-{n}"), n.to_string()])
        .collect();
    let format = json!({"headers": headers, "body": "b"});
    p8.publish(&[response_with("a", format)]);
    let reply = client.reply();
    assert_eq!((reply.status(), reply.text().as_str()), (200, "b"));
    assert_eq!(reply.head.names_with("x-").len(), 200);
}

#[test]
fn a_final_status_below_200_in_an_instruction_is_refused() {
    for status in ["100", "101", "0", "199"] {
        let backend =
            Backend::answering(move |_| hold("stream", "a", "").header("Grip-Status", status));
        let p8 = P8::start(&Config::to(backend.addr));
        assert_eq!(p8.get("/").status(), 502, "{status}");
    }
}

#[test]
fn a_grip_answer_that_is_cut_off_gives_502_and_no_hold() {
    let head = "HTTP/1.1 200 OK\r\nGrip-Hold: response\r\nGrip-Channel: a\r\n";
    for framing in [
        "Content-Length: 100\r\n\r\ncut",
        "Transfer-Encoding: chunked\r\n\r\n5\r\ncut",
    ] {
        let answer = format!("{head}{framing}");
        let backend = Backend::scripted(move |exchange| {
            exchange.raw(&answer);
            exchange.close();
        });
        let p8 = P8::start(&Config::to(backend.addr));
        assert_eq!(p8.get("/").status(), 502, "{framing:?}");
        assert_eq!(p8.snapshot().subscribers("a"), 0);
    }
}

#[test]
fn a_large_stream_that_is_cut_off_ends_visibly() {
    let backend = Backend::scripted(|exchange| {
        let head = "HTTP/1.1 200 OK\r\nGrip-Hold: stream\r\nGrip-Channel: a\r\n";
        exchange.raw(format!("{head}Content-Length: 400000\r\n\r\n"));
        exchange.raw([b'x'; 200_000]);
        exchange.close();
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.request("GET", "/", &[], b"");
    assert_eq!(client.final_head().status, 200);
    assert_eq!(client.read_to_end(), Err(CutShort));
    Snapshot::wait_for_subscribers(p8.control, "a", 0);
}

#[test]
fn a_half_sent_request_that_is_abandoned_leaves_nothing() {
    let backend = Backend::answering(|_| Answer::ok(""));
    let p8 = P8::start(&Config::to(backend.addr));
    for part in [
        "GET",
        "GET / HTTP/1.1\r\nHost: h\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf",
    ] {
        let mut client = p8.client();
        client.send(part);
        drop(client);
    }
    wait_until(DEADLINE, "the connections to end", || {
        let snapshot = p8.snapshot();
        snapshot.total("connections_current") == 0 && snapshot.total("upstreams_current") == 0
    });
    wait_until(DEADLINE, "the backend's connections to end", || {
        backend.open() == 0
    });
}
