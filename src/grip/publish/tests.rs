//! Publish requests and items: each field, and hostile input; formats and refusals in files of their own.

use super::*;
use crate::grip::{ChannelName, ItemId, PublishError};
use serde_json::{json, Value};

mod formats;
mod refusals;

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
