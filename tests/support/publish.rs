//! A publisher: items, and the request that posts them to the control listener.

use std::net::SocketAddr;

use serde_json::{json, Value};

use super::client::{Client, Reply};

/// An item that appends to streams.
pub fn stream_item(channel: &str, content: &str) -> Value {
    json!({"channel": channel, "formats": {"http-stream": {"content": content}}})
}

/// An item that appends its id to streams on channel `a`, behind another one.
pub fn numbered(id: &str, prev_id: &str) -> Value {
    let mut item = stream_item("a", id);
    item["id"] = json!(id);
    item["prev-id"] = json!(prev_id);
    item
}

/// An item that answers long-polls.
pub fn response_item(channel: &str, body: &str) -> Value {
    json!({"channel": channel, "formats": {"http-response": {"body": body}}})
}

/// An item that ends streams.
pub fn close_item(channel: &str) -> Value {
    json!({"channel": channel, "formats": {"http-stream": {"action": "close"}}})
}

/// An item that makes P-8 ask the backends of long-polls again.
pub fn hint_item(channel: &str) -> Value {
    json!({"channel": channel, "formats": {"http-response": {"action": "hint"}}})
}

/// An item that long-polls hear of and are not answered by.
pub fn mute_item(channel: &str) -> Value {
    json!({"channel": channel, "formats": {"http-response": {"action": "close"}}})
}

/// Posts these items without waiting for the answer, which is read from the connection returned.
#[track_caller]
pub fn begin_publish(control: SocketAddr, items: &[Value]) -> Client {
    let mut publisher = Client::connect(control);
    let body = json!({ "items": items }).to_string();
    publisher.request("POST", "/publish/", &[], body.as_bytes());
    publisher
}

/// Posts these bytes to `/publish/` and gives the answer.
#[track_caller]
pub fn post(control: SocketAddr, body: &[u8]) -> Reply {
    let mut publisher = Client::connect(control);
    let length = body.len().to_string();
    publisher.request(
        "POST",
        "/publish/",
        &[("Connection", "close"), ("Content-Length", &length)],
        b"",
    );
    publisher.send(body);
    publisher.reply()
}

/// Publishes these items; they must be accepted.
#[track_caller]
pub fn publish(control: SocketAddr, items: &[Value]) {
    let reply = post(control, json!({ "items": items }).to_string().as_bytes());
    assert_eq!((reply.status(), reply.text().trim()), (200, "Published"));
}
