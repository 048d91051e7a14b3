//! The control port: what it accepts, what it refuses and with which words.
//!
//! Source: `docs/control-api.md`. Texts are those that publishers of other GRIP proxies know.

use serde_json::{json, Value};

use crate::support::client::Reply;
use crate::support::grip::hold;
use crate::support::publish::{
    body_of, close_item, post, post_items, response_item, stream_item, stream_with,
};
use crate::support::{Backend, Client, Config, P8};

/// P-8 with a backend whose every answer is a stream on channel `a`.
fn streaming() -> (Backend, P8) {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let p8 = P8::start(&Config::to(backend.addr));
    (backend, p8)
}

fn without_backend() -> P8 {
    P8::start(&Config::to(Backend::nowhere()))
}

#[track_caller]
fn assert_refused(reply: &Reply, text: &str) {
    assert_eq!((reply.status(), reply.text()), (400, format!("{text}\n")));
    let kind = reply.head.header("content-type").expect("a content type");
    assert!(kind.starts_with("text/plain"), "{kind}");
}

/// Bodies and the text each is refused with.
const BODIES: &[(&str, &str)] = &[
    ("", "Body is not valid JSON."),
    ("{", "Body is not valid JSON."),
    ("nope", "Body is not valid JSON."),
    ("3", "Body is not valid JSON."),
    ("null", "Body is not valid JSON."),
    ("\"x\"", "Body is not valid JSON."),
    ("{\"items\": []} x", "Body is not valid JSON."),
    ("[]", "Invalid format."),
    ("{}", "Invalid format: object does not contain 'items'"),
    (
        "{\"items\": {}}",
        "Invalid format: object contains 'items' with wrong type",
    ),
    (
        "{\"items\": null}",
        "Invalid format: object contains 'items' with wrong type",
    ),
    (
        "{\"items\": [1]}",
        "Invalid format: publish item object is not an object",
    ),
    (
        "{\"items\": [\"x\"]}",
        "Invalid format: publish item object is not an object",
    ),
    (
        "{\"items\": [{}]}",
        "Invalid format: publish item object does not contain 'channel'",
    ),
];

#[test]
fn bodies_that_are_no_publish_are_refused_with_known_texts() {
    let p8 = without_backend();
    for (body, text) in BODIES {
        assert_refused(&post(p8.control, body.as_bytes()), text);
    }
}

#[test]
fn item_fields_of_the_wrong_kind_are_refused_with_known_texts() {
    let p8 = without_backend();
    let good = json!({"http-stream": {"content": "x"}});
    let item = |field: &str, value: Value| {
        let mut item = json!({"channel": "c", "formats": good});
        item[field] = value;
        item
    };
    let wrong_type = |field: &str| {
        format!("Invalid format: publish item object contains '{field}' with wrong type")
    };
    for field in [
        "channel", "id", "prev-id", "formats", "meta", "size", "no-seq",
    ] {
        for value in [Value::Null, json!([])] {
            let reply = post_items(p8.control, &[item(field, value)]);
            assert_refused(&reply, &wrong_type(field));
        }
    }
    let table = [
        (item("channel", json!(5)), wrong_type("channel")),
        (item("id", json!(5)), wrong_type("id")),
        (item("no-seq", json!("yes")), wrong_type("no-seq")),
        (
            item("size", json!(-1)),
            "Invalid format: publish item object contains 'size' with invalid value".into(),
        ),
        (
            item("meta", json!({"a": []})),
            "Invalid format: 'meta' contains 'a' with wrong type".into(),
        ),
        (
            item("formats", json!({})),
            "Invalid format: no formats specified".into(),
        ),
        (
            json!({"channel": "c"}),
            "Invalid format: no formats specified".into(),
        ),
    ];
    for (item, text) in table {
        assert_refused(&post_items(p8.control, &[item]), &text);
    }
}

/// Formats, what stands in them, and the text behind `Invalid format: ` that they are refused with.
const BAD_FORMATS: &[(&str, &str, &str)] = &[
    (
        "http-response",
        r#""x""#,
        "'http-response' is not an object",
    ),
    ("http-stream", r#"null"#, "'http-stream' is not an object"),
    ("ws-message", r#"[]"#, "'ws-message' is not an object"),
    (
        "http-response",
        r#"{}"#,
        "'http-response' does not contain 'body', 'body-bin', or 'body-patch'",
    ),
    (
        "http-response",
        r#"{"code": 204}"#,
        "'http-response' does not contain 'body', 'body-bin', or 'body-patch'",
    ),
    (
        "http-response",
        r#"{"code": [], "body": "x"}"#,
        "'http-response' contains 'code' with wrong type",
    ),
    (
        "http-response",
        r#"{"code": -1, "body": "x"}"#,
        "'http-response' contains 'code' with invalid value",
    ),
    (
        "http-response",
        r#"{"code": 1000, "body": "x"}"#,
        "'http-response' contains 'code' with invalid value",
    ),
    (
        "http-response",
        r#"{"code": 100, "body": "x"}"#,
        "'http-response' contains 'code' with invalid value",
    ),
    (
        "http-response",
        r#"{"code": 0, "body": "x"}"#,
        "'http-response' contains 'code' with invalid value",
    ),
    (
        "http-response",
        r#"{"reason": 5, "body": "x"}"#,
        "'http-response' contains 'reason' with wrong type",
    ),
    (
        "http-response",
        r#"{"body": 3}"#,
        "'http-response' contains 'body' with wrong type",
    ),
    (
        "http-response",
        r#"{"body-bin": 3}"#,
        "'http-response' contains 'body-bin' with wrong type",
    ),
    (
        "http-response",
        r#"{"body-patch": {}}"#,
        "'http-response' contains 'body-patch' with wrong type",
    ),
    (
        "http-response",
        r#"{"headers": 3, "body": "x"}"#,
        "'http-response' contains 'headers' with wrong type",
    ),
    (
        "http-response",
        r#"{"headers": {"A": [1]}, "body": "x"}"#,
        "headers contains 'A' with wrong type",
    ),
    (
        "http-response",
        r#"{"headers": ["a"], "body": "x"}"#,
        "headers contains element with wrong type",
    ),
    (
        "http-response",
        r#"{"headers": [["a"]], "body": "x"}"#,
        "headers contains list with wrong number of elements",
    ),
    (
        "http-response",
        r#"{"headers": [[1, "a"]], "body": "x"}"#,
        "header contains name element with wrong type",
    ),
    (
        "http-response",
        r#"{"headers": [["a", 1]], "body": "x"}"#,
        "header contains value element with wrong type",
    ),
    (
        "http-stream",
        r#"{}"#,
        "'http-stream' does not contain 'content' or 'content-bin'",
    ),
    (
        "http-stream",
        r#"{"content": 3}"#,
        "'http-stream' contains 'content' with wrong type",
    ),
    (
        "http-stream",
        r#"{"content-bin": 3}"#,
        "'http-stream' contains 'content-bin' with wrong type",
    ),
    (
        "http-stream",
        r#"{"content": "x", "content-filters": 3}"#,
        "'http-stream' contains 'content-filters' with wrong type",
    ),
    (
        "http-stream",
        r#"{"content": "x", "content-filters": [3]}"#,
        "content-filters contains element with wrong type",
    ),
    (
        "ws-message",
        r#"{}"#,
        "'ws-message' does not contain 'content' or 'content-bin'",
    ),
    (
        "ws-message",
        r#"{"type": "odd", "content": "x"}"#,
        "'ws-message' contains 'type' with unknown value",
    ),
    ("http-response", r#"{"action": "explode"}"#, ""),
    ("http-stream", r#"{"action": "explode"}"#, ""),
    ("ws-message", r#"{"action": "explode"}"#, ""),
];

#[test]
fn formats_that_make_no_sense_are_refused_with_known_texts() {
    let p8 = without_backend();
    for (format, value, text) in BAD_FORMATS {
        let body =
            format!(r#"{{"items": [{{"channel": "c", "formats": {{"{format}": {value}}}}}]}}"#);
        assert_refused(
            &post(p8.control, body.as_bytes()),
            &format!("Invalid format: {text}"),
        );
    }
}

#[test]
fn one_bad_item_refuses_the_whole_publish() {
    let (_backend, p8) = streaming();
    let mut client = p8.stream("/");
    let items = [stream_item("a", "wrong"), json!({"channel": "a"})];
    assert_eq!(post_items(p8.control, &items).status(), 400);
    p8.publish(&[stream_item("a", "right"), close_item("a")]);
    assert_eq!(client.read_to_end().expect("an end"), b"right");
}

#[test]
fn unknown_fields_and_formats_do_no_harm() {
    let (_backend, p8) = streaming();
    let mut client = p8.stream("/");
    let formats = json!({"x-other": {"a": 1}, "http-stream": {"content": "ok", "odd": []}});
    let item = json!({"channel": "a", "formats": formats, "user-tags": 5, "http-stream": 5});
    let body = json!({"items": [item], "more": true}).to_string();
    assert_eq!(post(p8.control, body.as_bytes()).status(), 200);
    p8.publish(&[json!({"channel": "a", "formats": {"x-other": {}}})]);
    p8.publish(&[close_item("a")]);
    assert_eq!(client.read_to_end().expect("an end"), b"ok");
}

#[test]
fn formats_at_the_items_level_still_work() {
    let (_backend, p8) = streaming();
    let mut client = p8.stream("/");
    p8.publish(&[json!({"channel": "a", "http-stream": {"content": "old"}})]);
    client.expect("old");
}

#[test]
fn base64_is_read_leniently() {
    let (_backend, p8) = streaming();
    let mut client = p8.stream("/");
    for (text, bytes) in [
        ("YWJj", "abc"),
        ("YW Jj\n", "abc"),
        ("YWJjZA", "abcd"),
        ("Y!W?J*jZ", "abc"),
    ] {
        p8.publish(&[stream_with("a", json!({ "content-bin": text }))]);
        client.expect(bytes);
    }
    p8.publish(&[close_item("a")]);
    assert_eq!(client.read_to_end().expect("an end"), b"");
}

#[test]
fn an_empty_list_and_a_channel_without_subscribers_are_fine() {
    let p8 = without_backend();
    p8.publish(&[]);
    p8.publish(&[stream_item("nobody", "x"), response_item("nobody", "x")]);
    p8.publish(&[stream_item("", "an empty name is a name")]);
}

#[test]
fn the_content_type_is_never_looked_at() {
    let p8 = without_backend();
    let mut publisher = Client::connect(p8.control);
    publisher.request(
        "POST",
        "/publish/",
        &[("Content-Type", "image/png")],
        b"{\"items\": []}",
    );
    assert_eq!(publisher.reply().status(), 200);
}

#[test]
fn the_accept_header_decides_between_text_and_json() {
    let p8 = without_backend();
    let text = ("text/plain", "Published\n");
    let json = ("application/json", "{\"message\":\"Published\"}\n");
    let table = [
        (None, Some(text)),
        (Some("*/*"), Some(text)),
        (Some("*"), Some(text)),
        (Some("text/*"), Some(text)),
        (Some("text/html, text/plain;q=0.5"), Some(text)),
        (Some("application/json"), Some(json)),
        (Some("application/*"), Some(json)),
        (Some("text/plain, application/json"), Some(json)),
        (Some("application/json, text/plain"), Some(text)),
        (Some("image/png"), None),
        (Some("TEXT/PLAIN"), None),
        (Some(""), None),
    ];
    for (accept, expected) in table {
        let mut publisher = Client::connect(p8.control);
        let headers: Vec<(&str, &str)> = accept.iter().map(|value| ("Accept", *value)).collect();
        publisher.request("POST", "/publish", &headers, b"{\"items\": []}");
        let reply = publisher.reply();
        let Some((kind, body)) = expected else {
            let refusal =
                "Not Acceptable. Supported formats are text/plain and application/json.\n";
            assert_eq!(
                (reply.status(), reply.text().as_str()),
                (406, refusal),
                "{accept:?}"
            );
            continue;
        };
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (200, body),
            "{accept:?}"
        );
        assert!(
            reply
                .head
                .header("content-type")
                .expect("a type")
                .starts_with(kind),
            "{accept:?}"
        );
    }
}

#[test]
fn errors_are_text_whatever_is_accepted() {
    let p8 = without_backend();
    let mut publisher = Client::connect(p8.control);
    publisher.request("POST", "/publish", &[("Accept", "application/json")], b"{}");
    assert_refused(
        &publisher.reply(),
        "Invalid format: object does not contain 'items'",
    );
}

#[test]
fn paths_and_methods_are_answered_as_publishers_expect() {
    let p8 = without_backend();
    let table = [
        ("GET", "/", 200),
        ("POST", "/publish", 200),
        ("POST", "/publish/", 200),
        ("POST", "/publish//", 404),
        ("POST", "/publish?x=1", 404),
        ("POST", "/publish/more", 404),
        ("POST", "/Publish", 404),
        ("GET", "/publish/", 405),
        ("PUT", "/publish", 405),
        ("POST", "/recover", 200),
        ("POST", "/recover/", 200),
        ("POST", "/recover?x=1", 404),
        ("GET", "/recover/", 405),
        ("GET", "/nope", 404),
    ];
    for (method, path, status) in table {
        let mut publisher = Client::connect(p8.control);
        let body: &[u8] = if method == "GET" {
            b""
        } else {
            b"{\"items\": []}"
        };
        publisher.request(method, path, &[], body);
        let reply = publisher.reply();
        assert_eq!(reply.status(), status, "{method} {path}");
        if status == 405 {
            assert_eq!(reply.head.header("allow"), Some("POST"), "{method} {path}");
            assert_eq!(reply.text(), format!("Method not allowed: {method}.\n"));
        }
    }
}

#[test]
fn chunked_and_expected_bodies_are_read() {
    let p8 = without_backend();
    let mut publisher = Client::connect(p8.control);
    publisher.send("POST /publish HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    publisher.send("5\r\n{\"ite\r\n8\r\nms\": []}\r\n0\r\n\r\n");
    assert_eq!(publisher.reply().status(), 200);
    let expecting = [("Expect", "100-continue"), ("Content-Length", "13")];
    publisher.request("POST", "/publish", &expecting, b"");
    assert_eq!(publisher.head().status, 100);
    publisher.send("{\"items\": []}");
    assert_eq!(publisher.reply().status(), 200);
}

#[test]
fn control_connections_stay_open_for_more_publishes() {
    let p8 = without_backend();
    let mut publisher = Client::connect(p8.control);
    for _ in 0..5 {
        assert_eq!(
            publisher.post("/publish/", b"{\"items\": []}").status(),
            200
        );
        assert_eq!(publisher.post("/publish/", b"{}").status(), 400);
    }
}

#[test]
fn a_publish_up_to_the_limit_passes_and_one_above_it_is_refused() {
    let (_backend, p8) = streaming();
    let mut client = p8.stream("/");
    let empty = body_of(&[stream_item("a", "")]).len();
    for (size, accepted) in [(1_000_000, true), (1_000_001, false)] {
        let content = "y".repeat(size - empty);
        let body = body_of(&[stream_item("a", &content)]);
        assert_eq!(body.len(), size);
        let reply = post(p8.control, &body);
        if accepted {
            assert_eq!(reply.status(), 200);
            client.expect(&content);
        } else {
            assert_refused(&reply, "Request body too large.");
        }
    }
}

#[test]
fn the_size_limit_is_an_option() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let p8 = P8::start(&Config::to(backend.addr).control("max_body_size = 2000000"));
    let mut client = p8.stream("/");
    let content = "y".repeat(1_500_000);
    p8.publish(&[stream_item("a", &content)]);
    client.expect(&content);
}

#[test]
fn a_deeply_nested_body_is_refused_and_the_server_lives() {
    let p8 = without_backend();
    let body = "[".repeat(500_000);
    assert_refused(
        &post(p8.control, body.as_bytes()),
        "Body is not valid JSON.",
    );
    p8.publish(&[]);
}

#[test]
fn a_publish_is_accepted_before_its_answer_so_that_a_later_one_comes_behind_it() {
    let (_backend, p8) = streaming();
    let mut client = p8.stream("/");
    let mut one = Client::connect(p8.control);
    let mut two = Client::connect(p8.control);
    let mut expected = String::new();
    for n in 0..50 {
        for (publisher, name) in [(&mut one, "one"), (&mut two, "two")] {
            let text = format!("{name} {n}\n");
            let body = body_of(&[stream_item("a", &text)]);
            assert_eq!(publisher.post("/publish", &body).status(), 200);
            expected.push_str(&text);
        }
    }
    client.expect(expected);
}

#[test]
fn an_item_of_unknown_formats_alone_is_accepted_and_counted() {
    let (_backend, p8) = streaming();
    let misspelt = json!({"channel": "a", "formats": {"http-stram": {"content": "x"}}});
    p8.publish(&[misspelt]);
    let known = json!({"channel": "a", "formats": {"new": {}, "http-stream": {"content": "x"}}});
    p8.publish(&[known]);
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("items_published_total"), 2);
    assert_eq!(snapshot.total("items_formatless_total"), 1);
}
