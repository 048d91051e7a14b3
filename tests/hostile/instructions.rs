//! Instructions that no backend should give.

use serde_json::{json, Value};

use super::assert_sound;
use crate::support::client::Reply;
use crate::support::grip::{hold, instruct};
use crate::support::publish::{close_item, hint_item, response_item, stream_item, stream_with};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

/// P-8 on a route that tells why instructions are refused, before a backend that answers with that.
fn debugging(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> (Backend, P8) {
    let backend = Backend::answering(move |request| answer(&request.target));
    let p8 = P8::start(&Config::new().route("host = \"*\"\ndebug = true", &[backend.addr]));
    (backend, p8)
}

/// Asks for an answer with these bytes as its head and body.
fn raw(bytes: impl AsRef<[u8]>) -> (Reply, P8) {
    let bytes = bytes.as_ref().to_vec();
    let backend = Backend::scripted(move |exchange| {
        if exchange.request().target == "/plain" {
            exchange.answer(&Answer::ok("plain"));
        } else {
            exchange.raw(&bytes);
            exchange.close();
        }
    });
    let p8 = P8::start(&Config::new().route("host = \"*\"\ndebug = true", &[backend.addr]));
    let reply = p8.get("/");
    assert_eq!(p8.get("/plain").text(), "plain");
    assert_sound(&p8);
    (reply, p8)
}

#[track_caller]
fn assert_refused(reply: &Reply, word: &str) {
    let text = reply.text();
    assert_eq!(reply.status(), 502, "{text}");
    assert!(
        text.starts_with("Failed to parse accept instructions: "),
        "{text}"
    );
    assert!(text.contains(word) && text.len() < 400, "{word}: {text}");
    let line = text.strip_suffix('\n').expect("a line");
    assert!(!line.contains(|char: char| char.is_control()), "{line:?}");
}

#[test]
fn links_to_nowhere_are_refused_by_name() {
    let long = format!("</{}>", "a b".repeat(20_000));
    let links = [
        "<>",
        "<//>",
        "<///>",
        "<javascript:alert(1)>",
        "<JAVASCRIPT:alert(1)>",
        "<file:///etc/passwd>",
        "<data:text/plain,x>",
        "<ftp://h/>",
        "<http://h:99999/>",
        "<http://h:-1/>",
        "<http://h:x/>",
        "<http:>",
        "<http://>",
        "<http://:80/>",
        "<http://[::1/>",
        "<//h:99999/>",
        "<http://h h/>",
        "<a",
        "a>",
        "<<>>x",
        "\"<x>\"",
        &long,
    ];
    let targets: Vec<String> = links.iter().map(|link| (*link).to_owned()).collect();
    let (_backend, p8) = debugging(move |target| {
        let at: usize = target[1..].parse().expect("a number");
        let rel = if at.is_multiple_of(2) { "next" } else { "gone" };
        hold("stream", "a", "").header("Grip-Link", format!("{}; rel={rel}", targets[at]))
    });
    for (at, link) in links.iter().enumerate() {
        let reply = p8.get(&format!("/{at}"));
        let start: String = link.chars().take(60).collect();
        assert_eq!(reply.status(), 502, "{start}: {}", reply.text());
        assert_refused(&reply, "Grip-Link");
    }
    assert_sound(&p8);
}

#[test]
fn links_that_cannot_be_reached_are_tried_and_counted() {
    let nowhere = Backend::nowhere();
    let long = format!("/{}", "x".repeat(20_000));
    for link in [
        format!("http://user:secret@{nowhere}/"),
        "http://[fe80::1%25lo]/".to_owned(),
        "http://[::ffff:127.0.0.1]:1/".to_owned(),
        "http://127.1:1/".to_owned(),
        "http://0x7f000001:1/".to_owned(),
        "http://h:0/".to_owned(),
        "http://\u{2603}.invalid/".to_owned(),
        "http://xn--a.invalid/".to_owned(),
        "http://a%00b/".to_owned(),
        "http://%zz/".to_owned(),
        "https://127.0.0.1:1/".to_owned(),
        "/\\a\\..\\b".to_owned(),
        "?".repeat(20_000),
        long,
    ] {
        let to = link.clone();
        let backend = Backend::answering(move |request| match request.target.as_str() {
            "/" => hold("stream", "a", "open ").next(&to).gone(&to),
            _ => Answer::new(500),
        });
        let p8 = P8::start(&Config::new().route("host = \"*\"\ndebug = true", &[backend.addr]));
        let start: String = link.chars().take(60).collect();
        let mut client = p8.client();
        client.request("GET", "/", &[], b"");
        let head = client.final_head();
        if head.status == 502 {
            let text = String::from_utf8_lossy(&client.read_to_end().expect("an end")).into_owned();
            assert!(text.contains("Grip-Link"), "{start}: {text}");
            assert_sound(&p8);
            continue;
        }
        assert_eq!(head.status, 200, "{start}");
        client.expect("open ");
        p8.publish(&[stream_with("a", json!({"action": "hint"}))]);
        wait_until(DEADLINE, "the link to fail", || {
            p8.snapshot().total("link_failures_total") > 0
        });
        drop(client);
        wait_until(DEADLINE, "the gone link to fail", || {
            p8.snapshot().total("gone_link_failures_total") > 0
        });
        for request in backend.seen() {
            assert!(request.all("authorization").is_empty(), "{start}");
            assert!(
                request.all("host").iter().all(|host| !host.contains('@')),
                "{start}"
            );
        }
        assert_sound(&p8);
    }
}

#[test]
fn heads_of_a_megabyte_are_refused() {
    let long = "v".repeat(1_000_000);
    for name in [
        "Grip-Channel",
        "Grip-Link",
        "Grip-Set-Meta",
        "Grip-Keep-Alive",
        "Grip-Hold",
        "Grip-Odd",
    ] {
        let (reply, _p8) = raw(format!(
            "HTTP/1.1 200 OK\r\n{name}: {long}\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(
            (reply.status(), reply.head.header("p8-reason")),
            (502, Some("head-too-large"))
        );
    }
}

#[test]
fn headers_that_are_no_text_are_refused_or_taken_as_bytes() {
    for (line, word) in [
        (&b"Grip-Hold: \xff"[..], "Grip-Hold"),
        (b"Grip-Hold: stre\x80am", "Grip-Hold"),
        (b"Grip-Hold: stream\r\nGrip-Link: </\xff>; rel=next", "Grip-Link"),
        (b"Grip-Hold: stream\r\nGrip-Keep-Alive: x; timeout=\xff", "Grip-Keep-Alive"),
        (b"Grip-Hold: response\r\nGrip-Timeout: \xff", "Grip-Timeout"),
        (b"Grip-Hold: response\r\nGrip-Timeout: 99999999999999999999", "Grip-Timeout"),
        (b"Grip-Hold: response\r\nGrip-Timeout: -1", "Grip-Timeout"),
        (b"Grip-Hold: response\r\nGrip-Status: \xff", "Grip-Status"),
        (b"Grip-Hold: stream\r\nGrip-Channel: a; filter=b; filter=b; filter=b; filter=b; filter=b; filter=b", "Grip-Channel"),
    ] {
        let head = [b"HTTP/1.1 200 OK\r\n", line, b"\r\nContent-Length: 0\r\n\r\n"].concat();
        assert_refused(&raw(head).0, word);
    }
    let head = b"HTTP/1.1 200 OK\r\nGrip-Set-Meta: a=\xff, \xff=b, =, a, \"\r\nGrip-Channel: \xff\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(raw(head).0.text(), "ok");
}

/// Documents, and a word of the text that each is refused with.
fn bad_documents() -> Vec<(String, &'static str)> {
    let deep = |open: &str| open.repeat(15_000);
    let channel = r#""channels": [{"name": "a"}]"#;
    vec![
        (deep("["), "valid JSON"),
        (deep("{\"a\":"), "valid JSON"),
        (
            ["{\"hold\":", &"[".repeat(40_000), &"]".repeat(40_000), "}"].concat(),
            "valid JSON",
        ),
        ("{\"hold\": 1e400}".into(), "valid JSON"),
        ("{\"hold\": {}}\0".into(), "valid JSON"),
        ("{\"hold\": \"\0\"}".into(), "valid JSON"),
        ("[]".into(), "object"),
        ("{\"hold\": []}".into(), "'hold'"),
        (
            format!("{{\"hold\": {{{channel}, \"mode\": \"stream\\u0000\"}}}}"),
            "'mode'",
        ),
        (
            format!("{{\"hold\": {{{channel}, \"timeout\": -1}}}}"),
            "'timeout'",
        ),
        (
            format!("{{\"hold\": {{{channel}, \"timeout\": 1e300}}}}"),
            "'timeout'",
        ),
        (
            format!("{{\"hold\": {{{channel}, \"keep-alive\": {{\"timeout\": 2147483648}}}}}}"),
            "'timeout'",
        ),
        (
            format!("{{\"hold\": {{{channel}, \"meta\": {{\"a\\nb\": 1}}}}}}"),
            "'meta'",
        ),
        (
            format!("{{\"hold\": {{{channel}, \"channels\": {{}}}}}}"),
            "'channels'",
        ),
        (
            "{\"hold\": {\"channels\": [{\"name\": null}]}}".into(),
            "'name'",
        ),
        (
            "{\"hold\": {\"channels\": [{\"name\": \"a\", \"filters\": [1]}]}}".into(),
            "filters",
        ),
        ("{\"response\": {\"code\": 1000}}".into(), "'code'"),
        (
            "{\"response\": {\"headers\": {\"a\\r\\nb\": \"x\"}}}".into(),
            "headers",
        ),
        (
            "{\"response\": {\"headers\": [[\"a\", \"x\\r\\ny\"]]}}".into(),
            "headers",
        ),
        (
            "{\"response\": {\"reason\": \"x\\r\\ny\"}}".into(),
            "'reason'",
        ),
    ]
}

#[test]
fn documents_that_are_no_instructions_are_refused_by_field() {
    let table = bad_documents();
    let bodies: Vec<String> = table.iter().map(|(body, _)| body.clone()).collect();
    let (_backend, p8) = debugging(move |target| {
        let at: usize = target[1..].parse().expect("a number");
        Answer::ok(&bodies[at]).header("Content-Type", "application/grip-instruct")
    });
    for (at, (_, word)) in table.iter().enumerate() {
        assert_refused(&p8.get(&format!("/{at}")), word);
    }
    assert_sound(&p8);
}

#[test]
fn ten_thousand_channels_and_pairs_of_meta_are_cut_or_taken() {
    let channels: Vec<Value> = (0..5_000).map(|n| json!({"name": n.to_string()})).collect();
    let pairs: serde_json::Map<String, Value> =
        (0..4_000).map(|n| (n.to_string(), json!("v"))).collect();
    let long = "l".repeat(45_000);
    let large = instruct(&json!({"hold": {"mode": "stream", "channels": channels, "meta": {}}}));
    let paired = instruct(
        &json!({"hold": {"mode": "stream", "channels": [{"name": "a", "filters": ["var-subst"]}], "meta": pairs}}),
    );
    let named = instruct(
        &json!({"hold": {"mode": "stream", "channels": [{"name": &long}, {"name": "\r\n\0"}], "meta": {"x": &long}}}),
    );
    let (_backend, p8) = debugging(move |target| match target {
        "/large" => large.clone(),
        "/paired" => paired.clone(),
        "/named" => named.clone(),
        _ => (0..100).fold(hold("stream", "a", ""), |answer, n| {
            let list: Vec<String> = (0..50).map(|m| format!("c{n}-{m}")).collect();
            answer.header("Grip-Channel", list.join(","))
        }),
    });
    let mut stream = p8.stream("/large");
    p8.publish(&[
        stream_item("20", "wrong"),
        stream_item("19", "right"),
        close_item("0"),
    ]);
    assert_eq!(stream.read_to_end().expect("an end"), b"right");
    assert_eq!(p8.snapshot().refused("too-many-channels"), 4_980);
    let mut stream = p8.stream("/paired");
    p8.publish(&[stream_item("a", "%(3999)s"), close_item("a")]);
    assert_eq!(stream.read_to_end().expect("an end"), b"v");
    let mut stream = p8.stream("/named");
    p8.publish(&[
        stream_item(&"l".repeat(45_000), "long "),
        stream_item("\r\n\0", "odd"),
        close_item("\r\n\0"),
    ]);
    assert_eq!(stream.read_to_end().expect("an end"), b"long odd");
    let mut stream = p8.stream("/headers");
    p8.publish(&[
        stream_item("c0-18", "right"),
        stream_item("c0-19", "wrong"),
        close_item("a"),
    ]);
    assert_eq!(stream.read_to_end().expect("an end"), b"right");
    assert_sound(&p8);
}

#[test]
fn names_and_ids_reach_the_backend_as_one_header_each_or_not_at_all() {
    for (name, id, expected) in [
        (
            "a",
            "1, b; last-id=2",
            Some("a; last-id=\"1, b; last-id=2\""),
        ),
        ("a", "\"; x=\\", Some("a; last-id=\"\\\"; x=\\\\\"")),
        ("a", "1\r\nX-Evil: 1", None),
        ("a\r\nX-Evil: 1", "1", None),
        ("a\0", "1", None),
        ("a, b", "1", None),
        ("a; last-id=9", "1", None),
        (" a", "1", None),
        ("\"a, b\"", "1", Some("\"a, b\"; last-id=1")),
        ("\"a", "1", None),
    ] {
        let document = json!({"hold": {"channels": [{"name": name, "prev-id": id}]}});
        let backend = Backend::answering(move |request| match request.query() {
            "held" if request.all("x-again").is_empty() => instruct(&document),
            _ => Answer::ok("plain"),
        });
        let p8 = P8::start(&Config::to(backend.addr));
        let _client = p8.long_poll("/?held", name, 1);
        p8.publish(&[hint_item(name)]);
        wait_until(DEADLINE, "the backend to be asked again", || {
            backend.seen().len() > 1
        });
        let again = backend.seen()[1].clone();
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!(again.all("grip-last"), expected, "{name:?} {id:?}");
        assert!(again.all("x-evil").is_empty());
        p8.publish(&[response_item(name, "an answer")]);
        assert_sound(&p8);
    }
}
