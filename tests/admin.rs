//! What operators see on the control listener.
//!
//! Source: `docs/admin.md`.

use crate::support::grip::hold;
use crate::support::publish::stream_item;
use crate::support::{Answer, Backend, Client, Config, P8};

#[test]
fn the_page_is_html_that_loads_nothing_from_elsewhere() {
    let p8 = P8::start(&Config::to(Backend::nowhere()));
    let reply = Client::connect(p8.control).get("/admin/");
    assert_eq!(reply.status(), 200);
    assert_eq!(
        reply.head.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = reply
        .head
        .header("content-security-policy")
        .expect("a policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(reply.text().contains("api/snapshot"));
    for (file, kind) in [("style.css", "text/css"), ("app.js", "text/javascript")] {
        let reply = Client::connect(p8.control).get(&format!("/admin/{file}"));
        let found = reply.head.header("content-type");
        assert!(
            found.is_some_and(|found| found.starts_with(kind)),
            "{found:?}"
        );
    }
}

#[test]
fn the_page_without_its_slash_leads_to_it() {
    let p8 = P8::start(&Config::to(Backend::nowhere()));
    let reply = Client::connect(p8.control).get("/admin");
    assert!((300..400).contains(&reply.status()), "{}", reply.status());
    let place = reply.head.header("location").expect("a place");
    assert!(place.ends_with("admin/"), "{place}");
}

#[test]
fn admin_is_not_reachable_for_clients() {
    let backend = Backend::answering(|_| Answer::ok("the application's own"));
    let p8 = P8::start(&Config::to(backend.addr));
    for target in ["/admin/", "/admin/api/snapshot", "/publish/"] {
        assert_eq!(p8.get(target).text(), "the application's own", "{target}");
    }
}

#[test]
fn the_snapshot_names_every_kind_of_actor_with_counts() {
    let p8 = P8::start(&Config::to(Backend::nowhere()).http("workers = 2"));
    let snapshot = p8.snapshot();
    for kind in ["session", "upstream", "hub", "channel", "publisher"] {
        let actor = &snapshot.json()["actors"][kind];
        for number in ["count", "mailbox", "restarts"] {
            assert!(
                actor[number].is_u64(),
                "{kind}.{number}: {}",
                snapshot.json()
            );
        }
    }
    assert_eq!(
        (snapshot.actors("hub"), snapshot.actors("publisher")),
        (2, 1)
    );
    assert_eq!(snapshot.json()["workers"], 2);
    assert_eq!(snapshot.json()["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn totals_follow_what_happens() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/stream" => hold("stream", "a", ""),
        "/poll" => hold("response", "a", ""),
        _ => Answer::ok("plain"),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    assert_eq!(client.get("/plain").status(), 200);
    let mut stream = p8.stream("/stream");
    let _poll = p8.long_poll("/poll", "a", 2);
    p8.publish(&[stream_item("a", "one"), stream_item("b", "two")]);
    stream.expect("one");
    let snapshot = p8.snapshot();
    let expected = [
        ("requests_total", 3),
        ("requests_proxied_total", 3),
        ("stream_holds_total", 1),
        ("response_holds_total", 1),
        ("sessions_current", 2),
        ("sessions_parked_current", 2),
        ("connections_current", 3),
        ("items_published_total", 2),
        ("items_delivered_total", 1),
        ("items_unsubscribed_total", 1),
    ];
    for (name, count) in expected {
        assert_eq!(snapshot.total(name), count, "{name}: {}", snapshot.json());
    }
    assert_eq!(snapshot.json()["channels_total"], 1);
}

#[test]
fn refusals_are_counted_by_reason() {
    let p8 = P8::start(&Config::new().route("host = \"a.test\"", &[Backend::nowhere()]));
    let mut client = p8.client();
    assert_eq!(client.get_with("/", &[("Host", "a.test")]).status(), 502);
    assert_eq!(client.get("/").status(), 502);
    client.send("nonsense\r\n\r\n");
    assert_eq!(client.reply().status(), 400);
    assert_eq!(
        Client::connect(p8.control).post("/publish", b"{}").status(),
        400
    );
    let snapshot = p8.snapshot();
    for reason in ["backend", "no-route", "bad-request", "bad-publish"] {
        assert_eq!(snapshot.refused(reason), 1, "{reason}: {}", snapshot.json());
    }
}
