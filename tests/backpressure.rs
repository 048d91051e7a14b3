//! A worker that is behind: publishers wait, then are refused, and everything between is bounded.
//!
//! Source: `docs/operations.md`, limits; `docs/control-api.md`, errors.

use actix_rt::Arbiter;
use actix_web::body::to_bytes;
use actix_web::test::{call_service, init_service, TestRequest};
use actix_web::App;
use serde_json::Value;
use tokio::sync::oneshot;

use serde_json::json;

use crate::support::client::Head;
use crate::support::publish::{begin_publish, body_of, post_items, stream_item};
use crate::support::wait::{gate, Gate, DEADLINE};
use crate::support::{wait_until, Client, Config, P8};

/// What keeps a hub busy for a while: this many streams, this many items.
const STREAMS: usize = 400;
const BURST: usize = 3_000;
/// Messages that wait for a hub before its channels do; each channel may send one more.
const HUB_QUEUE: u64 = 512;

/// P-8 on one worker with short queues, and streams on channel `a`.
fn streaming(count: usize, configure: impl Fn(Config) -> Config) -> (P8, Vec<Client>) {
    let config = Config::new()
        .http("workers = 1")
        .handler("channel_queue_items_max = 10")
        .handler("session_queue_items_max = 1000000")
        .route_to("host = \"*\"", "{ test = true }");
    let p8 = P8::start(&configure(config));
    let streams = (0..count).map(|_| p8.stream("/stream?channel=a"));
    let streams = streams.collect();
    (p8, streams)
}

/// Publishes so much that the hub is behind, and returns when it has begun to work.
#[track_caller]
fn begin_burst(p8: &P8, witness: &mut Client) -> Client {
    let publisher = begin_publish(p8.control, &vec![stream_item("a", "x"); BURST]);
    witness.expect("[stream opened]\nx");
    publisher
}

/// Status, reason, and when to try again.
fn refusal(head: &Head) -> (u16, Option<&str>, Option<&str>) {
    let (reason, again) = (head.header("p8-reason"), head.header("retry-after"));
    (head.status, reason, again)
}

#[test]
fn publishers_are_refused_while_a_hub_is_behind_and_its_mailbox_stays_short() {
    let (p8, mut streams) = streaming(STREAMS, |config| config);
    let mut publisher = begin_burst(&p8, &mut streams[STREAMS - 1]);
    let mut refused = stream_item("a", "again");
    refused["id"] = json!("1");
    let reply = post_items(p8.control, &[refused.clone()]);
    assert_eq!(
        refusal(&reply.head),
        (503, Some("publish-queue-full"), Some("1"))
    );
    let mut other = p8.stream("/stream?channel=b");
    let all = (STREAMS * BURST) as u64;
    let delivered = p8.snapshot().total("items_delivered_total");
    assert!(delivered < all, "a hold need not wait for the whole burst");
    let (mut at_hub, mut at_channel) = (0, 0);
    wait_until(DEADLINE, "the burst to be delivered", || {
        let snapshot = p8.snapshot();
        assert_eq!(snapshot.actors("hub"), 1, "the worker answers in time");
        at_hub = at_hub.max(snapshot.waiting("hub"));
        at_channel = at_channel.max(snapshot.waiting("channel"));
        snapshot.total("items_delivered_total") == all
    });
    assert!(at_hub <= HUB_QUEUE + 2, "{at_hub} waited for the hub");
    assert!(at_channel > HUB_QUEUE, "the burst waits for its channel");
    assert_eq!(publisher.reply().status(), 200);
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.refused("publish-queue-full"), 1);
    assert_eq!(snapshot.total("items_published_total"), BURST as u64);
    // It was not taken, so its id was not seen either.
    p8.publish(&[refused, stream_item("b", "other")]);
    other.expect("[stream opened]\nother");
    let rest = format!("{}again", "x".repeat(BURST - 1));
    streams[STREAMS - 1].expect(rest);
}

#[test]
fn a_request_larger_than_the_queue_passes_when_nothing_waits() {
    let (p8, mut streams) = streaming(3, |config| config);
    let texts: Vec<String> = (0..500).map(|n| format!("{n},")).collect();
    let items: Vec<Value> = texts.iter().map(|text| stream_item("a", text)).collect();
    for stream in &mut streams {
        stream.expect("[stream opened]\n");
    }
    for _ in 0..2 {
        p8.publish(&items);
        for stream in &mut streams {
            stream.expect(texts.concat());
        }
    }
    assert_eq!(p8.snapshot().refused("publish-queue-full"), 0);
}

#[test]
fn a_request_of_which_some_was_taken_says_so() {
    let (p8, mut streams) = streaming(STREAMS, |config| config.handler("arbiters = 2"));
    let mut publisher = begin_burst(&p8, &mut streams[STREAMS - 1]);
    // Some of these channels live on the other arbiter, which takes them.
    let mut items: Vec<Value> = (0..50)
        .map(|n| stream_item(&format!("other-{n}"), "y"))
        .collect();
    items.push(stream_item("a", "y"));
    let reply = post_items(p8.control, &items);
    assert_eq!(
        refusal(&reply.head),
        (500, Some("publish-partly-taken"), None)
    );
    assert_eq!(publisher.reply().status(), 200);
    let taken = p8.snapshot().total("items_unsubscribed_total");
    assert!((1..50).contains(&taken), "{taken} of the others were taken");
}

/// Holds a stream on channel `a` on a thread of its own, which then does nothing until told.
async fn stuck_worker(broker: &p8::Broker) -> Gate {
    let broker = broker.clone();
    let (gate, wait) = gate();
    let (tell, is_held) = oneshot::channel();
    Arbiter::new().spawn_fn(move || {
        actix_rt::spawn(async move {
            let pairs = [("grip-hold", "stream"), ("grip-channel", "a")];
            let pairs = pairs.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let headers = pairs.into_iter().collect();
            let instruct = p8::grip::instruct::parse(200, None, &headers, "".into()).unwrap();
            let request = TestRequest::default().to_http_request();
            let held = broker.hold(&request, instruct).await;
            tell.send(held.status().as_u16()).expect("the test waits");
            wait();
        });
    });
    assert_eq!(is_held.await, Ok(200));
    gate
}

#[test]
fn a_publish_that_is_not_queued_in_time_is_confirmed_by_nobody() {
    actix_rt::System::new().block_on(async {
        let broker = p8::Broker::start(p8::BrokerOptions::default()).await;
        let broker = broker.expect("a broker");
        let _stuck = stuck_worker(&broker).await;
        let app = init_service(App::new().configure(p8::http::control(&broker))).await;
        let body = body_of(&vec![stream_item("a", "x"); HUB_QUEUE as usize + 10]);
        let request = TestRequest::post()
            .uri("/publish/")
            .insert_header(("Content-Length", body.len()))
            .set_payload(body);
        // The clock goes on by itself when this thread has nothing else to do.
        tokio::time::pause();
        let response = call_service(&app, request.to_request()).await;
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
        assert_eq!(response.status().as_u16(), 504);
        assert_eq!(header("p8-reason"), Some("publish-unconfirmed"));
        assert_eq!(header("retry-after"), None, "it would be published twice");
        let text = to_bytes(response.into_body()).await.expect("a body");
        assert!(text.starts_with(b"The items were accepted"), "{text:?}");
    });
}
