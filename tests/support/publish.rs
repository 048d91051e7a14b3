//! A publisher: items, and the request that posts them to the control listener.

use std::net::SocketAddr;

use serde_json::{json, Value};

use super::client::{Client, Reply};

/// An item for streams, of that format.
pub fn stream_with(channel: &str, format: Value) -> Value {
    json!({"channel": channel, "formats": {"http-stream": format}})
}

/// An item for long-polls, of that format.
pub fn response_with(channel: &str, format: Value) -> Value {
    json!({"channel": channel, "formats": {"http-response": format}})
}

/// An item that appends to streams.
pub fn stream_item(channel: &str, content: &str) -> Value {
    stream_with(channel, json!({ "content": content }))
}

/// An item for WebSockets, of that format.
pub fn ws_with(channel: &str, format: Value) -> Value {
    json!({"channel": channel, "formats": {"ws-message": format}})
}

/// An item that WebSockets get as a text message.
pub fn ws_item(channel: &str, content: &str) -> Value {
    ws_with(channel, json!({ "content": content }))
}

/// An item that ends WebSockets, with these fields.
pub fn ws_close(channel: &str, mut format: Value) -> Value {
    format["action"] = json!("close");
    ws_with(channel, format)
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
    response_with(channel, json!({ "body": body }))
}

/// An item that ends streams.
pub fn close_item(channel: &str) -> Value {
    stream_with(channel, json!({"action": "close"}))
}

/// An item that makes P-8 ask the backends of long-polls again.
pub fn hint_item(channel: &str) -> Value {
    response_with(channel, json!({"action": "hint"}))
}

/// An item that long-polls hear of and are not answered by.
pub fn mute_item(channel: &str) -> Value {
    response_with(channel, json!({"action": "close"}))
}

/// The body that posts these items.
pub fn body_of(items: &[Value]) -> Vec<u8> {
    json!({ "items": items }).to_string().into_bytes()
}

/// Posts these items without waiting for the answer, which is read from the connection returned.
#[track_caller]
pub fn begin_publish(control: SocketAddr, items: &[Value]) -> Client {
    let mut publisher = Client::connect(control);
    publisher.request("POST", "/publish/", &[], &body_of(items));
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

/// Posts these items and gives the answer.
#[track_caller]
pub fn post_items(control: SocketAddr, items: &[Value]) -> Reply {
    post(control, &body_of(items))
}

/// Publishes these items; they must be accepted.
#[track_caller]
pub fn publish(control: SocketAddr, items: &[Value]) {
    let reply = post_items(control, items);
    assert_eq!((reply.status(), reply.text().trim()), (200, "Published"));
}

/// A publisher is told that its item was with a handler that is lost.
#[track_caller]
pub fn expect_handler_lost(reply: &Reply) {
    let told = (reply.status(), reply.head.header("p8-reason"));
    assert_eq!(
        told,
        (503, Some("publish-handler-lost")),
        "{}",
        reply.text()
    );
    assert_eq!(reply.head.header("retry-after"), Some("1"));
}
