//! The ids that requests go by: what backends see, and what the log says.
//!
//! Source: `docs/operations.md#ids-of-requests`.

use serde_json::Value;

use crate::support::backend::Request;
use crate::support::events::echo;
use crate::support::grip::hold;
use crate::support::http2::{get, Http2Client};
use crate::support::programs::Program;
use crate::support::wait::DEADLINE;
use crate::support::ws::Peers;
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// What a client says of itself.
const SAID: [(&str, &str); 3] = [
    ("X-Request-Id", "client-1"),
    ("Traceparent", TRACEPARENT),
    ("Tracestate", "vendor=1"),
];

/// Fails unless all that was said reached the backend as it was.
#[track_caller]
fn passed(request: &Request) {
    for (name, value) in SAID {
        assert_eq!(request.all(name), [value], "{name}");
    }
}

/// Fails unless it is an id of P-8's own.
#[track_caller]
fn made(request: &Request) -> String {
    let ids = request.all("x-request-id");
    assert_eq!(ids.len(), 1, "{ids:?}");
    let is_digit = |digit: u8| b"0123456789abcdef".contains(&digit);
    assert!(
        ids[0].len() == 32 && ids[0].bytes().all(is_digit),
        "{ids:?}"
    );
    ids[0].to_owned()
}

#[test]
fn a_clients_id_and_trace_reach_the_backend_over_every_protocol() {
    let backend = Backend::answering(|_| Answer::ok(""));
    let p8 = P8::start(&Config::to(backend.addr));
    assert_eq!(p8.client().get_with("/", &SAID).status(), 200);
    let mut http2 = Http2Client::connect(p8.clients);
    let said = SAID.map(|(name, value)| (name.to_ascii_lowercase(), value));
    let said: Vec<_> = said
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    assert_eq!(http2.request(get("/", &said), b"").status, 200);
    let seen = backend.seen();
    assert_eq!(seen.len(), 2);
    seen.iter().for_each(passed);
}

#[test]
fn every_event_of_a_websocket_has_the_id_and_trace_of_its_handshake() {
    let backend = echo();
    let p8 = P8::start(&Config::over_http(backend.addr));
    let mut client = p8.ws_with("/", &SAID).expect("it is accepted");
    client.send_text("x");
    client.expect_text("x");
    client.close(1000, "");
    client.expect_closed(1000);
    let seen = backend.seen();
    assert_eq!(seen.len(), 3, "opening, text and close");
    seen.iter().for_each(passed);
    let mut client = p8.ws("/");
    client.send_text("x");
    client.expect_text("x");
    let later = backend.seen().split_off(3);
    assert_eq!(made(&later[0]), made(&later[1]));
}

#[test]
fn a_handshake_of_p8s_own_has_them_too() {
    let peers = Peers::accepting(&[]);
    let p8 = P8::start(&Config::to(peers.backend.addr));
    let _client = p8.ws_with("/", &SAID).expect("it is accepted");
    passed(&peers.backend.only_request());
}

#[test]
fn whoever_has_no_id_of_use_gets_one_of_its_own() {
    let backend = Backend::answering(|_| Answer::ok(""));
    let p8 = P8::start(&Config::to(backend.addr));
    let long = "a".repeat(129);
    let mut ids = Vec::new();
    for said in [
        None,
        Some(""),
        Some("a b"),
        Some("a\u{e9}"),
        Some("\"x\""),
        Some(&long),
    ] {
        let headers: Vec<_> = said.iter().map(|id| ("X-Request-Id", *id)).collect();
        assert_eq!(
            p8.client().get_with("/", &headers).status(),
            200,
            "{said:?}"
        );
        ids.push(made(backend.seen().last().expect("a request")));
    }
    let lookalike = [("X_Request_Id", "mine"), ("X-Request-Id", "taken")];
    assert_eq!(p8.client().get_with("/", &lookalike).status(), 200);
    let last = backend.seen().pop().expect("a request");
    assert_eq!(
        (last.all("x-request-id"), last.header("x_request_id")),
        (vec!["taken"], None)
    );
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6, "each its own");
}

#[test]
fn the_configuration_says_where_ids_come_from() {
    let said = [("X-Request-Id", "mine"), ("X-Request-Id", "a b")];
    let of = |mode: &str, headers: &[(&str, &str)]| {
        let backend = Backend::answering(|_| Answer::ok(""));
        let p8 = P8::start(&Config::to(backend.addr).proxy(&format!("request_ids = \"{mode}\"")));
        assert_eq!(p8.client().get_with("/", headers).status(), 200);
        backend.only_request()
    };
    assert_eq!(of("taken", &said[..1]).all("x-request-id"), ["mine"]);
    assert_eq!(of("taken", &said[1..]).header("x-request-id"), None);
    assert_eq!(of("taken", &[]).header("x-request-id"), None);
    assert_ne!(made(&of("made", &said[..1])), "mine");
    assert_eq!(of("off", &said).all("x-request-id"), ["mine", "a b"]);
    assert_eq!(of("off", &[]).header("x-request-id"), None);
    assert_eq!(of("on", &said).all("x-request-id"), ["mine"]);
}

#[test]
fn a_routes_own_header_is_not_replaced() {
    let backend = Backend::answering(|_| Answer::ok(""));
    let lines = "host = \"*\"\nheaders = [[\"X-Request-Id\", \"the-routes\"]]";
    let p8 = P8::start(&Config::new().route(lines, &[backend.addr]));
    assert_eq!(p8.client().get_with("/", &SAID).status(), 200);
    assert_eq!(backend.only_request().all("x-request-id"), ["the-routes"]);
}

#[test]
fn the_access_log_names_the_id_that_the_backend_got() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/held" => hold("stream", "a", ""),
        _ => Answer::ok(""),
    });
    let config = Config::new().route("host = \"a\"", &[backend.addr]);
    let config = format!("{}\n[log]\nformat = \"json\"\n", config.toml());
    let p8 = Program::start(&config, &[]);
    let mut client = Client::connect(p8.clients);
    let host = ("Host", "a");
    client.get_with("/taken", &[host, SAID[0], SAID[1]]);
    client.get_with("/made", &[host]);
    let forged = "a".repeat(200);
    client.get_with("/long", &[host, ("Traceparent", &forged)]);
    client.get_with("/nowhere", &[("Host", "b"), SAID[0]]);
    client.request("GET", "/held", &[host, SAID[0]], b"");
    assert_eq!(client.final_head().status, 200);
    let line = |uri: &str| {
        let mut found = None;
        wait_until(DEADLINE, "the line", || {
            let log = p8.log();
            let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let mut lines = whole
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            found = lines.rfind(|line: &Value| line["uri"] == uri);
            found.is_some()
        });
        found.expect("the line")
    };
    let taken = line("/taken");
    assert_eq!(taken["request_id"], "client-1");
    assert_eq!(taken["traceparent"], TRACEPARENT);
    let of_made = line("/made");
    let sent = backend
        .seen()
        .into_iter()
        .find(|request| request.target == "/made");
    assert_eq!(
        of_made["request_id"],
        made(&sent.expect("it was sent")).as_str()
    );
    assert_eq!(of_made["traceparent"], "");
    assert_eq!(line("/long")["traceparent"], "", "it is bounded");
    assert_eq!(line("/nowhere")["request_id"], "client-1");
    assert_eq!(line("/held")["request_id"], "client-1");
}
