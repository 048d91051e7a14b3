//! Publish requests that no publisher should send.

use serde_json::{json, Value};

use super::assert_sound;
use crate::support::client::Reply;
use crate::support::grip::hold;
use crate::support::publish::{close_item, post, post_items, stream_item};
use crate::support::{Backend, Client, Config, P8};

/// P-8 whose publishes may have that many bytes, and a stream on channel `a`.
fn streaming(body_max: usize) -> (Backend, P8, Client) {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let config = Config::to(backend.addr).control(&format!("max_body_size = {body_max}"));
    let p8 = P8::start(&config);
    let client = p8.stream("/");
    (backend, p8, client)
}

/// The stream gets the next item and nothing before it.
#[track_caller]
fn assert_untouched(p8: &P8, mut stream: Client) {
    p8.publish(&[stream_item("a", "next"), close_item("a")]);
    assert_eq!(stream.read_to_end().expect("an end"), b"next");
    assert_sound(p8);
}

fn said(reply: &Reply) -> (u16, String) {
    (reply.status(), reply.text())
}

/// Formats, what stands in them, and the text behind `Invalid format: ` that they are refused with.
const BAD_FORMATS: &[(&str, &str, &str)] = &[
    (
        "http-response",
        r#"{"action": 5}"#,
        "'http-response' contains 'action' with wrong type",
    ),
    (
        "http-stream",
        r#"{"action": null, "content": "x"}"#,
        "'http-stream' contains 'action' with wrong type",
    ),
    (
        "http-response",
        r#"{"body-bin": null, "body": "x"}"#,
        "'http-response' contains 'body-bin' with wrong type",
    ),
    (
        "http-response",
        r#"{"code": 1e308, "body": "x"}"#,
        "'http-response' contains 'code' with invalid value",
    ),
    (
        "http-response",
        r#"{"code": 99999999999999999999, "body": "x"}"#,
        "'http-response' contains 'code' with invalid value",
    ),
    (
        "http-response",
        r#"{"headers": {"A": null}, "body": "x"}"#,
        "headers contains 'A' with wrong type",
    ),
    (
        "http-response",
        r#"{"headers": {"a b": "x"}, "body": "x"}"#,
        "headers contains 'a b' with invalid value",
    ),
    (
        "http-response",
        r#"{"headers": {"": "x"}, "body": "x"}"#,
        "headers contains '' with invalid value",
    ),
    (
        "http-response",
        r#"{"headers": {"A": "\u0000"}, "body": "x"}"#,
        "headers contains 'A' with invalid value",
    ),
    (
        "http-response",
        r#"{"headers": [["a", "b", "c"]], "body": "x"}"#,
        "headers contains list with wrong number of elements",
    ),
    (
        "http-response",
        r#"{"reason": "\u0000", "body": "x"}"#,
        "'http-response' contains 'reason' with invalid value",
    ),
    (
        "http-response",
        r#"{"body": "x", "content-filters": "build-id"}"#,
        "'http-response' contains 'content-filters' with wrong type",
    ),
    (
        "http-response",
        r#"{"body": "x", "content-filters": [null]}"#,
        "content-filters contains element with wrong type",
    ),
    (
        "ws-message",
        r#"{"content": "x", "content-filters": {}}"#,
        "'ws-message' contains 'content-filters' with wrong type",
    ),
    (
        "ws-message",
        r#"{"content": 3}"#,
        "'ws-message' contains 'content' with wrong type",
    ),
    (
        "ws-message",
        r#"{"content-bin": 3}"#,
        "'ws-message' contains 'content-bin' with wrong type",
    ),
    (
        "ws-message",
        r#"{"type": 3, "content": "x"}"#,
        "'ws-message' contains 'type' with wrong type",
    ),
    (
        "ws-message",
        r#"{"action": "close", "code": []}"#,
        "'ws-message' contains 'code' with wrong type",
    ),
    (
        "ws-message",
        r#"{"action": "close", "code": -1}"#,
        "'ws-message' contains 'code' with invalid value",
    ),
    (
        "ws-message",
        r#"{"action": "close", "reason": 3}"#,
        "'ws-message' contains 'reason' with wrong type",
    ),
];

#[test]
fn fields_of_formats_that_are_seldom_wrong_are_refused_with_known_texts_too() {
    let (_backend, p8, stream) = streaming(1_000_000);
    for (format, value, text) in BAD_FORMATS {
        let body =
            format!(r#"{{"items": [{{"channel": "a", "formats": {{"{format}": {value}}}}}]}}"#);
        let reply = post(p8.control, body.as_bytes());
        let expected = (400, format!("Invalid format: {text}\n"));
        assert_eq!(said(&reply), expected, "{body}");
    }
    assert_untouched(&p8, stream);
}

#[test]
fn bodies_that_are_no_json_are_refused_whatever_their_size_and_depth() {
    let (_backend, p8, stream) = streaming(20_000_000);
    let deep = |open: &str| open.repeat(100_000).into_bytes();
    let item = |value: &[u8]| {
        let mut body =
            br#"{"items": [{"channel": "a", "http-stream": {"content": "x"}, "y": "#.to_vec();
        body.extend_from_slice(value);
        body.extend_from_slice(b"}]}");
        body
    };
    let nested = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let objects = ["{\"a\":".repeat(100_000), "1".into(), "}".repeat(100_000)].concat();
    for body in [
        deep("["),
        deep("{\"items\":["),
        deep("{\"a\":"),
        item(&nested),
        item(objects.as_bytes()),
        item(b"1e400"),
        item(b"-"),
        item(b"\"\\ud800\""),
        item(b"\"\xff\xfe\""),
        item(b"\"\n\""),
        item(b"\0"),
        b"{\"items\": []}\0".to_vec(),
        vec![0; 1_000_000],
        vec![b'9'; 10_000_000],
        vec![b'"'; 10_000_000],
    ] {
        let reply = post(p8.control, &body);
        let start = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(
            said(&reply),
            (400, "Body is not valid JSON.\n".into()),
            "{start}"
        );
    }
    assert_untouched(&p8, stream);
}

#[test]
fn an_error_repeats_only_the_beginning_of_a_long_name_and_no_control_characters() {
    let (_backend, p8, stream) = streaming(3_000_000);
    let long = "x".repeat(1_000_000);
    for (item, field) in [
        (
            json!({"channel": "a", "meta": {&long: 1}}),
            "'meta' contains 'xxx",
        ),
        (
            json!({"channel": "a", "http-response": {"headers": {&long: 1}}}),
            "headers contains 'xxx",
        ),
    ] {
        let mut item = item;
        item["http-stream"] = json!({"content": "x"});
        let reply = post_items(p8.control, &[item]);
        assert_eq!(reply.status(), 400);
        assert!(reply.text().contains(field) && reply.text().len() < 300);
    }
    let forged = "a\r\nPublished\u{1b}[2J\0";
    let item = json!({"channel": "a", "http-stream": {"content": "x"}, "meta": {forged: 1}});
    let text = post_items(p8.control, &[item]).text();
    let line = text.strip_suffix('\n').expect("a line");
    assert!(!line.contains(|char: char| char.is_control()), "{line:?}");
    assert_untouched(&p8, stream);
}

#[test]
fn of_repeated_keys_the_last_counts_and_odd_numbers_are_converted() {
    let (_backend, p8, mut stream) = streaming(1_000_000);
    let taken = |item: &str| {
        let reply = post(p8.control, format!(r#"{{"items": [{item}]}}"#).as_bytes());
        assert_eq!(said(&reply), (200, "Published\n".into()), "{item}");
    };
    taken(
        r#"{"channel": "b", "channel": "a", "http-stream": 5, "http-stream": {"content": "1", "content": "2"}}"#,
    );
    stream.expect("2");
    taken(r#"{"channel": "a", "http-stream": {"content": "3"}, "size": 9223372036854775807}"#);
    taken(r#"{"channel": "a", "http-stream": {"content": "4"}, "size": -0.2}"#);
    taken(r#"{"channel": "a", "http-stream": {"content": "5"}, "size": "many"}"#);
    taken(
        r#"{"channel": "a", "http-stream": {"content": "6"}, "http-response": {"code": "2e2", "code": 200.4, "body": ""}}"#,
    );
    stream.expect("3456");
    for size in ["-1", "-1e300", "\"-5\""] {
        let item = format!(
            r#"{{"items": [{{"channel": "a", "http-stream": {{"content": "x"}}, "size": {size}}}]}}"#
        );
        let text = "Invalid format: publish item object contains 'size' with invalid value\n";
        assert_eq!(
            said(&post(p8.control, item.as_bytes())),
            (400, text.into()),
            "{size}"
        );
    }
    assert_untouched(&p8, stream);
}

#[test]
fn names_of_any_length_and_with_any_character_are_names() {
    let (_backend, p8, stream) = streaming(20_000_000);
    let long = "n".repeat(1_000_000);
    for name in [
        "",
        "\0",
        "a\r\nb",
        "\u{7f}\u{1b}[31m",
        "\u{202e}☃",
        "a,b;c=\"d\"",
        &long,
    ] {
        let mut item = stream_item(name, "x");
        item["id"] = json!(name);
        item["prev-id"] = json!(name);
        item["meta"] = json!({name: name});
        p8.publish(&[item.clone(), item]);
    }
    let many: Vec<Value> = (0..10_000)
        .map(|n| stream_item(&n.to_string(), ""))
        .collect();
    p8.publish(&many);
    assert_untouched(&p8, stream);
}

#[test]
fn a_publish_of_100_000_tiny_items_is_taken_whole() {
    let (_backend, p8, mut stream) = streaming(20_000_000);
    let tiny = json!({"channel": "a", "http-stream": {"content": "x"}});
    let reader = std::thread::spawn(move || {
        assert!(stream.read_exact(100_000) == [b'x'; 100_000]);
        stream
    });
    p8.publish(&vec![tiny; 100_000]);
    let stream = reader.join().expect("a client that reads gets all");
    let nobodys = (0..100_000).map(|n| stream_item(&n.to_string(), "x"));
    p8.publish(&nobodys.collect::<Vec<_>>());
    let unsubscribed = p8.snapshot().total("items_unsubscribed_total");
    assert_eq!(unsubscribed, 100_000);
    assert_untouched(&p8, stream);
}

#[test]
fn requests_that_are_framed_wrongly_are_refused() {
    let (_backend, p8, stream) = streaming(1_000_000);
    let begin = "POST /publish/ HTTP/1.1\r\nHost: h\r\n";
    let long = "v".repeat(1_000_000);
    let no_length = "Request requires Content-Length.\n";
    for (head, status, text) in [
        (begin.to_owned(), 411, no_length),
        (
            format!("{begin}Content-Length: 1000001\r\n"),
            400,
            "Request body too large.\n",
        ),
        (
            format!("{begin}X: {}\r\n", &long[..20_000]),
            400,
            "Request header too large.\n",
        ),
        (format!("{begin}X: {long}\r\n"), 431, ""),
        (format!("{begin}Content-Length: x\r\n"), 400, ""),
        (format!("{begin}Content-Length: -1\r\n"), 400, ""),
        (
            format!("{begin}Content-Length: {}\r\n", "9".repeat(20)),
            400,
            "",
        ),
        (format!("{begin}X\r\n"), 400, ""),
        ("nonsense\r\n".to_owned(), 400, ""),
    ] {
        let mut publisher = Client::connect(p8.control);
        publisher.send_until_stuck(format!("{head}\r\n").as_bytes());
        let start = &head[..head.len().min(80)];
        assert_eq!(said(&publisher.reply()), (status, text.into()), "{start}");
    }
    assert_untouched(&p8, stream);
}
