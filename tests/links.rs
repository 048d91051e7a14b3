//! Next links: chains without a hold, what their requests look like, and where they lead.
//!
//! Source: `docs/grip.md`, links.

use serde_json::json;

use crate::support::grip::{hold, instruct};
use crate::support::links::{by_path, checked, seen_at, wait_for_requests};
use crate::support::publish::{close_item, stream_item, stream_with};
use crate::support::snapshot::Snapshot;
use crate::support::wait::{gate, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

fn before(backend: &Backend) -> P8 {
    P8::start(&Config::to(backend.addr))
}

#[test]
fn bodies_are_chained_until_an_answer_has_no_link() {
    let backend = by_path(|path, _| match path {
        "/" => Answer::ok("one ").next("/2").header("X-First", "1"),
        "/2" => Answer::new(203).body("two ").next("/3").header("X-2", "2"),
        _ => Answer::ok("three"),
    });
    let p8 = before(&backend);
    let mut client = p8.client();
    for _ in 0..2 {
        let reply = client.get("/");
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (200, "one two three")
        );
        assert_eq!(reply.head.header("x-first"), Some("1"));
        assert_eq!(reply.head.header("x-2"), None);
        assert_eq!(reply.head.names_with("grip-"), Vec::<&str>::new());
    }
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("link_requests_total"), 4);
    assert_eq!(snapshot.total("requests_total"), 2);
    wait_until(DEADLINE, "the sessions to end", || {
        p8.snapshot().total("sessions_current") == 0
    });
}

#[test]
fn a_chain_may_lead_into_a_stream() {
    let backend = by_path(|path, _| match path {
        "/" => Answer::ok("1 ").next("/2").header("Grip-Channel", "never"),
        "/2" => Answer::ok("2 ").next("/3"),
        _ => hold("stream", "a", "3 "),
    });
    let p8 = before(&backend);
    let mut client = p8.stream("/");
    client.expect("1 2 3 ");
    assert_eq!(p8.snapshot().subscribers("never"), 0);
    p8.publish(&[
        stream_item("never", "wrong"),
        stream_item("a", "live"),
        close_item("a"),
    ]);
    assert_eq!(client.read_to_end(), Ok(b"live".to_vec()));
    assert!(wait_for_requests(&backend, "/2", 1)[0]
        .all("grip-last")
        .is_empty());
}

#[test]
fn an_old_client_reads_a_chain_to_the_end_of_the_connection() {
    let backend = by_path(|path, _| match path {
        "/" => Answer::ok("one ").next("/2"),
        _ => Answer::ok("two"),
    });
    let p8 = before(&backend);
    let mut client = p8.client();
    client.send("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
    let reply = client.reply();
    assert_eq!((reply.head.minor, reply.text().as_str()), (0, "one two"));
    assert!(!reply.head.is_chunked());
    client.expect_end();
}

#[test]
fn a_head_request_follows_nothing() {
    let backend = by_path(|path, _| match path {
        "/stream" => hold("stream", "a", "").next("/2"),
        "/2" => Answer::ok("two"),
        _ => Answer::ok("one ").next("/2"),
    });
    let p8 = before(&backend);
    let mut client = p8.client();
    for target in ["/", "/stream"] {
        client.request("HEAD", target, &[], b"");
        assert_eq!(client.head_for("HEAD").status, 200);
    }
    assert_eq!(client.get("/").text(), "one two", "the connection goes on");
    assert_eq!(seen_at(&backend, "/2").len(), 1, "only of the last one");
}

#[test]
fn a_link_is_asked_by_a_signed_get_with_nothing_of_the_clients() {
    let backend = by_path(|path, _| match path {
        "/" => checked("stream", "3", "open ").next("/n?a=b").gone("/gone"),
        _ => Answer::ok("end"),
    });
    let p8 = before(&backend);
    let mut client = p8.client();
    let headers = [
        ("Host", "shop.example"),
        ("Cookie", "c=1"),
        ("Authorization", "Basic x"),
        ("X-Mine", "1"),
        ("Accept", "text/html"),
    ];
    client.request("POST", "/", &headers, b"body");
    assert_eq!(client.final_head().status, 200);
    client.expect("open ");
    p8.publish(&[stream_with("a", json!({"action": "hint"}))]);
    let request = &wait_for_requests(&backend, "/n", 1)[0];
    let mut names: Vec<_> = request
        .headers
        .iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    names.sort();
    assert_eq!(names, ["grip-feature", "grip-last", "grip-sig", "host"]);
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("GET", "/n?a=b")
    );
    assert_eq!(request.header("host"), Some("shop.example"));
    assert_eq!(request.header("grip-last"), Some("a; last-id=3"));
    assert_eq!(
        request.header("grip-feature"),
        seen_at(&backend, "/")[0].header("grip-feature")
    );
}

#[test]
fn links_are_relative_to_the_one_before() {
    let backend = by_path(|path, before| match (path, before) {
        ("/x/y", _) => Answer::ok("1").next("z/n?page=2"),
        ("/x/z/n", 0) => Answer::ok("2").next("?page=3"),
        ("/x/z/n", _) => Answer::ok("3").next("../end"),
        ("/x/end", _) => Answer::ok("4"),
        _ => Answer::ok("wrong"),
    });
    let p8 = before(&backend);
    assert_eq!(p8.get("/x/y?q").text(), "1234");
    let seen = seen_at(&backend, "/x/z/n");
    let targets: Vec<_> = seen.iter().map(|request| request.target.as_str()).collect();
    assert_eq!(targets, ["/x/z/n?page=2", "/x/z/n?page=3"]);
}

#[test]
fn an_answer_in_json_is_followed_and_a_response_hold_ends_the_stream() {
    for (link, expected) in [
        ("/json", "open then live"),
        ("/poll", "open "),
        ("/bad", "open "),
    ] {
        let backend = by_path(move |path, _| match path {
            "/" => Answer::ok("open ").next(link),
            "/json" => instruct(&json!({
                "hold": {"mode": "stream", "channels": [{"name": "a"}]},
                "response": {"body": "then "},
            })),
            "/bad" => Answer::ok("bad").header("Grip-Hold", "forever"),
            _ => hold("response", "a", "bad"),
        });
        let p8 = before(&backend);
        let mut client = p8.stream("/");
        if link == "/json" {
            Snapshot::wait_for_subscribers(p8.control, "a", 1);
            p8.publish(&[stream_item("a", "live"), close_item("a")]);
        }
        let body = client.read_to_end().expect("an end");
        assert_eq!(String::from_utf8_lossy(&body), expected, "{link}");
    }
}

#[test]
fn a_links_channels_have_the_routes_prefix_beside_the_targets_own() {
    let backend = by_path(|path, _| match path {
        "/" => Answer::ok("open ").next("/n"),
        _ => hold("stream", "a", "held "),
    });
    let target = format!("{{ url = \"http://{}\", subs = [\"own\"] }}", backend.addr);
    let p8 = P8::start(&Config::new().route_to("prefix = \"p-\"", target));
    let mut client = p8.stream("/");
    client.expect("open held ");
    p8.publish(&[stream_item("a", "wrong"), stream_item("own", "own ")]);
    client.expect("own ");
    p8.publish(&[stream_item("p-a", "prefixed"), close_item("p-a")]);
    assert_eq!(client.read_to_end(), Ok(b"prefixed".to_vec()));
}

#[test]
fn what_leaves_the_route_is_asked_at_its_host_unsigned() {
    let other = by_path(|_, _| Answer::ok("there"));
    let host = other.addr;
    let backend =
        by_path(move |_, _| checked("stream", "3", "here ").next(&format!("http://{host}/n?x")));
    let p8 = before(&backend);
    let mut client = p8.stream("/");
    p8.publish(&[stream_with("a", json!({"action": "hint"}))]);
    assert_eq!(client.read_to_end(), Ok(b"here there".to_vec()));
    let request = other.only_request();
    assert_eq!(request.target, "/n?x");
    assert_eq!(request.header("host"), Some(host.to_string().as_str()));
    assert_eq!(request.header("grip-sig"), None);
    assert_eq!(
        request.header("grip-last"),
        Some("a; last-id=3"),
        "it must know what is missing"
    );
}

#[test]
fn a_path_of_another_route_is_asked_through_that_route() {
    let other = Backend::answering(|_| Answer::ok("there"));
    let config = Config::new().route("path_beg = \"/other\"", &[other.addr]);
    let backend = by_path(|_, _| Answer::ok("here ").next("/other/n"));
    let p8 = P8::start(&config.route("path_beg = \"/mine\"", &[backend.addr]));
    let reply = p8.client().get_with("/mine/x", &[("Host", "anybody.test")]);
    assert_eq!(reply.text(), "here there");
    assert_eq!(seen_at(&backend, "/other/n").len(), 0);
    let request = other.only_request();
    assert_eq!(request.target, "/other/n");
    assert_eq!(request.header("host"), Some("anybody.test"));
    assert!(request.header("grip-sig").is_some());
    assert_eq!(p8.snapshot().total("requests_total"), 1);
}

/// The link that the client was led to fails, and nobody has heard of it there.
#[track_caller]
fn assert_link_fails(p8: &P8, private: &Backend, client: &mut Client) {
    wait_until(DEADLINE, "the link to fail", || {
        p8.snapshot().total("link_failures_total") > 0
    });
    assert_eq!(private.accepted(), 0);
    client.expect_nothing_unread();
}

#[test]
fn a_client_cannot_lead_a_link_to_a_private_address_by_the_host_it_names() {
    let private = by_path(|_, _| Answer::ok("secret"));
    let backend = by_path(|_, _| Answer::ok("open ").next("/other/n"));
    let p8 = P8::start(&Config::new().route("path_beg = \"/mine\"", &[backend.addr]));
    let mut client = p8.client();
    let host = private.addr.to_string();
    client.request("GET", "/mine/x", &[("Host", &host)], b"");
    assert_eq!(client.final_head().status, 200);
    client.expect("open ");
    assert_link_fails(&p8, &private, &mut client);
}

#[test]
fn an_untrusted_backend_at_a_private_address_is_not_asked() {
    let private = Backend::answering(|_| Answer::ok("secret"));
    let untrusted = format!("{{ url = \"http://{}\", untrusted = true }}", private.addr);
    for debug in [false, true] {
        let route = format!("host = \"*\"\ndebug = {debug}");
        let p8 = P8::start(&Config::new().route_to(&route, &untrusted));
        let reply = p8.client().get("/");
        assert_eq!(reply.status(), 502);
        assert_eq!(reply.head.header("p8-reason"), Some("address-blocked"));
        let is_told = reply.text() == "Error: Origin host/IP blocked.\n";
        assert_eq!(is_told, debug, "{}", reply.text());
        assert_eq!(p8.ws_refused("/").status(), 502);
        let https = untrusted.replace("http:", "https:");
        let p8 = P8::start(&Config::new().route_to(&route, &https));
        let reply = p8.client().get("/");
        assert_eq!(reply.head.header("p8-reason"), Some("address-blocked"));
    }
    assert_eq!(private.accepted(), 0);
    let trusted = Backend::answering(|_| Answer::ok("the next one"));
    let targets = format!("{untrusted}, {{ url = \"http://{}\" }}", trusted.addr);
    let p8 = P8::start(&Config::new().route_to("host = \"*\"", targets));
    assert_eq!(p8.client().get("/").text(), "the next one");
}

#[test]
fn channels_of_a_link_past_the_bound_are_left_out_and_counted() {
    let backend = by_path(|path, _| match path {
        "/" => Answer::ok("open ").next("/n"),
        _ => hold("stream", "a, b, c, d", "held "),
    });
    let config = Config::to(backend.addr).handler("connection_subscription_max = 2");
    let p8 = P8::start(&config);
    let mut client = p8.stream("/");
    client.expect("open held ");
    p8.publish(&[stream_item("c", "wrong"), stream_item("d", "wrong")]);
    p8.publish(&[stream_item("b", "b"), close_item("b")]);
    assert_eq!(client.read_to_end(), Ok(b"b".to_vec()));
    assert_eq!(p8.snapshot().refused("too-many-channels"), 2);
}

#[test]
fn a_hint_while_the_link_is_asked_has_it_asked_once_more() {
    let (answer, wait) = gate();
    let backend = by_path(move |path, before| match (path, before) {
        ("/n", 0) => {
            wait();
            hold("stream", "a", "first ").next("/n")
        }
        ("/n", _) => Answer::ok("second"),
        _ => hold("stream", "a", "open ").next("/n"),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.stream("/");
    let hint = || p8.publish(&[stream_with("a", json!({"action": "hint"}))]);
    let recovered = Client::connect(p8.control).post("/recover/", b"");
    assert_eq!(recovered.status(), 200);
    wait_for_requests(&backend, "/n", 1);
    hint();
    wait_until(DEADLINE, "the session to hear of it", || {
        p8.snapshot().waiting("session") == 0
    });
    answer.open();
    assert_eq!(client.read_to_end(), Ok(b"open first second".to_vec()));
}
