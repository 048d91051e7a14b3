//! A real browser's WebSocket through P-8, with and without compression, before both kinds of backend.
//!
//! Chromium opens a page that comes from the backend behind P-8. The page opens the WebSocket, sends
//! messages, and posts what came back.

use serde_json::json;

use crate::support::backend::{Exchange, Request};
use crate::support::browser::{find_chromium, open_page, reporting};
use crate::support::events::{accept_plain, answer, echoed, events_of, opens};
use crate::support::ws::WsPeer;
use crate::support::{Answer, Backend, Config, P8};

const PAGE: &str = r#"
const run = () => new Promise((done, fail) => {
  const socket = new WebSocket(location.href.replace('http', 'ws').replace('page', 'ws'), ['v1', 'v2']);
  socket.binaryType = 'arraybuffer';
  const large = 'žluťoučký kůň '.repeat(4000);
  const sent = ['hello ☃', '', large, new Uint8Array([0, 1, 255]).buffer, ...Array(50).keys()].map(
    (message) => (typeof message === 'number' ? String(message) : message));
  const seen = [];
  socket.onopen = () => sent.forEach((message) => socket.send(message));
  socket.onerror = () => fail(new Error('an error event'));
  socket.onmessage = (event) => {
    seen.push(event.data);
    if (seen.length === sent.length) socket.close(4001, 'bye ☃');
  };
  socket.onclose = (event) => {
    const same = (a, b) => typeof a === 'string' ? a === b : String(new Uint8Array(a)) === String(new Uint8Array(b));
    done({ equal: sent.length === seen.length && sent.every((message, n) => same(message, seen[n])),
      count: seen.length, extensions: socket.extensions, protocol: socket.protocol,
      code: event.code, reason: event.reason, clean: event.wasClean });
  };
});
"#;

/// An echo of one of the kinds.
fn echo(exchange: &mut Exchange, request: &Request) {
    let protocol = ("Sec-WebSocket-Protocol", "v2");
    if request.method == "GET" {
        return WsPeer::accept(exchange, &[protocol]).echo();
    }
    exchange.answer(&if opens(request) {
        accept_plain(&[]).header(protocol.0, protocol.1)
    } else {
        answer(&echoed(&events_of(request)))
    });
}

/// What a browser reports of its WebSocket.
#[track_caller]
fn browse(configure: impl Fn(&Backend) -> Config, compressed: bool) {
    let Some(chromium) = find_chromium() else {
        return;
    };
    let (site, reports) = reporting("/page", PAGE);
    let backend = Backend::scripted(move |exchange| {
        exchange.read_body();
        let request = exchange.request();
        if request.target == "/ws" {
            return echo(exchange, &request);
        }
        exchange.answer(&site(&request).unwrap_or(Answer::new(404)));
    });
    let config = configure(&backend).http(&format!("allow_compression = {compressed}"));
    let p8 = P8::start(&config);
    let _browser = open_page(&chromium, &format!("http://{}/page", p8.clients), &[]);
    let report = reports.next();
    let extensions = if compressed {
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    } else {
        ""
    };
    let expected = json!({
        "equal": true, "count": 54, "extensions": extensions, "protocol": "v2",
        "code": 4001, "reason": "bye ☃", "clean": true,
    });
    assert_eq!(report["seen"], expected, "{report}");
}

#[test]
fn a_browsers_messages_come_back_over_http() {
    browse(|backend| Config::over_http(backend.addr), false);
}

#[test]
fn a_browsers_compressed_messages_come_back_over_http() {
    browse(|backend| Config::over_http(backend.addr), true);
}

#[test]
fn a_browsers_messages_come_back_in_pass_through() {
    browse(|backend| Config::to(backend.addr), false);
}

#[test]
fn a_browsers_compressed_messages_come_back_in_pass_through() {
    browse(|backend| Config::to(backend.addr), true);
}
