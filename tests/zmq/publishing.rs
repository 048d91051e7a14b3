//! The SUB socket: subscriptions follow channels, and what is published arrives.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use bytes::Bytes;
use p8::engine::zmq::zmtp;

use super::{json, tnetstring, Pub, Site};
use crate::support::publish::stream_item;
use crate::support::wait::DEADLINE;
use crate::support::wait_until;
use crate::support::zmtp::{ipc, path, Raw};

fn wanted(topic: &str, is_wanted: bool) -> Vec<Bytes> {
    vec![[&[u8::from(is_wanted)], topic.as_bytes()].concat().into()]
}

#[test]
fn subscriptions_follow_the_channels_of_clients() {
    let site = Site::with("sub", |config| config.http("workers = 2"));
    let mut early = Raw::connect(&path(&site.spec), "XPUB");
    let first = site.p8.stream("/a");
    assert_eq!(early.message(), wanted("a", true));
    let _second = site.p8.stream("/a");
    let third = site.p8.stream("/b");
    assert_eq!(early.message(), wanted("b", true), "a was known");
    let mut late = Raw::connect(&path(&site.spec), "PUB");
    let mut known = [late.message(), late.message()];
    known.sort();
    assert_eq!(known, [wanted("a", true), wanted("b", true)]);
    first.reset();
    third.reset();
    assert_eq!(early.message(), wanted("b", false));
    assert_eq!(late.message(), wanted("b", false));
}

#[test]
fn published_items_arrive_by_their_topic() {
    let site = Site::with("sub", |config| config);
    let mut stream = site.p8.stream("/a");
    let mut raw = Raw::connect(&path(&site.spec), "PUB");
    assert_eq!(raw.message(), wanted("a", true));
    let other = json(&stream_item("other", "1"));
    let nameless = Bytes::from_static(br#"J{"formats":{"http-stream":{"content":"2"}}}"#);
    let bad = Bytes::from_static(b"J[]");
    for frame in [other, bad, nameless, tnetstring("T", "other", "3")] {
        raw.send(&zmtp::message(&[Bytes::from("a"), frame]));
    }
    raw.send(&zmtp::message(&[json(&stream_item("a", "one frame"))]));
    // A longer name has the same beginning, and nobody here.
    raw.send(&zmtp::message(&["ab".into(), json(&stream_item("x", "x"))]));
    raw.send(&zmtp::message(&["a".into(), json(&stream_item("x", "4"))]));
    stream.expect(b"1234");
    let dropped = site.p8.snapshot().total("zmq_messages_dropped_total");
    assert_eq!(dropped, 2);
}

#[test]
fn a_library_publishes_once_it_is_subscribed_to() {
    let site = Site::with("sub", |config| config);
    let mut stream = site.p8.stream("/a");
    let mut publisher = Pub::connect(&site.spec);
    wait_until(DEADLINE, "an item", || {
        publisher.send("a", json(&stream_item("a", "x")));
        site.p8.snapshot().total("zmq_items_total") > 0
    });
    stream.expect(b"x");
}

#[test]
fn p8_connects_to_publishers_and_again_when_they_have_gone() {
    let folder = crate::support::programs::TempDir::new("zmq");
    let spec = ipc(folder.path());
    let site = Site::with("pull", |config| {
        config
            .zmq(&format!("sub = [\"{spec}\"]"))
            .zmq("sub_connect = true")
    });
    let _stream = site.p8.stream("/a");
    for _ in 0..2 {
        let publisher = UnixListener::bind(path(&spec)).expect("a socket");
        let mut accepted = Raw::accept(publisher.accept().expect("P-8 comes").0, "PUB");
        assert_eq!(accepted.message(), wanted("a", true));
        drop(publisher);
        std::fs::remove_file(path(&spec)).expect("its file");
    }
}

#[test]
fn addresses_are_bound_or_named() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    let settings = |lines: &str| p8::Settings::from_toml(&format!("[zmq]\n{lines}"));
    let named = settings("sub = \"tcp://publisher.example:5562\"\nsub_connect = true");
    let named = named.expect("a name to connect to");
    assert_eq!(named.zmq.sub[0].to_string(), "tcp://publisher.example:5562");
    let error = settings("sub = \"tcp://publisher.example:5562\"").expect_err("no name to bind");
    assert!(error.to_string().contains("[zmq] sub: found"), "{error}");
    let taken = settings(&format!("sub = [\"tcp://{address}\"]")).expect("an address");
    let started = actix::System::new().block_on(async {
        let mut taken = taken;
        taken.http.listen = vec!["127.0.0.1:0".parse().expect("an address")];
        taken.control.listen = "127.0.0.1:0".parse().expect("an address");
        p8::Server::start(taken).await.map(drop)
    });
    let error = started.expect_err("it is taken").to_string();
    assert!(error.contains("[zmq] sub"), "{error}");
}

#[cfg(feature = "chaos")]
#[test]
fn a_crash_on_an_item_costs_that_item_alone_and_no_subscription() {
    let site = Site::with("sub", |config| config);
    let mut stream = site.p8.stream("/a");
    let mut raw = Raw::connect(&path(&site.spec), "PUB");
    assert_eq!(raw.message(), wanted("a", true));
    for content in ["1", "2", "3"] {
        let mut item = stream_item("a", content);
        if content == "2" {
            item["meta"] = serde_json::json!({"p8-chaos": "panic-zmq"});
        }
        raw.send(&zmtp::message(&["a".into(), json(&item)]));
    }
    stream.expect(b"13");
    let snapshot = site.p8.snapshot();
    assert_eq!(snapshot.restarts("zmq-sub"), 1);
    assert_eq!(snapshot.total("zmq_peers_current"), 1, "it is still there");
    let _other = site.p8.stream("/b");
    assert_eq!(raw.message(), wanted("b", true), "it goes on");
}
