//! A client of a WebSocket that stops reading: its outbox is bounded, the policy acts, every loss is
//! counted, and nobody else is held up.
//!
//! Source: `docs/operations.md`, slow clients; `docs/compatibility.md`, W95.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use serde_json::json;

use crate::support::events::{
    accept_plain, answer, bare, echoed, open_and, opening_with, subscribe, text, wait_for_bodies,
    wait_for_event,
};
use crate::support::publish::ws_item;
use crate::support::snapshot::Snapshot;
use crate::support::wait::{gate, DEADLINE};
use crate::support::ws::{Opening, Peers, WsClient};
use crate::support::{wait_until, Backend, Client, Config, P8};

use super::{over_http, subscribe_message, texts_until_closed};

/// How many items are published, each larger than what the kernel takes at once.
const ITEMS: usize = 200;
const ITEM_BYTES: usize = 40_000;
/// How many items may wait.
const QUEUE_ITEMS: usize = 10;

/// An item that begins with its number.
fn numbered(n: usize) -> String {
    format!("{n:08}{}", "x".repeat(ITEM_BYTES - 8))
}

/// The numbers of items, none of which was cut or mixed.
#[track_caller]
fn numbers(texts: &[String]) -> Vec<usize> {
    let number = |text: &String| {
        let number = text[..8].parse().expect("a number");
        assert!(*text == numbered(number), "items are never mixed");
        number
    };
    texts.iter().map(number).collect()
}

/// A client with a small window.
#[track_caller]
fn slow_client(p8: &P8) -> WsClient {
    let client = Client::connect_with_small_window(p8.clients);
    let opened = Opening::begin(client, "/", &[]).finish();
    opened.expect("it is accepted")
}

/// Publishes every item while one client reads and one does not; gives the one that did not, and
/// whom else the test needs.
fn publish_past_a_client_that_waits(policy: &str) -> ((Backend, WsClient), P8, WsClient) {
    let backend = open_and(&[subscribe("a")]);
    let lines = format!("host = \"*\"\nslow_client = \"{policy}\"");
    let config = Config::over_http_with(&lines, &[backend.addr], "")
        .handler(&format!("session_queue_items_max = {QUEUE_ITEMS}"))
        .handler("session_queue_bytes_max = 100000000");
    let p8 = P8::start(&config);
    let slow = slow_client(&p8);
    let mut quick = p8.ws("/");
    Snapshot::wait_for_subscribers(p8.control, "a", 2);
    for n in 0..ITEMS {
        p8.publish(&[ws_item("a", &numbered(n))]);
        quick.expect_text(&numbered(n));
    }
    ((backend, quick), p8, slow)
}

#[test]
fn the_close_policy_ends_the_session_visibly_and_counts_what_waited() {
    let (_others, p8, mut slow) = publish_past_a_client_that_waits("close");
    let snapshot = p8.snapshot();
    assert!(
        snapshot.dropped("slow-client-closed") >= QUEUE_ITEMS as u64,
        "{:?}",
        snapshot.json()
    );
    assert_eq!(snapshot.dropped("slow-client"), 0);
    // It is told by a close frame, and cut off if it does not read that.
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    let got = numbers(&slow.texts_until_gone());
    let oldest: Vec<usize> = (0..got.len()).collect();
    assert_eq!(got, oldest, "what arrived is whole and in order");
    assert!(got.len() < ITEMS);
}

#[test]
fn drop_oldest_keeps_the_newest_items_whole_and_in_order() {
    let (_others, p8, mut slow) = publish_past_a_client_that_waits("drop-oldest");
    let lost = p8.snapshot().dropped("slow-client");
    assert!(lost > 0 && lost < ITEMS as u64, "{lost} lost");
    let got = numbers(&texts_until_closed(&p8, &mut slow));
    assert!(got.is_sorted(), "{got:?}");
    assert_eq!(
        got.len() as u64 + lost,
        ITEMS as u64,
        "every loss is counted"
    );
    let newest: Vec<usize> = (ITEMS - QUEUE_ITEMS + 1..ITEMS).collect();
    assert!(got.ends_with(&newest), "{got:?}");
}

#[test]
fn drop_newest_keeps_the_oldest_items_whole_and_in_order() {
    let (_others, p8, mut slow) = publish_past_a_client_that_waits("drop-newest");
    let lost = p8.snapshot().dropped("slow-client");
    assert!(lost > 0 && lost < ITEMS as u64, "{lost} lost");
    let got = numbers(&texts_until_closed(&p8, &mut slow));
    assert!(got.is_sorted(), "{got:?}");
    assert_eq!(
        got.len() as u64 + lost,
        ITEMS as u64,
        "every loss is counted"
    );
    let oldest: Vec<usize> = (0..QUEUE_ITEMS).collect();
    assert!(got.starts_with(&oldest), "{got:?}");
}

#[test]
fn the_bound_in_bytes_acts_too() {
    let backend = open_and(&[subscribe("a")]);
    let config = Config::over_http(backend.addr)
        .handler("session_queue_bytes_max = 100000")
        .handler("slow_client = \"drop-newest\"");
    let p8 = P8::start(&config);
    let mut slow = slow_client(&p8);
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    for n in 0..ITEMS {
        p8.publish(&[ws_item("a", &numbered(n))]);
    }
    wait_until(DEADLINE, "losses", || {
        p8.snapshot().dropped("slow-client") > 0
    });
    let got = numbers(&texts_until_closed(&p8, &mut slow));
    let lost = p8.snapshot().dropped("slow-client");
    assert_eq!(got.len() as u64 + lost, ITEMS as u64);
}

#[test]
fn a_client_that_pauses_within_the_bounds_loses_nothing() {
    let backend = open_and(&[subscribe("a")]);
    let config = Config::over_http(backend.addr).handler("session_queue_bytes_max = 100000000");
    let p8 = P8::start(&config);
    let mut slow = slow_client(&p8);
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    for n in 0..ITEMS {
        p8.publish(&[ws_item("a", &numbered(n))]);
    }
    let got = numbers(&texts_until_closed(&p8, &mut slow));
    assert_eq!(got, (0..ITEMS).collect::<Vec<_>>());
}

#[test]
fn a_slow_client_of_a_passed_through_backend_is_bounded_too() {
    let peers = Peers::grip();
    let config = Config::to(peers.backend.addr)
        .handler("slow_client = \"drop-newest\"")
        .handler(&format!("session_queue_items_max = {QUEUE_ITEMS}"))
        .handler("session_queue_bytes_max = 100000000");
    let p8 = P8::start(&config);
    let mut slow = slow_client(&p8);
    let mut peer = peers.next();
    peer.control(&subscribe_message("a"));
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    for n in 0..ITEMS {
        p8.publish(&[ws_item("a", &numbered(n))]);
    }
    wait_until(DEADLINE, "losses", || {
        p8.snapshot().dropped("slow-client") > 0
    });
    let got = numbers(&texts_until_closed(&p8, &mut slow));
    let lost = p8.snapshot().dropped("slow-client");
    assert_eq!(got.len() as u64 + lost, ITEMS as u64);
}

/// How much a backend may have sent when its client reads nothing: what P-8 keeps, and what the kernel
/// keeps of four sockets.
const AHEAD_BYTES: usize = 32_000_000;

#[test]
fn a_passed_through_backend_is_slowed_down_and_nothing_of_its_is_lost() {
    let peers = Peers::accepting(&[]);
    let p8 = super::passing_through(&peers.backend);
    let mut slow = slow_client(&p8);
    let mut peer = peers.next();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let total = 2 * AHEAD_BYTES / ITEM_BYTES;
    let sender = std::thread::spawn(move || {
        for n in 0..total {
            assert!(peer.send_text(&numbered(n)));
            count.store(n + 1, Ordering::SeqCst);
        }
        peer
    });
    let mut before = usize::MAX;
    wait_until(DEADLINE, "the backend to be stuck", || {
        let now = sent.load(Ordering::SeqCst);
        // Two looks of a fifth of a second apart, with nothing sent between them.
        crate::support::wait::slowness(std::time::Duration::from_millis(200));
        std::mem::replace(&mut before, now) == now && now > 0
    });
    let ahead = sent.load(Ordering::SeqCst) * ITEM_BYTES;
    assert!(ahead < AHEAD_BYTES, "{ahead} bytes ahead");
    for n in 0..total {
        slow.expect_text(&numbered(n));
    }
    drop(sender.join().expect("all was sent"));
}

#[test]
fn a_backend_over_http_is_asked_no_more_while_its_answers_wait() {
    let backend = opening_with(accept_plain(&[]), |events| {
        answer(
            &events
                .iter()
                .map(|_| text(&numbered(0)))
                .collect::<Vec<_>>(),
        )
    });
    let p8 = super::over_http(&backend);
    let mut slow = slow_client(&p8);
    for _ in 0..20 {
        slow.send_text("more, please");
    }
    for _ in 0..20 {
        slow.expect_text(&numbered(0));
    }
}

#[test]
fn another_channels_client_is_not_held_up_by_a_slow_one() {
    let (_others, p8, _slow) = publish_past_a_client_that_waits("drop-oldest");
    let mut client = p8.ws("/");
    Snapshot::wait_for_subscribers(p8.control, "a", 3);
    p8.publish(&[ws_item("a", "quick")]);
    client.expect_text("quick");
    assert_eq!(json!(p8.snapshot().subscribers("a")), 3);
}

#[test]
fn a_client_that_breaks_off_while_it_is_not_read_is_noticed() {
    let (gate, wait) = gate();
    let backend = opening_with(accept_plain(&[]), move |events| {
        wait();
        answer(&echoed(events))
    });
    let p8 = over_http(&backend);
    let mut client = p8.ws("/");
    client.send_text("first");
    wait_for_bodies(&backend, 2);
    for _ in 0..3 {
        client.send_text(&"x".repeat(100_000));
    }
    assert_eq!(p8.snapshot().total("websockets_current"), 1);
    client.reset();
    wait_until(DEADLINE, "the client's end to be noticed", || {
        p8.snapshot().total("websockets_current") == 0
    });
    gate.open();
    wait_for_event(&backend, &bare("DISCONNECT"));
}
