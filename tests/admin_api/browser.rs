//! A real browser on `/admin/`: sees a session appear, tails a channel, disconnects, sorts thousands of rows.
//!
//! The page is reached through a route of P-8's own, so that a driver page of the same origin may use it
//! as a person would.

use std::path::Path;

use crate::support::browser::{find_chromium, open_page, reporting, Browser, Reports};
use crate::support::grip::{hold, hold_in, Form};
use crate::support::programs::free_address;
use crate::support::publish::stream_item;
use crate::support::{Answer, Backend, Client, Config, P8};

/// Sessions that their table is sorted with; as many files may be open. That of channels has 100,000 rows.
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
  const longestGap = watched();
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
  return { told, receipt, tailed, streamed, gap: longestGap(), firsts, errors: admin.document.title };
};
"#;

#[test]
fn an_operator_sees_tails_disconnects_and_sorts_in_a_real_browser() {
    let Some(chromium) = find_chromium() else {
        return;
    };
    let (p8, reports, _backend) = driven(
        DRIVER,
        |config| config,
        |target| {
            let channel = target.strip_prefix("/hold/")?;
            Some(hold("stream", channel, ""))
        },
    );
    let streams = (0..SESSIONS).map(|n| p8.stream(&format!("/hold/c{}", n % 97)));
    let _streams: Vec<_> = streams.collect();
    let _browser = open(&chromium, &p8);
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

/// A driver page, and P-8 whose operator's page is reached through a route of its own, so that both are of
/// one origin; `hold` answers the other requests.
fn driven(
    script: &'static str,
    more: impl FnOnce(Config) -> Config,
    hold: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static,
) -> (P8, Reports, Backend) {
    let (site, reports) = reporting("/driver", script);
    let backend = Backend::answering(move |request| {
        let held = hold(&request.target).or_else(|| site(request));
        held.unwrap_or(Answer::new(404))
    });
    let control = free_address();
    let config = Config::to(backend.addr)
        .control_instead(&format!("listen = \"{control}\""))
        .route("host = \"*\"\npath_beg = \"/admin/\"", &[control]);
    (P8::start(&more(config)), reports, backend)
}

#[track_caller]
fn open(chromium: &Path, p8: &P8) -> Browser {
    let url = format!("http://{}/driver", p8.clients);
    open_page(chromium, &url, &["--disable-popup-blocking"])
}

/// Sorts, pages and searches, and notes how long the page did not answer meanwhile.
const SORTER: &str = r#"
tries = 4000;
const run = async () => {
  const admin = window.open('/admin/');
  const find = (id) => admin.document.getElementById(id);
  await until('news', () => find('state') && find('state').dataset.state === 'live');
  admin.document.querySelector('[data-table=channels]').click();
  await until('all rows', () => find('matched').textContent.includes('of 100,000'));
  const longestGap = watched();
  const first = () => find('rows').children[0].textContent;
  const told = {};
  for (const sort of ['name', 'items', 'subscribers']) {
    const button = () => find('head').querySelector(`[data-sort="${sort}"]`);
    button().click();
    find('matched').textContent = '';
    await until('sorted by ' + sort, () => find('matched').textContent.startsWith('1\u201350 of 100,000'));
    told[sort] = first();
  }
  find('next').click();
  await until('the next page', () => find('matched').textContent.startsWith('51\u2013100 of 100,000'));
  find('search').value = 'c99-77';
  find('search').dispatchEvent(new admin.Event('input'));
  await until('one row', () => find('matched').textContent.startsWith('1\u201311 of 11'));
  return { gap: longestGap(), told, found: first() };
};
"#;

#[test]
fn a_hundred_thousand_rows_are_sorted_without_a_frozen_page() {
    let Some(chromium) = find_chromium() else {
        return;
    };
    // 1,000 streams on 100 channels each.
    let (p8, reports, _backend) = driven(
        SORTER,
        |config| config.handler("connection_subscription_max = 100"),
        |target| {
            let stream = target.strip_prefix("/hold/")?;
            let names: Vec<String> = (0..100).map(|n| format!("c{n}-{stream}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Some(hold_in(Form::Json, "stream", &names, ""))
        },
    );
    let streams = (0..1_000).map(|n| p8.stream(&format!("/hold/{n}")));
    let _streams: Vec<_> = streams.collect();
    p8.publish(&[stream_item("c50-500", "x")]);
    let _browser = open(&chromium, &p8);
    let report = reports.next();
    let seen = &report["seen"];
    let row = |sort: &str| seen["told"][sort].as_str().unwrap_or_default().to_owned();
    assert!(row("name").starts_with("c99-999"), "{report}");
    assert!(row("items").starts_with("c50-500"), "{report}");
    assert!(
        seen["found"]
            .as_str()
            .is_some_and(|row| row.starts_with("c99-77")),
        "{report}"
    );
    assert!(
        seen["gap"].as_f64().is_some_and(|gap| gap < FREEZE_MAX),
        "{report}"
    );
}

/// Opens the page with a name and password in its address, as who types it does.
const SIGNED_IN: &str = r#"
tries = 800;
const run = async () => {
  const admin = window.open('http://root:secret%20word@' + location.host + '/admin/');
  const find = (id) => admin.document.getElementById(id);
  await until('news', () => find('state') && find('state').dataset.state === 'live');
  await until('rows', () => find('rows').children.length === 1);
  await until('points', () => find('plot-connections').querySelector('.now').textContent !== '\u2013');
  find('open-publish').click();
  find('publish-channel').value = 'alpha';
  find('publish-content').value = 'hello';
  find('publish-yes').click();
  await until('the receipt', () => find('receipt').textContent);
  return { receipt: find('receipt').textContent, toast: find('toast').textContent };
};
"#;

#[test]
fn the_page_works_for_an_operator_with_a_password_in_a_real_browser() {
    let Some(chromium) = find_chromium() else {
        return;
    };
    let auth = "auth = [{ user = \"root\", password = \"secret word\" }]";
    let (p8, reports, _backend) = driven(
        SIGNED_IN,
        |config| config.control(auth),
        |target| {
            let channel = target.strip_prefix("/hold/")?;
            Some(hold("stream", channel, ""))
        },
    );
    let mut stream = p8.stream("/hold/alpha");
    let stranger = Client::connect(p8.clients).get("/admin/");
    assert_eq!(stranger.status(), 401);
    let _browser = open(&chromium, &p8);
    let report = reports.next();
    let seen = serde_json::json!({"receipt": "accepted · queued for 1", "toast": ""});
    assert_eq!(report["seen"], seen, "{report}");
    stream.expect("hello\n");
}
