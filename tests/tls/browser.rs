//! A real browser over TLS: an event source that is held, with HTTP/2 as it is agreed on by ALPN and
//! with HTTP/1.1.
//!
//! Chromium opens a page that comes from a backend behind P-8. The page opens the event source and
//! posts what it heard to the backend.

use std::path::Path;

use serde_json::{json, Value};

use super::Secure;
use crate::support::browser::{find_chromium, open_page, reporting};
use crate::support::grip::hold;
use crate::support::publish::{close_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config};

const PAGE: &str = r#"
const run = () => new Promise((done, fail) => {
  const seen = { opened: 0, events: [] };
  const source = new EventSource('/events');
  source.onopen = () => { seen.opened += 1; };
  source.onmessage = (event) => {
    seen.events.push(event.lastEventId + ' ' + event.data);
    if (event.data !== 'last') return;
    source.close();
    seen.protocol = performance.getEntriesByType('navigation')[0].nextHopProtocol;
    done(seen);
  };
  setTimeout(() => fail(new Error('not at the end: ' + JSON.stringify(seen))), 45000);
});
"#;

/// Events that are published while the source is open.
const EVENTS: usize = 200;

fn event(id: usize, data: &str) -> Value {
    stream_item("events", &format!("id: {id}\ndata: {data}\n\n"))
}

/// A browser hears everything, also after its stream has ended and it has come back.
fn hears_everything(chromium: &Path, http2: bool) {
    let (site, reports) = reporting("/page", PAGE);
    let backend = Backend::answering(move |request| match request.target.as_str() {
        "/events" => {
            hold("stream", "events", "retry: 100\n\n").header("Content-Type", "text/event-stream")
        }
        _ => site(request).unwrap_or(Answer::new(404)),
    });
    let secure = Secure::start(Config::to(backend.addr).http(&format!("http2 = {http2}")));
    let url = format!("https://localhost:{}/page", secure.p8.secure().port());
    let _browser = open_page(chromium, &url, &["--ignore-certificate-errors"]);
    let control = secure.p8.control;
    let is_held = || Snapshot::wait_for_subscribers(control, "events", 1);
    is_held();
    for id in 0..EVENTS {
        secure.p8.publish(&[event(id, &format!("event {id} ☃"))]);
    }
    secure.p8.publish(&[close_item("events")]);
    Snapshot::wait_for_subscribers(control, "events", 0);
    is_held();
    secure.p8.publish(&[event(EVENTS, "last")]);
    let report = reports.next();
    let mut events: Vec<_> = (0..EVENTS).map(|id| format!("{id} event {id} ☃")).collect();
    events.push(format!("{EVENTS} last"));
    let seen = &report["seen"];
    assert_eq!(seen["events"], json!(events), "{report}");
    assert_eq!(seen["opened"], 2, "{report}");
    let protocol = if http2 { "h2" } else { "http/1.1" };
    assert_eq!(seen["protocol"], protocol, "{report}");
    let asked = backend.seen();
    let asked = asked.iter().filter(|request| request.target == "/events");
    let last_ids: Vec<_> = asked.map(|r| r.header("last-event-id")).collect();
    let last = (EVENTS - 1).to_string();
    assert_eq!(last_ids, [None, Some(last.as_str())]);
    wait_until(DEADLINE, "the closed source to be gone", || {
        secure.p8.snapshot().total("sessions_current") == 0
    });
}

#[test]
fn an_event_source_of_a_real_browser_is_held_over_http_2() {
    if let Some(chromium) = find_chromium() {
        hears_everything(&chromium, true);
    }
}

#[test]
fn an_event_source_of_a_real_browser_is_held_over_http_1() {
    if let Some(chromium) = find_chromium() {
        hears_everything(&chromium, false);
    }
}
