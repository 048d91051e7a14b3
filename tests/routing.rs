//! Which route a request takes, and what a route does to it.
//!
//! Source: `docs/configuration.md`, routes.

use std::net::SocketAddr;

use crate::support::client::Reply;
use crate::support::grip::hold;
use crate::support::publish::{close_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::{Answer, Backend, Config, P8};

/// A backend that answers with its name and the request's target and host.
fn named(name: &'static str) -> Backend {
    Backend::answering(move |request| {
        let host = request.header("host").unwrap_or("none");
        Answer::ok(format!("{name} {} {host}", request.target))
    })
}

#[track_caller]
fn get(p8: &P8, host: &str, target: &str) -> Reply {
    p8.client().get_with(target, &[("Host", host)])
}

/// The body of an answer under a single route with these lines.
#[track_caller]
fn rewritten(lines: &str, target: &str) -> String {
    let backend = named("b");
    let p8 = P8::start(&Config::new().route(lines, &[backend.addr]));
    get(&p8, "h", target).text()
}

#[test]
fn a_host_with_routes_of_its_own_is_not_served_by_the_wildcard() {
    let (one, two) = (named("one"), named("two"));
    let config = Config::to(one.addr).route("host = \"a.test\"\npath_beg = \"/api\"", &[two.addr]);
    let p8 = P8::start(&config);
    assert_eq!(get(&p8, "a.test", "/api/x").text(), "two /api/x a.test");
    assert_eq!(
        get(&p8, "A.Test:7999", "/api/x").text(),
        "two /api/x A.Test:7999"
    );
    assert_eq!(get(&p8, "b.test", "/api/x").text(), "one /api/x b.test");
    let reply = get(&p8, "a.test", "/other");
    assert_eq!(
        (reply.status(), reply.text().as_str()),
        (502, "Route not found\n")
    );
    assert_eq!(reply.head.header("p8-reason"), Some("no-route"));
}

#[test]
fn the_longest_path_wins_whatever_the_order() {
    let backends = [named("short"), named("long"), named("none")];
    let [short, long, none] = [0, 1, 2].map(|n: usize| backends[n].addr);
    let rules: [(&str, SocketAddr); 3] = [
        ("host = \"*\"\npath_beg = \"/api\"", short),
        ("host = \"*\"\npath_beg = \"/api/v1\"", long),
        ("host = \"*\"", none),
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let config = order.into_iter().fold(Config::new(), |config, n: usize| {
            config.route(rules[n].0, &[rules[n].1])
        });
        let p8 = P8::start(&config);
        for (target, name) in [("/api/v1/x", "long"), ("/api/v2", "short"), ("/", "none")] {
            assert!(
                get(&p8, "h", target).text().starts_with(name),
                "{order:?} {target}"
            );
        }
    }
}

#[test]
fn paths_and_hosts_are_rewritten_as_the_route_says() {
    let table = [
        (
            "host = \"*\"\npath_beg = \"/pub\"\nreplace_beg = \"/in\"",
            "/pub/y?q=1",
            "b /in/y?q=1 h",
        ),
        ("host = \"*\"\npath_rem = 6", "/strip/y?a=b", "b /y?a=b h"),
        (
            "host = \"*\"\nas_host = \"other.test\"",
            "/",
            "b / other.test",
        ),
        (
            "host = \"*\"\nheaders = [[\"Host\", \"set.test\"]]",
            "/",
            "b / set.test",
        ),
    ];
    for (lines, target, expected) in table {
        assert_eq!(rewritten(lines, target), expected, "{lines}");
    }
}

#[test]
fn a_targets_host_wins_over_the_clients() {
    let backend = named("b");
    let target = format!(
        "{{ url = \"http://{}\", host = \"inner.test\" }}",
        backend.addr
    );
    let p8 = P8::start(&Config::new().route_to("host = \"*\"", target));
    assert_eq!(get(&p8, "h", "/").text(), "b / inner.test");
}

#[test]
fn a_routes_headers_are_set_and_removed() {
    let backend = Backend::answering(|_| Answer::ok(""));
    let lines = "host = \"*\"\nheaders = [[\"X-Set\", \"ours\"], [\"X-Gone\", \"\"]]";
    let p8 = P8::start(&Config::new().route(lines, &[backend.addr]));
    p8.client()
        .get_with("/", &[("X-Set", "mine"), ("X-Gone", "1"), ("X-Stay", "2")]);
    let request = backend.only_request();
    assert_eq!(request.all("x-set"), ["ours"]);
    assert_eq!(
        (request.header("x-gone"), request.header("x-stay")),
        (None, Some("2"))
    );
}

#[test]
fn an_absolute_request_target_is_understood() {
    let backend = named("b");
    let p8 = P8::start(&Config::new().route("host = \"abs.test\"", &[backend.addr]));
    let mut client = p8.client();
    client.send("GET http://abs.test/x?y HTTP/1.1\r\nHost: abs.test\r\n\r\n");
    assert_eq!(client.reply().text(), "b /x?y abs.test");
}

#[test]
fn a_prefix_keeps_a_routes_channels_apart() {
    let backend = Backend::answering(|_| hold("stream", "c", "open\n"));
    let config = Config::new().route("host = \"*\"\nprefix = \"pre-\"", &[backend.addr]);
    let p8 = P8::start(&config);
    let mut client = p8.stream("/");
    p8.publish(&[stream_item("c", "wrong\n"), stream_item("pre-c", "right\n")]);
    p8.publish(&[close_item("pre-c")]);
    assert_eq!(client.read_to_end().expect("an end"), b"open\nright\n");
}

#[test]
fn implicit_channels_of_a_target_are_subscribed_without_the_prefix() {
    let backend = Backend::answering(|_| Answer::ok("").header("Grip-Hold", "stream"));
    let target = format!("{{ url = \"http://{}\", subs = [\"all\"] }}", backend.addr);
    let lines = "host = \"*\"\nprefix = \"pre-\"";
    let p8 = P8::start(&Config::new().route_to(lines, target));
    let mut client = p8.stream("/");
    p8.publish(&[stream_item("all", "implicit\n"), close_item("all")]);
    assert_eq!(client.read_to_end().expect("an end"), b"implicit\n");
}

#[test]
fn no_grip_relays_instructions_as_they_are() {
    let backend = Backend::answering(|_| hold("stream", "c", "plain"));
    let p8 = P8::start(&Config::new().route("host = \"*\"\nno_grip = true", &[backend.addr]));
    let reply = p8.get("/");
    assert_eq!(reply.text(), "plain");
    assert_eq!(reply.head.header("grip-hold"), Some("stream"));
    assert_eq!(reply.head.header("content-length"), Some("5"));
}

#[test]
fn the_test_target_greets_holds_and_streams() {
    let p8 = P8::start(&Config::new().route_to("host = \"*\"", "{ test = true }"));
    assert_eq!(p8.get("/").status(), 200);
    assert_eq!(p8.get("/nope").status(), 404);
    let mut stream = p8.stream("/stream?channel=x&channel=y");
    p8.publish(&[stream_item("x", "pushed-x\n")]);
    p8.publish(&[stream_item("y", "pushed-y\n")]);
    p8.publish(&[close_item("x")]);
    let body = stream.read_to_end().expect("an end");
    assert!(
        body.ends_with(b"pushed-x\npushed-y\n"),
        "{}",
        String::from_utf8_lossy(&body)
    );
    let mut poll = p8.client();
    poll.request("GET", "/response", &[], b"");
    Snapshot::wait_for_subscribers(p8.control, "test", 1);
    p8.publish(&[crate::support::publish::response_item("test", "answered\n")]);
    assert_eq!(poll.reply().text(), "answered\n");
}
