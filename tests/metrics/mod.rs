//! `/metrics`: Pushpin's series and P-8's own, on the control listener and on one of its own.
//!
//! Source: `docs/operations.md#metrics`.

use std::collections::BTreeSet;
use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::client::Client;
use crate::support::grip::hold;
use crate::support::programs::find_program;
use crate::support::publish::stream_item;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

fn site() -> (Backend, P8) {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/plain" => Answer::ok("plain"),
        _ => hold("stream", "a", ""),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    (backend, p8)
}

/// The text of `/metrics`.
#[track_caller]
fn scrape(p8: &P8) -> String {
    let reply = Client::connect(p8.control).get("/metrics");
    assert_eq!(reply.status(), 200);
    let media_type = reply
        .head
        .header("content-type")
        .expect("a type")
        .to_owned();
    assert!(
        media_type.starts_with("text/plain; version=0.0.4"),
        "{media_type}"
    );
    reply.text()
}

/// The value of a series; its labels stand in the name.
#[track_caller]
fn value(text: &str, series: &str) -> f64 {
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let found = found.unwrap_or_else(|| panic!("{series} in\n{text}"));
    found.parse().expect("a number")
}

#[test]
fn what_happens_is_counted() {
    let (_backend, p8) = site();
    let before = scrape(&p8);
    assert_eq!(p8.get("/plain").text(), "plain");
    let mut stream = p8.stream("/stream");
    p8.publish(&[stream_item("a", "x"), stream_item("a", "y")]);
    stream.expect(b"xy");
    assert_eq!(
        crate::support::publish::post(p8.control, b"{}").status(),
        400
    );
    // The worker takes the times behind the last write.
    wait_until(DEADLINE, "the times", || {
        value(&scrape(&p8), "p8_publish_to_write_secs_count") == 2.0
    });
    let after = scrape(&p8);
    for (series, more) in [
        ("request_received", 2.0),
        ("message_received", 2.0),
        ("message_sent", 2.0),
        ("connection_connected", 1.0),
        ("p8_requests_total", 2.0),
        ("p8_sessions_current", 1.0),
        ("p8_refused_total{reason=\"bad-publish\"}", 1.0),
        ("p8_upstream_secs_count", 2.0),
        ("p8_upstream_secs_bucket{le=\"+Inf\"}", 2.0),
    ] {
        assert_eq!(
            value(&after, series) - value(&before, series),
            more,
            "{series}"
        );
    }
    assert!(value(&after, "connection_minute") >= 2.0);
    assert!(value(&after, "p8_upstream_secs_sum") > 0.0);
    assert_eq!(
        value(&after, "p8_actors_current{kind=\"hub\"}"),
        value(&after, "p8_workers_current")
    );
}

#[test]
fn the_dashboard_asks_for_series_that_there_are() {
    let (_backend, p8) = site();
    assert_eq!(p8.get("/plain").text(), "plain");
    let text = scrape(&p8);
    let names = text.lines().filter(|line| !line.starts_with('#'));
    let names: BTreeSet<&str> = names
        .filter_map(|line| line.split([' ', '{']).next())
        .collect();
    let dashboard = include_str!("../../docs/grafana.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).expect("JSON");
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            let expression = target["expr"].as_str().expect("an expression");
            let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let words = expression.split(|letter| !is_of_name(letter));
            let ours = ["p8_", "request_", "connection_", "message_"];
            for word in words.filter(|word| ours.iter().any(|start| word.starts_with(start))) {
                assert!(names.contains(word), "{word} of {expression}");
                asked += 1;
            }
        }
    }
    assert!(asked > 20, "{asked}");
}

#[test]
fn a_prefix_and_a_listener_of_its_own() {
    let backend = Backend::nowhere();
    let config = format!(
        "{}[metrics]\nlisten = \"127.0.0.1:0\"\nprefix = \"own_\"\n",
        Config::to(backend).toml()
    );
    let settings = p8::Settings::from_toml(&config).expect("a good configuration");
    actix::System::new().block_on(async {
        let server = p8::Server::start(settings).await.expect("P-8 starts");
        let address = server.metrics_addr().expect("an address");
        let read = move |path: &'static str| Client::connect(address).get(path).text();
        for path in ["/metrics", "/", "/any?x=1"] {
            let text = actix_web::rt::task::spawn_blocking(move || read(path)).await;
            let text = text.expect("an answer");
            let named = |line: &str| {
                line.trim_start_matches("# HELP ")
                    .trim_start_matches("# TYPE ")
                    .starts_with("own_")
            };
            assert!(
                text.lines().count() > 100 && text.lines().all(named),
                "{text}"
            );
        }
        server.stop().await;
    });
}

/// Prometheus' own client, if `.ci/run` has made its environment, or the system has it.
#[test]
fn the_official_client_reads_it() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv-metrics/bin/python");
    let python = own
        .is_file()
        .then_some(own)
        .or_else(|| find_program(&["python3"]));
    let Some(python) = python else { return };
    let has_client = Command::new(&python)
        .args(["-c", "import prometheus_client"])
        .stderr(Stdio::null())
        .status()
        .expect("Python runs");
    if !has_client.success() {
        assert!(
            env::var("CI").as_deref() != Ok("true"),
            "prometheus_client is not installed"
        );
        eprintln!(
            "SKIPPED: prometheus_client is not installed; .ci/run makes target/venv-metrics for it"
        );
        return;
    }
    let (_backend, p8) = site();
    assert_eq!(p8.get("/plain").text(), "plain");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metrics/parse.py");
    let parsing = Command::new(&python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut parsing = parsing.expect("Python runs");
    let text = scrape(&p8);
    let mut input = parsing.stdin.take().expect("an input");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let parsed = parsing.wait_with_output().expect("it ends");
    assert!(parsed.status.success());
    let parsed = String::from_utf8(parsed.stdout).expect("UTF-8");
    let samples = text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(parsed.lines().count(), samples);
    for line in [
        "counter request_received_total 1.0",
        // It ends the names of counters so, whatever they are.
        "gauge p8_upstreams_current 0.0",
        "histogram p8_upstream_secs_count 1.0",
    ] {
        assert!(
            parsed.lines().any(|known| known == line),
            "{line} in\n{parsed}"
        );
    }
}
