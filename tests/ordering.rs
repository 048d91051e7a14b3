//! Items with ids: their order, repeats, and what is forgotten.
//!
//! Source: `docs/grip.md`, order.

use serde_json::{json, Value};

use crate::support::grip::hold;
use crate::support::publish::{close_item, numbered, stream_item};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Backend, Client, Config, P8};

/// P-8 with a stream on channel `a`.
fn streaming(configure: impl Fn(Config) -> Config) -> (Backend, P8, Client) {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let p8 = P8::start(&configure(Config::to(backend.addr)));
    let stream = p8.stream("/");
    (backend, p8, stream)
}

/// A wait that no test outlives: what arrives did not wait.
fn patient(config: Config) -> Config {
    config.handler("message_wait = 3600000")
}

fn with(mut item: Value, field: &str, value: Value) -> Value {
    item[field] = value;
    item
}

fn without(mut item: Value, field: &str) -> Value {
    let _ = item.as_object_mut().and_then(|item| item.remove(field));
    item
}

/// Ends the stream and gives what it got.
#[track_caller]
fn body(p8: &P8, mut stream: Client) -> String {
    p8.publish(&[close_item("a")]);
    let body = stream.read_to_end().expect("the stream ends well");
    String::from_utf8(body).expect("text")
}

#[test]
fn items_published_out_of_order_arrive_in_order() {
    let (_backend, p8, stream) = streaming(patient);
    for (id, prev_id) in [("1", "0"), ("3", "2"), ("4", "3")] {
        p8.publish(&[numbered(id, prev_id)]);
    }
    assert_eq!(p8.snapshot().total("items_waiting_current"), 2);
    p8.publish(&[numbered("2", "1"), numbered("6", "5"), numbered("5", "4")]);
    assert_eq!(p8.snapshot().total("items_waiting_current"), 0);
    assert_eq!(body(&p8, stream), "123456");
}

#[test]
fn a_long_poll_is_answered_by_the_item_that_follows() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/poll" => hold("response", "a", ""),
        _ => hold("stream", "a", ""),
    });
    let p8 = P8::start(&patient(Config::to(backend.addr)));
    let _stream = p8.stream("/");
    let mut poll = p8.long_poll("/poll", "a", 2);
    let answer = |text: &str, id, prev_id| {
        let formats = json!({"http-response": {"body": text}});
        with(numbered(id, prev_id), "formats", formats)
    };
    p8.publish(&[numbered("1", "0"), answer("third", "3", "2")]);
    p8.publish(&[answer("second", "2", "1")]);
    assert_eq!(poll.reply().text(), "second");
}

#[test]
fn a_gap_is_given_up_after_message_wait_and_counted() {
    let (_backend, p8, mut stream) = streaming(|config| config.handler("message_wait = 200"));
    p8.publish(&[numbered("1", "0"), numbered("4", "3"), numbered("5", "4")]);
    stream.expect("145");
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("items_given_up_total"), 1, "{snapshot:?}");
    assert_eq!(snapshot.total("items_waiting_current"), 0, "{snapshot:?}");
    p8.publish(&[numbered("6", "5")]);
    assert_eq!(body(&p8, stream), "6");
}

#[test]
fn without_a_wait_a_gap_holds_nothing_back() {
    let (_backend, p8, mut stream) = streaming(|config| config.handler("message_wait = 0"));
    p8.publish(&[numbered("1", "0"), numbered("9", "8"), numbered("2", "1")]);
    stream.expect("19");
    stream.expect("2");
}

#[test]
fn the_first_item_of_a_channel_and_those_without_ids_wait_for_nothing() {
    let (_backend, p8, stream) = streaming(patient);
    p8.publish(&[numbered("8", "7")]);
    p8.publish(&[without(numbered("x", ""), "prev-id")]);
    p8.publish(&[without(numbered("-", "x"), "id")]);
    p8.publish(&[numbered("5", "4")]);
    assert_eq!(body(&p8, stream), "8x-5");
}

#[test]
fn an_item_out_of_sequence_passes_and_moves_nothing() {
    let (_backend, p8, stream) = streaming(patient);
    p8.publish(&[numbered("1", "0")]);
    p8.publish(&[with(numbered("!", "9"), "no-seq", json!(true))]);
    p8.publish(&[numbered("2", "1")]);
    assert_eq!(body(&p8, stream), "1!2");
}

#[test]
fn an_item_published_twice_arrives_once() {
    let (_backend, p8, stream) = streaming(patient);
    let plain = |id| without(numbered(id, ""), "prev-id");
    p8.publish(&[plain("1"), plain("1")]);
    p8.publish(&[plain("2"), plain("1")]);
    p8.publish(&[with(plain("1"), "no-seq", json!(true))]);
    p8.publish(&[with(plain("1"), "channel", json!("b"))]);
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("items_repeated_total"), 3);
    assert_eq!(snapshot.total("items_published_total"), 6);
    assert_eq!(snapshot.total("items_unsubscribed_total"), 1);
    assert_eq!(body(&p8, stream), "12");
}

#[test]
fn an_item_that_waits_is_not_taken_twice() {
    let (_backend, p8, stream) = streaming(patient);
    p8.publish(&[numbered("1", "0"), numbered("3", "2"), numbered("3", "2")]);
    p8.publish(&[numbered("2", "1"), numbered("3", "2")]);
    assert_eq!(p8.snapshot().total("items_repeated_total"), 2);
    assert_eq!(body(&p8, stream), "123");
}

#[test]
fn an_id_is_remembered_where_nobody_was_subscribed() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let p8 = P8::start(&Config::to(backend.addr));
    p8.publish(&[numbered("1", "0")]);
    let stream = p8.stream("/");
    p8.publish(&[numbered("1", "0"), numbered("2", "1")]);
    assert_eq!(body(&p8, stream), "2");
}

#[test]
fn an_id_may_be_used_again_after_its_time_which_repeats_do_not_prolong() {
    let (_backend, p8, mut stream) = streaming(|config| config.handler("id_cache_ttl = 1"));
    wait_until(DEADLINE, "the id to be new again", || {
        p8.publish(&[numbered("1", "1")]);
        p8.snapshot().total("items_delivered_total") == 2
    });
    stream.expect("11");
    assert!(p8.snapshot().total("items_repeated_total") > 0);
}

#[test]
fn ids_are_not_remembered_if_so_configured_or_over_their_bound() {
    let (_backend, p8, stream) = streaming(|config| config.handler("id_cache_ttl = 0"));
    p8.publish(&[numbered("1", "1"), numbered("1", "1")]);
    assert_eq!(body(&p8, stream), "11");
    let (_backend, p8, stream) = streaming(|config| config.handler("id_cache_max = 1"));
    let plain = |id| without(numbered(id, ""), "prev-id");
    p8.publish(&[plain("1"), plain("2"), plain("2"), plain("1")]);
    assert_eq!(p8.snapshot().total("ids_forgotten_total"), 2);
    assert_eq!(body(&p8, stream), "121");
}

#[test]
fn too_many_waiting_items_and_those_that_follow_the_same_one_are_dropped_and_counted() {
    let (_backend, p8, stream) = streaming(patient);
    let late = |n: u32| numbered(&format!("{n},"), &format!("before {n}"));
    let mut items = vec![numbered("1", "0")];
    items.extend((0..100).map(late));
    items.push(numbered("dropped", "before 7"));
    items.push(late(100));
    p8.publish(&items);
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("items_waiting_current"), 100);
    assert_eq!(snapshot.dropped("waiting-repeat"), 1);
    assert_eq!(snapshot.dropped("waiting-max"), 1);
    p8.publish(&[numbered("before 99", "1")]);
    assert_eq!(body(&p8, stream), "1before 9999,");
}

#[test]
fn the_bound_of_waiting_items_is_an_option() {
    let (_backend, p8, stream) =
        streaming(|config| patient(config).handler("channel_waiting_items_max = 1"));
    p8.publish(&[numbered("1", "0"), numbered("4", "3"), numbered("3", "2")]);
    assert_eq!(p8.snapshot().dropped("waiting-max"), 1);
    assert_eq!(body(&p8, stream), "1");
}

#[test]
fn what_waits_when_the_last_subscription_ends_is_thrown_away_and_counted() {
    let (_backend, p8, stream) = streaming(patient);
    p8.publish(&[numbered("1", "0"), numbered("3", "2")]);
    drop(stream);
    wait_until(DEADLINE, "the waiting item to be thrown away", || {
        p8.snapshot().dropped("waiting-unsubscribed") == 1
    });
    assert_eq!(p8.snapshot().total("items_waiting_current"), 0);
    let stream = p8.stream("/");
    p8.publish(&[numbered("9", "8")]);
    assert_eq!(body(&p8, stream), "9", "the last id is forgotten too");
}

#[test]
fn recovery_forgets_last_ids_and_answers_as_a_publish_does() {
    let (_backend, p8, stream) = streaming(patient);
    p8.publish(&[numbered("1", "0")]);
    let mut control = Client::connect(p8.control);
    for (accept, status, text) in [
        ("text/plain", 200, "Updated\n"),
        ("application/json", 200, "{\"message\":\"Updated\"}\n"),
        (
            "image/png",
            406,
            "Not Acceptable. Supported formats are text/plain and application/json.\n",
        ),
    ] {
        control.request("POST", "/recover/", &[("Accept", accept)], b"");
        let reply = control.reply();
        assert_eq!((reply.status(), reply.text().as_str()), (status, text));
    }
    p8.publish(&[numbered("5", "4")]);
    assert_eq!(body(&p8, stream), "15");
}

#[test]
fn channels_keep_their_order_each_for_itself() {
    let backend = Backend::answering(|request| hold("stream", &request.target[1..], ""));
    let p8 = P8::start(&patient(Config::to(backend.addr)));
    let (stream, mut other) = (p8.stream("/a"), p8.stream("/b"));
    p8.publish(&[
        numbered("1", "0"),
        numbered("3", "2"),
        with(numbered("9", "8"), "channel", json!("b")),
        stream_item("b", "!"),
        numbered("2", "1"),
    ]);
    other.expect("9!");
    assert_eq!(body(&p8, stream), "123");
}
