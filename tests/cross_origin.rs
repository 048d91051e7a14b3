//! Cross-origin headers on every kind of answer.
//!
//! Source: `docs/cross-origin.md`, checklist 170, 171 and 176. What is added to which headers is
//! tabled beside `engine::cross_origin`; JSON-P is in `jsonp.rs`.

use serde_json::json;

use crate::support::client::Head;
use crate::support::grip::hold;
use crate::support::publish::{close_item, response_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::{Answer, Backend, Client, Config, P8};

const ORIGIN: (&str, &str) = ("Origin", "http://page.test");
const SIX: [(&str, &str); 4] = [
    (
        "access-control-allow-methods",
        "OPTIONS, HEAD, GET, POST, PUT, DELETE",
    ),
    ("access-control-allow-credentials", "true"),
    ("access-control-allow-origin", "http://page.test"),
    ("access-control-max-age", "3600"),
];

/// P-8 before a backend that answers with that, on one route with these keys.
fn before(route: &str, answer: Answer) -> (Backend, P8) {
    let backend = Backend::answering(move |_| answer.clone());
    let p8 = P8::start(&Config::new().route(route, &[backend.addr]));
    (backend, p8)
}

#[track_caller]
fn assert_shown(head: &Head) {
    for (name, value) in SIX {
        assert_eq!(head.header(name), Some(value), "{head:?}");
    }
    assert_eq!(head.all("vary").last(), Some(&"Origin"), "{head:?}");
}

/// A GET that is held, with these headers.
#[track_caller]
fn held(p8: &P8, target: &str, headers: &[(&str, &str)]) -> Client {
    let mut client = p8.client();
    client.request("GET", target, headers, b"");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    client
}

#[test]
fn nothing_is_added_and_nothing_is_wrapped_unless_asked_for() {
    let (backend, p8) = before("", Answer::ok("plain"));
    let reply = p8.client().get_with("/?callback=f&_method=PUT", &[ORIGIN]);
    assert_eq!(reply.text(), "plain");
    assert_eq!(reply.head.names_with("access-control-"), [] as [&str; 0]);
    assert_eq!(reply.head.header("vary"), None);
    assert_eq!(backend.only_request().target, "/?callback=f&_method=PUT");
}

#[test]
fn a_proxied_answer_gets_all_six_headers() {
    let answer = Answer::ok("ok")
        .header("X-Custom", "1")
        .header("Vary", "Accept");
    let (backend, p8) = before("aco = true", answer);
    let asked = ("Access-Control-Request-Headers", "x-one, x-two");
    let reply = p8.client().get_with("/", &[ORIGIN, asked]);
    assert_shown(&reply.head);
    assert_eq!(reply.head.all("vary"), ["Accept", "Origin"]);
    let allowed = reply.head.header("access-control-allow-headers");
    assert_eq!(allowed, Some("x-one, x-two"));
    let exposed = reply.head.header("access-control-expose-headers");
    let mut exposed: Vec<&str> = exposed.expect("a header").split(", ").collect();
    exposed.sort_unstable();
    assert_eq!(exposed, ["Vary", "X-Custom"]);
    assert_eq!(reply.text(), "ok");
    assert_eq!(backend.only_request().header("origin"), Some(ORIGIN.1));
}

#[test]
fn headers_that_the_backend_set_are_kept() {
    let answer = Answer::ok("")
        .header("Access-Control-Allow-Origin", "https://only.test")
        .header("Access-Control-Max-Age", "5");
    let (_backend, p8) = before("aco = true", answer);
    let head = p8.client().get_with("/", &[ORIGIN]).head;
    let origin = head.header("access-control-allow-origin");
    assert_eq!(origin, Some("https://only.test"));
    assert_eq!(head.header("access-control-max-age"), Some("5"));
    assert_eq!(
        head.header("access-control-allow-credentials"),
        Some("true")
    );
    assert_eq!(head.header("vary"), None, "the backend decides itself");
}

#[test]
fn a_preflight_reaches_the_backend() {
    let (backend, p8) = before("aco = true", Answer::new(204));
    let mut client = p8.client();
    let method = ("Access-Control-Request-Method", "PATCH");
    client.request("OPTIONS", "/x", &[ORIGIN, method], b"");
    let reply = client.reply();
    assert_eq!(reply.status(), 204);
    let methods = reply.head.header("access-control-allow-methods");
    assert_eq!(methods, Some("PATCH"));
    let request = backend.only_request();
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("OPTIONS", "/x")
    );
}

#[test]
fn held_answers_pushed_or_timed_out_get_the_headers() {
    let held_once = hold("response", "a", "late").header("X-Held", "1");
    let (_backend, p8) = before("aco = true", held_once.header("Grip-Timeout", "5"));
    let mut client = held(&p8, "/", &[ORIGIN]);
    p8.publish(&[response_item("a", "pushed")]);
    let reply = client.reply();
    assert_shown(&reply.head);
    assert_eq!(reply.text(), "pushed");
    let exposed = reply.head.header("access-control-expose-headers");
    assert_eq!(exposed, Some("X-Held"));
    client.request("GET", "/", &[ORIGIN], b"");
    let reply = client.reply();
    assert_shown(&reply.head);
    assert_eq!(reply.text(), "late");
}

#[test]
fn an_item_may_set_the_headers_itself() {
    let (_backend, p8) = before("aco = true", hold("response", "a", ""));
    let mut client = held(&p8, "/", &[ORIGIN]);
    let headers = json!({"Access-Control-Allow-Origin": "null", "Access-Control-Max-Age": "1"});
    let format = json!({"headers": headers, "body": "x"});
    p8.publish(&[json!({"channel": "a", "formats": {"http-response": format}})]);
    let head = client.reply().head;
    assert_eq!(head.header("access-control-allow-origin"), Some("null"));
    assert_eq!(head.header("access-control-max-age"), Some("1"));
}

#[test]
fn a_stream_gets_the_headers_and_is_never_wrapped() {
    let (_backend, p8) = before("aco = true", hold("stream", "a", "open\n"));
    for target in ["/", "/?callback=f"] {
        let mut client = p8.client();
        client.request("GET", target, &[ORIGIN], b"");
        let head = client.final_head();
        assert_shown(&head);
        assert_eq!(head.header("content-type"), Some("text/plain"));
        client.expect("open\n");
        p8.publish(&[stream_item("a", "more\n")]);
        client.expect("more\n");
        p8.publish(&[close_item("a")]);
        assert_eq!(client.read_to_end(), Ok(Vec::new()));
    }
}

#[test]
fn errors_of_p8_get_the_headers() {
    let bad = Answer::ok("").header("Grip-Hold", "no such mode");
    let (_backend, p8) = before("aco = true", bad);
    let reply = p8.client().get_with("/", &[ORIGIN]);
    assert_eq!(reply.status(), 502);
    assert_shown(&reply.head);
    let reply = p8.client().get_with("/?callback=", &[ORIGIN]);
    assert_eq!(reply.status(), 400);
    assert_shown(&reply.head);

    let down = P8::start(&Config::new().route("aco = true", &[Backend::nowhere()]));
    let reply = down.client().get_with("/", &[ORIGIN]);
    assert_eq!(reply.status(), 502);
    assert_shown(&reply.head);
}

#[test]
fn one_key_switches_it_on_for_all_routes_and_a_route_out_of_it() {
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let config = Config::new()
        .proxy("auto_cross_origin = true")
        .route("", &[backend.addr])
        .route("path_beg = \"/out\"\naco = false", &[backend.addr]);
    let p8 = P8::start(&config);
    assert_shown(&p8.client().get_with("/in", &[ORIGIN]).head);
    let out = p8.client().get_with("/out?callback=f", &[ORIGIN]);
    assert_eq!(out.head.names_with("access-control-"), [] as [&str; 0]);
    assert_eq!(out.text(), "ok");
}

#[test]
fn an_allow_list_names_who_may_read_and_switches_json_p_off() {
    let route = "aco = true\ncross_origin_allow = [\"http://page.test\"]";
    let (backend, p8) = before(route, Answer::ok("ok"));
    assert_shown(&p8.client().get_with("/", &[ORIGIN]).head);
    let strangers: [&[(&str, &str)]; 3] = [
        &[("Origin", "http://other.test")],
        &[("Origin", "http://page.test.other.test")],
        &[],
    ];
    for headers in strangers {
        let head = p8.client().get_with("/", headers).head;
        assert_eq!(head.names_with("access-control-"), [] as [&str; 0]);
        assert_eq!(head.header("vary"), Some("Origin"), "for caches");
    }
    assert_eq!(p8.get("/?callback=f").text(), "ok");
    assert_eq!(
        backend.seen().last().expect("a request").query(),
        "callback=f"
    );
    let (_backend, p8) = before(&format!("{route}\njsonp_cb = \"cb\""), Answer::ok("1"));
    assert!(p8.get("/?cb=f").text().starts_with("/**/f({"));
}
