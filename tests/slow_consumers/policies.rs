//! What each policy does to one client that does not read, over TLS and over HTTP/2.

use h2::client::Builder;

use super::numbered;
use crate::support::grip::hold;
use crate::support::http2::{Http2Client, Open};
use crate::support::programs::TempDir;
use crate::support::publish::{close_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::socket::Socket;
use crate::support::tls::{Certificate, Trust, ANY};
use crate::support::{Backend, Client, Config, P8};

const ITEMS: usize = 200;
const ITEM_BYTES: usize = 40_000;
const QUEUE_ITEMS: usize = 10;

/// P-8 whose sessions let ten items wait, and its backend, which holds everybody on channel `a`.
fn holding(policy: &str, more: impl Fn(Config) -> Config) -> (Backend, P8) {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let config = Config::to(backend.addr)
        .handler(&format!("session_queue_items_max = {QUEUE_ITEMS}"))
        .handler("session_queue_bytes_max = 100000000")
        .handler(&format!("slow_client = \"{policy}\""));
    let p8 = P8::start(&more(config));
    (backend, p8)
}

/// The numbers of the items in a body, none of which was cut or mixed.
#[track_caller]
fn numbers(body: &[u8]) -> Vec<usize> {
    let items = body.chunks(ITEM_BYTES).map(|item| {
        let number = std::str::from_utf8(&item[..8]).expect("a number");
        let number = number.parse().expect("a number");
        assert!(
            item == numbered(number, ITEM_BYTES).as_bytes(),
            "item {number} is whole"
        );
        number
    });
    items.collect()
}

/// What the client got in the end, beside what was counted as lost.
#[track_caller]
fn expect_kept(policy: &str, got: &[usize], lost: u64) {
    assert!(got.is_sorted(), "{got:?}");
    assert_eq!(
        got.len() as u64 + lost,
        ITEMS as u64,
        "every loss is counted"
    );
    let kept: Vec<usize> = match policy {
        "drop-oldest" => (ITEMS - QUEUE_ITEMS + 1..ITEMS).collect(),
        _ => (0..QUEUE_ITEMS).collect(),
    };
    match policy {
        "drop-oldest" => assert!(got.ends_with(&kept), "{got:?}"),
        _ => assert!(got.starts_with(&kept), "{got:?}"),
    }
}

/// Over TLS: the client that waits, and what the test needs beside it.
fn past_a_client_over_tls(policy: &str) -> ((Backend, TempDir, Client), P8, Client) {
    let folder = TempDir::new("slow-tls");
    let certificate = Certificate::of(&["localhost"]);
    let (chain, key) = certificate.write(&folder, "default");
    let (backend, p8) = holding(policy, |config| {
        config
            .http("tls_listen = \"127.0.0.1:0\"")
            .http(&format!("tls_cert = {chain:?}"))
            .http(&format!("tls_key = {key:?}"))
    });
    let trust = Trust::only(&[&certificate], ANY);
    let narrow = Client::connect_with_small_window(p8.secure())
        .into_socket()
        .into_tcp();
    let secured = trust.over(narrow, "localhost").expect("a handshake");
    let mut slow = Client::over(Socket::Tls(Box::new(secured.0)));
    slow.request("GET", "/", &[], b"");
    assert_eq!(slow.final_head().status, 200);
    let mut quick = trust.client(p8.secure(), "localhost");
    quick.request("GET", "/", &[], b"");
    assert_eq!(quick.final_head().status, 200);
    for n in 0..ITEMS {
        let item = numbered(n, ITEM_BYTES);
        p8.publish(&[stream_item("a", &item)]);
        quick.expect(item);
    }
    ((backend, folder, quick), p8, slow)
}

#[test]
fn over_tls_the_close_policy_cuts_the_connection_and_counts_what_waited() {
    let (_others, p8, mut slow) = past_a_client_over_tls("close");
    let snapshot = p8.snapshot();
    assert!(snapshot.dropped("slow-client-closed") > QUEUE_ITEMS as u64);
    assert_eq!(snapshot.dropped("slow-client"), 0);
    assert_eq!(snapshot.subscribers("a"), 1, "the one that reads is left");
    assert!(
        slow.read_to_end().is_err(),
        "the client can tell that it was cut off"
    );
}

#[test]
fn over_tls_drop_oldest_and_drop_newest_keep_whole_items_and_count_the_others() {
    for policy in ["drop-oldest", "drop-newest"] {
        let (_others, p8, mut slow) = past_a_client_over_tls(policy);
        let lost = p8.snapshot().dropped("slow-client");
        assert!(lost > 0 && lost < ITEMS as u64, "{lost} lost");
        p8.publish(&[close_item("a")]);
        let got = numbers(&slow.read_to_end().expect("a proper end"));
        expect_kept(policy, &got, lost);
    }
}

/// Over HTTP/2: the connection, the stream that waits, and another one of the same connection that was
/// read all along.
fn past_a_stream(policy: &str) -> (Backend, P8, Http2Client, Open, Open) {
    let (backend, p8) = holding(policy, |config| config);
    let mut builder = Builder::new();
    builder.initial_connection_window_size(100 << 20);
    let mut client = Http2Client::connect_with(p8.clients, &builder);
    let slow = client.stream("/slow");
    let mut quick = client.stream("/quick");
    Snapshot::wait_for_subscribers(p8.control, "a", 2);
    for n in 0..ITEMS {
        let item = numbered(n, ITEM_BYTES);
        p8.publish(&[stream_item("a", &item)]);
        client.expect(&mut quick, item);
    }
    (backend, p8, client, slow, quick)
}

#[test]
fn over_http2_the_close_policy_resets_that_stream_alone() {
    let (_backend, p8, client, mut slow, mut quick) = past_a_stream("close");
    let snapshot = p8.snapshot();
    assert!(snapshot.dropped("slow-client-closed") > QUEUE_ITEMS as u64);
    assert_eq!(snapshot.subscribers("a"), 1);
    let error = client.read_to_end(&mut slow).expect_err("it is reset");
    assert!(error.is_reset() && error.is_remote(), "{error}");
    p8.publish(&[stream_item("a", "and on it goes"), close_item("a")]);
    assert_eq!(
        client.read_to_end(&mut quick).expect("a proper end"),
        b"and on it goes"
    );
}

#[test]
fn over_http2_drop_oldest_and_drop_newest_keep_whole_items_and_count_the_others() {
    for policy in ["drop-oldest", "drop-newest"] {
        let (_backend, p8, client, mut slow, _quick) = past_a_stream(policy);
        let lost = p8.snapshot().dropped("slow-client");
        assert!(lost > 0 && lost < ITEMS as u64, "{lost} lost");
        p8.publish(&[close_item("a")]);
        let got = numbers(&client.read_to_end(&mut slow).expect("a proper end"));
        expect_kept(policy, &got, lost);
    }
}
