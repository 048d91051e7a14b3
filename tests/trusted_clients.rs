//! GRIP proxies behind P-8's back and in front of it: who is trusted, what passes for them, and a P-8
//! behind a P-8 over HTTP and over WebSocket.
//!
//! Source: `docs/configuration.md`, trusted clients; `docs/compatibility.md`, W112 and W165.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{encode, Algorithm, EncodingKey, Header};
use serde_json::{json, Value};

use crate::support::backend::Request;
use crate::support::events::{
    accept, accept_plain, all_events, answer, control, echoed, events_of, opening_with, subscribe,
    text, wait_for_event, EVENTS,
};
use crate::support::grip::{hold, instruct};
use crate::support::links::{by_path, seen_at, wait_for_requests};
use crate::support::publish::{
    close_item, hint_item, response_item, stream_item, ws_close, ws_item,
};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::ws::{Peers, WsClient};
use crate::support::{wait_until, Answer, Backend, Config, P8};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// Seconds since 1970, so much later than now.
fn in_secs(more: i64) -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("a clock").as_secs()).expect("a time") + more
}

fn token_of(claims: &Value, key: &[u8]) -> String {
    let key = EncodingKey::from_secret(key);
    encode(&Header::default(), claims, &key).expect("a token")
}

/// A token that P-8 trusts.
fn token() -> String {
    token_of(&json!({"iss": "edge", "exp": in_secs(600)}), b"edge-secret")
}

/// A P-8 that trusts who signs with `edge-secret`.
fn trusting(config: Config) -> P8 {
    P8::start(&config.proxy("upstream_key = \"edge-secret\""))
}

/// A P-8 in front of another one, which trusts it.
fn in_front_of(inner: &P8) -> P8 {
    P8::start(&Config::to(inner.clients).proxy("sig_key = \"edge-secret\""))
}

/// The only `Grip-Sig` of a request, which must be the outer P-8's.
#[track_caller]
fn outer_signature(request: &Request) -> String {
    let token = request.header("grip-sig").expect("one signature");
    let key = jsonwebtoken::DecodingKey::from_secret(b"edge-secret");
    let validation = jsonwebtoken::Validation::new(Algorithm::HS256);
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation);
    claims.expect("the outer P-8's signature");
    token.to_owned()
}

#[track_caller]
fn holds_nothing(p8: &P8) {
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("response_holds_total"), 0);
    assert_eq!(snapshot.total("stream_holds_total"), 0);
    assert_eq!(snapshot.json()["channels"], json!([]), "no channels");
}

#[test]
fn a_trusted_request_passes_as_it_is_and_so_does_its_answer() {
    let backend = Backend::answering(|_| hold("stream", "c", "for you\n").header("Grip-Foo", "1"));
    let config = Config::to(backend.addr)
        .proxy("x_forwarded_for = \"truncate:0,append\"")
        .proxy("x_forwarded_for_trusted = \"append\"");
    let p8 = trusting(config);
    let token = token();
    let headers = [
        ("Grip-Sig", token.as_str()),
        ("Grip-Feature", "theirs"),
        ("Grip-Last", "c; last-id=1"),
        ("eb9bf0f5-X-A", "1"),
        ("X-Forwarded-For", "9.9.9.9"),
    ];
    let reply = p8.client().get_with("/", &headers);
    assert_eq!(reply.text(), "for you\n");
    assert_eq!(reply.head.header("grip-hold"), Some("stream"));
    assert_eq!(reply.head.header("grip-channel"), Some("c"));
    assert_eq!(reply.head.header("grip-foo"), Some("1"));
    let request = backend.only_request();
    for (name, value) in &headers[..4] {
        assert_eq!(request.all(name), [*value], "{name}");
    }
    assert_eq!(request.all("x-forwarded-for"), ["9.9.9.9, 127.0.0.1"]);
    assert_eq!(p8.snapshot().total("requests_trusted_total"), 1);
    holds_nothing(&p8);
}

#[test]
fn an_instruct_in_json_and_a_large_body_pass_too() {
    let told = json!({"hold": {"mode": "response", "channels": [{"name": "c"}]}});
    let backend = by_path(move |path, _| match path {
        "/json" => instruct(&told),
        _ => hold("response", "c", &"x".repeat(300_000)),
    });
    let p8 = trusting(Config::to(backend.addr));
    let token = token();
    let headers = [("Grip-Sig", token.as_str())];
    let reply = p8.client().get_with("/json", &headers);
    let content_type = reply.head.header("content-type");
    assert_eq!(content_type, Some("application/grip-instruct"));
    assert!(reply.text().contains("channels"));
    let reply = p8.client().get_with("/large", &headers);
    assert_eq!((reply.status(), reply.body.len()), (200, 300_000));
}

#[test]
fn whoever_does_not_prove_it_is_not_trusted() {
    let backend = Backend::answering(|_| hold("stream", "c", "held\n"));
    let config = Config::to(backend.addr)
        .proxy("x_forwarded_for = \"truncate:0,append\"")
        .proxy("x_forwarded_for_trusted = \"append\"");
    let p8 = trusting(config);
    let exp = in_secs(600);
    let unsigned = "eyJhbGciOiJub25lIn0.eyJleHAiOjk5OTk5OTk5OTk5fQ.";
    for (kind, token) in [
        ("another key", token_of(&json!({"exp": exp}), b"other")),
        (
            "expired",
            token_of(&json!({"exp": in_secs(-1)}), b"edge-secret"),
        ),
        ("no exp", token_of(&json!({"iss": "edge"}), b"edge-secret")),
        (
            "exp as text",
            token_of(&json!({"exp": "9999999999"}), b"edge-secret"),
        ),
        ("garbage", "x.y.z".to_owned()),
        ("empty", String::new()),
        ("no signature", unsigned.to_owned()),
    ] {
        let mut client = p8.client();
        let headers = [
            ("Grip-Sig", token.as_str()),
            ("Grip-Last", "c; last-id=1"),
            ("eb9bf0f5-X-A", "1"),
            ("X-Forwarded-For", "9.9.9.9"),
        ];
        client.request("GET", "/", &headers, b"");
        let head = client.final_head();
        assert_eq!(head.names_with("grip-"), [] as [&str; 0], "{kind}");
        client.expect("held\n");
        let seen = backend.seen();
        let request = seen.last().expect("a request");
        assert_ne!(request.header("grip-sig"), Some(token.as_str()), "{kind}");
        assert!(request.header("grip-feature").is_some(), "{kind}");
        assert_eq!(request.header("grip-last"), None, "{kind}");
        assert_eq!(request.header("eb9bf0f5-x-a"), None, "{kind}");
        assert_eq!(
            request.header("x-forwarded-for"),
            Some("127.0.0.1"),
            "{kind}"
        );
    }
    assert_eq!(p8.snapshot().total("requests_trusted_total"), 0);
}

#[test]
fn without_an_upstream_key_nobody_is_trusted() {
    let backend = Backend::answering(|_| Answer::ok(""));
    let p8 = P8::start(&Config::to(backend.addr));
    let own = token_of(&json!({"exp": in_secs(600)}), b"changeme");
    p8.client()
        .get_with("/", &[("Grip-Sig", &own), ("Grip-X", "1")]);
    let request = backend.only_request();
    assert_ne!(request.header("grip-sig"), Some(own.as_str()));
    assert_eq!(request.header("grip-x"), None);
}

#[test]
fn every_form_of_key_verifies_and_a_public_one_will_do() {
    let pem = |name: &str| std::fs::read(format!("{FIXTURES}/{name}")).expect("a fixture");
    let claims = json!({"exp": in_secs(600)});
    let ec = EncodingKey::from_ec_pem(&pem("ec_private.pem")).expect("a key");
    let rsa = EncodingKey::from_rsa_pem(&pem("rsa_private.pem")).expect("a key");
    let signed = |algorithm, key: &EncodingKey| {
        encode(&Header::new(algorithm), &claims, key).expect("a token")
    };
    let hs256 = token_of(&claims, b"\x00\x01\xfe\xff");
    let es256 = signed(Algorithm::ES256, &ec);
    // A public key is no secret: what is signed with its text must not verify.
    let forged = token_of(&claims, pem("ec_public.pem").trim_ascii());
    for (key, token, is_trusted) in [
        ("base64:AAH+/w==".to_owned(), &hs256, true),
        (format!("file:{FIXTURES}/ec_public.pem"), &es256, true),
        (format!("file:{FIXTURES}/ec_private.pem"), &es256, true),
        (
            format!("file:{FIXTURES}/rsa_public.pem"),
            &signed(Algorithm::RS256, &rsa),
            true,
        ),
        (format!("file:{FIXTURES}/rsa_public.pem"), &es256, false),
        (format!("file:{FIXTURES}/ec_public.pem"), &hs256, false),
        (format!("file:{FIXTURES}/ec_public.pem"), &forged, false),
    ] {
        let backend = Backend::answering(|_| Answer::ok(""));
        let line = format!("upstream_key = \"{key}\"");
        let p8 = P8::start(&Config::to(backend.addr).proxy(&line));
        p8.client().get_with("/", &[("Grip-Sig", token)]);
        let passed = backend.only_request().header("grip-sig") == Some(token.as_str());
        assert_eq!(passed, is_trusted, "{key} {token}");
    }
}

#[test]
fn a_trusted_client_may_post_events_itself() {
    let backend = opening_with(accept(&[]), |events| answer(&echoed(events)));
    let p8 = trusting(Config::over_http(backend.addr));
    let post = |headers: &[(&str, &str)]| {
        let mut client = p8.client();
        let headers = [&[("Content-Type", EVENTS)], headers].concat();
        client.request("POST", "/", &headers, b"OPEN\r\n");
        client.reply()
    };
    let refused = post(&[("Grip-Sig", "x.y.z")]);
    assert_eq!(refused.status(), 403);
    let token = token();
    let passed = post(&[
        ("Grip-Sig", token.as_str()),
        ("Sec-WebSocket-Extensions", "grip"),
    ]);
    assert_eq!((passed.status(), passed.text().as_str()), (200, "OPEN\r\n"));
    assert_eq!(passed.head.header("sec-websocket-extensions"), Some("grip"));
    let request = backend.only_request();
    assert_eq!(request.all("grip-sig"), [token.as_str()]);
    assert_eq!(request.all("sec-websocket-extensions"), ["grip"]);
}

#[test]
fn of_two_p8s_only_the_outer_one_holds_a_stream() {
    let backend = Backend::answering(|_| hold("stream", "c", "open\n"));
    let target = format!(
        "{{ url = \"http://{}\", subs = [\"inner\"] }}",
        backend.addr
    );
    let inner = trusting(Config::new().route_to("host = \"*\"\nprefix = \"in-\"", target));
    let outer = in_front_of(&inner);
    let mut client = outer.stream("/");
    client.expect("open\n");
    holds_nothing(&inner);
    inner.publish(&[stream_item("c", "wrong\n"), stream_item("inner", "wrong\n")]);
    outer.publish(&[stream_item("c", "right\n"), close_item("c")]);
    assert_eq!(client.read_to_end().expect("an end"), b"right\n");
    let request = backend.only_request();
    outer_signature(&request);
    let features = p8::grip::feature::header_value();
    assert_eq!(request.all("grip-feature"), [features.as_str()]);
}

#[test]
fn of_two_p8s_the_outer_one_asks_again_through_the_inner_one() {
    let backend = by_path(|path, before| match (path, before) {
        ("/poll", 0) => Answer::ok("")
            .header("Grip-Hold", "response")
            .header("Grip-Channel", "a; prev-id=1"),
        ("/poll", _) => hold("response", "a", ""),
        ("/stream", _) => hold("stream", "b", "open ").next("/n").gone("/gone"),
        ("/n", _) => Answer::ok("more "),
        _ => Answer::ok(""),
    });
    let inner = trusting(Config::to(backend.addr));
    let outer = in_front_of(&inner);
    let mut poll = outer.long_poll("/poll", "a", 1);
    outer.publish(&[hint_item("a")]);
    wait_for_requests(&backend, "/poll", 2);
    Snapshot::wait_for_subscribers(outer.control, "a", 1);
    outer.publish(&[response_item("a", "pushed")]);
    assert_eq!(poll.reply().text(), "pushed");
    let polls = seen_at(&backend, "/poll");
    assert_eq!(polls[1].header("grip-last"), Some("a; last-id=1"));
    let mut stream = outer.stream("/stream");
    stream.expect("open ");
    let recover = crate::support::Client::connect(outer.control).post("/recover/", b"");
    assert_eq!(recover.status(), 200);
    assert_eq!(stream.read_to_end().expect("an end"), b"more ");
    let gone = wait_for_requests(&backend, "/gone", 1);
    for request in backend.seen().iter().chain(&gone) {
        outer_signature(request);
    }
    holds_nothing(&inner);
}

/// A client of the outer of two P-8s, on channel `a` by a control message of the backend.
fn chained(inner: &P8) -> (P8, WsClient) {
    let outer = in_front_of(inner);
    let client = outer.ws("/");
    (outer, client)
}

/// What a client of the outer P-8 gets, published there, and how it ends.
#[track_caller]
fn reaches_from_outside(outer: &P8, inner: &P8, client: &mut WsClient) {
    Snapshot::wait_for_subscribers(outer.control, "a", 1);
    holds_nothing(inner);
    inner.publish(&[ws_item("a", "wrong")]);
    outer.publish(&[ws_item("a", "right")]);
    client.expect_text("right");
    outer.publish(&[ws_close("a", json!({"code": 4001}))]);
    client.expect_closed(4001);
}

#[test]
fn of_two_p8s_the_outer_one_speaks_grip_with_a_websocket_backend() {
    let extension = "x, grip; message-prefix=\"p:\"";
    let peers = Peers::accepting(&[("Sec-WebSocket-Extensions", extension)]);
    let target = format!(
        "{{ url = \"http://{}\", subs = [\"inner\"] }}",
        peers.backend.addr
    );
    let inner = trusting(Config::new().route_to("host = \"*\"", target));
    let (outer, mut client) = chained(&inner);
    assert_eq!(client.head.header("sec-websocket-extensions"), None);
    let mut peer = peers.next();
    outer_signature(&peer.request);
    assert_eq!(peer.request.all("sec-websocket-extensions"), ["grip"]);
    peer.control(&json!({"type": "subscribe", "channel": "a"}));
    peer.send_text("nobody's");
    peer.send_text("p:hello");
    client.expect_text("hello");
    client.send_text("c:{}");
    peer.expect(&crate::support::ws::Event::Text("c:{}".into()));
    reaches_from_outside(&outer, &inner, &mut client);
}

#[test]
fn of_two_p8s_the_inner_one_may_carry_websockets_over_http() {
    let backend = opening_with(accept(&[subscribe("a"), text("m:hello")]), |events| {
        answer(&echoed(events))
    });
    let inner = trusting(Config::over_http(backend.addr));
    let (outer, mut client) = chained(&inner);
    client.expect_text("hello");
    client.send_text("m:back");
    client.expect_text("back");
    reaches_from_outside(&outer, &inner, &mut client);
    let seen = backend.seen();
    let first = outer_signature(&seen[0]);
    for request in &seen {
        assert_eq!(outer_signature(request), first, "the handshake's own");
        assert_eq!(request.all("sec-websocket-extensions"), ["grip"]);
        assert_eq!(request.all("grip-feature").len(), 1);
    }
}

#[test]
fn of_two_p8s_the_outer_one_may_carry_websockets_over_http() {
    let backend = opening_with(accept(&[subscribe("a"), text("m:hello")]), |events| {
        answer(&echoed(events))
    });
    let inner = trusting(Config::over_http(backend.addr));
    let outer = Config::over_http(inner.clients).proxy("sig_key = \"edge-secret\"");
    let outer = P8::start(&outer);
    let mut client = outer.ws("/");
    client.expect_text("hello");
    client.send_text("m:back");
    client.expect_text("back");
    wait_for_event(&backend, &text("m:back"));
    for request in backend.seen() {
        outer_signature(&request);
    }
    reaches_from_outside(&outer, &inner, &mut client);
    assert!(all_events(&backend).contains(&text("m:back")));
}

#[test]
fn a_websocket_whose_signature_has_expired_goes_on_with_p8s_own() {
    let backend = opening_with(accept(&[]), |events| answer(&echoed(events)));
    let p8 = trusting(Config::over_http(backend.addr));
    let token = token_of(&json!({"exp": in_secs(2)}), b"edge-secret");
    let headers = [
        ("Grip-Sig", token.as_str()),
        ("Sec-WebSocket-Extensions", "grip"),
    ];
    let mut client = p8.ws_with("/", &headers).expect("accepted");
    let is_own = |request: &Request| request.header("grip-sig") != Some(token.as_str());
    assert!(!is_own(&backend.only_request()));
    wait_until(DEADLINE, "a signature of P-8's own", || {
        client.send_text("again");
        client.expect_text("again");
        backend.seen().last().is_some_and(is_own)
    });
    let seen = backend.seen();
    let last = seen.last().and_then(|request| request.header("grip-sig"));
    let key = jsonwebtoken::DecodingKey::from_secret(b"changeme");
    let validation = jsonwebtoken::Validation::new(Algorithm::HS256);
    let own = jsonwebtoken::decode::<Value>(last.expect("a signature"), &key, &validation);
    assert!(own.is_ok());
}

#[test]
fn a_trusted_client_that_offers_no_grip_gets_messages_as_they_are() {
    let peers = Peers::grip();
    let p8 = trusting(Config::to(peers.backend.addr));
    let token = token();
    let headers = [("Grip-Sig", token.as_str())];
    let mut client = p8.ws_with("/", &headers).expect("accepted");
    assert_eq!(client.head.header("sec-websocket-extensions"), None);
    let mut peer = peers.next();
    assert_eq!(peer.request.header("sec-websocket-extensions"), None);
    peer.control(&json!({"type": "subscribe", "channel": "a"}));
    client.expect_text("c:{\"channel\":\"a\",\"type\":\"subscribe\"}");
    holds_nothing(&p8);
}

#[test]
fn an_untrusted_client_speaks_no_grip_itself() {
    let peers = Peers::grip();
    let p8 = trusting(Config::to(peers.backend.addr));
    let headers = [
        ("Grip-Sig", "x.y.z"),
        ("Sec-WebSocket-Extensions", "grip; message-prefix=\"z\""),
    ];
    let mut client = p8.ws_with("/", &headers).expect("accepted");
    assert_eq!(client.head.header("sec-websocket-extensions"), None);
    let mut peer = peers.next();
    assert_eq!(peer.request.all("sec-websocket-extensions"), ["grip"]);
    assert_ne!(peer.request.header("grip-sig"), Some("x.y.z"));
    peer.send_text("m:hello");
    client.expect_text("hello");
}

#[test]
fn events_of_a_route_without_grip_are_never_signed() {
    let backend = opening_with(accept_plain(&[]), |events| answer(&echoed(events)));
    let config = Config::over_http_with("host = \"*\"\nno_grip = true", &[backend.addr], "");
    let p8 = P8::start(&config);
    let mut client = p8.ws("/");
    client.send_text("one");
    client.expect_text("one");
    for request in backend.seen() {
        assert_eq!(
            request.header("grip-sig"),
            None,
            "{:?}",
            events_of(&request)
        );
    }
}

#[test]
fn of_two_p8s_the_outer_one_holds_clients_of_the_inner_ones_test_target() {
    let inner = trusting(Config::new().route_to("host = \"*\"", "{ test = true }"));
    let outer = in_front_of(&inner);
    let mut stream = outer.stream("/stream?channel=x,y&channel=z");
    stream.expect("[stream opened]\n");
    Snapshot::wait_for_subscribers(outer.control, "x,y", 1);
    outer.publish(&[stream_item("z", "pushed\n"), close_item("z")]);
    assert_eq!(stream.read_to_end().expect("an end"), b"pushed\n");
    let mut client = outer.ws("/ws?channel=a");
    client.send_text("echo");
    client.expect_text("echo");
    reaches_from_outside(&outer, &inner, &mut client);
}

#[test]
fn a_sockjs_client_behind_another_proxy_is_served_here() {
    let backend = opening_with(
        accept(&[control(&json!({"type": "subscribe", "channel": "a"}))]),
        |_| answer(&[]),
    );
    let config = Config::over_http_with("host = \"*\"\nsockjs = \"/echo\"", &[backend.addr], "");
    let inner = trusting(config);
    let outer = in_front_of(&inner);
    let opened = outer.client().post("/echo/000/one/xhr", b"");
    assert_eq!(opened.text(), "o\n");
    Snapshot::wait_for_subscribers(inner.control, "a", 1);
    let key = jsonwebtoken::DecodingKey::from_secret(b"changeme");
    let validation = jsonwebtoken::Validation::new(Algorithm::HS256);
    let request = backend.only_request();
    let signature = request.header("grip-sig").expect("one signature");
    let own = jsonwebtoken::decode::<Value>(signature, &key, &validation);
    assert!(own.is_ok(), "the inner P-8's own signature");
}
