//! How a request's route is looked up: by an id that its client names, by patterns of hosts, and past
//! hosts that are known.
//!
//! Source: `docs/configuration.md`, routes.

use crate::support::grip::hold;
use crate::support::links::{by_path, wait_for_requests};
use crate::support::publish::hint_item;
use crate::support::snapshot::Snapshot;
use crate::support::ws::{echo_peer, Peers};
use crate::support::{Answer, Backend, Config, P8};

/// A backend that answers with its name.
fn named(name: &'static str) -> Backend {
    Backend::answering(move |_| Answer::ok(name))
}

/// Routes with and without ids, to three backends; ids are accepted.
fn by_id(any: &Backend, special: &Backend, other: &Backend) -> Config {
    Config::to(any.addr)
        .route("host = \"never.test\"\nid = \"special\"", &[special.addr])
        .route(
            "host = \"\"\nid = \"deep\"\npath_beg = \"/deep\"",
            &[other.addr],
        )
        .route("host = \"a.test\"\nid = \"twice\"", &[other.addr])
        .route("host = \"b.test\"\nid = \"twice\"", &[other.addr])
        .route("host = \"*\"\npath_beg = \"/http\"", &[other.addr])
        .proxy("accept_pushpin_route = true")
}

#[test]
fn a_client_names_its_route_by_id_and_the_host_plays_no_part() {
    let (any, special, other) = (named("any"), named("special"), named("other"));
    let p8 = P8::start(&by_id(&any, &special, &other));
    for (id, target, answer) in [
        ("special", "/x", "special"),
        (" special ", "/x", "special"),
        ("deep", "/deeper", "other"),
        ("*,*,*,/http", "/http/x", "other"),
        ("*,*,*,*", "/http/x", "any"),
        ("", "/x", "any"),
    ] {
        let reply = p8.client().get_with(target, &[("Pushpin-Route", id)]);
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (200, answer),
            "{id}"
        );
    }
    for request in special.seen() {
        assert_eq!(request.header("pushpin-route"), None);
        assert_eq!(request.header("host"), Some("h"));
    }
}

#[test]
fn an_id_that_names_no_fitting_route_is_no_route() {
    let (any, special, other) = (named("any"), named("special"), named("other"));
    let p8 = P8::start(&by_id(&any, &special, &other));
    for (id, target) in [
        ("unknown", "/"),
        ("deep", "/"),
        ("twice", "/"),
        ("Special", "/"),
        ("*,http,*,*", "/"),
        ("sp\u{e9}cial", "/"),
    ] {
        let reply = p8.client().get_with(target, &[("Pushpin-Route", id)]);
        let told = (reply.status(), reply.text());
        assert_eq!(told, (502, "Route not found\n".to_owned()), "{id}");
        assert_eq!(reply.head.header("p8-reason"), Some("no-route"));
    }
    assert!(any.seen().is_empty() && special.seen().is_empty() && other.seen().is_empty());
}

#[test]
fn a_websocket_names_its_route_too_and_an_id_of_two_leaves_it_to_the_host() {
    let (any, special, other) = (Peers::accepting(&[]), echo_peer(), echo_peer());
    let p8 = P8::start(&by_id(&any.backend, &special, &other));
    let mut client = p8
        .ws_with("/", &[("Pushpin-Route", "special")])
        .expect("accepted");
    client.send_text("hello");
    client.expect_text("hello");
    assert_eq!(special.only_request().header("pushpin-route"), None);
    let by_host = p8.ws_with("/", &[("Pushpin-Route", "twice")]);
    assert!(by_host.is_ok() && any.next().request.header("pushpin-route").is_none());
    let Err(refusal) = p8.ws_with("/", &[("Pushpin-Route", "unknown")]) else {
        panic!("accepted")
    };
    let told = (refusal.status(), refusal.text());
    assert_eq!(told, (502, "Route not found\n".to_owned()));
}

#[test]
fn without_the_setting_the_header_chooses_nothing_and_passes() {
    let (any, special) = (named("any"), named("special"));
    let config = Config::to(any.addr).route("host = \"x\"\nid = \"special\"", &[special.addr]);
    let p8 = P8::start(&config);
    let reply = p8.client().get_with("/", &[("Pushpin-Route", "special")]);
    assert_eq!(reply.text(), "any");
    let passed = any.only_request();
    assert_eq!(passed.header("pushpin-route"), Some("special"));
}

#[test]
fn a_held_request_is_asked_again_through_the_route_that_its_client_named() {
    let any = named("any");
    let special = by_path(|_, before| match before {
        0 => hold("response", "a", ""),
        _ => Answer::ok("again"),
    });
    let p8 = P8::start(&by_id(&any, &special, &any));
    let mut client = p8.client();
    client.request("GET", "/", &[("Pushpin-Route", "special")], b"");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[hint_item("a")]);
    assert_eq!(client.reply().text(), "again");
    assert_eq!((special.seen().len(), any.seen().len()), (2, 0));
}

#[test]
fn a_next_link_goes_through_the_route_that_the_client_named() {
    let any = named("any");
    let special = by_path(|path, _| match path {
        "/" => hold("stream", "a", "open ").next("/n"),
        _ => Answer::ok("end"),
    });
    let p8 = P8::start(&by_id(&any, &special, &any));
    let mut client = p8.client();
    client.request("GET", "/", &[("Pushpin-Route", "special")], b"");
    let head = client.final_head();
    assert_eq!(head.status, 200);
    client.expect("open ");
    let recover = crate::support::Client::connect(p8.control).post("/recover/", b"");
    assert_eq!(recover.status(), 200);
    assert_eq!(client.read_to_end().expect("an end"), b"end");
    assert_eq!(wait_for_requests(&special, "/n", 1).len(), 1);
    assert!(any.seen().is_empty());
}

#[test]
fn a_pattern_of_hosts_takes_what_no_exact_host_does() {
    let (any, pattern, exact) = (named("any"), named("pattern"), named("exact"));
    let config = Config::to(any.addr)
        .route("host = \"*.a.test\"", &[pattern.addr])
        .route("host = \"x.a.test\"", &[exact.addr]);
    let p8 = P8::start(&config);
    for (host, answer) in [
        ("x.a.test", "exact"),
        ("Y.a.test:80", "pattern"),
        ("z.y.a.test", "pattern"),
        ("a.test", "any"),
    ] {
        let reply = p8.client().get_with("/", &[("Host", host)]);
        assert_eq!(reply.text(), answer, "{host}");
    }
}

#[test]
fn a_known_host_falls_to_the_wildcard_only_with_fallthrough() {
    let (any, own) = (named("any"), named("own"));
    let config = Config::to(any.addr)
        .route("host = \"a.test\"\npath_beg = \"/own\"", &[own.addr])
        .route(
            "host = \"b.test\"\npath_beg = \"/own\"\nfallthrough = true",
            &[own.addr],
        );
    let p8 = P8::start(&config);
    let get = |host: &str, path: &str| p8.client().get_with(path, &[("Host", host)]).text();
    assert_eq!(get("a.test", "/own"), "own");
    assert_eq!(get("a.test", "/"), "Route not found\n");
    assert_eq!(get("b.test", "/own"), "own");
    assert_eq!(get("b.test", "/"), "any");
}
