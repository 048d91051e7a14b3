//! The operator's API: tables, actions, the tail, and that `docs/openapi.json` tells the truth about them.
//!
//! Source: `docs/admin.md`.

use serde_json::{json, Value};

use crate::support::grip::hold;
use crate::support::publish::{numbered, stream_item};
use crate::support::wait::DEADLINE;
use crate::support::ws::Peers;
use crate::support::{wait_until, Backend, Client, Config, P8};

mod browser;
mod questions;
mod schema;

/// Asks for a document.
#[track_caller]
pub fn read(p8: &P8, path: &str) -> Value {
    let reply = Client::connect(p8.control).get(&format!("/admin/api/{path}"));
    assert_eq!(reply.status(), 200, "{path}: {}", reply.text());
    serde_json::from_slice(&reply.body).expect("JSON")
}

/// Has something done.
pub fn act(p8: &P8, path: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let reply = Client::connect(p8.control).post(&format!("/admin/api/{path}"), body.as_bytes());
    let told = serde_json::from_slice(&reply.body).expect("JSON");
    (reply.status(), told)
}

/// A stream ends in good order.
#[track_caller]
pub fn ended(stream: &mut Client) {
    assert_eq!(stream.read_to_end().expect("a clean end"), b"");
}

/// P-8 on two workers, whose backend streams on the channel that the path names; `/poll/` polls.
pub fn streaming() -> (Backend, P8) {
    let backend = Backend::answering(|request| {
        let path = request.target.trim_start_matches('/');
        match path.strip_prefix("poll/") {
            Some(channel) => hold("response", channel, ""),
            None => hold("stream", path, ""),
        }
    });
    let config = Config::new()
        .http("workers = 2")
        .handler("message_wait = 3600000")
        .route("host = \"*\"\nid = \"main\"", &[backend.addr]);
    (backend, P8::start(&config))
}

#[test]
fn a_session_is_listed_with_what_is_known_of_it() {
    let (_backend, p8) = streaming();
    let mut stream = p8.stream("/news");
    p8.publish(&[stream_item("news", "hello")]);
    stream.expect("hello");
    let told = read(&p8, "sessions");
    assert_eq!((&told["matched"], &told["next"]), (&json!(1), &Value::Null));
    assert_eq!(told["is_complete"], true);
    let row = &told["rows"][0];
    assert_eq!(row["route"], "main");
    assert_eq!(row["transport"], "stream");
    assert_eq!(row["channels"], json!(["news"]));
    assert_eq!(row["queued_bytes"], 0);
    assert!(
        row["sent_bytes"].as_u64() > Some(50),
        "head and item: {row}"
    );
    let peer = row["peer"].as_str().expect("a peer");
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
}

#[test]
fn pages_follow_each_other_and_every_session_is_on_one() {
    let (_backend, p8) = streaming();
    let _streams: Vec<_> = (0..25).map(|n| p8.stream(&format!("/c{n:02}"))).collect();
    for sort in ["age", "peer", "channels"] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let told = read(&p8, &format!("sessions?sort={sort}&limit=7&after={after}"));
            assert_eq!(told["matched"], 25);
            let rows = told["rows"].as_array().expect("rows").clone();
            seen.extend(rows.into_iter().map(|row| row["id"].to_string()));
            match told["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => break,
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 25, "{sort}");
    }
    let told = read(&p8, "sessions?search=C07");
    assert_eq!(told["rows"][0]["channels"], json!(["c07"]));
    assert_eq!(told["matched"], 1);
}

#[test]
fn channels_are_listed_with_their_subscribers_items_and_what_waits() {
    let (_backend, p8) = streaming();
    let _streams = [p8.stream("/a"), p8.stream("/a"), p8.stream("/b")];
    let _poll = p8.long_poll("/poll/a", "a", 3);
    p8.publish(&[
        numbered("1", "0"),
        numbered("3", "2"),
        stream_item("b", "x"),
    ]);
    let told = read(&p8, "channels");
    assert_eq!(told["matched"], 2);
    let row = &told["rows"][0];
    let expected = json!({"name": "a", "subscribers": 3, "response": 1, "stream": 2, "ws-message": 0,
        "items": 1, "last_id": "1", "waiting": 1, "dropped": 0});
    for (field, value) in expected.as_object().expect("fields") {
        assert_eq!(&row[field], value, "{field} in {row}");
    }
    let told = read(&p8, "channels?sort=name&order=desc&limit=1");
    assert_eq!(told["rows"][0]["name"], "b");
    assert!(told["next"].is_string());
    assert_eq!(read(&p8, "channels?search=B")["matched"], 1);
}

#[test]
fn sessions_are_disconnected_by_id_channel_route_and_peer() {
    let (_backend, p8) = streaming();
    let disconnect = |what: Value, expected: u64| {
        let (status, told) = act(&p8, "disconnect", &what);
        assert_eq!(
            (status, &told["disconnected"]),
            (200, &json!(expected)),
            "{what}"
        );
    };
    let mut stream = p8.stream("/a");
    let id = read(&p8, "sessions")["rows"][0]["id"].clone();
    disconnect(json!({ "id": id }), 1);
    ended(&mut stream);
    let mut streams = [p8.stream("/a"), p8.stream("/a")];
    let mut other = p8.stream("/b");
    disconnect(json!({"channel": "a"}), 2);
    streams.iter_mut().for_each(ended);
    disconnect(json!({"peer": "127.0.0.2"}), 0);
    disconnect(json!({"peer": "127.0.0.1"}), 1);
    ended(&mut other);
    let mut last = p8.stream("/b");
    disconnect(json!({"route": "main"}), 1);
    ended(&mut last);
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("sessions_disconnected_total"), 5);
    assert_eq!(snapshot.total("admin_actions_total"), 5);
}

#[test]
fn a_tail_shows_items_with_what_became_of_them_and_makes_no_channel() {
    let (_backend, p8) = streaming();
    let mut tail = Client::connect(p8.control);
    tail.request("GET", "/admin/api/tail?channel=a", &[], b"");
    let head = tail.final_head();
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    tail.expect("event: begun\ndata: {\"channel\":\"a\"}\n\n");
    p8.publish(&[
        stream_item("b", "another channel"),
        stream_item("a", "héllo"),
    ]);
    tail.expect("event: item\ndata: ");
    let mut line = String::new();
    while !line.ends_with("\n\n") {
        line += &String::from_utf8_lossy(&tail.read_exact(1));
    }
    // The last byte of a character comes alone here; what is asked for is ASCII.
    assert!(line.contains("\"outcome\":\"no-subscribers\""), "{line}");
    assert!(line.contains("\"bytes\":6"), "{line}");
    assert_eq!(p8.snapshot().actors("channel"), 0);
}

#[test]
fn a_test_item_is_published_with_its_receipt() {
    let (_backend, p8) = streaming();
    let mut stream = p8.stream("/a");
    let (status, told) = act(
        &p8,
        "publish",
        &json!({"items": [stream_item("a", "test")]}),
    );
    assert_eq!((status, &told["receipts"][0]["queued"]), (200, &json!(1)));
    stream.expect("test");
}

/// Asks for something, and checks how that is refused.
#[track_caller]
fn refused(p8: &P8, (method, path): (&str, &str), body: &str, expected: (u16, &str)) {
    let mut client = Client::connect(p8.control);
    client.request(method, &format!("/admin/api/{path}"), &[], body.as_bytes());
    let reply = client.reply();
    let told: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let code = told["code"].as_str().expect("a word");
    assert_eq!((reply.status(), code), expected, "{path}");
    assert!(told["error"].as_str().is_some_and(|why| !why.is_empty()));
    assert_eq!(reply.head.header("p8-reason"), Some(code));
}

#[test]
fn a_bad_question_is_refused_with_a_word_and_what_was_expected() {
    let (_backend, p8) = streaming();
    let long = format!("search={}", "x".repeat(2_000));
    let bad = [
        "limit=0",
        "limit=501",
        "limit=x",
        "sort=size",
        "order=up",
        "after=x",
        "page=2",
        &long,
    ];
    for query in bad {
        for table in ["sessions", "channels", "targets", "routes"] {
            let path = format!("{table}?{query}");
            refused(&p8, ("GET", &path), "", (400, "bad-query"));
        }
    }
    refused(&p8, ("GET", "tail"), "", (400, "bad-query"));
    refused(&p8, ("GET", "nothing"), "", (404, "not-found"));
}

#[test]
fn a_bad_action_is_refused_with_a_word_and_what_was_expected() {
    let (_backend, p8) = streaming();
    for path in ["publish", "disconnect", "drain"] {
        refused(&p8, ("GET", path), "", (405, "method-not-allowed"));
    }
    for path in ["sessions", "snapshot", "tail?channel=a"] {
        refused(&p8, ("POST", path), "{}", (405, "method-not-allowed"));
    }
    let several = r#"{"id": "a", "peer": "b"}"#;
    for body in [
        "",
        "[]",
        "{}",
        r#"{"id": 7}"#,
        r#"{"id": ""}"#,
        r#"{"all": "x"}"#,
        several,
    ] {
        refused(&p8, ("POST", "disconnect"), body, (400, "bad-action"));
    }
    let unknown = r#"{"id": "0-0-0"}"#;
    refused(
        &p8,
        ("POST", "disconnect"),
        unknown,
        (404, "unknown-session"),
    );
    let long = "x".repeat(20_000);
    refused(&p8, ("POST", "disconnect"), &long, (413, "body-too-large"));
    refused(&p8, ("POST", "publish"), "{}", (400, "bad-item-field"));
}

#[test]
fn streams_to_operators_are_bounded() {
    let (_backend, p8) = streaming();
    let mut tails = Vec::new();
    for _ in 0..32 {
        let mut tail = Client::connect(p8.control);
        tail.request("GET", "/admin/api/tail?channel=a", &[], b"");
        assert_eq!(tail.final_head().status, 200);
        tails.push(tail);
    }
    let reply = Client::connect(p8.control).get("/admin/api/live");
    assert_eq!(reply.status(), 503, "{}", reply.text());
    drop(tails);
    crate::support::wait_until(crate::support::wait::DEADLINE, "a place", || {
        let mut live = Client::connect(p8.control);
        live.request("GET", "/admin/api/live", &[], b"");
        live.final_head().status == 200
    });
}

#[test]
fn connections_to_a_target_are_told_open_and_idle() {
    let (backend, p8) = streaming();
    let target = || read(&p8, "targets?sort=connections")["rows"][0].clone();
    let none = target();
    assert_eq!(none["connections_current"], 0, "{none}");
    // The head of a hold is an answer: its connection is idle again, and takes the next request.
    let _streams = [p8.stream("/news"), p8.stream("/news")];
    wait_until(DEADLINE, "idle connections", || {
        let row = target();
        let open = row["connections_current"].as_u64();
        open == Some(backend.open() as u64) && row["connections_idle_current"].as_u64() == open
    });
    assert!(target()["latency_us"].is_u64());
    backend.close_connections();
    wait_until(DEADLINE, "no connection", || {
        let row = target();
        (
            &row["connections_current"],
            &row["connections_idle_current"],
        ) == (&json!(0), &json!(0))
    });
}

#[test]
fn an_open_websocket_to_a_backend_is_an_open_connection_to_its_target() {
    let peers = Peers::accepting(&[]);
    let p8 = P8::start(&Config::to(peers.backend.addr));
    let client = p8.ws("/");
    let target = || read(&p8, "targets")["rows"][0].clone();
    let row = target();
    let told = (
        &row["connections_current"],
        &row["connections_idle_current"],
    );
    assert_eq!(told, (&json!(1), &json!(0)), "{row}");
    client.reset();
    wait_until(DEADLINE, "its end", || target()["connections_current"] == 0);
}

#[test]
fn the_history_tells_how_long_deliveries_took_to_be_written() {
    let (_backend, p8) = streaming();
    let mut stream = p8.stream("/news");
    p8.publish(&[stream_item("news", "hello")]);
    stream.expect("hello");
    wait_until(DEADLINE, "a point with a write", || {
        let told = read(&p8, "history");
        let mut points = told["points"].as_array().expect("points").iter();
        points.any(|point| {
            let us = |name: &str| point[name].as_u64().expect("a number");
            us("writes") == 1 && us("write_mean_us") > 0 && us("write_p99_us") >= 500
        })
    });
}

#[test]
fn a_tail_that_nobody_reads_blocks_nobody_and_tells_what_it_missed() {
    let (_backend, p8) = streaming();
    let mut tail = Client::connect_with_small_window(p8.control);
    tail.request("GET", "/admin/api/tail?channel=a", &[], b"");
    assert_eq!(tail.final_head().status, 200);
    tail.expect("event: begun\ndata: {\"channel\":\"a\"}\n\n");
    let mut stream = p8.stream("/a");
    let items: Vec<Value> = (0..100)
        .map(|_| stream_item("a", &"x".repeat(4_000)))
        .collect();
    for _ in 0..30 {
        p8.publish(&items);
        assert_eq!(stream.read_exact(400_000).len(), 400_000);
    }
    let mut told = String::new();
    while !told.contains("event: missed\ndata: {\"items\":") {
        told += &String::from_utf8_lossy(&tail.read_exact(1_000));
    }
}
