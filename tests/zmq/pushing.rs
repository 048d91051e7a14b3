//! Items pushed to the PULL socket.

use p8::engine::zmq::zmtp;
#[cfg(feature = "chaos")]
use serde_json::json as object;

use super::{json, tnetstring, Push, Site};
use crate::support::publish::stream_item;
use crate::support::wait::DEADLINE;
use crate::support::wait_until;
use crate::support::zmtp::{path, Raw};

/// Waits until a total is that large.
#[track_caller]
fn wait_for(site: &Site, total: &str, n: u64) {
    wait_until(DEADLINE, total, || site.p8.snapshot().total(total) == n);
}

#[test]
fn items_of_every_encoding_arrive_in_order() {
    let site = Site::with("pull", |config| config);
    let mut stream = site.p8.stream("/a");
    let mut push = Push::connect(&site.spec);
    let mut expected = Vec::new();
    for n in 0..300 {
        let content = format!("{n}\n");
        push.send(match n % 3 {
            0 => json(&stream_item("a", &content)),
            1 => tnetstring("T", "a", content.clone()),
            _ => tnetstring("", "a", content.clone()),
        });
        expected.extend_from_slice(content.as_bytes());
    }
    stream.expect(&expected);
    push.send(tnetstring("T", "a", (0..=255).collect::<Vec<u8>>()));
    assert_eq!(stream.read_exact(256), (0..=255).collect::<Vec<u8>>());
    assert_eq!(site.p8.snapshot().total("zmq_items_total"), 301);
}

#[test]
fn messages_that_are_no_items_are_counted_and_the_next_one_arrives() {
    let site = Site::with("pull", |config| config);
    let mut stream = site.p8.stream("/a");
    let mut raw = Raw::connect(&path(&site.spec), "PUSH");
    let bad = [
        zmtp::message(&[b""]),
        zmtp::message(&[b"J{"]),
        zmtp::message(&[b"T5:hello,"]),
        zmtp::message(&[br#"{"channel":"a","formats":{"http-stream":{"content":"bare"}}}"#]),
        zmtp::message(&[
            b"a".to_vec(),
            json(&stream_item("a", "two frames")).to_vec(),
        ]),
        zmtp::message(&[json(&stream_item("a", &"x".repeat(10))).slice(..20)]),
    ];
    bad.iter().for_each(|message| raw.send(message));
    raw.send(&zmtp::message(&[json(&stream_item("a", "good"))]));
    stream.expect(b"good");
    let snapshot = site.p8.snapshot();
    let counted = snapshot.total("zmq_messages_dropped_total");
    assert_eq!(counted, bad.len() as u64);
    assert_eq!(snapshot.refused("bad-publish"), bad.len() as u64);
    assert_eq!(snapshot.total("zmq_peers_current"), 1);
    drop(raw);
    wait_for(&site, "zmq_peers_current", 0);
}

#[test]
fn peers_that_are_none_are_closed_and_others_go_on() {
    let site = Site::with("pull", |config| config);
    let mut stream = site.p8.stream("/a");
    let mut push = Push::connect(&site.spec);
    for kind in ["PUB", "REQ", "PULL", "X"] {
        Raw::connect(&path(&site.spec), kind).expect_end();
    }
    for length in [1_200_001, 1 << 46, u64::MAX] {
        let mut raw = Raw::connect(&path(&site.spec), "PUSH");
        raw.send(&[2]);
        raw.send(&length.to_be_bytes());
        raw.expect_end();
    }
    push.send(json(&stream_item("a", "still here")));
    stream.expect(b"still here");
    wait_for(&site, "zmq_peers_current", 1);
}

/// A channel takes one item at a time, and its only client reads nothing for a while.
#[test]
fn a_full_channel_is_waited_for_and_nothing_is_lost() {
    let site = Site::with("pull", |config| {
        config.handler("channel_queue_items_max = 1")
    });
    let mut stream = site.p8.stream("/a");
    let mut pushes = [Push::connect(&site.spec), Push::connect(&site.spec)];
    for n in 0..100 {
        for push in &mut pushes {
            push.send(json(&stream_item("a", &format!("{}\n", n % 10))));
        }
    }
    assert_eq!(stream.read_exact(400).len(), 400);
    assert_eq!(site.p8.snapshot().total("zmq_messages_dropped_total"), 0);
}

#[cfg(feature = "chaos")]
#[test]
fn a_crash_on_an_item_costs_that_item_alone() {
    let site = Site::with("pull", |config| config);
    let mut stream = site.p8.stream("/a");
    let mut push = Push::connect(&site.spec);
    for content in ["1", "2", "3"] {
        let mut item = stream_item("a", content);
        if content == "2" {
            item["meta"] = object!({"p8-chaos": "panic-zmq"});
        }
        push.send(json(&item));
    }
    stream.expect(b"13");
    let snapshot = site.p8.snapshot();
    assert_eq!(snapshot.restarts("zmq-pull"), 1);
    assert_eq!(
        snapshot.total("zmq_peers_current"),
        1,
        "it is still connected"
    );
}
