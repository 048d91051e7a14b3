//! What `POST /publish/?receipt=1` tells of an item: every word, over real sockets.
//!
//! Source: `docs/control-api.md`, receipts.

use serde_json::{json, Value};

use crate::support::backend::Request;
use crate::support::events::{open_and, subscribe};
use crate::support::grip::hold;
use crate::support::publish::{body_of, hint_item, numbered, response_item, stream_item, ws_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::gate;
use crate::support::ws::WsClient;
use crate::support::{Answer, Backend, Client, Config, P8};

/// Publishes these items and gives their receipts.
#[track_caller]
fn receipts(p8: &P8, items: &[Value]) -> Vec<Value> {
    let reply = Client::connect(p8.control).post("/publish/?receipt=1", &body_of(items));
    assert_eq!(reply.status(), 200, "{}", reply.text());
    assert_eq!(reply.head.header("content-type"), Some("application/json"));
    let told: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let told = told["receipts"].as_array().expect("receipts").clone();
    assert_eq!(told.len(), items.len());
    told
}

#[track_caller]
fn receipt(p8: &P8, item: Value) -> Value {
    receipts(p8, &[item]).remove(0)
}

/// Checks these fields of a receipt.
#[track_caller]
fn assert_told(receipt: &Value, expected: Value) {
    for (field, value) in expected.as_object().expect("fields") {
        assert_eq!(&receipt[field], value, "{field} in {receipt}");
    }
}

fn streaming(_: &Request) -> Answer {
    hold("stream", "a", "")
}

#[test]
fn a_receipt_tells_which_sessions_an_item_matched_and_where_it_is_queued() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/stream" => hold("stream", "a", ""),
        _ => hold("response", "a", ""),
    });
    let p8 = P8::start(&Config::to(backend.addr).http("workers = 2"));
    let mut streams = [p8.stream("/stream"), p8.stream("/stream")];
    let mut poll = p8.long_poll("/poll", "a", 3);
    let mut item = stream_item("a", "news");
    item["id"] = json!("7");
    item["formats"]["http-response"] = json!({ "body": "news" });
    let told = receipt(&p8, item);
    assert_told(
        &told,
        json!({
            "channel": "a", "id": "7", "outcome": "accepted", "queued": 3, "filtered": 0,
            "matched": {"response": 1, "stream": 2, "ws-message": 0},
            "dropped": {}, "superseded": 0, "undecided": 0, "other_format": 0, "ending": 0,
        }),
    );
    streams.iter_mut().for_each(|stream| stream.expect("news"));
    assert_eq!(poll.reply().text(), "news");
}

#[test]
fn sessions_of_a_transport_that_the_item_has_no_format_for_are_told() {
    let backend = Backend::answering(streaming);
    let p8 = P8::start(&Config::to(backend.addr));
    let _stream = p8.stream("/");
    let told = receipt(&p8, response_item("a", "for long-polls only"));
    assert_told(
        &told,
        json!({"outcome": "accepted", "other_format": 1, "queued": 0}),
    );
}

#[test]
fn a_web_socket_is_told_as_such() {
    let backend = open_and(&[subscribe("a")]);
    let p8 = P8::start(&Config::over_http(backend.addr));
    let mut socket = WsClient::connect(p8.clients, "/", &[]).expect("it opens");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    let told = receipt(&p8, ws_item("a", "hello"));
    assert_told(
        &told,
        json!({"matched": {"response": 0, "stream": 0, "ws-message": 1}, "queued": 1}),
    );
    socket.expect_text("hello");
}

#[test]
fn an_item_for_nobody_a_duplicate_and_one_that_waits_are_told_apart() {
    let backend = Backend::answering(streaming);
    let config = Config::to(backend.addr).handler("message_wait = 60000");
    let p8 = P8::start(&config);
    let _stream = p8.stream("/");
    let mut first = stream_item("a", "1");
    first["id"] = json!("1");
    let items = [
        stream_item("nobody", "x"),
        first.clone(),
        first,
        numbered("3", "2"),
    ];
    let told = receipts(&p8, &items);
    let outcomes: Vec<_> = told.iter().map(|told| told["outcome"].clone()).collect();
    assert_eq!(
        outcomes,
        [
            "no-subscribers",
            "accepted",
            "duplicate",
            "waiting-for-order"
        ]
    );
}

#[test]
fn an_item_that_its_channel_drops_is_told_with_the_reason() {
    let backend = Backend::answering(streaming);
    let config = Config::to(backend.addr).handler("message_wait = 60000");
    let p8 = P8::start(&config);
    let _stream = p8.stream("/");
    receipt(&p8, numbered("1", "0"));
    receipts(&p8, &[numbered("3", "2")]);
    let told = receipt(&p8, numbered("33", "2"));
    assert_told(
        &told,
        json!({"outcome": "dropped", "dropped": {"waiting-repeat": 1}}),
    );
}

#[test]
fn an_item_that_a_filter_keeps_away_is_told_as_filtered() {
    let backend = Backend::answering(|_| {
        let answer = Answer::ok("").header("Grip-Hold", "stream");
        let answer = answer.header("Grip-Channel", "a; filter=skip-self");
        answer.header("Grip-Set-Meta", "user=\"alice\"")
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let _stream = p8.stream("/");
    let mut item = stream_item("a", "mine");
    item["meta"] = json!({ "sender": "alice" });
    let told = receipt(&p8, item);
    assert_told(
        &told,
        json!({"filtered": 1, "queued": 0, "matched": {"response": 0, "stream": 1, "ws-message": 0}}),
    );
}

#[test]
fn an_item_for_other_content_filters_is_told_as_dropped() {
    let backend = Backend::answering(streaming);
    let p8 = P8::start(&Config::to(backend.addr));
    let _stream = p8.stream("/");
    let mut item = stream_item("a", "x");
    item["formats"]["http-stream"]["content-filters"] = json!(["build-id"]);
    assert_told(
        &receipt(&p8, item),
        json!({"dropped": {"content-filters": 1}, "queued": 0}),
    );
}

#[test]
fn an_item_that_a_slow_client_loses_is_told_with_the_reason() {
    let backend = Backend::answering(streaming);
    let config = Config::new().handler("session_queue_items_max = 2").route(
        "host = \"*\"\nslow_client = \"drop-newest\"",
        &[backend.addr],
    );
    let p8 = P8::start(&config);
    let mut slow = Client::connect_with_small_window(p8.clients);
    slow.request("GET", "/", &[], b"");
    assert_eq!(slow.final_head().status, 200);
    let large = "x".repeat(60_000);
    let dropped = (0..200).find_map(|_| {
        let told = receipt(&p8, stream_item("a", &large));
        (told["queued"] == 0).then_some(told)
    });
    let dropped = dropped.expect("the client's queue is full at last");
    assert_told(&dropped, json!({"dropped": {"slow-client": 1}}));
}

#[test]
fn a_session_that_asks_its_backend_instead_is_told_as_superseded() {
    let backend = Backend::answering(|_| hold("response", "a", ""));
    let p8 = P8::start(&Config::to(backend.addr));
    let _poll = p8.long_poll("/", "a", 1);
    let told = receipt(&p8, hint_item("a"));
    assert_told(
        &told,
        json!({"matched": {"response": 1, "stream": 0, "ws-message": 0}, "queued": 0, "superseded": 1}),
    );
}

#[test]
fn a_filter_that_waits_for_its_backend_is_told_as_undecided() {
    let (open, pass) = gate();
    let backend = Backend::answering(move |request| match request.target.as_str() {
        "/" => {
            let answer = Answer::ok("").header("Grip-Hold", "stream");
            let answer = answer.header("Grip-Channel", "a; filter=http-check");
            answer.header("Grip-Set-Meta", "url=\"/filter\"")
        }
        _ => {
            pass();
            Answer::ok("")
        }
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let _stream = p8.stream("/");
    let told = receipt(&p8, stream_item("a", "x"));
    assert_told(&told, json!({"undecided": 1, "queued": 0}));
    drop(open);
}

#[test]
fn a_plain_publish_is_answered_as_before() {
    let p8 = P8::start(&Config::to(Backend::nowhere()));
    let body = body_of(&[stream_item("a", "x")]);
    let reply = Client::connect(p8.control).post("/publish/", &body);
    assert_eq!((reply.status(), reply.text().trim()), (200, "Published"));
    for query in ["?receipt=0", "?receipt", "?receipt=1&x=1"] {
        let reply = Client::connect(p8.control).post(&format!("/publish/{query}"), &body);
        assert_eq!(reply.status(), 404, "{query}");
    }
    let reply = Client::connect(p8.control).post("/publish/?receipt=1", b"{}");
    assert_eq!(reply.status(), 400, "{}", reply.text());
}
