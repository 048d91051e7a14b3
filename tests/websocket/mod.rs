//! WebSockets: over HTTP, passed through, published to, and what is hard about all of them.
//!
//! Source: `docs/compatibility.md`, the checklist's lines W1 to W112.

use serde_json::{json, Value};

use crate::support::publish::ws_close;
use crate::support::snapshot::Snapshot;
use crate::support::ws::{Frame, WsClient, CLOSE, PING};
use crate::support::{Backend, Config, P8};

mod browser;
mod control;
mod control_timers;
mod crashes;
mod deflate;
mod draining;
mod framing;
mod harness;
mod hostile;
mod memory;
mod meta_and_keep_alive;
mod opening;
mod over_http;
mod partial_acceptance;
mod pass_through;
mod publishing;
mod retries;
mod slow_clients;
mod tokio_tungstenite;
mod utf8;

/// P-8 before that backend, WebSockets as HTTP requests.
fn over_http(backend: &Backend) -> P8 {
    P8::start(&Config::over_http(backend.addr))
}

/// P-8 before that backend, which speaks WebSocket itself.
fn passing_through(backend: &Backend) -> P8 {
    P8::start(&Config::to(backend.addr))
}

/// Opens a WebSocket and waits until channel `a` has a subscriber.
#[track_caller]
fn subscribed(p8: &P8) -> WsClient {
    let client = p8.ws("/");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    client
}

/// A whole exchange with the backend behind everything that it was asked before.
#[track_caller]
fn settle(p8: &P8) {
    assert_eq!(p8.get("/settle").status(), 200);
}

/// Ends channel `a` by a published close, and gives the texts that came before it.
#[track_caller]
fn texts_until_closed(p8: &P8, client: &mut WsClient) -> Vec<String> {
    p8.publish(&[ws_close("a", json!({"code": 4000}))]);
    client.texts_until_gone()
}

/// A ping that P-8 answers itself on a route with `auto_pong`: what was sent before it was read.
#[track_caller]
fn barrier(client: &mut WsClient) {
    client.send(&Frame::new(PING, "barrier"));
    client.expect_pong("barrier");
}

/// The bytes of these frames, masked, to be sent in one go.
fn masked(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.encode(true)).collect()
}

/// A control message that subscribes to a channel.
fn subscribe_message(channel: &str) -> Value {
    json!({"type": "subscribe", "channel": channel})
}

/// A close frame without a code.
fn close_without_code() -> Frame {
    Frame::new(CLOSE, "")
}
