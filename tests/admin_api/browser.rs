//! A real browser on `/admin/`: sees a session appear, tails a channel, disconnects, sorts thousands of rows.
//!
//! The page is reached through a route of P-8's own, so that a driver page of the same origin may use it
//! as a person would.

use crate::support::browser::{find_chromium, open_page, reporting};
use crate::support::grip::hold;
use crate::support::programs::free_address;
use crate::support::{Answer, Backend, Config, P8};

/// Sessions that the table is sorted with; a unit test of `stats::rows` has 100,000 rows.
const SESSIONS: usize = 2_000;

/// Longest that the page may not answer its user, in milliseconds.
const FREEZE_MAX: f64 = 1_000.0;

const DRIVER: &str = r#"
tries = 800;
const run = async () => {
  const admin = window.open('/admin/');
  const find = (id) => admin.document.getElementById(id);
  await until('news', () => find('state') && find('state').dataset.state === 'live');
  const rows = () => [...find('rows').children];
  const own = (row) => row.textContent.includes('alpha');
  const search = (text) => { find('search').value = text; find('search').dispatchEvent(new admin.Event('input')); };
  search('alpha');
  await until('no row', () => rows().length === 0 && !find('empty').hidden);

  // A session appears.
  const held = await fetch('/hold/alpha');
  const over = held.text();
  await until('the session', () => rows().some(own));
  const told = rows().find(own).textContent;

  // Its channel is tailed.
  find('tail-channel').value = 'alpha';
  find('tail-toggle').click();
  await until('the tail', () => find('tail').dataset.state === 'live');
  find('open-publish').click();
  find('publish-channel').value = 'alpha';
  find('publish-content').value = '<b>hello</b> \u2603';
  find('publish-yes').click();
  await until('the receipt', () => find('receipt').textContent);
  const receipt = find('receipt').textContent;
  await until('the item', () => find('tail-items').children.length > 0);
  const tailed = find('tail-items').querySelector('.content').textContent;
  find('publish').close();

  // It is disconnected, once that is confirmed.
  rows().find(own).querySelector('button.danger').click();
  await until('a question', () => find('confirm').open);
  find('confirm-yes').click();
  const streamed = await over;
  await until('its end', () => rows().length === 0);
  search('');

  // Thousands are sorted, page after page, and the page goes on answering.
  await until('all rows', () => find('matched').textContent.includes('of 2,000'));
  let gap = 0;
  let last = performance.now();
  let is_over = false;
  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    const now = performance.now();
    gap = Math.max(gap, now - last);
    last = now;
    if (!is_over) channel.port2.postMessage(0);
  };
  channel.port2.postMessage(0);
  const firsts = {};
  for (const sort of ['peer', 'channels', 'transport', 'age']) {
    const button = () => find('head').querySelector(`[data-sort="${sort}"]`);
    button().click();
    await until('sorted by ' + sort, () => button().parentNode.getAttribute('aria-sort') === 'descending'
      && find('matched').textContent.startsWith('1\u201350 of'));
    firsts[sort] = rows().length;
  }
  find('next').click();
  await until('the next page', () => find('matched').textContent.startsWith('51\u2013100 of 2,000'));
  is_over = true;
  return { told, receipt, tailed, streamed, gap, firsts, errors: admin.document.title };
};
"#;

#[test]
fn an_operator_sees_tails_disconnects_and_sorts_in_a_real_browser() {
    let Some(chromium) = find_chromium() else {
        return;
    };
    let (site, reports) = reporting("/driver", DRIVER);
    let backend = Backend::answering(move |request| {
        let held = request.target.strip_prefix("/hold/");
        let held = held.map(|channel| hold("stream", channel, ""));
        held.or_else(|| site(request)).unwrap_or(Answer::new(404))
    });
    let control = free_address();
    let config = Config::to(backend.addr)
        .control_instead(&format!("listen = \"{control}\""))
        .route("host = \"*\"\npath_beg = \"/admin/\"", &[control]);
    let p8 = P8::start(&config);
    let streams = (0..SESSIONS).map(|n| p8.stream(&format!("/hold/c{}", n % 97)));
    let _streams: Vec<_> = streams.collect();
    let _browser = open_page(
        &chromium,
        &format!("http://{}/driver", p8.clients),
        &["--disable-popup-blocking"],
    );
    let report = reports.next();
    let seen = &report["seen"];
    assert!(
        seen["told"]
            .as_str()
            .is_some_and(|row| row.contains("alpha")),
        "{report}"
    );
    assert_eq!(seen["receipt"], "accepted · queued for 1", "{report}");
    assert_eq!(seen["streamed"], "<b>hello</b> ☃\n", "{report}");
    assert!(
        seen["tailed"]
            .as_str()
            .is_some_and(|text| text.contains("<b>hello</b> ☃")),
        "{report}"
    );
    assert!(
        seen["gap"].as_f64().is_some_and(|gap| gap < FREEZE_MAX),
        "{report}"
    );
}
