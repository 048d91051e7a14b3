//! What P-8 adds to, and takes from, the headers of a forwarded request.
//!
//! Source: `docs/compatibility.md`, header edits.

use std::net::SocketAddr;
use std::sync::OnceLock;

use crate::support::backend::Request;
use crate::support::grip::hold;
use crate::support::links::by_path;
use crate::support::snapshot::Snapshot;
use crate::support::{Answer, Backend, Client, Config, P8};

/// What the backend sees of a GET with these headers under that configuration.
#[track_caller]
fn forwarded(configure: impl Fn(Config) -> Config, headers: &[(&str, &str)]) -> Request {
    let backend = Backend::answering(|_| Answer::ok(""));
    let p8 = P8::start(&configure(Config::to(backend.addr)));
    assert_eq!(p8.client().get_with("/", headers).status(), 200);
    backend.only_request()
}

#[test]
fn x_forwarded_for_passes_untouched_by_default() {
    let request = forwarded(|config| config, &[("X-Forwarded-For", "9.9.9.9")]);
    assert_eq!(request.header("x-forwarded-for"), Some("9.9.9.9"));
    assert_eq!(
        forwarded(|config| config, &[]).header("x-forwarded-for"),
        None
    );
}

#[test]
fn x_forwarded_for_is_cut_and_added_to_as_configured() {
    let incoming: &[(&str, &str)] = &[
        ("X-Forwarded-For", "9.9.9.9, 8.8.8.8"),
        ("X-Forwarded-For", "7.7.7.7"),
    ];
    let table = [
        ("append", incoming, "9.9.9.9, 8.8.8.8, 7.7.7.7, 127.0.0.1"),
        ("append", &[], "127.0.0.1"),
        ("truncate:0,append", incoming, "127.0.0.1"),
        ("truncate:1,append", incoming, "7.7.7.7, 127.0.0.1"),
        ("truncate:2", incoming, "8.8.8.8, 7.7.7.7"),
    ];
    for (rule, headers, expected) in table {
        let line = format!("x_forwarded_for = \"{rule}\"");
        let request = forwarded(|config| config.proxy(&line), headers);
        assert_eq!(
            request.header("x-forwarded-for"),
            Some(expected),
            "{rule} {headers:?}"
        );
    }
}

#[test]
fn a_plain_clients_forwarded_proto_does_not_reach_the_backend() {
    for set in ["true", "\"proto-only\""] {
        let line = format!("set_x_forwarded_protocol = {set}");
        let forged = [
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Protocol", "https"),
        ];
        let request = forwarded(|config| config.proxy(&line), &forged);
        assert_eq!(request.header("x-forwarded-proto"), None, "{set}");
        assert_eq!(request.header("x-forwarded-protocol"), None, "{set}");
    }
}

#[test]
fn a_missing_host_becomes_localhost() {
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.reply().status(), 200);
    assert_eq!(backend.only_request().header("host"), Some("localhost"));
}

#[test]
fn nothing_is_added_that_was_not_asked_for() {
    let request = forwarded(|config| config.proxy("request_ids = \"off\""), &[]);
    let names: Vec<String> = request
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    assert!(
        names
            .iter()
            .all(|name| name == "host" || name.starts_with("grip-")),
        "{names:?}"
    );
}

#[test]
fn grip_headers_of_a_client_never_reach_the_backend() {
    let forged = [
        ("Grip-Sig", "forged"),
        ("Grip-Last", "c; last-id=9"),
        ("GRIP-FOO", "x"),
        ("Grip-Feature", "everything"),
    ];
    let request = forwarded(|config| config, &forged);
    assert_ne!(request.header("grip-sig"), Some("forged"));
    assert_ne!(request.header("grip-feature"), Some("everything"));
    assert_eq!(
        (request.header("grip-last"), request.header("grip-foo")),
        (None, None)
    );
}

#[test]
fn original_headers_are_copied_where_the_route_asks() {
    let backend = Backend::answering(|_| Answer::ok(""));
    let config = Config::to(backend.addr)
        .route("host = \"orig.test\"\norig_headers = true", &[backend.addr]);
    let p8 = P8::start(&config);
    let forged = [("X-A", "1"), ("eb9bf0f5-X-B", "2"), ("Host", "orig.test")];
    p8.client().get_with("/", &forged);
    p8.client()
        .get_with("/", &[("X-A", "1"), ("eb9bf0f5-X-B", "2")]);
    let [copied, plain] = <[Request; 2]>::try_from(backend.seen()).expect("two requests");
    assert_eq!(
        (copied.header("x-a"), copied.header("eb9bf0f5-x-a")),
        (Some("1"), Some("1"))
    );
    assert_eq!(copied.header("eb9bf0f5-x-b"), Some("2"));
    assert_eq!(
        (plain.header("eb9bf0f5-x-a"), plain.header("eb9bf0f5-x-b")),
        (None, None)
    );
}

#[test]
fn the_accepted_encoding_is_not_forwarded_but_the_bodys_own_is() {
    let backend = Backend::answering(|_| Answer::ok("zzz").header("Content-Encoding", "br"));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    let headers = [("Accept-Encoding", "gzip"), ("Content-Encoding", "gzip")];
    client.request("POST", "/", &headers, b"x");
    assert_eq!(client.reply().head.header("content-encoding"), Some("br"));
    let request = backend.only_request();
    assert_eq!(request.header("accept-encoding"), None);
    assert_eq!(request.header("content-encoding"), Some("gzip"));
}

#[test]
fn forwarded_tells_of_the_client_and_passes_by_default() {
    let incoming = [("Forwarded", "for=9.9.9.9;by=\"x"), ("Host", "a.test:80")];
    let passed = forwarded(|config| config, &incoming);
    assert_eq!(passed.header("forwarded"), Some("for=9.9.9.9;by=\"x"));
    let on = |config: Config| config.proxy("forwarded = true");
    let own = "for=127.0.0.1;host=\"a.test:80\";proto=http";
    assert_eq!(forwarded(on, &incoming[1..]).header("forwarded"), Some(own));
    let incoming = [("Forwarded", "for=_a"), ("Host", "a.test:80")];
    let told = forwarded(on, &incoming);
    assert_eq!(
        told.header("forwarded"),
        Some(format!("for=_a, {own}").as_str())
    );
    let cut = |config| on(config).proxy("x_forwarded_for = \"truncate:0\"");
    assert_eq!(forwarded(cut, &incoming).header("forwarded"), Some(own));
    let secure = |config| on(config).proxy("accept_x_forwarded_protocol = true");
    let told = forwarded(secure, &[("X-Forwarded-Proto", "https")]);
    let https = "for=127.0.0.1;host=h;proto=https";
    assert_eq!(told.header("forwarded"), Some(https));
}

#[test]
fn a_request_that_has_been_here_is_refused_and_reaches_nobody() {
    let backend = Backend::answering(|_| Answer::ok(""));
    let p8 = P8::start(&Config::to(backend.addr).proxy("cdn_loop = \"p8.test\""));
    for value in ["p8.test", "other, P8.test; v=\"1\"", "a; x=\"open, p8.test"] {
        let mut client = p8.client();
        let reply = client.get_with("/", &[("CDN-Loop", value)]);
        let told = (reply.status(), reply.text());
        assert_eq!(told, (508, "Loop detected\n".to_owned()), "{value}");
        assert_eq!(reply.head.header("p8-reason"), Some("loop-detected"));
        let again = client.get_with("/", &[("CDN-Loop", "other")]);
        assert_eq!(again.status(), 200, "the connection goes on");
    }
    let Err(refusal) = p8.ws_with("/", &[("CDN-Loop", "p8.test")]) else {
        panic!("accepted")
    };
    assert_eq!(refusal.status(), 508);
    assert_eq!(p8.snapshot().refused("loop"), 4);
    for request in backend.seen() {
        assert_eq!(request.header("cdn-loop"), Some("other, p8.test"));
    }
}

#[test]
fn a_request_that_goes_in_a_circle_is_stopped_where_it_began() {
    static FIRST: OnceLock<SocketAddr> = OnceLock::new();
    // Another proxy, which leads back to where the request came from.
    let other = Backend::answering(|request| {
        let headers = request.headers.iter();
        let headers: Vec<_> = headers.map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let mut client = Client::connect(*FIRST.get().expect("an address"));
        let reply = client.get_with(&request.target, &headers);
        Answer::new(reply.status()).body(reply.body)
    });
    let p8 = P8::start(&Config::to(other.addr).proxy("cdn_loop = \"p8.test\""));
    assert_eq!(FIRST.set(p8.clients), Ok(()));
    let reply = p8.get("/");
    let told = (reply.status(), reply.text());
    assert_eq!(told, (508, "Loop detected\n".to_owned()));
    assert_eq!(other.seen().len(), 1);
}

#[test]
fn requests_of_p8s_own_say_that_they_come_from_it() {
    let elsewhere = by_path(|_, _| Answer::ok("elsewhere "));
    let link = format!("http://{}/n", elsewhere.addr);
    let backend = by_path(move |path, before| match (path, before) {
        ("/", _) => Answer::ok("open ").next("/n"),
        ("/n", _) => hold("stream", "a", "more ").next(&link).gone("/gone"),
        _ => Answer::ok(""),
    });
    let p8 = P8::start(&Config::to(backend.addr).proxy("cdn_loop = \"p8.test\""));
    let mut client = p8.stream("/");
    client.expect("open more ");
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    let recover = Client::connect(p8.control).post("/recover/", b"");
    assert_eq!(recover.status(), 200);
    assert_eq!(client.read_to_end().expect("an end"), b"elsewhere ");
    let seen = [backend.seen(), elsewhere.seen()].concat();
    assert!(seen.len() >= 3);
    for request in seen {
        assert_eq!(request.header("cdn-loop"), Some("p8.test"), "{request:?}");
    }
}
