//! WebSocket-over-HTTP: each event of the client is in a request, each answer's events are frames.
//!
//! Source: `docs/compatibility.md`, W7 to W15, W17 to W24 and W35 to W54.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jsonwebtoken::{decode, Algorithm, DecodingKey, Validation};
use serde_json::{json, Value};

use crate::support::backend::Request;
use crate::support::events::{
    accept_plain, all_events, answer, bare, binary, close, closes, echo, echoed, event, events_of,
    open_and, opening_with, opens, requests_of, subscribe, text, wait_for_bodies, wait_for_event,
    HttpEvent, EVENTS,
};
use crate::support::publish::ws_with;
use crate::support::wait::{gate, slowness, Gate};
use crate::support::ws::{Event, Frame, BINARY, CONTINUATION, PING, PONG, TEXT};
use crate::support::{Answer, Backend, Config, P8};

use super::{barrier, close_without_code, masked, over_http, settle, subscribed};

/// The largest message that a client may send.
const MESSAGE_BYTES: usize = 200_000;

/// A backend that echoes, but answers what is behind the opening only once the gate is open.
fn echo_behind_a_gate() -> (Gate, Backend) {
    let (gate, wait) = gate();
    let backend = opening_with(accept_plain(&[]), move |events| {
        wait();
        answer(&echoed(events))
    });
    (gate, backend)
}

/// P-8 that answers pings itself.
fn answering_pings(backend: &Backend) -> P8 {
    let lines = "host = \"*\"\nauto_pong = true";
    P8::start(&Config::over_http_with(lines, &[backend.addr], ""))
}

/// A backend that accepts, and answers anything later with these bytes.
fn later(status: u16, media_type: &'static str, body: &'static str) -> Backend {
    opening_with(accept_plain(&[]), move |_| {
        Answer::new(status)
            .header("Content-Type", media_type)
            .body(body)
    })
}

/// All requests of a session with one message and a close by the client.
fn requests_of_a_session(p8: &P8, backend: &Backend, headers: &[(&str, &str)]) -> Vec<Request> {
    let before = backend.seen().len();
    let mut client = p8.ws_with("/chat?room=1", headers).expect("it is accepted");
    client.send_text("x");
    client.expect_text("x");
    client.close(1000, "");
    client.expect_closed(1000);
    backend.seen().split_off(before)
}

#[test]
fn each_request_is_a_post_to_the_path_of_the_handshake_with_the_clients_host() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8
        .ws_with("/a%20b/?q=1&r=%2F", &[("Host", "chat.example:8080")])
        .expect("it is accepted");
    client.send_text("x");
    client.expect_text("x");
    let seen = backend.seen();
    assert_eq!(seen.len(), 2);
    for request in seen {
        assert_eq!(request.method, "POST");
        assert_eq!(request.target, "/a%20b/?q=1&r=%2F");
        assert_eq!(request.header("host"), Some("chat.example:8080"));
    }
}

#[test]
fn each_request_says_what_it_is_and_how_long() {
    let backend = echo();
    let p8 = over_http(&backend);
    for request in requests_of_a_session(&p8, &backend, &[]) {
        assert_eq!(request.header("accept"), Some(EVENTS));
        assert_eq!(request.header("content-type"), Some(EVENTS));
        let length = request.body.len().to_string();
        assert_eq!(request.header("content-length"), Some(length.as_str()));
        assert_eq!(request.header("transfer-encoding"), None);
        assert_eq!(request.header("content-bytes-replayed"), None);
    }
}

#[test]
fn a_connection_id_is_a_uuid_that_stays_and_is_no_others() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let requests = requests_of_a_session(&p8, &backend, &[]);
        let mut own: Vec<String> = requests
            .iter()
            .map(|request| request.header("connection-id").expect("an id").to_owned())
            .collect();
        assert_eq!(own.len(), 3);
        own.dedup();
        assert_eq!(own.len(), 1, "it stays: {own:?}");
        ids.append(&mut own);
    }
    assert_ne!(ids[0], ids[1]);
    for id in ids {
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
        let hexadecimal = |c: char| c == '-' || matches!(c, '0'..='9' | 'a'..='f');
        assert!(id.chars().all(hexadecimal), "{id}");
        assert_eq!(&id[14..15], "4", "version 4: {id}");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
    }
}

#[test]
fn the_handshakes_headers_are_in_each_request() {
    let backend = echo();
    let p8 = over_http(&backend);
    let headers = [
        ("Cookie", "a=b"),
        ("Origin", "http://o"),
        ("Sec-WebSocket-Protocol", "chat"),
        ("X-Mine", "m"),
        ("Authorization", "Bearer t"),
    ];
    let requests = requests_of_a_session(&p8, &backend, &headers);
    let key = requests[0].header("sec-websocket-key").expect("a key");
    for request in &requests {
        for (name, value) in headers {
            assert_eq!(request.header(name), Some(value));
        }
        assert_eq!(request.header("sec-websocket-version"), Some("13"));
        assert_eq!(request.header("sec-websocket-key"), Some(key));
        assert_eq!(request.header("upgrade"), None);
        assert_eq!(request.header("connection"), None);
    }
}

#[test]
fn a_client_cannot_forge_what_only_p8_says() {
    let backend = echo();
    let p8 = over_http(&backend);
    let forged = [
        ("Meta-User", "evil"),
        ("Meta-", "evil"),
        ("Connection-Id", "evil"),
        ("Accept", "text/evil"),
        ("Content-Bytes-Replayed", "5"),
        ("Grip-Last", "a; last-id=1"),
        ("Grip-Sig", "evil"),
        ("Content-Type", "text/evil"),
    ];
    for request in requests_of_a_session(&p8, &backend, &forged) {
        for (name, value) in &request.headers {
            assert!(!value.contains("evil"), "{name}: {value}");
        }
        assert_eq!(request.header("grip-last"), None);
        assert_eq!(request.header("content-bytes-replayed"), None);
        assert_eq!(request.all("accept"), [EVENTS]);
        assert_eq!(request.all("content-type"), [EVENTS]);
        assert_eq!(request.all("connection-id").len(), 1);
        assert_eq!(request.all("grip-sig").len(), 1);
    }
}

#[test]
fn grip_is_offered_on_each_request_unless_the_route_has_none() {
    let backend = echo();
    let lines = "host = \"plain\"\nno_grip = true";
    let target = format!("{{ url = \"http://{}\", over_http = true }}", backend.addr);
    let p8 = P8::start(&Config::over_http(backend.addr).route_to(lines, target));
    for request in requests_of_a_session(&p8, &backend, &[]) {
        assert_eq!(request.header("sec-websocket-extensions"), Some("grip"));
    }
    for request in requests_of_a_session(&p8, &backend, &[("Host", "plain")]) {
        assert_eq!(request.header("sec-websocket-extensions"), None);
        assert_eq!(request.header("grip-sig"), None);
    }
}

#[test]
fn each_request_is_signed() {
    let backend = echo();
    let p8 = over_http(&backend);
    let key = DecodingKey::from_secret(b"changeme");
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_required_spec_claims(&["exp", "iss"]);
    for request in requests_of_a_session(&p8, &backend, &[]) {
        let token = request.header("grip-sig").expect("a signature");
        let claims = decode::<Value>(token, &key, &validation).expect("it verifies");
        assert_eq!(claims.claims["iss"], "pushpin");
    }
}

#[test]
fn each_request_has_what_p8_adds_to_any() {
    let backend = echo();
    let config = Config::over_http(backend.addr)
        .proxy("x_forwarded_for = \"append\"")
        .proxy("cdn_loop = \"p8\"");
    let p8 = P8::start(&config);
    let headers = [("X-Forwarded-For", "192.0.2.1"), ("CDN-Loop", "edge")];
    for request in requests_of_a_session(&p8, &backend, &headers) {
        let added = p8::grip::feature::header_value();
        assert_eq!(request.header("grip-feature"), Some(added.as_str()));
        let from = request.header("x-forwarded-for");
        assert_eq!(from, Some("192.0.2.1, 127.0.0.1"));
        assert_eq!(request.header("cdn-loop"), Some("edge, p8"));
        assert_eq!(request.header("x-forwarded-proto"), None, "not over TLS");
    }
}

#[test]
fn an_empty_request_has_a_length() {
    let backend = opening_with(
        accept_plain(&[subscribe("a")]).header("Sec-WebSocket-Extensions", "grip"),
        |_| answer(&[]),
    );
    let p8 = over_http(&backend);
    let _client = subscribed(&p8);
    p8.publish(&[ws_with("a", json!({"action": "refresh"}))]);
    wait_for_bodies(&backend, 2);
    let request = &backend.seen()[1];
    assert_eq!(request.body, b"");
    assert_eq!(request.header("content-length"), Some("0"));
    assert_eq!(request.header("transfer-encoding"), None);
}

#[test]
fn sizes_are_short_lower_case_hexadecimal() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    for (length, size) in [(1, "1"), (10, "a"), (171, "ab"), (4_096, "1000")] {
        client.send_text(&"x".repeat(length));
        client.expect_text(&"x".repeat(length));
        let body = backend.seen().pop().expect("a request").body;
        let expected = format!("TEXT {size}\r\n{}\r\n", "x".repeat(length));
        assert!(body == expected.as_bytes(), "{length}");
    }
}

#[test]
fn an_empty_message_has_no_size() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("");
    client.expect_text("");
    client.send_binary(b"");
    client.expect_binary(b"");
    let bodies: Vec<_> = backend.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies[1..], [b"TEXT\r\n".to_vec(), b"BINARY\r\n".to_vec()]);
}

#[test]
fn pings_and_pongs_have_content_only_if_there_is_any() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    let table = [
        (Frame::new(PING, ""), "PING\r\n"),
        (Frame::new(PING, "hi"), "PING 2\r\nhi\r\n"),
        (Frame::new(PONG, ""), "PONG\r\n"),
        (Frame::new(PONG, "hi"), "PONG 2\r\nhi\r\n"),
    ];
    for (frame, body) in table {
        client.send(&frame);
        let payload = String::from_utf8(frame.payload).expect("text");
        client.expect_pong(&payload);
        let seen = backend.seen().pop().expect("a request");
        assert_eq!(String::from_utf8_lossy(&seen.body), body);
    }
}

#[test]
fn a_clients_close_says_code_and_reason_or_neither() {
    let backend = echo();
    let p8 = over_http(&backend);
    let table = [
        (Frame::close(1000, ""), close(1000, "")),
        (Frame::close(4001, "bye ☃"), close(4001, "bye ☃")),
        (close_without_code(), bare("CLOSE")),
    ];
    for (frame, event) in table {
        let mut client = p8.ws("/");
        client.send(&frame);
        client.texts_until_gone();
        assert_eq!(requests_of(&backend).pop(), Some(vec![event]));
    }
}

#[test]
fn sizes_are_read_in_either_case() {
    let body = "TEXT B\r\nhello world\r\nTEXT 1c\r\nabcdefghijklmnopqrstuvwxyz01\r\n\
                BINARY 0a\r\n0123456789\r\n";
    let backend = later(200, EVENTS, body);
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("x");
    client.expect_text("hello world");
    client.expect_text("abcdefghijklmnopqrstuvwxyz01");
    client.expect_binary(b"0123456789");
}

#[test]
fn content_of_open_and_events_of_other_types_are_ignored() {
    let body = "OPEN 3\r\nabc\r\nHUH\r\nWHAT 2\r\nhm\r\ntext 1\r\nx\r\nTEXT 2\r\nok\r\n";
    let backend = Backend::answering(move |_| Answer::ok(body).header("Content-Type", EVENTS));
    let p8 = over_http(&backend);
    p8.ws("/").expect_text("ok");
}

#[test]
fn content_may_be_short_and_lack_its_line_end() {
    for body in [
        "TEXT 2\r\nhi\r\nTEXT 5\r\nhello",
        "TEXT 2\r\nhi\r\nTEXT 9\r\nhello",
    ] {
        let backend = later(200, EVENTS, body);
        let p8 = over_http(&backend);
        let mut client = p8.ws("/");
        client.send_text("x");
        client.expect_text("hi");
        client.expect_text("hello");
    }
}

#[test]
fn an_answer_that_cannot_be_read_closes_with_1011_and_nothing_of_it_is_delivered() {
    for body in [
        "TEXT 2\r\nhi\r\nTEXT",
        "TEXT 2\r\nhi\r\nTEXT zz\r\nx\r\n",
        "TEXT -1\r\n\r\n",
    ] {
        let backend = later(200, EVENTS, body);
        let p8 = over_http(&backend);
        let mut client = p8.ws("/");
        client.send_text("x");
        client.expect_closed(1011);
    }
}

#[test]
fn a_message_sent_while_nothing_is_under_way_goes_out_at_once() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    for n in 0..10 {
        client.send_text(&n.to_string());
        client.expect_text(&n.to_string());
    }
    let expected: Vec<Vec<HttpEvent>> = (0..10).map(|n| vec![text(&n.to_string())]).collect();
    assert_eq!(requests_of(&backend)[1..], expected);
}

#[test]
fn what_is_sent_during_a_request_goes_into_the_next_one_in_order() {
    let (gate, backend) = echo_behind_a_gate();
    let p8 = answering_pings(&backend);
    let mut client = p8.ws("/");
    client.send_text("first");
    wait_for_bodies(&backend, 2);
    client.send_text("a");
    client.send_binary(b"b");
    client.send_text("c");
    barrier(&mut client);
    assert_eq!(backend.seen().len(), 2, "one request at a time");
    gate.open();
    client.expect_text("first");
    client.expect_text("a");
    client.expect_binary(b"b");
    client.expect_text("c");
    let batch = vec![text("a"), binary(b"b"), text("c")];
    assert_eq!(requests_of(&backend)[2..], [batch]);
}

#[test]
fn pings_and_messages_of_a_batch_keep_their_order() {
    let backend = opening_with(accept_plain(&[]), |events| {
        slowness(Duration::from_millis(50));
        answer(&echoed(events))
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("first");
    client.send_raw(masked(&[
        Frame::new(TEXT, "a"),
        Frame::new(PING, "b"),
        Frame::new(BINARY, "c"),
        Frame::new(PONG, "d"),
    ]));
    client.expect_text("first");
    client.expect_text("a");
    client.expect_pong("b");
    client.expect_binary(b"c");
    client.expect_pong("d");
    let expected = [
        text("a"),
        event("PING", "b"),
        binary(b"c"),
        event("PONG", "d"),
    ];
    assert_eq!(all_events(&backend)[2..], expected);
}

#[test]
fn fragments_are_one_event() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_fragments(TEXT, &["one ", "", "two ", "three"]);
    client.expect_text("one two three");
    client.send_fragments(BINARY, &[[1, 2], [3, 4]]);
    client.expect_binary(&[1, 2, 3, 4]);
    let expected = [text("one two three"), binary(&[1, 2, 3, 4])];
    assert_eq!(all_events(&backend)[1..], expected);
}

#[test]
fn an_unfinished_message_waits_and_is_dropped_by_a_close() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send(&Frame::new(TEXT, "half ").unfinished());
    client.ping("between");
    client.expect_pong("between");
    client.send(&Frame::new(CONTINUATION, "a mess").unfinished());
    client.close(1000, "");
    client.expect_closed(1000);
    let expected = [bare("OPEN"), event("PING", "between"), close(1000, "")];
    assert_eq!(all_events(&backend), expected);
}

#[test]
fn a_close_rides_behind_the_messages_before_it() {
    let (gate, backend) = echo_behind_a_gate();
    let p8 = answering_pings(&backend);
    let mut client = p8.ws("/");
    client.send_text("first");
    wait_for_bodies(&backend, 2);
    client.send_raw(masked(&[
        Frame::new(TEXT, "a"),
        Frame::new(PING, "barrier"),
        Frame::close(4001, "bye"),
    ]));
    client.expect_pong("barrier");
    gate.open();
    client.expect_text("first");
    client.expect_text("a");
    assert_eq!(client.expect_close(4001), "bye");
    let batch = vec![text("a"), close(4001, "bye")];
    assert_eq!(requests_of(&backend)[2..], [batch]);
}

#[test]
fn a_session_has_one_request_at_a_time() {
    let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let backend = Backend::scripted(move |exchange| {
        exchange.read_body();
        let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        slowness(Duration::from_millis(2));
        under_way.fetch_sub(1, Ordering::SeqCst);
        let request = exchange.request();
        let most = most.load(Ordering::SeqCst).to_string();
        exchange.answer(&if opens(&request) {
            accept_plain(&[])
        } else {
            let counted = events_of(&request).into_iter().map(|_| text(&most));
            answer(&counted.collect::<Vec<_>>())
        });
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    for n in 0..50 {
        client.send_text(&n.to_string());
    }
    for _ in 0..50 {
        client.expect_text("1");
    }
}

#[test]
fn with_one_event_each_request_has_exactly_one() {
    let (gate, wait) = gate();
    let backend = opening_with(accept_plain(&[]), move |events| {
        wait();
        answer(&echoed(events))
    });
    let lines = "host = \"*\"";
    let p8 = P8::start(&Config::over_http_with(
        lines,
        &[backend.addr],
        ", one_event = true",
    ));
    let mut client = p8.ws("/");
    client.send_raw(masked(&[
        Frame::new(TEXT, "a"),
        Frame::new(TEXT, ""),
        Frame::new(PING, ""),
        Frame::new(BINARY, "b"),
        Frame::close(1000, ""),
    ]));
    wait_for_bodies(&backend, 2);
    gate.open();
    client.expect_text("a");
    client.expect_text("");
    client.expect_pong("");
    client.expect_binary(b"b");
    client.expect_close(1000);
    let each: Vec<Vec<HttpEvent>> = [
        bare("OPEN"),
        text("a"),
        bare("TEXT"),
        bare("PING"),
        binary(b"b"),
        close(1000, ""),
    ]
    .into_iter()
    .map(|event| vec![event])
    .collect();
    assert_eq!(requests_of(&backend), each);
}

#[test]
fn empty_messages_and_pings_during_a_request_are_not_lost() {
    let (gate, backend) = echo_behind_a_gate();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("first");
    wait_for_bodies(&backend, 2);
    client.send_raw(masked(&[
        Frame::new(TEXT, ""),
        Frame::new(PING, ""),
        Frame::new(PONG, ""),
        Frame::new(BINARY, ""),
    ]));
    // What P-8 reads meanwhile is queued; if it is late, the events come in another request.
    slowness(Duration::from_millis(100));
    gate.open();
    client.expect_text("first");
    client.expect_text("");
    client.expect_pong("");
    client.expect_pong("");
    client.expect_binary(b"");
    let expected = [bare("TEXT"), bare("PING"), bare("PONG"), bare("BINARY")];
    assert_eq!(all_events(&backend)[2..], expected);
}

#[test]
fn the_largest_message_passes_whole_or_in_fragments() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    let message = "m".repeat(MESSAGE_BYTES);
    client.send_text(&message);
    client.expect_text(&message);
    let half = &message[..MESSAGE_BYTES / 2];
    client.send_fragments(TEXT, &[half, half]);
    client.expect_text(&message);
    assert_eq!(all_events(&backend)[1..], [text(&message), text(&message)]);
}

#[test]
fn a_larger_message_is_refused_with_1009_and_reaches_nobody() {
    let backend = echo();
    let p8 = over_http(&backend);
    let half = vec![b'x'; MESSAGE_BYTES / 2];
    let whole = [Frame::new(TEXT, vec![b'x'; MESSAGE_BYTES + 1])];
    let parts = [
        Frame::new(BINARY, &half).unfinished(),
        Frame::new(CONTINUATION, &half).unfinished(),
        Frame::new(CONTINUATION, "x"),
    ];
    for frames in [&whole[..], &parts[..]] {
        let mut client = p8.ws("/");
        client.try_send_raw(&masked(frames));
        client.expect_closed(1009);
    }
    settle(&p8);
    let mut kinds: Vec<String> = all_events(&backend).into_iter().map(|e| e.kind).collect();
    kinds.retain(|kind| kind != "OPEN" && kind != "DISCONNECT");
    assert_eq!(kinds, Vec::<String>::new());
}

#[test]
fn a_large_message_of_the_backend_arrives_whole() {
    let message: String = ('a'..='z').cycle().take(900_000).collect();
    let answered = message.clone();
    let backend = opening_with(accept_plain(&[]), move |_| answer(&[text(&answered)]));
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    for _ in 0..3 {
        client.send_text("x");
        client.expect_text(&message);
    }
}

#[test]
fn an_answer_that_is_too_large_closes_with_1011() {
    for counted in [true, false] {
        let backend = Backend::scripted(move |exchange| {
            exchange.read_body();
            if opens(&exchange.request()) {
                return exchange.answer(&accept_plain(&[]));
            }
            let large = answer(&[text(&"x".repeat(1_000_001))]);
            if counted {
                return exchange.answer(&large);
            }
            exchange.raw(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {EVENTS}\r\nTransfer-Encoding: chunked\r\n\r\n"
            ));
            exchange.chunk(&large.body);
            exchange.raw("0\r\n\r\n");
        });
        let p8 = over_http(&backend);
        let mut client = p8.ws("/");
        client.send_text("x");
        client.expect_closed(1011);
    }
}

#[test]
fn a_chunked_answer_is_read_as_any() {
    let backend = Backend::scripted(|exchange| {
        exchange.read_body();
        let whole = if opens(&exchange.request()) {
            accept_plain(&[text("welcome")])
        } else {
            answer(&echoed(&events_of(&exchange.request())))
        };
        exchange.raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {EVENTS}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        for byte in &whole.body {
            exchange.chunk([*byte]);
        }
        exchange.raw("0\r\n\r\n");
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.expect_text("welcome");
    client.send_text("x");
    client.expect_text("x");
}

#[test]
fn binary_stays_binary_in_every_byte() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    let bytes: Vec<u8> = (0..=255).collect();
    client.send_binary(&bytes);
    client.expect_binary(&bytes);
    assert_eq!(all_events(&backend)[1..], [binary(&bytes)]);
}

#[test]
fn a_later_answer_that_is_none_closes_with_1011_and_the_backend_hears_of_the_end() {
    for (status, media_type) in [
        (500, EVENTS),
        (204, EVENTS),
        (200, "text/plain"),
        (404, "text/html"),
    ] {
        let backend = later(status, media_type, "");
        let p8 = over_http(&backend);
        let mut client = p8.ws("/");
        client.send_text("x");
        client.expect_closed(1011);
        wait_for_event(&backend, &bare("DISCONNECT"));
        p8.get("/settle");
        let events = all_events(&backend);
        let expected = [bare("OPEN"), text("x"), bare("DISCONNECT")];
        assert_eq!(events, expected, "{status} {media_type}");
    }
}

#[test]
fn a_second_open_or_a_disconnect_ends_the_connection_and_nothing_is_sent_behind_it() {
    for last in ["OPEN", "DISCONNECT"] {
        let backend = opening_with(accept_plain(&[]), move |_| {
            answer(&[text("last"), bare(last), text("never")])
        });
        let p8 = over_http(&backend);
        let mut client = p8.ws("/");
        client.send_text("x");
        client.expect_text("last");
        client.expect_gone();
        settle(&p8);
        assert_eq!(all_events(&backend), [bare("OPEN"), text("x")], "{last}");
    }
}

#[test]
fn the_backends_close_has_its_code_and_the_clients_answer_is_an_event() {
    let backend = opening_with(accept_plain(&[]), |events| {
        if closes(events).is_empty() {
            answer(&[text("last"), close(4100, "done ☃"), text("never")])
        } else {
            answer(&[])
        }
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("x");
    client.expect_text("last");
    assert_eq!(client.expect_close(4100), "done ☃");
    client.close(4101, "mine");
    client.expect_end();
    wait_for_event(&backend, &close(4101, "mine"));
    settle(&p8);
    let expected = [bare("OPEN"), text("x"), close(4101, "mine")];
    assert_eq!(all_events(&backend), expected);
}

#[test]
fn the_backends_close_without_a_code_is_1000() {
    for content in ["", "x"] {
        let backend = opening_with(accept_plain(&[]), move |events| {
            if closes(events).is_empty() {
                answer(&[event("CLOSE", content)])
            } else {
                answer(&[])
            }
        });
        let p8 = over_http(&backend);
        let mut client = p8.ws("/");
        client.send_text("x");
        client.expect_closed(1000);
    }
}

#[test]
fn the_clients_close_is_answered_by_the_backends() {
    let backend = opening_with(accept_plain(&[]), |_| answer(&[close(4200, "see you")]));
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.close(4001, "bye");
    assert_eq!(client.expect_closed(4200), "see you");
    settle(&p8);
    assert_eq!(all_events(&backend), [bare("OPEN"), close(4001, "bye")]);
}

#[test]
fn a_clients_close_that_the_backend_does_not_answer_ends_the_connection() {
    let backend = opening_with(accept_plain(&[]), |_| answer(&[]));
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.close(1000, "");
    client.expect_gone();
    settle(&p8);
    assert_eq!(all_events(&backend), [bare("OPEN"), close(1000, "")]);
}

#[test]
fn a_client_that_is_lost_is_told_once() {
    for reset in [true, false] {
        let backend = echo();
        let p8 = over_http(&backend);
        let mut client = p8.ws("/");
        client.send_text("x");
        client.expect_text("x");
        if reset {
            client.reset();
        } else {
            drop(client);
        }
        wait_for_event(&backend, &bare("DISCONNECT"));
        settle(&p8);
        let bodies = requests_of(&backend);
        let expected = [
            vec![bare("OPEN")],
            vec![text("x")],
            vec![bare("DISCONNECT")],
        ];
        assert_eq!(bodies[..3], expected);
        assert_eq!(all_events(&backend).len(), 3, "once");
    }
}

#[test]
fn a_client_that_is_lost_during_a_request_is_told_behind_it() {
    let (gate, backend) = echo_behind_a_gate();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("x");
    wait_for_bodies(&backend, 2);
    client.send_text("too late");
    client.reset();
    // Whether the message is still sent is up to when P-8 hears of the loss.
    gate.open();
    let events = wait_for_event(&backend, &bare("DISCONNECT"));
    assert_eq!(events[..2], [bare("OPEN"), text("x")]);
    assert_eq!(requests_of(&backend).pop(), Some(vec![bare("DISCONNECT")]));
}

#[test]
fn a_clean_close_is_not_a_loss() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.close(1000, "");
    client.expect_closed(1000);
    drop(client);
    settle(&p8);
    assert_eq!(all_events(&backend), [bare("OPEN"), close(1000, "")]);
}

#[test]
fn a_client_that_breaks_the_protocol_is_told_as_a_loss() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send(&Frame::new(TEXT, "x").reserved(2));
    client.expect_closed(1002);
    wait_for_event(&backend, &bare("DISCONNECT"));
}

#[test]
fn only_the_backend_answers_pings() {
    let backend = opening_with(accept_plain(&[]), |events| {
        answer(&[text(&format!("{} events", events.len()))])
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.ping("p");
    client.expect_text("1 events");
    client.send_text("x");
    client.expect_text("1 events");
    let expected = [bare("OPEN"), event("PING", "p"), text("x")];
    assert_eq!(all_events(&backend), expected);
}

#[test]
fn with_auto_pong_p8_answers_pings_and_the_backend_need_not() {
    let backend = open_and(&[]);
    let p8 = answering_pings(&backend);
    let mut client = p8.ws("/");
    for payload in ["", "p", &"x".repeat(125)] {
        client.ping(payload);
        client.expect_pong(payload);
    }
    client.expect_nothing_unread();
}

#[test]
fn a_ping_of_the_backend_reaches_the_client_and_its_pong_the_backend() {
    let backend = opening_with(accept_plain(&[event("PING", "sp")]), |_| answer(&[]));
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.expect_ping("sp");
    client.pong("sp");
    wait_for_event(&backend, &event("PONG", "sp"));
}

#[test]
fn many_sessions_do_not_mix() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut clients: Vec<_> = (0..50).map(|_| p8.ws("/")).collect();
    for round in 0..5 {
        for (n, client) in clients.iter_mut().enumerate() {
            client.send_text(&format!("{round} of {n}"));
        }
        for (n, client) in clients.iter_mut().enumerate() {
            client.expect_text(&format!("{round} of {n}"));
        }
    }
    assert!(clients.iter_mut().all(|client| {
        client.ping("");
        client.recv() == Event::Pong(Vec::new())
    }));
}

#[test]
fn requests_past_the_bound_wait_for_their_turn() {
    let (gate, wait) = gate();
    let backend = Backend::answering(move |request| {
        if opens(request) || request.target == "/settle" {
            return accept_plain(&[]);
        }
        let events = events_of(request);
        if events == [text("first")] {
            wait();
        }
        answer(&echoed(&events))
    });
    let bounded = Config::over_http(backend.addr).proxy("ws_requests_max = 1");
    let p8 = P8::start(&bounded.http("workers = 1"));
    let (mut first, mut second) = (p8.ws("/"), p8.ws("/"));
    first.send_text("first");
    wait_for_event(&backend, &text("first"));
    second.send_text("second");
    settle(&p8);
    assert!(!all_events(&backend).contains(&text("second")));
    gate.open();
    first.expect_text("first");
    second.expect_text("second");
}
