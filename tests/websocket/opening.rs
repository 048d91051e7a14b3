//! The handshake: what is one, what the backend makes of it, and what the client is told.
//!
//! Source: `docs/compatibility.md`, W1 to W6, W16 and W25 to W34.

use crate::support::client::Client;
use crate::support::events::{
    accept, accept_plain, answer, bare, binary, close, echo, event, events_of, text,
    wait_for_bodies, EVENTS,
};
use crate::support::publish::ws_item;
use crate::support::wait::{gate, DEADLINE};
use crate::support::ws::{Frame, Opening, OFFER, TEXT};
use crate::support::{wait_until, Answer, Backend, Config, P8};

use super::{masked, over_http};

/// A key and what answers it, from RFC 6455.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const INVALID: &str =
    "Request contained an Upgrade header with value \"websocket\" but the request \
                       was not a valid WebSocket request.\n";
const BAD_GATEWAY: &str = "Error while proxying to origin.\n";

/// A backend that answers everything with that, and P-8 before it.
fn answering(answer: Answer) -> (Backend, P8) {
    let backend = Backend::answering(move |_| answer.clone());
    let p8 = over_http(&backend);
    (backend, p8)
}

/// What a client with exactly these headers is answered; `Upgrade` is among them.
fn status_of(p8: &P8, headers: &[(&str, &str)]) -> u16 {
    let mut client = p8.client();
    client.request("GET", "/", headers, b"");
    client.head().status
}

#[test]
fn a_connection_header_is_not_needed() {
    let backend = echo();
    let p8 = over_http(&backend);
    let version = ("Sec-WebSocket-Version", "13");
    let key = ("Sec-WebSocket-Key", KEY);
    assert_eq!(
        status_of(&p8, &[("Upgrade", "websocket"), version, key]),
        101
    );
    assert_eq!(
        status_of(&p8, &[("Upgrade", "WebSocket"), version, key]),
        101
    );
}

#[test]
fn a_handshake_that_is_none_is_refused_and_reaches_nobody() {
    let backend = echo();
    let p8 = over_http(&backend);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let key = format!("Sec-WebSocket-Key: {KEY}\r\n");
    let version = "Sec-WebSocket-Version: 13\r\n";
    let whole = format!("{upgrade}{key}{version}");
    let table = [
        ("another method", format!("POST / HTTP/1.1\r\n{whole}\r\n")),
        (
            "a body",
            format!("GET / HTTP/1.1\r\n{whole}Content-Length: 3\r\n\r\nabc"),
        ),
        (
            "a chunked body",
            format!("GET / HTTP/1.1\r\n{whole}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "version 12",
            format!("GET / HTTP/1.1\r\n{upgrade}{key}Sec-WebSocket-Version: 12\r\n\r\n"),
        ),
        (
            "no version",
            format!("GET / HTTP/1.1\r\n{upgrade}{key}\r\n"),
        ),
        (
            "no key",
            format!("GET / HTTP/1.1\r\n{upgrade}{version}\r\n"),
        ),
    ];
    for (what, request) in table {
        let mut client = p8.client();
        client.send(request.replacen("\r\n", "\r\nHost: h\r\n", 1));
        let reply = client.reply();
        assert_eq!(reply.status(), 400, "{what}");
        assert_eq!(reply.text(), INVALID, "{what}");
        assert_eq!(
            reply
                .head
                .header("content-type")
                .map(|t| t.split(';').next()),
            Some(Some("text/plain")),
            "{what}"
        );
    }
    assert_eq!(backend.seen().len(), 0);
}

#[test]
fn a_length_of_zero_is_no_body() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut client = p8
        .ws_with("/", &[("Content-Length", "0")])
        .expect("it is accepted");
    client.send_text("x");
    client.expect_text("x");
}

#[test]
fn the_answer_proves_that_the_key_was_read_whatever_it_is() {
    let backend = echo();
    let p8 = over_http(&backend);
    let others = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
    ];
    let mut client = p8.client();
    client.request(
        "GET",
        "/",
        &[&others[..], &[("Sec-WebSocket-Key", KEY)]].concat(),
        b"",
    );
    assert_eq!(client.head().header("sec-websocket-accept"), Some(ACCEPT));
    let odd = [("Sec-WebSocket-Key", "no base64!")];
    assert_eq!(status_of(&p8, &[&others[..], &odd].concat()), 101);
}

#[test]
fn the_client_hears_nothing_before_the_backend_has_answered() {
    let (gate, wait) = gate();
    let backend = Backend::answering(move |_| {
        wait();
        accept_plain(&[])
    });
    let p8 = over_http(&backend);
    let mut opening = Opening::begin(p8.client(), "/", &[]);
    wait_until(DEADLINE, "the backend to be asked", || {
        !backend.seen().is_empty()
    });
    opening.client.expect_nothing_unread();
    gate.open();
    assert!(opening.finish().is_ok());
}

#[test]
fn the_backend_chooses_the_subprotocol() {
    let (backend, p8) = answering(accept_plain(&[]).header("Sec-WebSocket-Protocol", "chat.v2"));
    let offered = ("Sec-WebSocket-Protocol", "chat.v1, chat.v2");
    let client = p8.ws_with("/", &[offered]).expect("it is accepted");
    assert_eq!(
        client.head.header("sec-websocket-protocol"),
        Some("chat.v2")
    );
    let asked = backend.only_request();
    assert_eq!(asked.header(offered.0), Some(offered.1));
}

#[test]
fn a_backend_that_chooses_no_subprotocol_leaves_none() {
    let backend = echo();
    let p8 = over_http(&backend);
    let client = p8.ws_with("/", &[("Sec-WebSocket-Protocol", "chat")]);
    let client = client.expect("it is accepted");
    assert_eq!(client.head.header("sec-websocket-protocol"), None);
}

#[test]
fn the_clients_extensions_are_not_forwarded() {
    let backend = echo();
    let p8 = over_http(&backend);
    let client = p8.ws_with("/", &[OFFER, ("Sec-WebSocket-Extensions", "x-own")]);
    let client = client.expect("it is accepted");
    assert_eq!(client.head.header("sec-websocket-extensions"), None);
    let asked = backend.only_request();
    assert_eq!(asked.header("sec-websocket-extensions"), Some("grip"));
}

#[test]
fn the_opening_request_is_one_event() {
    let backend = echo();
    let p8 = over_http(&backend);
    let _client = p8.ws("/");
    assert_eq!(backend.only_request().body, b"OPEN\r\n");
}

#[test]
fn the_101_has_the_backends_headers_less_the_private_ones() {
    let accepting = accept(&[])
        .reason("Fine")
        .header("X-Hello", "1")
        .header("Set-Cookie", "a=b")
        .header("Set-Cookie", "c=d")
        .header("Keep-Alive-Interval", "60")
        .header("Set-Meta-User", "u")
        .header("Upgrade", "h2c")
        .header("Sec-WebSocket-Accept", "x");
    let (_backend, p8) = answering(accepting);
    let head = p8.ws("/").head;
    assert_eq!(head.reason, "Switching Protocols");
    assert_eq!(head.header("x-hello"), Some("1"));
    assert_eq!(head.all("set-cookie"), ["a=b", "c=d"]);
    for private in [
        "content-length",
        "content-type",
        "keep-alive-interval",
        "set-meta-user",
        "sec-websocket-extensions",
        "transfer-encoding",
    ] {
        assert_eq!(head.header(private), None, "{private}");
    }
}

#[test]
fn another_spelling_of_the_media_type_is_relayed_as_a_refusal() {
    for media_type in [
        "application/websocket-events; charset=utf-8",
        "Application/WebSocket-Events",
        "text/plain",
    ] {
        let (_backend, p8) = answering(Answer::ok("OPEN\r\n").header("Content-Type", media_type));
        let reply = p8.ws_refused("/");
        assert_eq!(reply.status(), 200, "{media_type}");
        assert_eq!(reply.head.header("content-type"), Some(media_type));
        assert_eq!(reply.body, b"OPEN\r\n", "{media_type}");
    }
}

#[test]
fn any_other_status_is_relayed_with_reason_headers_and_body() {
    for status in [201, 302, 401, 404, 500, 503] {
        let refusal = Answer::new(status)
            .reason("Not You")
            .header("Content-Type", "text/x")
            .header("Location", "/elsewhere")
            .body("no\n");
        let (_backend, p8) = answering(refusal);
        let reply = p8.ws_refused("/");
        assert_eq!(
            (reply.status(), reply.head.reason.as_str()),
            (status, "Not You")
        );
        assert_eq!(reply.head.header("location"), Some("/elsewhere"));
        assert_eq!(reply.head.header("content-type"), Some("text/x"));
        assert_eq!(reply.text(), "no\n");
    }
}

#[test]
fn an_accepting_body_with_another_status_is_a_refusal() {
    let body = accept_plain(&[]).body;
    let (_backend, p8) = answering(Answer::new(201).header("Content-Type", EVENTS).body(body));
    assert_eq!(p8.ws_refused("/").status(), 201);
}

#[test]
fn an_answer_without_an_event_or_a_keep_alive_is_a_bad_gateway() {
    for answer in [answer(&[]), answer(&[]).header("Keep-Alive-Interval", "0")] {
        let (_backend, p8) = answering(answer);
        let reply = p8.ws_refused("/");
        assert_eq!((reply.status(), reply.text().as_str()), (502, BAD_GATEWAY));
    }
}

#[test]
fn an_answer_that_does_not_begin_with_open_is_a_bad_gateway() {
    let first_events = [text("x"), bare("DISCONNECT"), close(1000, ""), bare("PING")];
    for first in first_events {
        let (_backend, p8) = answering(answer(&[first.clone(), bare("OPEN")]));
        let reply = p8.ws_refused("/");
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (502, BAD_GATEWAY),
            "{first:?}"
        );
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_a_bad_gateway() {
    for body in [
        "OPEN",
        "OPEN\r\nTEXT zz\r\nx\r\n",
        "OPEN\r\nTEXT",
        "\x00\x01",
    ] {
        let (_backend, p8) = answering(Answer::ok(body).header("Content-Type", EVENTS));
        let reply = p8.ws_refused("/");
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (502, BAD_GATEWAY),
            "{body:?}"
        );
    }
}

#[test]
fn events_behind_open_follow_the_101_in_their_order() {
    let events = [
        text("one"),
        binary(&[0, 255]),
        event("PING", "p"),
        event("PONG", "q"),
        text(""),
        text("two"),
    ];
    let (_backend, p8) = answering(accept_plain(&events));
    let mut client = p8.ws("/");
    client.expect_text("one");
    client.expect_binary(&[0, 255]);
    client.expect_ping("p");
    client.expect_pong("q");
    client.expect_text("");
    client.expect_text("two");
}

#[test]
fn a_close_behind_open_closes_behind_the_101() {
    let backend = Backend::answering(|request| {
        let events = events_of(request);
        if events == [bare("OPEN")] {
            accept_plain(&[text("only this"), close(4001, "full"), text("never")])
        } else {
            answer(&[])
        }
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.expect_text("only this");
    assert_eq!(client.expect_closed(4001), "full");
    let bodies = wait_for_bodies(&backend, 2);
    assert_eq!(bodies[1], [close(4001, "")], "what the client answered");
}

#[test]
fn a_disconnect_behind_open_ends_the_connection_behind_the_101() {
    let (backend, p8) = answering(accept_plain(&[text("only this"), bare("DISCONNECT")]));
    let mut client = p8.ws("/");
    client.expect_text("only this");
    client.expect_gone();
    assert_eq!(backend.seen().len(), 1, "and it hears nothing more");
}

#[test]
fn a_refusal_of_any_size_is_relayed() {
    for size in [8_192, 8_193, 100_001, 1_500_000] {
        let body: Vec<u8> = (0..size).map(|n| b'a' + (n % 23) as u8).collect();
        let (_backend, p8) = answering(Answer::new(403).reason("Forbidden").body(&body));
        let reply = p8.ws_refused("/");
        assert_eq!(reply.status(), 403, "{size}");
        assert!(reply.body == body, "{} of {size} bytes", reply.body.len());
    }
}

#[test]
fn a_chunked_refusal_is_relayed() {
    let backend = Backend::scripted(|exchange| {
        exchange.read_body();
        exchange.raw("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n");
        exchange.chunk("not ");
        exchange.chunk("you");
        exchange.raw("0\r\n\r\n");
    });
    let p8 = over_http(&backend);
    let reply = p8.ws_refused("/");
    assert_eq!((reply.status(), reply.text().as_str()), (403, "not you"));
}

#[test]
fn the_second_target_is_asked_when_the_first_refuses_the_connection() {
    let backend = echo();
    let targets = [Backend::nowhere(), backend.addr];
    let p8 = P8::start(&Config::over_http_with("host = \"*\"", &targets, ""));
    let mut client = p8.ws("/");
    client.send_text("x");
    client.expect_text("x");
}

#[test]
fn without_any_target_it_is_a_bad_gateway_and_a_debug_route_names_them() {
    let targets = [Backend::nowhere(), Backend::nowhere()];
    let p8 = P8::start(&Config::over_http_with("host = \"*\"", &targets, ""));
    let reply = p8.ws_refused("/");
    assert_eq!((reply.status(), reply.text().as_str()), (502, BAD_GATEWAY));
    let p8 = P8::start(&Config::over_http_with(
        "host = \"*\"\ndebug = true",
        &targets,
        "",
    ));
    let [one, two] = targets;
    let text = format!("Unable to connect to any targets. Tried: {one}, {two}\n");
    let reply = p8.ws_refused("/");
    assert_eq!((reply.status(), reply.text()), (502, text));
}

#[test]
fn a_backend_that_leaves_without_an_answer_is_a_bad_gateway_and_asked_once() {
    let backend = Backend::scripted(|exchange| {
        exchange.read_body();
        exchange.close();
    });
    let other = echo();
    let targets = [backend.addr, other.addr];
    let p8 = P8::start(&Config::over_http_with("host = \"*\"", &targets, ""));
    assert_eq!(p8.ws_refused("/").status(), 502);
    assert_eq!((backend.seen().len(), other.seen().len()), (1, 0));
}

#[test]
fn messages_sent_right_behind_the_handshake_are_not_lost() {
    let backend = echo();
    let p8 = over_http(&backend);
    let mut opening = Opening::begin(p8.client(), "/", &[]);
    let early = [Frame::new(TEXT, "early"), Frame::new(TEXT, "bird")];
    opening.client.send(masked(&early));
    let mut client = opening.finish().expect("it is accepted");
    client.expect_text("early");
    client.expect_text("bird");
}

#[test]
fn a_plain_request_to_the_same_route_is_proxied_as_ever() {
    let backend = Backend::answering(|request| {
        if request.method == "POST" {
            accept_plain(&[])
        } else {
            Answer::ok("plain")
        }
    });
    let p8 = over_http(&backend);
    let _client = p8.ws("/");
    assert_eq!(Client::connect(p8.clients).get("/").text(), "plain");
}

#[test]
fn events_that_a_client_posts_itself_are_refused() {
    let (backend, p8) = answering(accept(&[]));
    let mut client = p8.client();
    client.request("POST", "/", &[("Content-Type", EVENTS)], b"OPEN\r\n");
    let reply = client.reply();
    assert_eq!(reply.status(), 403);
    assert_eq!(reply.head.header("p8-reason"), Some("events-not-allowed"));
    assert!(backend.seen().is_empty());
}

#[test]
fn the_test_target_echoes_and_subscribes() {
    let p8 = P8::start(&Config::new().route_to("host = \"*\"", "{ test = true }"));
    let mut client = p8.ws("/ws?channel=x&channel=y");
    client.send_text("hello");
    client.expect_text("hello");
    p8.publish(&[ws_item("x", "to x")]);
    client.expect_text("to x");
    p8.publish(&[ws_item("y", "to y")]);
    client.expect_text("to y");
    assert_eq!(p8.ws_refused("/nope").status(), 404);
}
