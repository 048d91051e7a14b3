//! GRIP's control messages: when they are read, what they do, and what the client sees of it.
//!
//! Source: `docs/compatibility.md`, W66 to W78 and W85; what takes time is in `control_timers`.

use serde_json::{json, Value};

use crate::support::events::{
    accept, accept_plain, all_events, answer, bare, binary, close, closes, control, event,
    open_and, opening_with, subscribe, text, wait_for_event, HttpEvent,
};
use crate::support::publish::{ws_close, ws_item};
use crate::support::snapshot::Snapshot;
use crate::support::ws::WsClient;
use crate::support::{Backend, Config, P8};

use super::{over_http, settle, subscribe_message, subscribed};

/// A backend that accepts with these extensions and events, and P-8 before it.
fn accepting_with(extensions: &str, events: &[HttpEvent]) -> (Backend, P8) {
    let accepting = accept_plain(events).header("Sec-WebSocket-Extensions", extensions);
    let backend = opening_with(accepting, |events| answer(&closes(events)));
    let p8 = over_http(&backend);
    (backend, p8)
}

/// A session on channel `a` whose backend said this at the opening.
fn opened_with(messages: &[Value]) -> (Backend, P8, WsClient) {
    let mut events = vec![subscribe("a")];
    events.extend(messages.iter().map(control));
    let backend = open_and(&events);
    let p8 = over_http(&backend);
    let client = subscribed(&p8);
    (backend, p8, client)
}

#[test]
fn without_the_extension_everything_is_for_the_client() {
    let events = [
        text("c:{\"type\":\"subscribe\",\"channel\":\"a\"}"),
        text("m:x"),
    ];
    let backend = opening_with(accept_plain(&events), |_| answer(&[]));
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.expect_text("c:{\"type\":\"subscribe\",\"channel\":\"a\"}");
    client.expect_text("m:x");
    assert_eq!(p8.snapshot().subscribers("a"), 0);
}

#[test]
fn the_extension_is_found_among_others() {
    for extensions in [
        "x-a, grip",
        "x-a; b=\"1, 2\", grip;message-prefix=\"m:\", x-c",
    ] {
        let (_backend, p8) = accepting_with(extensions, &[subscribe("a"), text("m:x")]);
        let mut client = subscribed(&p8);
        client.expect_text("x");
        assert_eq!(client.head.header("sec-websocket-extensions"), None);
    }
}

#[test]
fn the_extensions_name_has_one_case() {
    let (_backend, p8) = accepting_with("GRIP", &[text("m:x"), subscribe("a")]);
    let mut client = p8.ws("/");
    client.expect_text("m:x");
    client.expect_text("c:{\"channel\":\"a\",\"type\":\"subscribe\"}");
}

#[test]
fn the_prefix_of_messages_is_a_parameter() {
    let table = [
        ("grip", "m:"),
        ("grip; message-prefix=\"data:\"", "data:"),
        ("grip; message-prefix=data", "data"),
        ("grip; x=y; message-prefix=\"a b\"", "a b"),
        ("grip; message-prefix=\"\"", ""),
        ("grip; message-prefix=", ""),
    ];
    for (extensions, prefix) in table {
        let message = text(&format!("{prefix}hello"));
        let (_backend, p8) = accepting_with(extensions, &[subscribe("a"), message]);
        p8.ws("/").expect_text("hello");
    }
}

#[test]
fn the_prefix_is_cut_off_text_and_binary_and_without_it_both_are_dropped() {
    let events = [
        text("unmarked"),
        text("m"),
        text(""),
        binary(b"unmarked"),
        binary(b""),
        text("m:text"),
        binary(b"m:\x00\xff"),
        text("m:"),
        text("m:m:twice"),
    ];
    let (_backend, p8) = accepting_with("grip", &events);
    let mut client = p8.ws("/");
    client.expect_text("text");
    client.expect_binary(&[0, 255]);
    client.expect_text("");
    client.expect_text("m:twice");
}

#[test]
fn pings_pongs_and_closes_have_no_prefix() {
    let events = [event("PING", "p"), event("PONG", "q"), close(4001, "r")];
    let (_backend, p8) = accepting_with("grip", &events);
    let mut client = p8.ws("/");
    client.expect_ping("p");
    client.expect_pong("q");
    assert_eq!(client.expect_closed(4001), "r");
}

#[test]
fn a_control_message_is_text_whatever_the_prefix_is_and_never_binary() {
    for prefix in ["\"\"", "\"x:\"", "\"c:\""] {
        let cut = prefix.trim_matches('"');
        let bytes = [cut.as_bytes(), b"c:{}"].concat();
        let (_backend, p8) = accepting_with(
            &format!("grip; message-prefix={prefix}"),
            &[subscribe("a"), binary(&bytes)],
        );
        subscribed(&p8).expect_binary(b"c:{}");
    }
}

#[test]
fn control_messages_that_make_no_sense_are_ignored() {
    let nonsense = [
        "c:",
        "c:{",
        "c:null",
        "c:[]",
        "c:\"subscribe\"",
        "c:{}",
        "c:{\"type\": 3}",
        "c:{\"type\": \"dance\"}",
        "c:{\"type\": \"subscribe\"}",
        "c:{\"type\": \"subscribe\", \"channel\": 3}",
        "c:{\"type\": \"subscribe\", \"channel\": \"\"}",
        "c:{\"type\": \"subscribe\", \"channel\": \"b\", \"filters\": \"x\"}",
        "c:{\"type\": \"unsubscribe\"}",
        "c:{\"type\": \"set-meta\"}",
        "c:{\"type\": \"set-meta\", \"name\": \"\"}",
        "c:{\"type\": \"keep-alive\", \"content\": 3}",
        "c:{\"type\": \"send-delayed\", \"content-bin\": 3}",
        "c:{\"type\": \"SUBSCRIBE\", \"channel\": \"b\"}",
    ];
    let mut events: Vec<HttpEvent> = nonsense.iter().map(|message| text(message)).collect();
    events.push(control(
        &json!({"type": "subscribe", "channel": "a", "unknown": [1]}),
    ));
    events.push(text("m:still here"));
    let (_backend, p8) = accepting_with("grip", &events);
    let mut client = subscribed(&p8);
    client.expect_text("still here");
    assert_eq!(p8.snapshot().subscribers("b"), 0);
}

#[test]
fn a_session_gets_what_is_published_to_its_channels() {
    let (_backend, p8, mut client) = opened_with(&[subscribe_message("b")]);
    p8.publish(&[
        ws_item("a", "one"),
        ws_item("c", "never"),
        ws_item("b", "two"),
    ]);
    client.expect_text("one");
    client.expect_text("two");
}

#[test]
fn a_later_answer_subscribes_too() {
    let backend = opening_with(accept(&[]), |_| answer(&[subscribe("a"), text("m:done")]));
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("x");
    client.expect_text("done");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[ws_item("a", "pushed")]);
    client.expect_text("pushed");
}

#[test]
fn an_unsubscribed_channel_is_not_heard_any_more() {
    let backend = opening_with(accept(&[subscribe("a"), subscribe("b")]), |_| {
        answer(&[
            control(&json!({"type": "unsubscribe", "channel": "a"})),
            control(&json!({"type": "unsubscribe", "channel": "never subscribed"})),
            text("m:done"),
        ])
    });
    let p8 = over_http(&backend);
    let mut client = subscribed(&p8);
    client.send_text("x");
    client.expect_text("done");
    Snapshot::wait_for_subscribers(p8.control, "a", 0);
    p8.publish(&[ws_item("a", "never"), ws_item("b", "heard")]);
    client.expect_text("heard");
}

#[test]
fn a_channel_that_is_subscribed_to_twice_is_heard_once() {
    let (_backend, p8, mut client) = opened_with(&[subscribe_message("a")]);
    p8.publish(&[ws_item("a", "one"), ws_item("a", "two")]);
    client.expect_text("one");
    client.expect_text("two");
    assert_eq!(p8.snapshot().subscribers("a"), 1);
}

#[test]
fn a_routes_prefix_is_put_before_each_channel() {
    let backend = opening_with(accept(&[subscribe("a"), subscribe("b")]), |_| {
        let message = json!({"type": "unsubscribe", "channel": "b"});
        answer(&[control(&message), text("m:done")])
    });
    let lines = "host = \"*\"\nprefix = \"pre-\"";
    let p8 = P8::start(&Config::over_http_with(lines, &[backend.addr], ""));
    let mut client = p8.ws("/");
    Snapshot::wait_for_subscribers(p8.control, "pre-b", 1);
    client.send_text("x");
    client.expect_text("done");
    Snapshot::wait_for_subscribers(p8.control, "pre-b", 0);
    p8.publish(&[ws_item("a", "never"), ws_item("pre-a", "heard")]);
    client.expect_text("heard");
}

#[test]
fn a_targets_channels_are_subscribed_unasked_and_stay() {
    let backend = opening_with(accept_plain(&[]), |_| answer(&[text("x")]));
    let grip = opening_with(accept(&[]), |_| {
        let message = json!({"type": "unsubscribe", "channel": "a"});
        answer(&[control(&message), text("m:done")])
    });
    for (backend, said) in [(&backend, "x"), (&grip, "done")] {
        let lines = "host = \"*\"\nprefix = \"pre-\"";
        let config = Config::over_http_with(lines, &[backend.addr], ", subs = [\"a\"]");
        let p8 = P8::start(&config);
        let mut client = subscribed(&p8);
        client.send_text("unsubscribe me");
        client.expect_text(said);
        settle(&p8);
        p8.publish(&[ws_item("a", "heard")]);
        client.expect_text("heard");
    }
}

#[test]
fn five_filters_are_taken_and_six_close_with_1011() {
    let subscribing = |count: usize| {
        let filters: Vec<String> = (0..count).map(|n| format!("unknown-{n}")).collect();
        json!({"type": "subscribe", "channel": "a", "filters": filters})
    };
    let (_backend, p8) = accepting_with("grip", &[control(&subscribing(5)), text("m:fine")]);
    subscribed(&p8).expect_text("fine");
    let (_backend, p8) = accepting_with("grip", &[control(&subscribing(6))]);
    p8.ws("/").expect_closed(1011);
}

#[test]
fn channels_past_the_twentieth_are_ignored_and_counted() {
    let mut events: Vec<HttpEvent> = (1..=22).map(|n| subscribe(&format!("c{n}"))).collect();
    events.push(text("m:done"));
    let (_backend, p8) = accepting_with("grip", &events);
    let mut client = p8.ws("/");
    client.expect_text("done");
    Snapshot::wait_for_subscribers(p8.control, "c20", 1);
    p8.publish(&[
        ws_item("c21", "never"),
        ws_item("c22", "never"),
        ws_item("c20", "heard"),
    ]);
    client.expect_text("heard");
    assert_eq!(p8.snapshot().refused("too-many-channels"), 2);
}

/// An item that a user sent.
fn sent_by(user: &str, content: &str) -> Value {
    let mut item = ws_item("a", content);
    item["meta"] = json!({ "sender": user });
    item
}

#[test]
fn a_meta_decides_what_a_filter_skips_until_it_is_removed() {
    let filtered = json!({"type": "subscribe", "channel": "a", "filters": ["skip-self"]});
    let accepting = accept(&[
        control(&filtered),
        control(&json!({"type": "set-meta", "name": "user", "value": "alice"})),
    ]);
    let backend = opening_with(accepting, |_| {
        let removing = json!({"type": "set-meta", "name": "user"});
        answer(&[control(&removing), text("m:removed")])
    });
    let p8 = over_http(&backend);
    let mut client = subscribed(&p8);
    p8.publish(&[sent_by("alice", "her own"), sent_by("bob", "another's")]);
    client.expect_text("another's");
    client.send_text("x");
    client.expect_text("removed");
    p8.publish(&[sent_by("alice", "anybody's")]);
    client.expect_text("anybody's");
}

#[test]
fn subscribing_again_replaces_the_filters() {
    let filtered = json!({"type": "subscribe", "channel": "a", "filters": ["skip-self"]});
    let meta = json!({"type": "set-meta", "name": "user", "value": "alice"});
    let accepting = accept(&[control(&filtered), control(&meta)]);
    let backend = opening_with(accepting, |_| answer(&[subscribe("a"), text("m:replaced")]));
    let p8 = over_http(&backend);
    let mut client = subscribed(&p8);
    client.send_text("x");
    client.expect_text("replaced");
    p8.publish(&[sent_by("alice", "her own")]);
    client.expect_text("her own");
}

/// A detached session: its backend was told, and publishes reach it.
fn detached() -> (Backend, P8, WsClient) {
    let (backend, p8, client) = opened_with(&[json!({"type": "detach"})]);
    wait_for_event(&backend, &bare("CLOSE"));
    (backend, p8, client)
}

#[test]
fn a_detached_backend_is_told_by_a_close_and_asked_no_more() {
    let (backend, p8, mut client) = detached();
    client.send_text("into the void");
    p8.publish(&[ws_item("a", "first")]);
    client.expect_text("first");
    client.send_binary(b"into the void");
    p8.publish(&[ws_item("a", "second")]);
    client.expect_text("second");
    settle(&p8);
    assert_eq!(all_events(&backend), [bare("OPEN"), bare("CLOSE")]);
}

#[test]
fn events_behind_a_detach_come_before_the_silence() {
    let backend = open_and(&[
        subscribe("a"),
        text("m:before"),
        control(&json!({"type": "detach"})),
    ]);
    let p8 = over_http(&backend);
    let mut client = subscribed(&p8);
    client.expect_text("before");
    wait_for_event(&backend, &bare("CLOSE"));
    p8.publish(&[ws_item("a", "after")]);
    client.expect_text("after");
}

#[test]
fn a_detached_sessions_pings_are_answered() {
    let (_backend, _p8, mut client) = detached();
    client.ping("are you there?");
    client.expect_pong("are you there?");
    client.ping("");
    client.expect_pong("");
}

#[test]
fn a_detached_sessions_close_is_answered_with_1000() {
    let (backend, p8, mut client) = detached();
    client.close(4001, "bye");
    client.expect_closed(1000);
    settle(&p8);
    assert_eq!(all_events(&backend), [bare("OPEN"), bare("CLOSE")]);
}

#[test]
fn a_detached_session_is_closed_by_a_publish() {
    let (_backend, p8, mut client) = detached();
    p8.publish(&[ws_close("a", json!({"code": 4321, "reason": "over"}))]);
    assert_eq!(client.expect_closed(4321), "over");
}

#[test]
fn the_loss_of_a_detached_client_is_told_to_nobody() {
    let (backend, p8, client) = detached();
    client.reset();
    Snapshot::wait_for_subscribers(p8.control, "a", 0);
    settle(&p8);
    assert_eq!(all_events(&backend), [bare("OPEN"), bare("CLOSE")]);
}

#[test]
fn a_control_message_of_any_size_is_read() {
    let message = json!({"type": "subscribe", "channel": "a", "padding": "x".repeat(100_000)});
    let (_backend, p8) = accepting_with("grip", &[control(&message)]);
    let mut client = subscribed(&p8);
    p8.publish(&[ws_item("a", "heard")]);
    client.expect_text("heard");
}

#[test]
fn a_route_without_grip_reads_no_control_messages() {
    let backend = open_and(&[text("m:x")]);
    let lines = "host = \"*\"\nno_grip = true";
    let p8 = P8::start(&Config::over_http_with(lines, &[backend.addr], ""));
    p8.ws("/").expect_text("m:x");
}
