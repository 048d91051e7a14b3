//! P-8 as a library inside another process: nothing of it is global.
//!
//! A whole service that mounts it is the crate `tests/embed_consumer`.

use crate::support::grip::hold;
use crate::support::publish::{close_item, stream_item};
use crate::support::{Backend, Config, P8};

#[test]
fn two_servers_in_one_process_share_nothing() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let one = P8::start(&Config::to(backend.addr));
    let two = P8::start(&Config::to(backend.addr));
    let (mut at_one, mut at_two) = (one.stream("/"), two.stream("/"));
    one.publish(&[stream_item("a", "from one"), close_item("a")]);
    assert_eq!(at_one.read_to_end().expect("an end"), b"from one");
    assert_eq!(two.snapshot().subscribers("a"), 1);
    two.publish(&[stream_item("a", "from two"), close_item("a")]);
    assert_eq!(at_two.read_to_end().expect("an end"), b"from two");
    assert_eq!(one.snapshot().total("items_published_total"), 2);
}

#[test]
fn a_server_that_stops_leaves_the_other_running() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let one = P8::start(&Config::to(backend.addr));
    let two = P8::start(&Config::to(backend.addr).http("drain_secs = 0"));
    let mut at_one = one.stream("/");
    drop(two);
    one.publish(&[stream_item("a", "still here"), close_item("a")]);
    assert_eq!(at_one.read_to_end().expect("an end"), b"still here");
}

#[test]
fn a_stop_ends_held_streams_in_good_order() {
    let backend = Backend::answering(|_| hold("stream", "a", "open\n"));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.stream("/");
    client.expect("open\n");
    drop(p8);
    assert_eq!(
        client.read_to_end(),
        Ok(Vec::new()),
        "a proper end, not a cut"
    );
}
