//! Publish requests: each field, each refusal with its exact text, and hostile input.

use super::*;
use crate::grip::{ChannelName, ItemId, PublishError};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{json, Value};

fn item(value: &Value) -> Result<Item, PublishError> {
    parse_item(value.clone())
}

/// An item with one format.
fn with_format(name: &str, format: &Value) -> Result<Item, PublishError> {
    item(&json!({"channel": "c", "formats": {name: format}}))
}

fn response(format: &Value) -> ResponseFormat {
    with_format("http-response", format)
        .unwrap()
        .formats
        .response
        .unwrap()
}

fn response_send(format: &Value) -> ResponseSend {
    match response(format) {
        ResponseFormat::Send(send) => send,
        other => panic!("{other:?}"),
    }
}

fn stream(format: &Value) -> StreamFormat {
    with_format("http-stream", format)
        .unwrap()
        .formats
        .stream
        .unwrap()
}

fn ws(format: &Value) -> WsFormat {
    with_format("ws-message", format)
        .unwrap()
        .formats
        .ws
        .unwrap()
}

fn pairs(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

fn refusal(body: &str) -> String {
    parse_request(body.as_bytes()).unwrap_err().to_string()
}

#[test]
fn all_fields_of_an_item() {
    let got = item(&json!({
        "channel": "c", "id": "2", "prev-id": "1", "size": "100", "no-seq": true,
        "meta": {"sender": "alice"}, "type": 1, "user-tags": null,
        "formats": {"http-stream": {"content": "x"}, "unknown": null},
    }))
    .unwrap();
    assert_eq!(got.channel, ChannelName::new("c"));
    assert_eq!(
        (got.id, got.prev_id),
        (Some(ItemId::new("2")), Some(ItemId::new("1")))
    );
    assert_eq!((got.size, got.no_seq), (Some(100), true));
    assert_eq!(got.meta.get("sender").map(String::as_str), Some("alice"));
    assert!(got.formats.response.is_none() && got.formats.ws.is_none());
}

#[test]
fn defaults_of_an_item() {
    let got = item(&json!({"channel": "", "formats": {"x-other": 1}})).unwrap();
    assert_eq!(got.channel.as_str(), "");
    assert_eq!(
        (got.id, got.prev_id, got.size, got.no_seq),
        (None, None, None, false)
    );
    assert_eq!(got.formats, Formats::default());
    assert!(got.meta.is_empty());
}

#[test]
fn old_form_counts_only_without_formats() {
    let old =
        json!({"channel": "c", "http-stream": {"content": "x"}, "ws-message": {"content": "y"}});
    let formats = item(&old).unwrap().formats;
    assert!(formats.stream.is_some() && formats.ws.is_some() && formats.response.is_none());

    let both =
        json!({"channel": "c", "http-stream": 5, "formats": {"http-response": {"body": ""}}});
    let formats = item(&both).unwrap().formats;
    assert!(formats.stream.is_none() && formats.response.is_some());
}

#[test]
fn response_fields() {
    let send = response_send(&json!({"body": "ž"}));
    assert_eq!(
        (send.status, send.reason, send.content_filters),
        (200, None, None)
    );
    assert_eq!(send.body, ResponseBody::Bytes(Bytes::from("ž")));
    assert!(send.headers.is_empty());

    let send = response_send(&json!({
        "code": "404", "reason": "Nope", "body": "", "content-filters": ["a", "b"],
        "headers": [["X-B", "1"], ["Set-Cookie", "a"], ["Set-Cookie", "ž"], ["GRIP-Hold", "x"],
                    ["Content-Length", "5"], ["Transfer-Encoding", "chunked"], ["X-A", ""]],
    }));
    assert_eq!((send.status, send.reason.as_deref()), (404, Some("Nope")));
    assert_eq!(
        send.content_filters,
        Some(vec!["a".to_owned(), "b".to_owned()])
    );
    let expected = [
        ("x-b", &b"1"[..]),
        ("set-cookie", b"a"),
        ("set-cookie", "ž".as_bytes()),
        ("x-a", b""),
    ];
    assert_eq!(pairs(&send.headers), expected);

    let send = response_send(&json!({"code": 200.6, "reason": "", "body": ""}));
    assert_eq!((send.status, send.reason), (201, None));

    let headers = json!({"X-A": "1", "X-B": "2", "Grip-Expose-Headers": "x-a, x-c"});
    let send = response_send(&json!({"headers": headers, "body": ""}));
    assert_eq!(pairs(&send.headers), [("x-a", &b"1"[..])]);
}

#[test]
fn one_body_is_used() {
    let patch = json!([{"op": "remove", "path": "/a"}]);
    for (format, expected) in [
        (
            json!({"body": "b", "body-bin": "AP8K", "body-patch": 1}),
            b"\0\xff\n".to_vec(),
        ),
        (
            json!({"body": 1, "body-bin": "A P*8K"}),
            b"\0\xff\n".to_vec(),
        ),
        (json!({"body": "b", "body-patch": patch}), b"b".to_vec()),
        (json!({"body-bin": ""}), vec![]),
    ] {
        assert_eq!(
            response_send(&format).body,
            ResponseBody::Bytes(expected.into()),
            "{format}"
        );
    }
    let send = response_send(&json!({"body-patch": patch}));
    assert_eq!(send.body, ResponseBody::Patch(patch));
}

#[test]
fn stream_fields() {
    let text = |text: &'static str| Bytes::from(text);
    for (format, content, content_filters) in [
        (json!({"content": "x"}), text("x"), None),
        (json!({"content": "", "action": "send"}), text(""), None),
        (
            json!({"content": 1, "content-bin": "aGk"}),
            text("hi"),
            None,
        ),
        (
            json!({"content": "x", "content-filters": []}),
            text("x"),
            Some(vec![]),
        ),
    ] {
        assert_eq!(
            stream(&format),
            StreamFormat::Send {
                content,
                content_filters
            },
            "{format}"
        );
    }
}

#[test]
fn other_actions_check_nothing_else() {
    let odd = |action: &str| json!({"action": action, "content": 5, "code": [], "body": null});
    assert_eq!(response(&odd("hint")), ResponseFormat::Hint);
    assert_eq!(response(&odd("close")), ResponseFormat::Close);
    assert_eq!(response(&odd("refresh")), ResponseFormat::Refresh);
    assert_eq!(stream(&odd("hint")), StreamFormat::Hint);
    assert_eq!(stream(&odd("close")), StreamFormat::Close);
    assert_eq!(stream(&odd("refresh")), StreamFormat::Refresh);
    assert_eq!(ws(&odd("hint")), WsFormat::Hint);
    assert_eq!(ws(&odd("refresh")), WsFormat::Refresh);
}

#[test]
fn ws_messages_have_a_kind() {
    use WsKind::{Binary, Ping, Pong, Text};
    for (format, kind, content) in [
        (json!({"content": "x"}), Text, "x"),
        (json!({"content-bin": "aGk"}), Binary, "hi"),
        (json!({"content": "x", "content-bin": "aGk"}), Binary, "hi"),
        (json!({"type": "text", "content-bin": "aGk"}), Text, "hi"),
        (json!({"type": "binary", "content": "x"}), Binary, "x"),
        (json!({"type": "ping"}), Ping, ""),
        (json!({"type": "pong", "content": "x"}), Pong, "x"),
    ] {
        let content = Bytes::from(content);
        let expected = WsFormat::Send {
            kind,
            content,
            content_filters: None,
        };
        assert_eq!(ws(&format), expected, "{format}");
    }
}

#[test]
fn ws_close_has_code_and_reason() {
    for (format, code, reason) in [
        (json!({"action": "close"}), None, ""),
        (
            json!({"action": "close", "code": 1001, "reason": "bye"}),
            Some(1001),
            "bye",
        ),
        (json!({"action": "close", "code": "0"}), Some(0), ""),
        (
            json!({"action": "close", "code": 65535, "content": 5}),
            Some(65535),
            "",
        ),
    ] {
        assert_eq!(
            ws(&format),
            WsFormat::Close {
                code,
                reason: reason.to_owned()
            },
            "{format}"
        );
    }
}

#[test]
fn requests_list_items_in_order() {
    assert_eq!(parse_request(br#"{"items": []}"#), Ok(vec![]));
    let stream =
        |n: u32| json!({"channel": n.to_string(), "formats": {"http-stream": {"content": ""}}});
    let body = json!({"items": (0..1000).map(stream).collect::<Vec<_>>(), "more": true});
    let items = parse_request(body.to_string().as_bytes()).unwrap();
    assert_eq!(items.len(), 1000);
    let in_order = |(n, item): (usize, &Item)| item.channel.as_str() == n.to_string();
    assert!(items.iter().enumerate().all(in_order));

    let last = br#"{"items": [], "items": [{}]}"#;
    assert!(parse_request(last).is_err());
}

#[test]
fn refusals_of_requests() {
    for (body, text) in [
        ("", "Body is not valid JSON."),
        ("{", "Body is not valid JSON."),
        ("null", "Body is not valid JSON."),
        ("3", "Body is not valid JSON."),
        ("\"x\"", "Body is not valid JSON."),
        ("{\"items\": []} x", "Body is not valid JSON."),
        ("{\"items\": [1e999]}", "Body is not valid JSON."),
        ("[]", "Invalid format."),
        ("[{\"items\": []}]", "Invalid format."),
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
            "{\"items\": [{}]}",
            "Invalid format: publish item object does not contain 'channel'",
        ),
    ] {
        assert_eq!(refusal(body), text, "{body}");
    }
}

const RESPONSE: &str = "http-response";
const STREAM: &str = "http-stream";
const WS: &str = "ws-message";

/// Fields of an item, values, and the whole refusal.
const BAD_ITEM_FIELDS: &[(&str, &str, &str)] = &[
    (
        "channel",
        "5",
        "Invalid format: publish item object contains 'channel' with wrong type",
    ),
    (
        "channel",
        "null",
        "Invalid format: publish item object contains 'channel' with wrong type",
    ),
    (
        "id",
        "5",
        "Invalid format: publish item object contains 'id' with wrong type",
    ),
    (
        "id",
        "null",
        "Invalid format: publish item object contains 'id' with wrong type",
    ),
    (
        "prev-id",
        "null",
        "Invalid format: publish item object contains 'prev-id' with wrong type",
    ),
    (
        "formats",
        "null",
        "Invalid format: publish item object contains 'formats' with wrong type",
    ),
    (
        "formats",
        "[]",
        "Invalid format: publish item object contains 'formats' with wrong type",
    ),
    (
        "meta",
        "null",
        "Invalid format: publish item object contains 'meta' with wrong type",
    ),
    (
        "meta",
        r#""x""#,
        "Invalid format: publish item object contains 'meta' with wrong type",
    ),
    (
        "size",
        "null",
        "Invalid format: publish item object contains 'size' with wrong type",
    ),
    (
        "size",
        "[]",
        "Invalid format: publish item object contains 'size' with wrong type",
    ),
    (
        "size",
        "-1",
        "Invalid format: publish item object contains 'size' with invalid value",
    ),
    (
        "no-seq",
        "null",
        "Invalid format: publish item object contains 'no-seq' with wrong type",
    ),
    (
        "no-seq",
        r#""yes""#,
        "Invalid format: publish item object contains 'no-seq' with wrong type",
    ),
    (
        "meta",
        r#"{"a": []}"#,
        "Invalid format: 'meta' contains 'a' with wrong type",
    ),
    ("formats", "{}", "Invalid format: no formats specified"),
];

#[test]
fn refusals_of_item_fields() {
    let good = json!({"channel": "c", "formats": {"http-stream": {"content": ""}}});
    for (field, value, text) in BAD_ITEM_FIELDS {
        let mut bad = good.clone();
        bad[field] = serde_json::from_str(value).unwrap();
        assert_eq!(item(&bad).unwrap_err().to_string(), *text, "{bad}");
    }
    let bare = item(&json!({"channel": "c"})).unwrap_err();
    assert_eq!(bare.to_string(), "Invalid format: no formats specified");
}

/// Formats, values, and what the refusal says after `Invalid format: `.
const BAD_FORMATS: &[(&str, &str, &str)] = &[
    (RESPONSE, "null", "'http-response' is not an object"),
    (STREAM, r#""x""#, "'http-stream' is not an object"),
    (WS, "[]", "'ws-message' is not an object"),
    (
        RESPONSE,
        r#"{"action": 5}"#,
        "'http-response' contains 'action' with wrong type",
    ),
    (RESPONSE, r#"{"action": "explode"}"#, ""),
    (STREAM, r#"{"action": "Send", "content": ""}"#, ""),
    (WS, r#"{"action": ""}"#, ""),
    (
        RESPONSE,
        r#"{"code": []}"#,
        "'http-response' contains 'code' with wrong type",
    ),
    (
        RESPONSE,
        r#"{"code": -1}"#,
        "'http-response' contains 'code' with invalid value",
    ),
    (
        RESPONSE,
        r#"{"code": 199}"#,
        "'http-response' contains 'code' with invalid value",
    ),
    (
        RESPONSE,
        r#"{"code": 1000}"#,
        "'http-response' contains 'code' with invalid value",
    ),
    (
        RESPONSE,
        r#"{"code": "x"}"#,
        "'http-response' contains 'code' with invalid value",
    ),
    (
        RESPONSE,
        r#"{"reason": 5}"#,
        "'http-response' contains 'reason' with wrong type",
    ),
    (
        RESPONSE,
        r#"{"reason": "\r"}"#,
        "'http-response' contains 'reason' with invalid value",
    ),
    (
        RESPONSE,
        r#"{"reason": "\u0000"}"#,
        "'http-response' contains 'reason' with invalid value",
    ),
    (
        RESPONSE,
        r#"{"headers": 3}"#,
        "'http-response' contains 'headers' with wrong type",
    ),
    (
        RESPONSE,
        r#"{"headers": {"A": [1]}}"#,
        "headers contains 'A' with wrong type",
    ),
    (
        RESPONSE,
        r#"{"headers": {"A": "\r\n"}}"#,
        "headers contains 'A' with invalid value",
    ),
    (
        RESPONSE,
        r#"{"headers": {"A": "\u0000"}}"#,
        "headers contains 'A' with invalid value",
    ),
    (
        RESPONSE,
        r#"{"headers": [["A\n", ""]]}"#,
        "headers contains 'A\\n' with invalid value",
    ),
    (
        RESPONSE,
        r#"{"headers": {"": "x"}}"#,
        "headers contains '' with invalid value",
    ),
    (
        RESPONSE,
        r#"{"headers": {"A B": "x"}}"#,
        "headers contains 'A B' with invalid value",
    ),
    (
        RESPONSE,
        r#"{"headers": [1]}"#,
        "headers contains element with wrong type",
    ),
    (
        RESPONSE,
        r#"{"headers": [["a"]]}"#,
        "headers contains list with wrong number of elements",
    ),
    (
        RESPONSE,
        r#"{"headers": [["a", "b", "c"]]}"#,
        "headers contains list with wrong number of elements",
    ),
    (
        RESPONSE,
        r#"{"headers": [[1, "b"]]}"#,
        "header contains name element with wrong type",
    ),
    (
        RESPONSE,
        r#"{"headers": [["a", null]]}"#,
        "header contains value element with wrong type",
    ),
    (
        RESPONSE,
        "{}",
        "'http-response' does not contain 'body', 'body-bin', or 'body-patch'",
    ),
    (
        RESPONSE,
        r#"{"body": 3}"#,
        "'http-response' contains 'body' with wrong type",
    ),
    (
        RESPONSE,
        r#"{"body-bin": 3}"#,
        "'http-response' contains 'body-bin' with wrong type",
    ),
    (
        RESPONSE,
        r#"{"body-patch": {}}"#,
        "'http-response' contains 'body-patch' with wrong type",
    ),
    (
        RESPONSE,
        r#"{"body": "", "content-filters": "f"}"#,
        "'http-response' contains 'content-filters' with wrong type",
    ),
    (
        STREAM,
        r#"{"content": "", "content-filters": [1]}"#,
        "content-filters contains element with wrong type",
    ),
    (
        STREAM,
        "{}",
        "'http-stream' does not contain 'content' or 'content-bin'",
    ),
    (
        STREAM,
        r#"{"content": 3}"#,
        "'http-stream' contains 'content' with wrong type",
    ),
    (
        STREAM,
        r#"{"content-bin": 3}"#,
        "'http-stream' contains 'content-bin' with wrong type",
    ),
    (
        WS,
        "{}",
        "'ws-message' does not contain 'content' or 'content-bin'",
    ),
    (
        WS,
        r#"{"type": "binary"}"#,
        "'ws-message' does not contain 'content' or 'content-bin'",
    ),
    (
        WS,
        r#"{"type": "odd"}"#,
        "'ws-message' contains 'type' with unknown value",
    ),
    (
        WS,
        r#"{"type": 5}"#,
        "'ws-message' contains 'type' with wrong type",
    ),
    (
        WS,
        r#"{"content": 3}"#,
        "'ws-message' contains 'content' with wrong type",
    ),
    (
        WS,
        r#"{"action": "close", "code": -1}"#,
        "'ws-message' contains 'code' with invalid value",
    ),
    (
        WS,
        r#"{"action": "close", "code": 65536}"#,
        "'ws-message' contains 'code' with invalid value",
    ),
    (
        WS,
        r#"{"action": "close", "code": null}"#,
        "'ws-message' contains 'code' with wrong type",
    ),
    (
        WS,
        r#"{"action": "close", "reason": 5}"#,
        "'ws-message' contains 'reason' with wrong type",
    ),
];

#[test]
fn refusals_of_formats() {
    for (format, value, text) in BAD_FORMATS {
        let error = with_format(format, &serde_json::from_str(value).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("Invalid format: {text}"),
            "{value}"
        );
    }
}

#[test]
fn hostile_input_is_refused() {
    for open in ["[", "{\"items\":[", "{\"a\":"] {
        assert_eq!(refusal(&open.repeat(200_000)), "Body is not valid JSON.");
    }
    for body in [
        &b"\xff"[..],
        b"{\"items\":[{\"channel\":\"\xff\"}]}",
        b"{\"items\":\0}",
        b"\xef\xbb\xbf{}",
    ] {
        assert_eq!(parse_request(body), Err(PublishError::NotJson));
    }
    let long = "x".repeat(1 << 20);
    let error = with_format("http-response", &json!({"headers": {&long: 1}})).unwrap_err();
    assert!(error.to_string().len() < 200);

    let many: Vec<_> = (0..40_000)
        .map(|n| json!([format!("x-{n}"), "v"]))
        .collect();
    assert!(with_format("http-response", &json!({"headers": many, "body": ""})).is_err());
    let same: Vec<_> = (0..40_000).map(|n| json!(["x", n.to_string()])).collect();
    let send = response_send(&json!({"headers": same, "body": ""}));
    assert_eq!(send.headers.get_all("x").iter().count(), 40_000);
}
