//! Stream holds: the response opens at once and every item appends to it.
//!
//! Source: `docs/grip.md`, streaming. A stream's head is only written once its subscription is
//! acknowledged, so these tests publish as soon as they saw it.

use serde_json::json;

use crate::support::grip::{hold, hold_in, instruct, Form, BOTH_FORMS};
use crate::support::publish::{close_item, response_item, stream_item, stream_with};
use crate::support::snapshot::Snapshot;
use crate::support::wait::gate;
use crate::support::{Answer, Backend, Client, Config, P8};

/// A backend that answers with that, and P-8 before it.
fn before(answer: Answer) -> (Backend, P8) {
    let backend = Backend::answering(move |_| answer.clone());
    let p8 = P8::start(&Config::to(backend.addr));
    (backend, p8)
}

#[test]
fn the_initial_body_comes_at_once_and_each_item_after_it() {
    for form in BOTH_FORMS {
        let (_backend, p8) = before(hold_in(form, "stream", &["a"], "welcome\n"));
        let mut client = p8.stream("/");
        client.expect("welcome\n");
        for text in ["one\n", "two\n", "three\n"] {
            p8.publish(&[stream_item("a", text)]);
            client.expect(text);
        }
    }
}

#[test]
fn status_and_headers_of_the_instructing_response_open_the_stream() {
    for form in BOTH_FORMS {
        let held = match form {
            Form::Headers => hold("stream", "a", "x")
                .header("X-A", "1")
                .header("Grip-Status", "202 Open"),
            Form::Json => instruct(&json!({
                "hold": {"mode": "stream", "channels": [{"name": "a"}]},
                "response": {"code": 202, "reason": "Open", "headers": [["X-A", "1"]], "body-bin": "eA=="},
            })),
        };
        let (_backend, p8) = before(held);
        let mut client = p8.client();
        client.request("GET", "/", &[], b"");
        let head = client.final_head();
        assert_eq!(
            (head.status, head.reason.as_str()),
            (202, "Open"),
            "{form:?}"
        );
        assert_eq!(head.header("x-a"), Some("1"), "{form:?}");
        assert!(head.is_chunked(), "{form:?}");
        assert_eq!(head.header("content-length"), None, "{form:?}");
        assert_eq!(head.names_with("grip-"), Vec::<&str>::new(), "{form:?}");
        client.expect("x");
    }
}

#[test]
fn an_empty_initial_body_still_sends_the_head_at_once() {
    for form in BOTH_FORMS {
        let (_backend, p8) = before(hold_in(form, "stream", &["a"], ""));
        let mut client = p8.stream("/");
        client.expect_nothing_unread();
        p8.publish(&[stream_item("a", "x")]);
        client.expect("x");
    }
}

#[test]
fn binary_content_passes() {
    let (_backend, p8) = before(hold("stream", "a", ""));
    let mut client = p8.stream("/");
    let format = json!({"content": "text", "content-bin": "AP8B/g=="});
    p8.publish(&[stream_with("a", format)]);
    assert_eq!(client.read_exact(4), [0, 255, 1, 254]);
}

#[test]
fn a_thousand_items_arrive_in_order() {
    let (_backend, p8) = before(hold("stream", "a", ""));
    let mut client = p8.stream("/");
    let texts: Vec<String> = (0..1000).map(|n| format!("{n:04}\n")).collect();
    let items: Vec<_> = texts.iter().map(|text| stream_item("a", text)).collect();
    p8.publish(&items);
    client.expect(texts.concat());
}

#[test]
fn publishes_of_one_publisher_arrive_in_their_order() {
    let (_backend, p8) = before(hold("stream", "a", ""));
    let mut client = p8.stream("/");
    for n in 0..100 {
        p8.publish(&[stream_item("a", &format!("{n:04}\n"))]);
    }
    client.expect((0..100).map(|n| format!("{n:04}\n")).collect::<String>());
}

#[test]
fn every_stream_of_a_channel_gets_every_item_once() {
    let (_backend, p8) = before(hold("stream", "a", "open\n"));
    let mut clients: Vec<Client> = (0..200).map(|_| p8.stream("/")).collect();
    assert_eq!(p8.snapshot().subscribers("a"), 200);
    p8.publish(&[
        stream_item("a", "one\n"),
        stream_item("a", "two\n"),
        close_item("a"),
    ]);
    for client in &mut clients {
        assert_eq!(client.read_to_end().expect("an end"), b"open\none\ntwo\n");
    }
}

#[test]
fn a_stream_may_be_on_several_channels_and_on_one_twice() {
    for form in BOTH_FORMS {
        let (_backend, p8) = before(hold_in(form, "stream", &["a", "b", "a"], ""));
        let mut client = p8.stream("/");
        for (channel, text) in [("a", "1\n"), ("b", "2\n"), ("a", "3\n")] {
            p8.publish(&[stream_item(channel, text)]);
        }
        p8.publish(&[close_item("b")]);
        assert_eq!(
            client.read_to_end().expect("an end"),
            b"1\n2\n3\n",
            "{form:?}"
        );
    }
}

#[test]
fn other_channels_and_other_formats_do_not_show_up() {
    let (_backend, p8) = before(hold("stream", "chan", ""));
    let mut client = p8.stream("/");
    p8.publish(&[
        stream_item("chanx", "no"),
        stream_item("Chan", "no"),
        response_item("chan", "no"),
        json!({"channel": "chan", "formats": {"ws-message": {"content": "no"}}}),
        stream_item("chan", ""),
        stream_with("chan", json!({"action": "hint"})),
        stream_with("chan", json!({"action": "refresh"})),
        stream_item("chan", "yes"),
        close_item("chan"),
    ]);
    assert_eq!(client.read_to_end().expect("an end"), b"yes");
}

#[test]
fn the_close_action_ends_the_stream_well_and_the_connection_stays() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/stream" => hold("stream", "a", ""),
        _ => Answer::ok("plain"),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    for _ in 0..3 {
        client.request("GET", "/stream", &[], b"");
        assert_eq!(client.final_head().status, 200);
        let close = json!({"action": "close", "content": "ignored"});
        p8.publish(&[
            stream_item("a", "last\n"),
            stream_with("a", close),
            stream_item("a", "too late\n"),
        ]);
        assert_eq!(client.read_to_end().expect("an end"), b"last\n");
        assert_eq!(client.get("/plain").text(), "plain");
    }
    Snapshot::wait_for_subscribers(p8.control, "a", 0);
}

#[test]
fn a_request_with_a_body_can_be_a_stream() {
    let (backend, p8) = before(hold("stream", "a", ""));
    let mut client = p8.client();
    client.request("POST", "/", &[], b"payload");
    assert_eq!(client.final_head().status, 200);
    p8.publish(&[stream_item("a", "x")]);
    client.expect("x");
    assert_eq!(backend.only_request().body, b"payload");
}

#[test]
fn a_stream_whose_status_has_no_body_is_answered_without_a_hold() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/stream" => Answer::new(204)
            .header("Grip-Hold", "stream")
            .header("Grip-Channel", "a"),
        _ => Answer::ok("plain"),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    let reply = client.get("/stream");
    assert_eq!((reply.status(), reply.text().as_str()), (204, ""));
    assert_eq!(p8.snapshot().subscribers("a"), 0);
    assert_eq!(client.get("/").text(), "plain");
}

#[test]
fn an_http_1_0_stream_is_not_chunked_and_ends_by_close() {
    let (_backend, p8) = before(hold("stream", "a", "open\n"));
    let mut client = p8.client();
    client.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
    let head = client.final_head();
    assert!(!head.is_chunked());
    client.expect("open\n");
    p8.publish(&[stream_item("a", "more\n"), close_item("a")]);
    assert_eq!(client.read_to_end().expect("an end"), b"more\n");
}

#[test]
fn a_large_item_arrives_whole() {
    let (_backend, p8) = before(hold("stream", "a", ""));
    let mut client = p8.stream("/");
    let large = "x".repeat(500_000);
    p8.publish(&[stream_item("a", &large), close_item("a")]);
    assert_eq!(client.read_to_end().expect("an end").len(), 500_000);
}

#[test]
fn a_pipelined_request_waits_for_the_streams_end() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/stream" => hold("stream", "a", "open\n"),
        _ => Answer::ok("next"),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    client.final_head();
    client.expect("open\n");
    p8.publish(&[stream_item("a", "more\n"), close_item("a")]);
    assert_eq!(client.read_to_end().expect("an end"), b"more\n");
    assert_eq!(client.reply().text(), "next");
}

#[test]
fn keep_alive_formats_are_decoded() {
    let table = [
        ("abc; timeout=1", &b"abc"[..]),
        ("a, \"b\"; timeout=1; format=raw", b"a, \"b\""),
        (
            "a\\\\b\\r\\n\\t\\x41; format=cstring; timeout=1",
            b"a\\b\r\n\tA",
        ),
        ("AP8K; format=base64; timeout=0", b"\x00\xff\n"),
    ];
    let backend = Backend::answering(move |request| {
        let (keep_alive, _) = table[request.query().parse::<usize>().expect("an index")];
        hold("stream", "a", "").header("Grip-Keep-Alive", keep_alive)
    });
    let p8 = P8::start(&Config::to(backend.addr));
    for (n, (keep_alive, expected)) in table.into_iter().enumerate() {
        let mut client = p8.stream(&format!("/?{n}"));
        let twice = client.read_exact(expected.len() * 2);
        assert_eq!(twice, [expected, expected].concat(), "{keep_alive}");
    }
}

#[test]
fn a_json_keep_alive_works_too() {
    let keep_alive = json!({"content": "text", "content-bin": "AP8=", "timeout": 1});
    let channels = json!([{"name": "a"}]);
    let hold = json!({"mode": "stream", "channels": channels, "keep-alive": keep_alive});
    let (_backend, p8) = before(instruct(&json!({ "hold": hold })));
    let mut client = p8.stream("/");
    assert_eq!(client.read_exact(4), [0, 255, 0, 255]);
}

#[test]
fn an_item_puts_an_idle_keep_alive_off_but_not_an_interval_one() {
    let backend = Backend::answering(|request| {
        let keep_alive = format!("k; timeout=2; mode={}", request.query());
        hold("stream", "a", "").header("Grip-Keep-Alive", keep_alive)
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut idle = p8.stream("/?idle");
    let mut interval = p8.stream("/?interval");
    // Items come as fast as they are delivered until the interval keep-alive fired twice; each of
    // its gaps is at least a second, so the idle one would have fired had items not put it off.
    let mut sent = 0;
    let mut fired = 0;
    while fired < 2 {
        p8.publish(&[stream_item("a", "i")]);
        sent += 1;
        while fired < 2 {
            match interval.read_exact(1).as_slice() {
                b"k" => fired += 1,
                _ => break,
            }
        }
    }
    p8.publish(&[close_item("a")]);
    assert_eq!(idle.read_to_end().expect("an end"), vec![b'i'; sent]);
}

#[test]
fn a_beginning_too_large_to_gather_arrives_in_order_and_items_follow_it() {
    let beginning: String = (0..30_000).map(|n| format!("{n:09}\n")).collect();
    let sent = beginning.clone();
    let (gate, wait) = gate();
    let backend = Backend::scripted(move |exchange| {
        let (first, rest) = sent.split_at(200_000);
        let length = sent.len();
        exchange.raw(format!(
            "HTTP/1.1 200 OK\r\nGrip-Hold: stream\r\nGrip-Channel: a\r\n\
             Content-Length: {length}\r\n\r\n{first}"
        ));
        wait();
        exchange.raw(rest);
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.stream("/");
    assert!(client.read_exact(150_000) == beginning.as_bytes()[..150_000]);
    p8.publish(&[stream_item("a", "published before the beginning's end\n")]);
    gate.open();
    assert!(client.read_exact(150_000) == beginning.as_bytes()[150_000..]);
    client.expect("published before the beginning's end\n");
    p8.publish(&[stream_item("a", "after it\n"), close_item("a")]);
    assert_eq!(client.read_to_end(), Ok(b"after it\n".to_vec()));
}
