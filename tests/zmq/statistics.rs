//! The PUB socket of statistics.

use bytes::Bytes;
use p8::engine::zmq::tnetstring::Value;
use p8::engine::zmq::zmtp;
use serde_json::Value as Json;

use super::Site;
use crate::support::programs::TempDir;
use crate::support::publish::{stream_item, stream_with};
use crate::support::wait::DEADLINE;
use crate::support::zmtp::{ipc, path, Raw};
use crate::support::{wait_until, Client, Config, P8};

/// A subscriber to messages that begin so.
#[track_caller]
fn subscribed(site: &Site, kind: &str, topic: &str) -> Raw {
    let mut raw = Raw::connect(&path(&site.spec), kind);
    raw.send(&zmtp::subscription(topic.as_bytes(), true));
    raw
}

/// Has P-8 read the subscriptions before what comes next: it answers pings in their order.
#[track_caller]
fn settle(raw: &mut Raw) {
    raw.send(b"\x04\x07\x04PING\x00\x00");
    assert_eq!(raw.message(), [Bytes::from_static(b"\x04PONG")]);
}

#[track_caller]
fn json(raw: &mut Raw) -> Json {
    let message = raw.message();
    let text = std::str::from_utf8(&message[0]).expect("UTF-8");
    let (_, fields) = text.split_once(" J").expect("a type and JSON");
    serde_json::from_str(fields).expect("JSON")
}

#[test]
fn subscriptions_are_told_when_they_begin_and_end() {
    let site = Site::with("stats", |config| config);
    let mut raw = subscribed(&site, "SUB", "sub ");
    settle(&mut raw);
    let stream = site.p8.stream("/a");
    let message = raw.message();
    assert_eq!(message[0][..5], b"sub T"[..]);
    let fields = Value::read(&message[0].slice(5..)).expect("a map");
    for (key, value) in [("mode", "stream"), ("channel", "a")] {
        assert_eq!(fields.get(key), Some(&Value::bytes(value)));
    }
    assert_eq!(fields.get("subscribers"), Some(&Value::Int(1)));
    assert_eq!(fields.get("ttl"), Some(&Value::Int(60)));
    stream.reset();
    let message = raw.message();
    let fields = Value::read(&message[0].slice(5..)).expect("a map");
    assert_eq!(fields.get("unavailable"), Some(&Value::Bool(true)));
}

#[test]
fn items_and_requests_are_told_of_in_json_too() {
    let site = Site::with("stats", |config| {
        config.zmq("stats_format = \"json\"").http("workers = 1")
    });
    let mut messages = subscribed(&site, "SUB", "message ");
    let mut activity = subscribed(&site, "XSUB", "activity ");
    settle(&mut messages);
    settle(&mut activity);
    let mut streams = [site.p8.stream("/a"), site.p8.stream("/a")];
    assert!(json(&mut activity)["count"].as_u64() >= Some(1));
    let mut item = stream_item("a", "x");
    item["id"] = "7".into();
    site.p8.publish(&[item]);
    streams.iter_mut().for_each(|stream| stream.expect(b"x"));
    let told = json(&mut messages);
    for (key, value) in [
        ("channel", "a"),
        ("item-id", "7"),
        ("transport", "http-stream"),
    ] {
        assert_eq!(told[key], value, "{told}");
    }
    assert_eq!(told["count"], 2);
}

#[test]
fn reports_are_sent_at_intervals() {
    let site = Site::with("stats", |config| {
        config
            .zmq("stats_format = \"json\"")
            .zmq("stats_report_interval = 1")
    });
    let mut raw = subscribed(&site, "SUB", "report ");
    settle(&mut raw);
    let mut stream = site.p8.stream("/a");
    site.p8.publish(&[stream_item("a", "x")]);
    stream.expect(b"x");
    let (mut received, mut sent, mut minutes) = (0, 0, 0);
    wait_until(DEADLINE, "the item in a report", || {
        let report = json(&mut raw);
        assert_eq!(report["duration"], 1_000);
        received += report["received"].as_u64().expect("a number");
        sent += report["sent"].as_u64().expect("a number");
        minutes += report["minutes"].as_u64().expect("a number");
        (received, sent) == (1, 1) && minutes >= 1
    });
}

#[test]
fn a_subscriber_that_never_reads_loses_its_own_and_blocks_nobody() {
    let site = Site::with("stats", |config| config.http("workers = 1"));
    let _deaf = subscribed(&site, "SUB", "");
    let mut mute = subscribed(&site, "SUB", "");
    settle(&mut mute);
    let mut stream = site.p8.stream("/a");
    // A long name makes large messages.
    let long = site.p8.stream(&format!("/{}", "x".repeat(4_000)));
    let name = "x".repeat(4_000);
    let item = stream_with(&name, serde_json::json!({"content": ""}));
    let items = vec![item; 100];
    wait_until(DEADLINE, "losses", || {
        site.p8.publish(&items);
        site.p8.snapshot().total("stats_dropped_total") > 0
    });
    site.p8.publish(&[stream_item("a", "still here")]);
    stream.expect(b"still here");
    assert_eq!(site.p8.snapshot().total("zmq_peers_current"), 2);
    drop(long);
}

#[test]
fn what_is_no_subscription_is_dropped_and_counted() {
    let site = Site::with("stats", |config| config);
    let mut raw = Raw::connect(&path(&site.spec), "SUB");
    for message in [
        zmtp::message(&[b"\x02x"]),
        zmtp::message(&[b""]),
        zmtp::message(&[b"\x01a", b"\x01b"]),
        zmtp::subscription(&[b'x'; 2_000], true),
    ] {
        raw.send(&message);
    }
    // The command of ZMTP 3.1.
    raw.send(b"\x04\x0e\x09SUBSCRIBEsub ");
    settle(&mut raw);
    let dropped = site.p8.snapshot().total("zmq_messages_dropped_total");
    assert_eq!(dropped, 4);
    let _stream = site.p8.stream("/a");
    assert_eq!(raw.message()[0][..4], b"sub "[..]);
}

#[test]
fn held_clients_are_told_of_when_they_come_and_go() {
    let site = Site::with("stats", |config| {
        config.zmq("stats_format = \"json\"").http("workers = 1")
    });
    let mut raw = subscribed(&site, "SUB", "conn ");
    settle(&mut raw);
    let stream = site.p8.stream("/a");
    let come = json(&mut raw);
    for (key, value) in [("type", "http"), ("peer-address", "127.0.0.1")] {
        assert_eq!(come[key], value, "{come}");
    }
    assert_eq!(come["ttl"], 120, "{come}");
    assert!(come["ssl"].is_null() && come["route"].is_null(), "{come}");
    let listed = Client::connect(site.p8.control).get("/admin/api/sessions");
    let listed: Json = serde_json::from_slice(&listed.body).expect("JSON");
    assert_eq!(come["id"], listed["rows"][0]["id"], "as operators see it");
    stream.reset();
    let gone = json(&mut raw);
    assert_eq!(gone["id"], come["id"]);
    assert_eq!(gone["unavailable"], true);
}

#[test]
fn a_held_client_is_told_of_again_before_that_runs_out() {
    let site = Site::with("stats", |config| {
        let config = config.zmq("stats_connection_ttl = 4");
        config.zmq("stats_format = \"json\"").http("workers = 1")
    });
    let mut raw = subscribed(&site, "SUB", "conn ");
    settle(&mut raw);
    let _stream = site.p8.stream("/a");
    let (first, again) = (json(&mut raw), json(&mut raw));
    assert_eq!(first["ttl"], 4);
    assert_eq!(first, again);
}

#[test]
fn a_websocket_is_told_of_with_its_route_and_nobody_if_none_is_wanted() {
    let backend = crate::support::events::echo();
    let folder = TempDir::new("zmq");
    let spec = ipc(folder.path());
    let config = |more: &str| {
        Config::over_http_with("host = \"*\"\nid = \"shop\"", &[backend.addr], "")
            .zmq(&format!("stats = \"{spec}\""))
            .zmq("stats_format = \"json\"")
            .zmq(more)
    };
    {
        let p8 = P8::start(&config(""));
        let mut raw = Raw::connect(&path(&spec), "SUB");
        raw.send(&zmtp::subscription(b"conn ", true));
        settle(&mut raw);
        let _client = p8.ws("/");
        let come = json(&mut raw);
        assert_eq!(
            (&come["type"], &come["route"]),
            (&"ws".into(), &"shop".into())
        );
    }
    let p8 = P8::start(&config("stats_connection_send = false"));
    let mut raw = Raw::connect(&path(&spec), "SUB");
    raw.send(&zmtp::subscription(b"conn ", true));
    raw.send(&zmtp::subscription(b"activity ", true));
    settle(&mut raw);
    let _client = p8.ws("/");
    assert!(raw.message()[0].starts_with(b"activity "));
}

#[cfg(feature = "chaos")]
#[test]
fn a_crash_on_a_statistic_costs_that_report_alone() {
    let site = Site::with("stats", |config| {
        config.zmq("stats_format = \"json\"").http("workers = 1")
    });
    let mut raw = subscribed(&site, "SUB", "message ");
    settle(&mut raw);
    let _streams = [site.p8.stream("/p8-chaos-stats"), site.p8.stream("/a")];
    site.p8.publish(&[stream_item("p8-chaos-stats", "x")]);
    wait_until(DEADLINE, "the crash", || {
        site.p8.snapshot().restarts("zmq-stats") == 1
    });
    site.p8.publish(&[stream_item("a", "x")]);
    assert_eq!(json(&mut raw)["channel"], "a");
    assert_eq!(site.p8.snapshot().total("zmq_peers_current"), 1);
}
