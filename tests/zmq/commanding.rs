//! Commands, and their answers.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use p8::engine::zmq::tnetstring::Value;
use p8::engine::zmq::zmtp;

use super::{map, Req, Site};
use crate::support::events;
use crate::support::grip::hold;
use crate::support::wait::DEADLINE;
use crate::support::zmtp::{ipc, path, Raw};
use crate::support::{wait_until, Answer, Backend, Config, P8};

fn command(method: &'static str, args: Value) -> Value {
    map(vec![
        ("id", Value::bytes("7")),
        ("method", Value::bytes(method)),
        ("args", args),
    ])
}

fn text(value: &Value, key: &str) -> String {
    let bytes = value.get(key).and_then(Value::as_bytes);
    let bytes = bytes.unwrap_or_else(|| panic!("{key} in {value:?}"));
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// An item for streams.
fn item(channel: &'static str, content: &'static [u8]) -> Value {
    let stream = map(vec![("content", Value::bytes(content))]);
    let formats = map(vec![("http-stream", stream)]);
    map(vec![
        ("channel", Value::bytes(channel)),
        ("formats", formats),
    ])
}

fn items(items: Vec<Value>) -> Value {
    map(vec![("items", Value::List(items))])
}

#[test]
fn published_items_arrive_before_the_answer_and_bad_ones_are_named() {
    let site = Site::with("command", |config| config);
    let mut stream = site.p8.stream("/a");
    let mut req = Req::connect(&site.spec);
    let done = req.ask(&command(
        "publish",
        items(vec![item("a", b"\xff\x00"), item("a", b"b")]),
    ));
    assert_eq!(done.get("success"), Some(&Value::Bool(true)));
    assert_eq!(done.get("id"), Some(&Value::bytes("7")));
    assert_eq!(stream.read_exact(3), b"\xff\x00b");
    let refused = req.ask(&command("publish", items(vec![map(vec![])])));
    assert_eq!(refused.get("success"), Some(&Value::Bool(false)));
    assert_eq!(text(&refused, "condition"), "bad-request");
    let expected = "Invalid format: publish item object does not contain 'channel'";
    assert_eq!(text(&refused, "value"), expected);
    let unknown = req.ask(&command("explode", Value::Null));
    assert_eq!(text(&unknown, "condition"), "method-not-found");
}

#[test]
fn the_sockets_are_named() {
    let pull = ipc(&std::env::temp_dir());
    let site = Site::with("command", |config| {
        config.zmq(&format!("pull = \"{pull}\""))
    });
    let answer = Req::connect(&site.spec).ask(&command("get-zmq-uris", Value::Null));
    let uris = answer.get("value").expect("a value");
    assert_eq!(text(uris, "command"), site.spec);
    assert_eq!(text(uris, "publish-pull"), pull);
    assert_eq!(uris.get("publish-sub"), None);
}

#[test]
fn recovery_has_held_requests_asked_again() {
    let folder = crate::support::programs::TempDir::new("zmq");
    let spec = ipc(folder.path());
    let asked = AtomicUsize::new(0);
    let backend = Backend::answering(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => hold("response", "a", ""),
        _ => Answer::ok("again"),
    });
    let config = Config::to(backend.addr).zmq(&format!("command = \"{spec}\""));
    let p8 = P8::start(&config);
    let mut client = p8.long_poll("/", "a", 1);
    let answer = Req::connect(&spec).ask(&command("recover", Value::Null));
    assert_eq!(answer.get("value"), Some(&Value::Null));
    assert_eq!(client.reply().text(), "again");
}

#[test]
fn websockets_over_http_are_found_and_refreshed_by_id_and_by_channel() {
    let folder = crate::support::programs::TempDir::new("zmq");
    let spec = ipc(folder.path());
    let backend = Backend::answering(|request| match request.body.is_empty() {
        true => events::answer(&[events::text("m:refreshed")]),
        false if events::opens(request) => events::accept(&[events::subscribe("a")]),
        false => Answer::ok(""),
    });
    let config = Config::over_http(backend.addr).zmq(&format!("command = \"{spec}\""));
    let p8 = P8::start(&config);
    let mut socket = p8.ws("/");
    let id = backend
        .only_request()
        .header("connection-id")
        .expect("an id")
        .to_owned();
    let mut req = Req::connect(&spec);
    let unknown = Value::bytes("5a3ca86e-9bc1-4a5e-8f0c-2b35e7e4a2c1");
    let ids = Value::List(vec![
        Value::bytes(id.clone()),
        unknown.clone(),
        Value::bytes("x"),
    ]);
    let known = req.ask(&command("conncheck", map(vec![("ids", ids.clone())])));
    let expected = Value::List(vec![Value::bytes(id.clone())]);
    assert_eq!(known.get("value"), Some(&expected));
    for args in [("cid", Value::bytes(id)), ("channel", Value::bytes("a"))] {
        let done = req.ask(&command("refresh", map(vec![args])));
        assert_eq!(done.get("success"), Some(&Value::Bool(true)));
        socket.expect_text("refreshed");
    }
    let none = req.ask(&command("refresh", map(vec![("cid", unknown)])));
    assert_eq!(text(&none, "condition"), "item-not-found");
    socket.reset();
    wait_until(DEADLINE, "the WebSocket's end", || {
        let known = req.ask(&command("conncheck", map(vec![("ids", ids.clone())])));
        known.get("value") == Some(&Value::List(vec![]))
    });
}

#[test]
fn requests_of_one_dealer_are_answered_in_order_and_what_is_none_is_dropped() {
    let site = Site::with("command", |config| config);
    let mut raw = Raw::connect(&path(&site.spec), "DEALER");
    let frame = |request: &Value| {
        let mut bytes = Vec::new();
        request.write(&mut bytes);
        Bytes::from(bytes)
    };
    let bare = frame(&command("recover", Value::Null));
    let letter = Bytes::from([b"T", &bare[..]].concat());
    for frames in [
        vec![bare.clone()],
        vec![Bytes::new(), letter],
        vec![Bytes::new(), bare.clone(), bare.clone()],
        vec![Bytes::new(), Bytes::from("garbage")],
    ] {
        raw.send(&zmtp::message(&frames));
    }
    for n in 0..3 {
        let id = Value::Int(n);
        let request = map(vec![("id", id), ("method", Value::bytes("recover"))]);
        raw.send(&zmtp::message(&[
            "route".into(),
            Bytes::new(),
            frame(&request),
        ]));
    }
    for n in 0..3 {
        let answer = raw.message();
        assert_eq!(answer[..2], [Bytes::from("route"), Bytes::new()]);
        let answer = Value::read(&answer[2]).expect("a tnetstring");
        assert_eq!(answer.get("id"), Some(&Value::Int(n)));
    }
    assert_eq!(site.p8.snapshot().total("zmq_messages_dropped_total"), 4);
}

#[cfg(feature = "chaos")]
#[test]
fn a_crash_on_a_command_leaves_the_next_one_its_answer() {
    let site = Site::with("command", |config| config);
    let mut raw = Raw::connect(&path(&site.spec), "DEALER");
    let send = |raw: &mut Raw, args: Value| {
        let mut frame = Vec::new();
        command("publish", args).write(&mut frame);
        raw.send(&zmtp::message(&[Bytes::new(), frame.into()]));
    };
    let stream = map(vec![("content", Value::bytes("x"))]);
    let poisonous = map(vec![
        ("channel", Value::bytes("a")),
        ("meta", map(vec![("p8-chaos", Value::bytes("panic-zmq"))])),
        ("formats", map(vec![("http-stream", stream)])),
    ]);
    send(&mut raw, items(vec![poisonous]));
    send(&mut raw, items(vec![item("a", b"x")]));
    let answer = raw.message();
    let answer = Value::read(answer.last().expect("a frame")).expect("a tnetstring");
    assert_eq!(
        answer.get("success"),
        Some(&Value::Bool(true)),
        "the second"
    );
    let snapshot = site.p8.snapshot();
    assert_eq!(snapshot.restarts("zmq-command"), 1);
    assert_eq!(snapshot.total("zmq_peers_current"), 1);
}
