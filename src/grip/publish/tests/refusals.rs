//! Every refusal, with its exact text.

use super::*;

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
