//! A client that stops reading: its outbox is bounded, the policy acts, every loss is counted, and
//! nobody else is held up.
//!
//! Source: `docs/operations.md`, slow clients.

use crate::support::client::CutShort;
use crate::support::grip::hold;
use crate::support::publish::{close_item, stream_item};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Backend, Client, Config, P8};

/// How many items are published, each larger than what the kernel takes at once.
const ITEMS: usize = 200;
const ITEM_BYTES: usize = 40_000;
/// How many items may wait.
const QUEUE_ITEMS: usize = 10;

/// An item that begins with its number.
fn numbered(n: usize) -> String {
    format!("{n:08}{}\n", "x".repeat(ITEM_BYTES - 9))
}

/// The numbers of the items in a body.
#[track_caller]
fn numbers(body: &[u8]) -> Vec<usize> {
    let items = body.chunks(ITEM_BYTES).map(|item| {
        assert_eq!(item.len(), ITEM_BYTES, "items are never cut");
        let number = std::str::from_utf8(&item[..8]).expect("a number");
        let number = number.parse().expect("a number");
        assert_eq!(item, numbered(number).as_bytes(), "items are never mixed");
        number
    });
    items.collect()
}

/// Publishes every item while one client reads and one does not; gives the one that did not, and
/// whom else the test needs.
fn publish_past_a_client_that_waits(policy: &str) -> ((Backend, Client), P8, Client) {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let config = Config::new()
        .handler(&format!("session_queue_items_max = {QUEUE_ITEMS}"))
        .handler("session_queue_bytes_max = 100000000")
        .route(
            &format!("host = \"*\"\nslow_client = \"{policy}\""),
            &[backend.addr],
        );
    let p8 = P8::start(&config);
    let mut slow = Client::connect_with_small_window(p8.clients);
    slow.request("GET", "/", &[], b"");
    assert_eq!(slow.final_head().status, 200);
    let mut quick = p8.stream("/");
    for n in 0..ITEMS {
        p8.publish(&[stream_item("a", &numbered(n))]);
        assert_eq!(
            numbers(&quick.read_exact(ITEM_BYTES)),
            [n],
            "the one that reads misses none"
        );
    }
    ((backend, quick), p8, slow)
}

#[test]
fn the_close_policy_ends_the_session_visibly_and_counts_what_waited() {
    let (_others, p8, mut slow) = publish_past_a_client_that_waits("close");
    let snapshot = p8.snapshot();
    assert!(
        snapshot.dropped("slow-client-closed") > QUEUE_ITEMS as u64,
        "{:?}",
        snapshot.json()
    );
    assert_eq!(snapshot.dropped("slow-client"), 0);
    assert_eq!(
        snapshot.subscribers("a"),
        1,
        "only the one that reads is left"
    );
    assert_eq!(
        slow.read_to_end(),
        Err(CutShort),
        "the client can tell that it was cut off"
    );
}

#[test]
fn drop_oldest_keeps_the_newest_items_whole_and_in_order() {
    let (_others, p8, mut slow) = publish_past_a_client_that_waits("drop-oldest");
    let lost = p8.snapshot().dropped("slow-client");
    assert!(lost > 0 && lost < ITEMS as u64, "{lost} lost");
    p8.publish(&[close_item("a")]);
    let got = numbers(&slow.read_to_end().expect("a proper end"));
    assert!(got.is_sorted(), "{got:?}");
    assert_eq!(
        got.len() as u64 + lost,
        ITEMS as u64,
        "every loss is counted: {got:?}"
    );
    let newest: Vec<usize> = (ITEMS - QUEUE_ITEMS + 1..ITEMS).collect();
    assert!(got.ends_with(&newest), "{got:?}");
}

#[test]
fn drop_newest_keeps_the_oldest_items_whole_and_in_order() {
    let (_others, p8, mut slow) = publish_past_a_client_that_waits("drop-newest");
    let lost = p8.snapshot().dropped("slow-client");
    assert!(lost > 0 && lost < ITEMS as u64, "{lost} lost");
    p8.publish(&[close_item("a")]);
    let got = numbers(&slow.read_to_end().expect("a proper end"));
    assert!(got.is_sorted(), "{got:?}");
    assert_eq!(
        got.len() as u64 + lost,
        ITEMS as u64,
        "every loss is counted: {got:?}"
    );
    let oldest: Vec<usize> = (0..QUEUE_ITEMS).collect();
    assert!(got.starts_with(&oldest), "{got:?}");
}

#[test]
fn the_bound_in_bytes_acts_too() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let config = Config::to(backend.addr).handler("session_queue_bytes_max = 100000");
    let p8 = P8::start(&config.handler("slow_client = \"drop-newest\""));
    let mut slow = Client::connect_with_small_window(p8.clients);
    slow.request("GET", "/", &[], b"");
    assert_eq!(slow.final_head().status, 200);
    for n in 0..ITEMS {
        p8.publish(&[stream_item("a", &numbered(n))]);
    }
    wait_until(DEADLINE, "losses", || {
        p8.snapshot().dropped("slow-client") > 0
    });
    p8.publish(&[close_item("a")]);
    let got = numbers(&slow.read_to_end().expect("a proper end"));
    assert_eq!(
        got.len() as u64 + p8.snapshot().dropped("slow-client"),
        ITEMS as u64
    );
}

#[test]
fn a_client_that_pauses_within_the_bounds_loses_nothing() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let config = Config::to(backend.addr).handler("session_queue_bytes_max = 100000000");
    let p8 = P8::start(&config);
    let mut slow = Client::connect_with_small_window(p8.clients);
    slow.request("GET", "/", &[], b"");
    assert_eq!(slow.final_head().status, 200);
    for n in 0..ITEMS {
        p8.publish(&[stream_item("a", &numbered(n))]);
    }
    p8.publish(&[close_item("a")]);
    let got = numbers(&slow.read_to_end().expect("a proper end"));
    assert_eq!(got, (0..ITEMS).collect::<Vec<_>>());
}
