//! What the program logs, as an operator reads it. Source: `docs/operations.md`, logs.

use serde_json::json;

use crate::support::grip::hold;
use crate::support::programs::Program;
use crate::support::publish::{post_items, publish, stream_item, stream_with};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Client, Config};

/// A channel whose name would be a line of its own, in red.
const CHANNEL: &str = "a\n[FORGED] line\u{1b}[31m\r";
const TARGET: &str = "/stream?channel=a%0a[FORGED]%20line%1b[31m%0d";

#[test]
fn names_of_channels_forge_no_lines() {
    let config = Config::new()
        .handler("slow_client = \"drop-newest\"")
        .handler("session_queue_items_max = 1")
        .route_to("host = \"*\"", "{ test = true }");
    let p8 = Program::start(&config.toml(), &[("RUST_LOG", "debug")]);
    let mut slow = Client::connect_with_small_window(p8.clients);
    slow.request("GET", TARGET, &[], b"");
    assert_eq!(slow.final_head().status, 200);
    let large = stream_item(CHANNEL, &"x".repeat(700_000));
    for _ in 0..5 {
        publish(p8.control, std::slice::from_ref(&large));
    }
    wait_until(DEADLINE, "the losses to be logged", || {
        p8.log().contains("slow clients lost items")
    });
    let log = p8.log();
    assert!(log.contains("FORGED"), "the channel is named:\n{log}");
    assert!(!log.contains(['\u{1b}', '\r']), "controls are escaped");
    for line in log.lines() {
        assert!(!line.starts_with("[FORGED"), "{line}");
    }
}

#[test]
fn ids_of_items_forge_no_lines() {
    let config = Config::new()
        .handler("message_wait = 100")
        .route_to("host = \"*\"", "{ test = true }");
    let p8 = Program::start(&config.toml(), &[]);
    let mut stream = Client::connect(p8.clients);
    stream.request("GET", "/stream?channel=a", &[], b"");
    assert_eq!(stream.final_head().status, 200);
    let mut first = stream_item("a", "first");
    first["id"] = json!("1");
    let mut late = stream_item("a", "late");
    late["id"] = json!(CHANNEL);
    late["prev-id"] = json!(CHANNEL);
    publish(p8.control, &[first, late]);
    wait_until(DEADLINE, "the gap to be logged", || {
        p8.log().contains("the item before this one did not come")
    });
    let log = p8.log();
    assert!(log.contains("FORGED"), "the id is named:\n{log}");
    assert!(!log.contains(['\u{1b}', '\r']), "controls are escaped");
    assert!(
        !log.lines().any(|line| line.starts_with("[FORGED")),
        "{log}"
    );
}

#[test]
fn what_was_refused_is_named_with_what_was_expected() {
    let backend = Backend::answering(|_| hold("steam", "a", ""));
    let p8 = Program::start(&Config::to(backend.addr).toml(), &[]);
    let reply = Client::connect(p8.clients).get("/typo?a=b");
    assert_eq!(reply.head.header("p8-reason"), Some("bad-hold-mode"));
    let unknown = stream_with("a", json!({"action": "sned"}));
    assert_eq!(post_items(p8.control, &[unknown]).status(), 400);
    let lines = [
        "Grip-Hold must be 'response' or 'stream', got 'steam'",
        "uri=/typo?a=b",
        "code=502 reason=bad-hold-mode",
        "'action' must be 'send', 'hint', 'close' or 'refresh', got 'sned'",
    ];
    wait_until(DEADLINE, "the refusals to be logged", || {
        let log = p8.log();
        lines.iter().all(|line| log.contains(line))
    });
}

#[test]
fn a_routes_level_and_id_are_in_its_access_lines() {
    let backend = Backend::answering(|_| Answer::ok(""));
    let quiet = |host: &str, more: &str| format!("host = \"{host}\"\n{more}");
    let config = Config::new()
        .route(&quiet("a", "id = \"shop\""), &[backend.addr])
        .route(&quiet("b", "log_level = \"debug\""), &[backend.addr])
        .route(&quiet("c", "log_level = \"off\""), &[backend.addr])
        .route(&quiet("d", "log_level = \"warn\""), &[backend.addr]);
    let log_of = |filter: &str| {
        let p8 = Program::start(&config.toml(), &[("RUST_LOG", filter)]);
        let mut client = Client::connect(p8.clients);
        for host in ["a", "b", "c", "d", "unknown", "d"] {
            let target = format!("/response-{host}");
            client.get_with(&target, &[("Host", host)]);
        }
        wait_until(DEADLINE, "the last line", || {
            p8.log().matches("/response-d").count() == 2
        });
        let log = p8.log();
        let lines = log.lines().filter(|line| line.contains("/response-"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = log_of("p8::access=info");
    assert_eq!(lines.len(), 4, "a, d, unknown, d: {lines:#?}");
    assert!(lines[0].contains("route=shop"), "{}", lines[0]);
    assert!(lines[1].contains("WARN"), "{}", lines[1]);
    assert!(lines[2].contains("reason=no-route"), "{}", lines[2]);
    let lines = log_of("p8::access=debug");
    assert_eq!(lines.len(), 5, "b too: {lines:#?}");
    assert_eq!(log_of("p8::access=warn").len(), 2);
}

#[test]
fn every_answer_of_the_built_in_targets_has_a_line() {
    let config = Config::new()
        .route_to("path_beg = \"/demo/\"", "{ demo = true }")
        .route_to("", "{ test = true }");
    let p8 = Program::start(&config.toml(), &[]);
    let mut client = Client::connect(p8.clients);
    for (target, status) in [
        ("/", 200),
        ("/none", 404),
        ("/demo/", 200),
        ("/demo/none", 404),
    ] {
        assert_eq!(client.get(target).status(), status);
    }
    assert_eq!(client.post("/demo/publish", b"hello").status(), 200);
    let log = p8.log();
    for line in [
        "method=GET uri=/ backend=test route= code=200 reason=",
        "method=GET uri=/none backend=test route= code=404 reason=no-test-resource",
        "method=GET uri=/demo/ backend=demo route= code=200 reason=",
        "method=GET uri=/demo/none backend=demo route= code=404 reason=no-demo-resource",
        "method=POST uri=/demo/publish backend=demo route= code=200 reason=",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line}:\n{log}");
    }
}

#[test]
fn every_line_is_a_json_object_if_programs_read_the_log() {
    let config = Config::new()
        .handler("message_wait = 100")
        .route_to("host = \"*\"", "{ test = true }");
    let config = format!("{}\n[log]\nformat = \"json\"\n", config.toml());
    let p8 = Program::start(&config, &[("RUST_LOG", "debug")]);
    let mut stream = Client::connect(p8.clients);
    stream.request("GET", TARGET, &[], b"");
    assert_eq!(stream.final_head().status, 200);
    let mut late = stream_item(CHANNEL, "late");
    late["id"] = json!(CHANNEL);
    late["prev-id"] = json!(CHANNEL);
    let mut first = stream_item(CHANNEL, "first");
    first["id"] = json!("1");
    publish(p8.control, &[first, late]);
    Client::connect(p8.clients).get("/response-unheld");
    wait_until(DEADLINE, "both to be logged", || {
        let log = p8.log();
        log.contains("the item before this one did not come") && log.contains("/response-unheld")
    });
    let log = p8.log();
    // The last one may be half written.
    let whole = log.rsplit_once('\n').expect("lines").0;
    let lines: Vec<serde_json::Value> = whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    for line in &lines {
        for key in ["time", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key} in {line}");
        }
    }
    let of_gap = |line: &&serde_json::Value| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains("the item before this one"))
    };
    let gap = lines.iter().find(of_gap).expect("the gap");
    assert!(gap.to_string().contains("FORGED"), "{gap}");
    let access = lines.iter().find(|line| line["uri"] == "/response-unheld");
    let access = access.expect("an access line");
    assert_eq!(access["target"], "p8::access");
    assert!(access["code"].is_u64(), "{access}");
}
