//! More is published than can be handed on.

use serde_json::json;

use super::refusal;
use crate::support::publish::{begin_publish, body_of, post_items, stream_item};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Client, Config, P8};

/// What keeps a hub busy for a while: this many streams, this many items.
const STREAMS: usize = 400;
const BURST: usize = 2_000;

/// P-8 on one worker, and streams on channel `a`.
fn streaming(handler: &str) -> (P8, Vec<Client>) {
    let config = Config::new()
        .http("workers = 1")
        .handler(handler)
        .handler("session_queue_items_max = 1000000")
        .route_to("host = \"*\"", "{ test = true }");
    let p8 = P8::start(&config);
    let streams = (0..STREAMS).map(|_| p8.stream("/stream?channel=a"));
    let streams = streams.collect();
    (p8, streams)
}

/// Publishes much, then a little that is refused while the hub is behind; and sees that all of the first
/// arrives, that the second was not taken, and that it is when it is published again.
fn expect_refusal_and_recovery(handler: &str, reason: &str) {
    let (p8, mut streams) = streaming(handler);
    let last = STREAMS - 1;
    let mut publisher = begin_publish(p8.control, &vec![stream_item("a", "x"); BURST]);
    streams[last].expect("[stream opened]\nx");
    let mut little = stream_item("a", "again");
    little["id"] = json!("1");
    let mut reply = post_items(p8.control, &[little.clone()]);
    wait_until(DEADLINE, "a refusal", || {
        let is_refused = reply.status() == 503;
        if !is_refused {
            reply = post_items(p8.control, &[stream_item("nobody", "y"), little.clone()]);
        }
        is_refused
    });
    assert_eq!(refusal(&reply.head), (503, Some(reason), Some("1")));
    assert!(p8.snapshot().refused(reason) > 0);
    assert_eq!(publisher.reply().status(), 200);
    p8.publish(&[little]);
    let rest = format!("{}again", "x".repeat(BURST - 1));
    streams[last].expect(rest);
    let delivered = (STREAMS * (BURST + 1)) as u64;
    wait_until(DEADLINE, "everything to be delivered once", || {
        p8.snapshot().total("items_delivered_total") == delivered
    });
}

#[test]
fn a_channel_that_is_behind_in_time_refuses_at_once_and_loses_nothing() {
    expect_refusal_and_recovery("channel_queue_ms_max = 1", "publish-queue-slow");
}

#[test]
fn items_that_wait_are_bounded_in_bytes_too() {
    let (p8, mut streams) = streaming("publish_queue_bytes_max = 65536");
    let last = STREAMS - 1;
    let large = "x".repeat(100);
    let mut publisher = begin_publish(p8.control, &vec![stream_item("a", &large); BURST]);
    streams[last].expect(format!("[stream opened]\n{large}"));
    // Even one for another channel: it is of the same handler.
    let reply = post_items(p8.control, &[stream_item("b", &large)]);
    let found = refusal(&reply.head);
    assert_eq!(found, (503, Some("publish-queue-full"), Some("1")));
    assert!(
        reply.text().contains("fewer than 65536 bytes"),
        "{}",
        reply.text()
    );
    assert_eq!(publisher.reply().status(), 200);
    streams[last].expect(large.repeat(BURST - 1));
    p8.publish(&[stream_item("a", "after")]);
    streams[last].expect("after");
}

#[test]
fn publishes_under_way_are_bounded_and_the_others_told_at_once() {
    let config = Config::new().control("publishes_max = 2");
    let p8 = P8::start(&config.route_to("host = \"*\"", "{ test = true }"));
    let mut stream = p8.stream("/stream?channel=a");
    let body = body_of(&[stream_item("a", "x")]);
    let (first, rest) = body.split_at(10);
    let mut slow: Vec<Client> = (0..2)
        .map(|_| {
            let mut client = Client::connect(p8.control);
            let head = format!(
                "POST /publish/ HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            client.send(head);
            client.send(first);
            client
        })
        .collect();
    let mut reply = post_items(p8.control, &[stream_item("b", "y")]);
    wait_until(DEADLINE, "both to be under way", || {
        let is_refused = reply.status() == 503;
        if !is_refused {
            reply = post_items(p8.control, &[stream_item("b", "y")]);
        }
        is_refused
    });
    assert_eq!(
        refusal(&reply.head),
        (503, Some("too-many-publishes"), Some("1"))
    );
    // Operators and whoever watches are not held up.
    assert_eq!(Client::connect(p8.control).get("/ready").status(), 200);
    assert!(p8.snapshot().refused("too-many-publishes") > 0);
    stream.expect("[stream opened]\n");
    for client in &mut slow {
        client.send(rest);
        assert_eq!(client.reply().status(), 200);
        stream.expect("x");
    }
    p8.publish(&[stream_item("a", "z")]);
    stream.expect("z");
}

#[test]
fn a_publisher_that_leaves_makes_room_for_another() {
    let config = Config::new().control("publishes_max = 1");
    let p8 = P8::start(&config.route_to("host = \"*\"", "{ test = true }"));
    let mut slow = Client::connect(p8.control);
    slow.send("POST /publish/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{");
    let publish = || post_items(p8.control, &[stream_item("b", "y")]).status();
    wait_until(DEADLINE, "it to be under way", || publish() == 503);
    drop(slow);
    wait_until(DEADLINE, "room", || publish() == 200);
}
