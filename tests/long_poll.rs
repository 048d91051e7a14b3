//! Response holds: nothing is sent until an item, a timeout, or an error.
//!
//! Source: `docs/grip.md`, long-polling. That other items do nothing is proved by the answer that
//! comes behind them: it would be the wrong one.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::grip::{hold, hold_in, instruct, BOTH_FORMS};
use crate::support::publish::{hint_item, mute_item, response_item, response_with, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::{gate, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Config, P8};

/// A backend that answers with that, and P-8 before it.
fn before(answer: Answer) -> (Backend, P8) {
    let backend = Backend::answering(move |_| answer.clone());
    let p8 = P8::start(&Config::to(backend.addr));
    (backend, p8)
}

#[test]
fn an_item_answers_the_held_request() {
    for form in BOTH_FORMS {
        let (_backend, p8) = before(hold_in(form, "response", &["a"], "timed out"));
        let mut client = p8.long_poll("/", "a", 1);
        client.expect_nothing_unread();
        p8.publish(&[response_item("a", "hello")]);
        let reply = client.reply();
        assert_eq!(
            (reply.status(), reply.head.reason.as_str()),
            (200, "OK"),
            "{form:?}"
        );
        assert_eq!(reply.text(), "hello", "{form:?}");
        assert_eq!(reply.head.header("content-length"), Some("5"), "{form:?}");
        assert_eq!(
            reply.head.names_with("grip-"),
            Vec::<&str>::new(),
            "{form:?}"
        );
        p8.publish(&[response_item("a", "too late")]);
        client.expect_nothing_unread();
    }
}

#[test]
fn the_item_names_status_reason_headers_and_body() {
    let (_backend, p8) = before(hold("response", "a", ""));
    let table = [
        (json!({"code": 404, "body": "x"}), 404, "Not Found"),
        (
            json!({"code": "503", "reason": "Tired", "body": "x"}),
            503,
            "Tired",
        ),
        (json!({"code": 200.6, "body": "x"}), 201, "Created"),
        (json!({"code": 799, "body": "x"}), 799, "Undefined Reason"),
        (json!({"reason": "", "body": "x"}), 200, "OK"),
    ];
    for (format, status, reason) in table {
        let mut client = p8.long_poll("/", "a", 1);
        p8.publish(&[response_with("a", format)]);
        let reply = client.reply();
        assert_eq!(
            (reply.status(), reply.head.reason.as_str()),
            (status, reason)
        );
        assert_eq!(reply.text(), "x");
    }
}

#[test]
fn pushed_answers_inherit_the_held_headers_and_override_them() {
    for form in BOTH_FORMS {
        let held = match form {
            crate::support::grip::Form::Headers => hold("response", "a", "")
                .header("X-Base", "base")
                .header("X-Both", "old"),
            crate::support::grip::Form::Json => instruct(&json!({
                "hold": {"channels": [{"name": "a"}]},
                "response": {"headers": [["Content-Type", "text/plain"], ["X-Base", "base"], ["X-Both", "old"]]},
            })),
        };
        let (_backend, p8) = before(held);
        let mut client = p8.long_poll("/", "a", 1);
        let format = json!({"headers": {"x-both": "new", "Grip-Odd": "1", "Content-Length": "99"}, "body": "b"});
        p8.publish(&[response_with("a", format)]);
        let reply = client.reply();
        assert_eq!(reply.head.header("x-base"), Some("base"), "{form:?}");
        assert_eq!(reply.head.header("x-both"), Some("new"), "{form:?}");
        assert_eq!(
            reply.head.header("content-type"),
            Some("text/plain"),
            "{form:?}"
        );
        assert_eq!(reply.head.header("content-length"), Some("1"), "{form:?}");
        assert_eq!(
            reply.head.names_with("grip-"),
            Vec::<&str>::new(),
            "{form:?}"
        );
    }
}

#[test]
fn headers_as_pairs_keep_their_repeats() {
    let (_backend, p8) = before(hold("response", "a", ""));
    let mut client = p8.long_poll("/", "a", 1);
    let format = json!({"headers": [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]], "body": "x"});
    p8.publish(&[response_with("a", format)]);
    assert_eq!(client.reply().head.all("set-cookie"), ["a=1", "b=2"]);
}

#[test]
fn a_pushed_status_without_a_body_has_none() {
    let (_backend, p8) = before(hold("response", "a", "held"));
    for status in [204, 304] {
        let mut client = p8.long_poll("/", "a", 1);
        let format = json!({"code": status, "body": "ignored"});
        p8.publish(&[response_with("a", format)]);
        let reply = client.reply();
        assert_eq!(
            (reply.status(), reply.head.header("content-length")),
            (status, None)
        );
        client.request("GET", "/", &[], b"");
        Snapshot::wait_for_subscribers(p8.control, "a", 1);
        p8.publish(&[response_item("a", "in step")]);
        assert_eq!(client.reply().text(), "in step");
    }
}

#[test]
fn text_binary_empty_and_large_bodies_arrive_as_they_were() {
    let (_backend, p8) = before(hold("response", "a", "timed out"));
    let large = "x".repeat(200_000);
    let table = [
        (json!({"body": "žluť ☃ 😀"}), "žluť ☃ 😀".as_bytes()),
        (json!({"body-bin": "AP8B/g=="}), &[0, 255, 1, 254][..]),
        (json!({"body": "text", "body-bin": "AQI="}), &[1, 2][..]),
        (json!({"body": ""}), &[][..]),
        (json!({ "body": large }), large.as_bytes()),
    ];
    for (format, expected) in table {
        let mut client = p8.long_poll("/", "a", 1);
        p8.publish(&[response_with("a", format)]);
        assert_eq!(client.reply().body, expected);
    }
}

#[test]
fn every_held_request_of_a_channel_is_answered() {
    let (_backend, p8) = before(hold("response", "a", ""));
    let mut clients: Vec<_> = (1..=20).map(|n| p8.long_poll("/", "a", n)).collect();
    p8.publish(&[response_item("a", "all")]);
    for client in &mut clients {
        assert_eq!(client.reply().text(), "all");
    }
    Snapshot::wait_for_subscribers(p8.control, "a", 0);
}

#[test]
fn other_channels_and_other_formats_do_not_answer() {
    let (_backend, p8) = before(hold("response", "chan", ""));
    let mut client = p8.long_poll("/", "chan", 1);
    p8.publish(&[
        response_item("chanx", "wrong"),
        response_item("cha", "wrong"),
        response_item("CHAN", "wrong"),
        stream_item("chan", "wrong"),
        mute_item("chan"),
        response_with("chan", json!({"action": "refresh"})),
        json!({"channel": "chan", "formats": {"ws-message": {"content": "wrong"}}}),
        response_item("chan", "right"),
    ]);
    assert_eq!(client.reply().text(), "right");
}

#[test]
fn any_of_several_channels_answers() {
    for form in BOTH_FORMS {
        for channel in ["a", "b", "c"] {
            let (_backend, p8) = before(hold_in(form, "response", &["a", "b", "c"], ""));
            let mut client = p8.long_poll("/", "c", 1);
            p8.publish(&[response_item(channel, channel)]);
            assert_eq!(client.reply().text(), channel, "{form:?}");
        }
    }
}

#[test]
fn channels_may_share_a_header_and_quotes_keep_their_commas() {
    let held = Answer::ok("").header("Grip-Hold", "response");
    let held = held.header("Grip-Channel", "a, \"b,c\"; filter=skip-self, d; prev-id=x");
    let (_backend, p8) = before(held.header("grip-channel", "ž, a"));
    for channel in ["a", "\"b,c\"", "ž"] {
        let mut client = p8.long_poll("/", channel, 1);
        p8.publish(&[response_item(channel, "got it")]);
        assert_eq!(client.reply().text(), "got it", "{channel}");
    }
}

#[test]
fn the_first_of_two_items_answers_and_the_second_is_dropped() {
    let (_backend, p8) = before(hold("response", "a", ""));
    let mut client = p8.long_poll("/", "a", 1);
    p8.publish(&[response_item("a", "first"), response_item("a", "second")]);
    assert_eq!(client.reply().text(), "first");
    client.request("GET", "/", &[], b"");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[response_item("a", "third")]);
    assert_eq!(client.reply().text(), "third");
}

#[test]
fn the_connection_goes_back_to_keep_alive_after_each_poll() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/poll" => hold("response", "a", ""),
        _ => Answer::ok("plain"),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    for n in 0..5 {
        client.request("GET", "/poll", &[], b"");
        Snapshot::wait_for_subscribers(p8.control, "a", 1);
        p8.publish(&[response_item("a", &n.to_string())]);
        assert_eq!(client.reply().text(), n.to_string());
        assert_eq!(client.get("/plain").text(), "plain");
    }
}

#[test]
fn a_request_pipelined_before_or_during_a_hold_is_answered_after_it() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/poll" => hold("response", "a", ""),
        _ => Answer::ok("next"),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let poll = "GET /poll HTTP/1.1\r\nHost: h\r\n\r\n";
    let next = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
    for during in [false, true] {
        let mut client = p8.client();
        client.send(if during {
            poll.to_owned()
        } else {
            format!("{poll}{next}")
        });
        Snapshot::wait_for_subscribers(p8.control, "a", 1);
        if during {
            client.send(next);
        }
        p8.publish(&[response_item("a", "held")]);
        assert_eq!(client.reply().text(), "held", "during: {during}");
        assert_eq!(client.reply().text(), "next", "during: {during}");
    }
}

#[test]
fn connection_close_ends_the_connection_after_the_poll() {
    let (_backend, p8) = before(hold("response", "a", ""));
    let mut client = p8.client();
    client.request("GET", "/", &[("Connection", "close")], b"");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[response_item("a", "bye")]);
    let reply = client.reply();
    assert_eq!(
        (reply.text().as_str(), reply.head.header("connection")),
        ("bye", Some("close"))
    );
    client.expect_end();
}

#[test]
fn an_http_1_0_poll_is_answered_in_its_version_and_closed() {
    let (_backend, p8) = before(hold("response", "a", ""));
    let mut client = p8.client();
    client.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[response_item("a", "old")]);
    assert_eq!(client.reply().text(), "old");
    client.expect_end();
}

#[test]
fn a_timed_out_hold_sends_the_instructed_response() {
    for form in BOTH_FORMS {
        let held = match form {
            crate::support::grip::Form::Headers => hold("response", "a", "nothing new\n")
                .header("Grip-Timeout", "1")
                .header("Grip-Status", "404 Nope")
                .header("X-T", "1"),
            crate::support::grip::Form::Json => instruct(&json!({
                "hold": {"channels": [{"name": "a"}], "timeout": "1"},
                "response": {"code": 404, "reason": "Nope", "headers": {"X-T": "1"}, "body": "nothing new\n"},
            })),
        };
        let (_backend, p8) = before(held);
        let started = Instant::now();
        let mut client = p8.client();
        client.request("GET", "/", &[], b"");
        let reply = client.reply();
        let took = started.elapsed();
        assert!(
            took >= Duration::from_secs(5),
            "1 acts as the least, 5 s: {took:?}"
        );
        assert!(took < Duration::from_secs(7), "{took:?}");
        assert_eq!(
            (reply.status(), reply.head.reason.as_str()),
            (404, "Nope"),
            "{form:?}"
        );
        assert_eq!(reply.head.header("x-t"), Some("1"), "{form:?}");
        assert_eq!(reply.text(), "nothing new\n", "{form:?}");
        assert_eq!(
            reply.head.names_with("grip-"),
            Vec::<&str>::new(),
            "{form:?}"
        );
        Snapshot::wait_for_subscribers(p8.control, "a", 0);
    }
}

#[test]
fn a_request_answered_before_its_body_was_sent_is_held_once_it_is_there() {
    let backend = Backend::scripted(|exchange| {
        exchange.answer(&hold("response", "a", "nothing"));
        exchange.read_body();
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
    wait_until(DEADLINE, "the request at the backend", || {
        backend.seen().len() == 1
    });
    client.send("body");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[response_item("a", "news")]);
    assert_eq!(client.reply().text(), "news");
}

#[test]
fn a_request_with_a_body_can_be_held() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/next" => Answer::ok("next"),
        _ => hold("response", "a", ""),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    for body in [vec![b'x'; 7], vec![b'y'; 10_000], vec![b'z'; 100_000]] {
        let mut client = p8.client();
        client.request("POST", "/", &[], &body);
        Snapshot::wait_for_subscribers(p8.control, "a", 1);
        assert_eq!(
            backend.seen().last().map(|request| request.body.len()),
            Some(body.len())
        );
        p8.publish(&[response_item("a", "held")]);
        assert_eq!(client.reply().text(), "held");
        assert_eq!(client.get("/next").text(), "next");
    }
}

#[test]
fn a_hint_asks_the_backend_again_and_the_client_stays_subscribed() {
    let (gate, wait) = gate();
    let backend = Backend::scripted(move |exchange| {
        exchange.read_body();
        if exchange.index() > 0 {
            wait();
        }
        let target = exchange.request().target;
        exchange.answer(&match (target.as_str(), exchange.index()) {
            ("/changed", 1) => Answer::ok("changed"),
            _ => hold("response", "chan", "nothing"),
        });
    });
    let p8 = P8::start(&Config::to(backend.addr));

    let mut client = p8.client();
    client.request("POST", "/changed", &[], b"body");
    Snapshot::wait_for_subscribers(p8.control, "chan", 1);
    p8.publish(&[hint_item("chan")]);
    gate.open();
    assert_eq!(client.reply().text(), "changed");
    let seen = backend.seen();
    assert_eq!((seen.len(), &seen[1].body[..]), (2, &b"body"[..]));

    client.request("GET", "/waits", &[], b"");
    Snapshot::wait_for_subscribers(p8.control, "chan", 1);
    p8.publish(&[hint_item("chan"), response_item("chan", "in between")]);
    assert_eq!(client.reply().text(), "in between");
}

#[test]
fn a_hold_without_channels_just_waits() {
    for held in [
        Answer::ok("later")
            .header("Grip-Hold", "response")
            .header("Grip-Timeout", "5"),
        instruct(&json!({"hold": {"channels": [], "timeout": 5}, "response": {"body": "later"}})),
    ] {
        let (_backend, p8) = before(held);
        let mut client = p8.client();
        client.request("GET", "/", &[], b"");
        assert_eq!(client.reply().text(), "later");
    }
}

#[test]
fn the_status_of_the_holding_response_does_not_matter_for_headers() {
    for status in [500, 404, 204] {
        let mut held = hold("response", "a", "");
        held.status = status;
        let (_backend, p8) = before(held);
        let mut client = p8.long_poll("/", "a", 1);
        p8.publish(&[response_item("a", "pushed")]);
        let reply = client.reply();
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (200, "pushed"),
            "{status}"
        );
    }
}

#[test]
fn exposed_headers_alone_are_kept() {
    let held = hold("response", "a", "")
        .header("X-Keep", "1")
        .header("X-Drop", "1");
    let (_backend, p8) = before(held.header("Grip-Expose-Headers", "x-keep"));
    let mut client = p8.long_poll("/", "a", 1);
    p8.publish(&[response_item("a", "pushed")]);
    let reply = client.reply();
    assert_eq!(reply.head.header("x-keep"), Some("1"));
    assert_eq!(
        (
            reply.head.header("x-drop"),
            reply.head.header("content-type")
        ),
        (None, None)
    );
}

#[test]
fn json_and_header_channels_add_up() {
    let document = json!({"hold": {"mode": "response", "channels": [{"name": "b"}]}});
    let (_backend, p8) = before(
        instruct(&document)
            .header("Grip-Hold", "stream")
            .header("Grip-Channel", "a"),
    );
    for channel in ["a", "b"] {
        let mut client = p8.long_poll("/", channel, 1);
        p8.publish(&[response_item(channel, "pushed")]);
        assert_eq!(client.reply().text(), "pushed", "{channel}");
    }
}

/// Headers that make no instruction.
const BAD_HEADERS: &[&[(&str, &str)]] = &[
    &[("Grip-Hold", "forever")],
    &[("Grip-Hold", "Response")],
    &[("Grip-Hold", "")],
    &[("Grip-Hold", "response"), ("Grip-Timeout", "soon")],
    &[("Grip-Hold", "response"), ("Grip-Timeout", "-1")],
    &[("Grip-Hold", "response"), ("Grip-Timeout", "5.5")],
    &[("Grip-Hold", "response"), ("Grip-Timeout", "99999999999")],
    &[
        ("Grip-Hold", "stream"),
        ("Grip-Keep-Alive", "x; format=nope"),
    ],
    &[("Grip-Hold", "stream"), ("Grip-Keep-Alive", "x; mode=nope")],
    &[
        ("Grip-Hold", "stream"),
        ("Grip-Keep-Alive", "x; timeout=abc"),
    ],
    &[("Grip-Hold", "stream"), ("Grip-Keep-Alive", "; timeout=5")],
    &[
        ("Grip-Hold", "stream"),
        ("Grip-Keep-Alive", "a\\x4; format=cstring"),
    ],
    &[("Grip-Hold", "response"), ("Grip-Status", "abc")],
    &[("Grip-Hold", "response"), ("Grip-Status", "1000")],
    &[("Grip-Hold", "stream"), ("Grip-Link", "/next; rel=next")],
    &[("Grip-Hold", "stream"), ("Grip-Link", "<>; rel=next")],
    &[
        ("Grip-Hold", "stream"),
        ("Grip-Link", "</n>; rel=next; timeout=x"),
    ],
    &[
        ("Grip-Hold", "response"),
        (
            "Grip-Channel",
            "c; filter=a; filter=b; filter=c; filter=d; filter=e; filter=f",
        ),
    ],
];

/// Documents that make no instruction.
const BAD_DOCUMENTS: &[&str] = &[
    "{nope",
    "",
    "[]",
    "{} x",
    r#"{"hold": 1}"#,
    r#"{"hold": {"mode": "odd", "channels": []}}"#,
    r#"{"hold": {"mode": "stream"}}"#,
    r#"{"hold": {"channels": [{}]}}"#,
    r#"{"hold": {"channels": [{"name": 5}]}}"#,
    r#"{"hold": {"channels": [{"name": "c", "prev-id": null}]}}"#,
    r#"{"hold": {"channels": [{"name": "c", "filters": ["a","b","c","d","e","f"]}]}}"#,
    r#"{"hold": {"channels": [], "timeout": -1}}"#,
    r#"{"hold": {"channels": [], "keep-alive": 5}}"#,
    r#"{"hold": {"channels": [], "meta": {"a": 1}}}"#,
    r#"{"hold": {"channels": []}, "response": {"headers": 3}}"#,
    r#"{"hold": {"channels": []}, "response": {"code": 1000}}"#,
];

#[test]
fn instructions_that_cannot_be_understood_give_502_with_the_reason_on_a_debug_route() {
    let by_headers = BAD_HEADERS.iter().map(|list| {
        list.iter().fold(Answer::ok("x"), |answer, (name, value)| {
            answer.header(name, value)
        })
    });
    let by_json = BAD_DOCUMENTS
        .iter()
        .map(|text| Answer::ok(text).header("Content-Type", "application/grip-instruct; a=b"));
    let mut wrong_status = instruct(&json!({"hold": {"channels": []}}));
    wrong_status.status = 201;
    let answers: Vec<Answer> = by_headers.chain(by_json).chain([wrong_status]).collect();
    let count = answers.len();
    let backend = Backend::answering(move |request| {
        answers[request.query().parse::<usize>().expect("an index")].clone()
    });
    let config =
        Config::to(backend.addr).route("host = \"debug.test\"\ndebug = true", &[backend.addr]);
    let p8 = P8::start(&config);
    let mut client = p8.client();
    for n in 0..count {
        let target = format!("/?{n}");
        let reply = client.get(&target);
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (502, "Error while proxying to origin.\n"),
            "{n}"
        );
        let reason = reply
            .head
            .header("p8-reason")
            .expect("a reason code")
            .to_owned();
        assert!(
            reason.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
            "{reason}"
        );
        let told = client.get_with(&target, &[("Host", "debug.test")]);
        assert_eq!(told.status(), 502, "{n}");
        assert!(
            told.text()
                .starts_with("Failed to parse accept instructions: "),
            "{n}: {}",
            told.text()
        );
    }
}

#[test]
fn grip_headers_without_a_hold_are_stripped_and_act() {
    let plain = Answer::new(200).body("plain").header("GRIP-Channel", "a");
    let plain = plain
        .header("grip-status", "202 Taken")
        .header("X-Keep", "1")
        .header("X-Drop", "1");
    let (_backend, p8) = before(plain.header("Grip-Expose-Headers", "X-Keep"));
    let reply = p8.get("/");
    assert_eq!((reply.status(), reply.head.reason.as_str()), (202, "Taken"));
    assert_eq!(reply.text(), "plain");
    assert_eq!(reply.head.names_with("grip-"), Vec::<&str>::new());
    assert_eq!(
        (reply.head.header("x-keep"), reply.head.header("x-drop")),
        (Some("1"), None)
    );
    assert_eq!(p8.snapshot().subscribers("a"), 0);
}

#[test]
fn a_json_response_without_a_hold_is_that_response() {
    let document =
        json!({"response": {"code": 201, "reason": "Made", "headers": {"X-A": "b"}, "body": "hi"}});
    let (_backend, p8) = before(instruct(&document).header("X-Origin", "dropped"));
    let reply = p8.get("/");
    assert_eq!((reply.status(), reply.head.reason.as_str()), (201, "Made"));
    assert_eq!(
        (reply.head.header("x-a"), reply.head.header("x-origin")),
        (Some("b"), None)
    );
    assert_eq!(reply.text(), "hi");
}

#[test]
fn another_case_of_the_instruct_type_is_a_plain_body() {
    let odd = Answer::ok("{nope").header("Content-Type", "Application/Grip-Instruct");
    let (_backend, p8) = before(odd);
    assert_eq!(p8.get("/").text(), "{nope");
}

#[test]
fn a_publish_right_after_the_subscription_is_never_missed() {
    let (backend, p8) = before(hold("response", "a", ""));
    for n in 0..50 {
        let mut client = p8.long_poll("/", "a", 1);
        p8.publish(&[response_item("a", &n.to_string())]);
        assert_eq!(client.reply().text(), n.to_string());
    }
    wait_until(DEADLINE, "every poll at the backend", || {
        backend.seen().len() == 50
    });
}

#[test]
fn a_patch_makes_the_answer_of_the_held_body() {
    let (_backend, p8) = before(hold("response", "a", "{\"n\":1,\"list\":[1,3]}\n"));
    let mut client = p8.long_poll("/", "a", 1);
    p8.publish(&[patch_item(json!([
        {"op": "replace", "path": "/n", "value": 2},
        {"op": "add", "path": "/list/1", "value": 2},
    ]))]);
    assert_eq!(client.reply().text(), "{\"list\":[1,2,3],\"n\":2}\n");
}

#[test]
fn a_patch_that_does_not_fit_asks_the_backend_again() {
    let backend = Backend::scripted(|exchange| {
        let answer = match exchange.index() {
            0 => hold("response", "a", "{\"n\":1}"),
            _ => Answer::ok("from the backend"),
        };
        exchange.answer(&answer);
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.long_poll("/", "a", 1);
    p8.publish(&[patch_item(json!([{"op": "remove", "path": "/nothing"}]))]);
    assert_eq!(client.reply().text(), "from the backend");
}

fn patch_item(patch: serde_json::Value) -> serde_json::Value {
    response_with("a", json!({ "body-patch": patch }))
}
