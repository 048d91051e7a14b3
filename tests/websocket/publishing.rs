//! Items for WebSockets: what may be published, what arrives, and in which order.
//!
//! Source: `docs/compatibility.md`, W86 to W94 and W96.

use serde_json::{json, Value};

use crate::support::events::{
    accept, accept_plain, all_events, answer, close, closes, control, open_and, opening_with,
    requests_of, subscribe, text, wait_for_bodies,
};
use crate::support::publish::{post_items, stream_item, ws_close, ws_item, ws_with};
use crate::support::snapshot::Snapshot;
use crate::support::wait::{gate, DEADLINE};
use crate::support::ws::{Event, Frame, Peers, WsClient, CONTINUATION, TEXT};
use crate::support::{wait_until, Backend, Config, P8};

use super::{
    over_http, passing_through, settle, subscribe_message, subscribed, texts_until_closed,
};

/// A session on channel `a`.
fn listening() -> (Backend, P8, WsClient) {
    let backend = open_and(&[subscribe("a")]);
    let p8 = over_http(&backend);
    let client = subscribed(&p8);
    (backend, p8, client)
}

#[test]
fn an_item_is_a_message_of_its_type() {
    let (_backend, p8, mut client) = listening();
    let table = [
        (json!({"content": "x ☃"}), Event::Text("x ☃".into())),
        (json!({"content": ""}), Event::Text(String::new())),
        (
            json!({"content-bin": "AAH/"}),
            Event::Binary(vec![0, 1, 255]),
        ),
        (
            json!({"type": "text", "content-bin": "aGk="}),
            Event::Text("hi".into()),
        ),
        (
            json!({"type": "binary", "content": "x"}),
            Event::Binary(b"x".into()),
        ),
        (
            json!({"type": "ping", "content": "p"}),
            Event::Ping(b"p".into()),
        ),
        (json!({"type": "ping"}), Event::Ping(Vec::new())),
        (
            json!({"type": "pong", "content": "q"}),
            Event::Pong(b"q".into()),
        ),
        (json!({"type": "pong"}), Event::Pong(Vec::new())),
        (
            json!({"content": "text", "content-bin": "AA=="}),
            Event::Binary(vec![0]),
        ),
        (
            json!({"action": "send", "content": "m:x"}),
            Event::Text("m:x".into()),
        ),
    ];
    for (format, event) in table {
        p8.publish(&[ws_with("a", format.clone())]);
        assert_eq!(client.recv(), event, "{format}");
    }
}

#[test]
fn items_that_make_no_sense_are_refused_and_nothing_of_them_arrives() {
    let (_backend, p8, mut client) = listening();
    let table = [
        (
            json!({"type": "song", "content": "x"}),
            "Invalid format: 'ws-message' contains 'type' with unknown value\n",
        ),
        (
            json!({"type": "text"}),
            "Invalid format: 'ws-message' does not contain 'content' or 'content-bin'\n",
        ),
        (
            json!({}),
            "Invalid format: 'ws-message' does not contain 'content' or 'content-bin'\n",
        ),
        (
            json!({"content": 3}),
            "Invalid format: 'ws-message' contains 'content' with wrong type\n",
        ),
        (json!({"action": "dance"}), "Invalid format: \n"),
    ];
    for (format, text) in table {
        let reply = post_items(p8.control, &[ws_item("a", "never"), ws_with("a", format)]);
        assert_eq!(reply.status(), 400);
        assert_eq!(reply.text().trim_end(), text.trim_end());
    }
    p8.publish(&[ws_item("a", "x")]);
    client.expect_text("x");
}

#[test]
fn formats_of_other_sessions_do_not_reach_a_websocket() {
    let (_backend, p8, mut client) = listening();
    p8.publish(&[stream_item("a", "never"), ws_item("a", "x")]);
    client.expect_text("x");
}

#[test]
fn a_published_close_has_code_and_reason_and_the_backend_hears_of_it() {
    let (backend, p8, mut client) = listening();
    p8.publish(&[
        ws_close("a", json!({"code": 4321, "reason": "over ☃"})),
        ws_item("a", "never"),
    ]);
    assert_eq!(client.expect_closed(4321), "over ☃");
    wait_until(DEADLINE, "the backend to hear of it", || {
        !closes(&all_events(&backend)).is_empty()
    });
    settle(&p8);
    assert_eq!(all_events(&backend).len(), 2, "once, and no loss");
}

#[test]
fn a_published_close_without_a_code_is_1000() {
    let (_backend, p8, mut client) = listening();
    p8.publish(&[ws_close("a", json!({}))]);
    assert_eq!(client.expect_closed(1000), "");
}

#[test]
fn a_refresh_has_the_backend_asked_by_an_empty_request() {
    let backend = opening_with(accept(&[subscribe("a")]), |events| {
        answer(&[text(&format!("m:{} events", events.len()))])
    });
    let p8 = over_http(&backend);
    let mut client = subscribed(&p8);
    p8.publish(&[ws_with("a", json!({"action": "refresh"}))]);
    client.expect_text("0 events");
    assert_eq!(backend.seen()[1].body, b"");
}

#[test]
fn refreshes_during_a_request_make_one_more() {
    let (gate, wait) = gate();
    let backend = opening_with(accept(&[subscribe("a")]), move |events| {
        wait();
        answer(&[text(&format!("m:{} events", events.len()))])
    });
    let p8 = over_http(&backend);
    let mut client = subscribed(&p8);
    client.send_text("x");
    wait_for_bodies(&backend, 2);
    let refresh = ws_with("a", json!({"action": "refresh"}));
    p8.publish(&[refresh.clone(), refresh, ws_item("a", "behind both")]);
    client.expect_text("behind both");
    gate.open();
    client.expect_text("1 events");
    client.expect_text("0 events");
    client.send_text("x");
    client.expect_text("1 events");
    let counts: Vec<usize> = requests_of(&backend).iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 1, 0, 1]);
}

#[test]
fn a_hint_does_no_harm() {
    let (backend, p8, mut client) = listening();
    p8.publish(&[ws_with("a", json!({"action": "hint"})), ws_item("a", "x")]);
    client.expect_text("x");
    settle(&p8);
    assert_eq!(all_events(&backend).len(), 1);
}

#[test]
fn an_item_with_other_content_filters_is_skipped_and_closes_on_debug_routes() {
    for debug in [false, true] {
        let filtered = json!({"type": "subscribe", "channel": "a", "filters": ["var-subst"]});
        let backend = open_and(&[control(&filtered)]);
        let lines = format!("host = \"*\"\ndebug = {debug}");
        let p8 = P8::start(&Config::over_http_with(&lines, &[backend.addr], ""));
        let mut client = subscribed(&p8);
        let with = |content: &str, filters: Value| {
            ws_with("a", json!({"content": content, "content-filters": filters}))
        };
        p8.publish(&[
            with("fits", json!(["var-subst"])),
            with("does not", json!([])),
            with("nor does this", json!(["build-id"])),
            with("fits too", json!(["var-subst"])),
        ]);
        client.expect_text("fits");
        if debug {
            client.expect_close(1011);
        } else {
            client.expect_text("fits too");
        }
    }
}

#[test]
fn a_filter_edits_what_a_websocket_gets() {
    let filtered = json!({"type": "subscribe", "channel": "a", "filters": ["var-subst"]});
    let meta = json!({"type": "set-meta", "name": "user", "value": "alice"});
    let backend = open_and(&[control(&filtered), control(&meta)]);
    let p8 = over_http(&backend);
    let mut client = subscribed(&p8);
    p8.publish(&[ws_item("a", "hello %(user)s")]);
    client.expect_text("hello alice");
}

/// An item with an id that follows another.
fn numbered(id: &str, prev_id: &str) -> Value {
    let mut item = ws_item("a", id);
    item["id"] = json!(id);
    item["prev-id"] = json!(prev_id);
    item
}

#[test]
fn an_item_that_is_published_twice_arrives_once() {
    let (_backend, p8, mut client) = listening();
    let mut item = ws_item("a", "once");
    item["id"] = json!("1");
    p8.publish(&[item.clone(), item.clone()]);
    p8.publish(&[item]);
    assert_eq!(texts_until_closed(&p8, &mut client), ["once"]);
}

#[test]
fn items_published_out_of_order_arrive_in_order() {
    let (_backend, p8, mut client) = listening();
    p8.publish(&[numbered("1", "0"), numbered("3", "2"), numbered("4", "3")]);
    p8.publish(&[numbered("2", "1")]);
    for id in ["1", "2", "3", "4"] {
        client.expect_text(id);
    }
}

#[test]
fn a_gap_is_given_up_after_its_time() {
    let backend = open_and(&[subscribe("a")]);
    let config = Config::over_http(backend.addr).handler("message_wait = 300");
    let p8 = P8::start(&config);
    let mut client = subscribed(&p8);
    p8.publish(&[numbered("1", "0"), numbered("3", "2")]);
    client.expect_text("1");
    client.expect_text("3");
}

#[test]
fn a_burst_arrives_whole_and_in_order() {
    let (_backend, p8, mut client) = listening();
    let texts: Vec<String> = (0..300).map(|n| format!("{n:0>1000}")).collect();
    let items: Vec<Value> = texts.iter().map(|text| ws_item("a", text)).collect();
    p8.publish(&items);
    for text in &texts {
        client.expect_text(text);
    }
}

#[test]
fn a_large_item_arrives_whole() {
    let backend = open_and(&[subscribe("a")]);
    let config = Config::over_http(backend.addr).control("max_body_size = 10000000");
    let p8 = P8::start(&config);
    let mut client = subscribed(&p8);
    for size in [65_535, 65_536, 200_000, 900_000] {
        let content: String = ('a'..='z').cycle().take(size).collect();
        p8.publish(&[ws_item("a", &content)]);
        client.expect_text(&content);
    }
}

#[test]
fn every_websocket_of_a_channel_gets_every_item_once() {
    let backend = open_and(&[subscribe("a")]);
    let p8 = over_http(&backend);
    let mut clients: Vec<WsClient> = (0..100).map(|_| p8.ws("/")).collect();
    Snapshot::wait_for_subscribers(p8.control, "a", 100);
    p8.publish(&[
        ws_item("a", "one"),
        ws_item("a", "two"),
        ws_close("a", json!({})),
    ]);
    for client in &mut clients {
        assert_eq!(client.texts_until_gone(), ["one", "two"]);
    }
}

#[test]
fn an_item_reaches_every_kind_of_session_of_its_channel() {
    let backend = Backend::answering(|request| match request.method.as_str() {
        "GET" => crate::support::grip::hold("stream", "a", ""),
        _ => accept(&[subscribe("a")]),
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    let mut stream = p8.stream("/");
    Snapshot::wait_for_subscribers(p8.control, "a", 2);
    let both = json!({"channel": "a", "formats": {
        "http-stream": {"content": "to the stream"}, "ws-message": {"content": "to the socket"}}});
    p8.publish(&[both]);
    stream.expect("to the stream");
    client.expect_text("to the socket");
}

#[test]
fn a_session_that_ended_is_on_no_channel() {
    let (_backend, p8, mut client) = listening();
    client.close(1000, "");
    client.expect_closed(1000);
    Snapshot::wait_for_subscribers(p8.control, "a", 0);
}

#[test]
fn an_item_during_a_half_sent_message_is_neither_lost_nor_put_inside_it() {
    let peers = Peers::grip();
    let p8 = passing_through(&peers.backend);
    let mut client = p8.ws("/");
    let mut peer = peers.next();
    peer.control(&subscribe_message("a"));
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    peer.send(&Frame::new(TEXT, "m:half a ").unfinished());
    peer.send(&Frame::new(super::PING, "the half was sent"));
    p8.publish(&[ws_item("a", "item")]);
    let mut events = Vec::new();
    peer.send(&Frame::new(CONTINUATION, "message"));
    while events.len() < 3 {
        events.push(client.recv());
    }
    for wanted in [
        Event::Text("half a message".into()),
        Event::Text("item".into()),
        Event::Ping(b"the half was sent".into()),
    ] {
        assert!(events.contains(&wanted), "{wanted:?} in {events:?}");
    }
}

#[test]
fn items_and_the_backends_messages_may_come_at_the_same_time() {
    let backend = opening_with(accept(&[subscribe("a")]), |events| {
        let marked = events.iter().map(|event| {
            let content = event.content.clone().unwrap_or_default();
            text(&format!("m:{}", String::from_utf8_lossy(&content)))
        });
        answer(&marked.collect::<Vec<_>>())
    });
    let p8 = over_http(&backend);
    let mut client = subscribed(&p8);
    for n in 0..100 {
        client.send_text(&format!("echo {n}"));
        p8.publish(&[ws_item("a", &format!("item {n}"))]);
    }
    let (mut echoes, mut items) = (Vec::new(), Vec::new());
    while echoes.len() + items.len() < 200 {
        match client.recv() {
            Event::Text(text) if text.starts_with("echo") => echoes.push(text),
            Event::Text(text) => items.push(text),
            event => panic!("{event:?}"),
        }
    }
    let numbered =
        |word: &str| -> Vec<String> { (0..100).map(|n| format!("{word} {n}")).collect() };
    assert_eq!(echoes, numbered("echo"));
    assert_eq!(items, numbered("item"));
}

#[test]
fn a_channels_close_ends_those_that_were_never_subscribed_by_themselves_too() {
    let backend = opening_with(accept_plain(&[]), |events| answer(&closes(events)));
    let config = Config::over_http_with("host = \"*\"", &[backend.addr], ", subs = [\"a\"]");
    let p8 = P8::start(&config);
    let mut client = subscribed(&p8);
    p8.publish(&[ws_close("a", json!({"code": 4000}))]);
    client.expect_closed(4000);
    let heard = close(4000, "");
    let events = all_events(&backend);
    let harmless = closes(&events)
        .iter()
        .all(|event| *event == heard || event.content.is_none());
    assert!(harmless, "{events:?}");
}
