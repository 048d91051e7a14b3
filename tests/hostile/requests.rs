//! Requests that no client should send.

use super::assert_sound;
use crate::support::{Answer, Backend, Client, Config, P8};

/// P-8 for pages of other origins, whose clients may send heads of 64 KiB.
fn open_to_pages(keys: &str) -> (Backend, P8) {
    let backend = Backend::answering(|_| Answer::ok("passed"));
    let config = Config::new().http("client_buffer_size = 65536");
    let p8 = P8::start(&config.route(keys, &[backend.addr]));
    (backend, p8)
}

#[test]
fn a_request_head_of_a_megabyte_is_refused_before_it_is_read_whole() {
    let backend = Backend::answering(|_| Answer::ok("passed"));
    let p8 = P8::start(&Config::to(backend.addr));
    let long = "v".repeat(1_000_000);
    for head in [
        format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: h\r\n{long}: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n"),
        format!("{long} / HTTP/1.1\r\nHost: h\r\n\r\n"),
    ] {
        let mut client = p8.client();
        client.send_until_stuck(head.as_bytes());
        let reply = client.reply();
        let text = "Request header size exceeded limit of 8192 bytes.\n";
        assert_eq!((reply.status(), reply.text().as_str()), (400, text));
    }
    assert_eq!(p8.get("/").text(), "passed");
    assert_eq!(backend.seen().len(), 1);
    assert_sound(&p8);
}

#[test]
fn callbacks_that_are_more_than_a_name_are_refused() {
    let (backend, p8) = open_to_pages("aco = true");
    let long = "a".repeat(60_000);
    let dots = "a.".repeat(60) + "a";
    for callback in [
        "",
        "1",
        "a(",
        "a()",
        "alert(1)//",
        "a;b",
        "a%0d%0ab",
        "a%00",
        "%61%28",
        "a%2",
        "%",
        "%zz",
        "a..b",
        ".a",
        "a.",
        "a[",
        "a[]",
        "a[b]",
        "a[0",
        "a]0[",
        "a[0]b",
        "a[%270%27]",
        "%E2%98%83",
        "%ff",
        "a%e2%80%a8",
        "%3C/script%3E",
        "a%20b",
        "a+b",
        "*/alert(1)/*",
        &long,
    ] {
        let reply = p8.get(&format!("/x?callback={callback}"));
        let text = "Invalid callback parameter.\n";
        let start = &callback[..callback.len().min(40)];
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (400, text),
            "{start}"
        );
    }
    assert!(backend.seen().is_empty());
    assert_eq!(p8.get(&format!("/x?callback={dots}")).status(), 200);
    assert_sound(&p8);
}

#[test]
fn queries_of_60_kilobytes_are_read_once_or_refused() {
    let (backend, p8) = open_to_pages("aco = true");
    let pairs = "a=b&".repeat(15_000);
    let reply = p8.get(&format!("/x?{pairs}callback=f"));
    assert!(
        reply.text().starts_with("/**/f({\"code\": 200"),
        "{}",
        reply.text()
    );
    let escaped = "%41".repeat(20_000);
    let reply = p8.get(&format!("/x?callback=f&_method=PUT&_body={escaped}"));
    assert!(
        reply.text().starts_with("/**/f({\"code\": 200"),
        "{}",
        reply.text()
    );
    assert_eq!(backend.seen()[1].body, "A".repeat(20_000).as_bytes());
    let deep = "%5B".repeat(20_000);
    let many: Vec<String> = (0..2_000).map(|n| format!("%22x-{n}%22:%22v%22")).collect();
    let many = format!("%7B{}%7D", many.join(","));
    for (parameter, value) in [
        ("_headers", deep.as_str()),
        ("_headers", many.as_str()),
        ("_headers", "%7B%22a%0d%0ab%22:%22x%22%7D"),
        ("_headers", "%7B%22a%22:%22x%5Cr%5Cny%22%7D"),
        ("_headers", "%7B%22a%22:%22%5Cu0000%22%7D"),
        ("_headers", "%7B%22a%22:1%7D"),
        ("_method", "GET%20/admin%20HTTP/1.1%0d%0a"),
        ("_method", ""),
        ("_method", "CONNECT"),
        ("_body", "%"),
    ] {
        let reply = p8.get(&format!("/x?callback=f&{parameter}={value}"));
        let text = format!("Invalid {parameter} parameter.\n");
        let start = &value[..value.len().min(40)];
        let told = reply.text();
        let is_told = reply.status() == 400 && told == text || told.contains(text.trim());
        assert!(is_told, "{parameter}={start}: {} {told}", reply.status());
    }
    assert_eq!(backend.seen().len(), 2);
    assert_sound(&p8);
}

#[test]
fn an_origin_of_odd_bytes_is_given_back_as_it_is_or_refused() {
    let (_backend, p8) = open_to_pages("aco = true");
    let (_other, limited) =
        open_to_pages("aco = true\ncross_origin_allow = [\"https://a.example\"]");
    let long = vec![b'o'; 60_000];
    for origin in [
        &b"null"[..],
        b"",
        b"\xff\xfe",
        b"https://a.example, https://b.example",
        b"https://a.example.evil.example",
        b"https://A.example",
        b"https://a.example\t",
        b"\"<script>\"",
        &long,
    ] {
        let ask = |p8: &P8| {
            let mut client = p8.client();
            client.send(b"GET / HTTP/1.1\r\nHost: h\r\nOrigin: ");
            client.send_until_stuck(origin);
            client.send(b"\r\n\r\n");
            client.reply()
        };
        let reply = ask(&p8);
        let start = String::from_utf8_lossy(&origin[..origin.len().min(40)]).into_owned();
        assert_eq!(reply.status(), 200, "{start}");
        let given = reply
            .head
            .header("access-control-allow-origin")
            .expect("an origin");
        assert_eq!(
            given,
            String::from_utf8_lossy(origin.trim_ascii()),
            "{start}"
        );
        assert_eq!(reply.head.header("vary"), Some("Origin"));
        let reply = ask(&limited);
        let is_listed = origin.trim_ascii() == b"https://a.example";
        let given = reply.head.header("access-control-allow-origin");
        assert_eq!(given.is_some(), is_listed, "{start}");
        assert_eq!(reply.head.header("vary"), Some("Origin"));
    }
    for byte in [0, 1, 10, 13, 127] {
        let mut client = Client::connect(p8.clients);
        client.send(
            [
                &b"GET / HTTP/1.1\r\nHost: h\r\nOrigin: a"[..],
                &[byte],
                b"b\r\n\r\n",
            ]
            .concat(),
        );
        assert_eq!(client.reply().status(), 400, "byte {byte}");
    }
    assert_sound(&p8);
    assert_sound(&limited);
}

#[test]
fn hosts_that_mean_another_are_refused() {
    let backend = Backend::answering(|_| Answer::ok("passed"));
    let p8 = P8::start(&Config::to(backend.addr));
    for host in [
        "a@b",
        "a/b",
        "a?b",
        "a#b",
        "a\\b",
        "a b",
        "a,b",
        "[::1",
        "::1",
        "[fe80::1%25eth0]",
        "h:99999",
        "h:x",
        "h:80:80",
    ] {
        let mut client = p8.client();
        client.request("GET", "/", &[("Host", host)], b"");
        let status = client.reply().status();
        assert_eq!(status, 400, "{host}");
    }
    assert_sound(&p8);
}
