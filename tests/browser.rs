//! A real browser on the demo page, through P-8.
//!
//! Chromium opens a driver page that comes from a backend behind P-8. It opens the demo in a second
//! window of the same origin, uses it as a person would, and posts what it saw to the backend.

use crate::support::browser::{find_chromium, open_page, reporting};
use crate::support::{Answer, Backend, Config, P8};

const DRIVER: &str = r#"
const run = async () => {
  const demo = window.open('/p8-demo/');
  const find = (id) => demo.document.getElementById(id);
  const state = (id) => find(id) && find(id).dataset.state === 'connected';
  await until('the stream', () => state('status-stream'));
  await until('the poll', () => state('status-poll'));
  const send = (text) => { find('message').value = text; find('send').click(); };
  const texts = (log) => [...find(log).querySelectorAll('.text')].map((node) => node.textContent);
  send('<b>hello</b> ☃');
  await until('the message', () => texts('stream-log').length > 0 && texts('poll-log').length > 0);
  const first = { stream: texts('stream-log'), poll: texts('poll-log'), result: find('result').textContent };
  await until('the next poll', () => state('status-poll'));
  send('x'.repeat(2000));
  await until('a refusal', () => find('result').dataset.kind === 'wait');
  return { first, refusal: find('result').textContent, lines: texts('stream-log').length };
};
"#;

#[test]
fn the_demo_shows_published_messages_in_a_real_browser() {
    let Some(chromium) = find_chromium() else {
        return;
    };
    let (site, reports) = reporting("/driver", DRIVER);
    let backend = Backend::answering(move |request| site(request).unwrap_or(Answer::new(404)));
    let demo = "host = \"*\"\npath_beg = \"/p8-demo/\"";
    let p8 = P8::start(&Config::to(backend.addr).route_to(demo, "{ demo = true }"));
    let _browser = open_page(
        &chromium,
        &format!("http://{}/driver", p8.clients),
        &["--disable-popup-blocking"],
    );
    let report = reports.next();
    let seen = &report["seen"];
    let message = serde_json::json!(["<b>hello</b> ☃"]);
    assert_eq!(seen["first"]["stream"], message, "{report}");
    assert_eq!(seen["first"]["poll"], message, "{report}");
    assert_eq!(seen["lines"], 1, "{report}");
    assert!(
        seen["refusal"]
            .as_str()
            .is_some_and(|text| text.contains("2000 bytes")),
        "{report}"
    );
}
