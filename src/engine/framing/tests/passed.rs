//! What passes, and how it is written anew.

use super::*;

#[test]
fn heads_that_would_be_misread_pass_rewritten() {
    #[rustfmt::skip]
    let table = [
        // No Host.
        ("GET /a HTTP/1.1\r\nA: b\r\n\r\n", "GET /a HTTP/1.1\r\nHost: localhost\r\nA: b\r\n\r\n"),
        ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"),
        // A POST of HTTP/1.0 without a length.
        ("POST / HTTP/1.0\r\nHost: a\r\n\r\n", "POST / HTTP/1.0\r\nContent-Length: 0\r\nHost: a\r\n\r\n"),
        // Empty lines before the request.
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        // Targets in absolute form, and characters the parser refuses.
        ("GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n", "GET /b?c HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET HTTPS://A:8 HTTP/1.1\r\nHost: a:8\r\n\r\n", "GET / HTTP/1.1\r\nHost: a:8\r\n\r\n"),
        ("GET http://a?b/c HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?b/c HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET http://a/ HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
        ("GET /`a`?`b` HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%60a%60?`b` HTTP/1.1\r\nHost: a\r\n\r\n"),
        // Upgrades that are not served.
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
         "GET / HTTP/1.1\r\nHost: a\r\nHTTP2-Settings: x\r\nConnection: HTTP2-Settings\r\n\r\n"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nConnection: close\r\n\r\n",
         "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        ("GET / HTTP/1.0\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive,upgrade,\r\n\r\n",
         "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: X\r\n\r\n",
         "GET / HTTP/1.1\r\nHost: a\r\nConnection: X\r\n\r\n"),
        ("PUT / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\nx",
         "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
        ("GET / HTTP/1.0\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n",
         "GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
    ];
    for (input, expected) in table {
        let (passed, head) = passed_head(input);
        assert_eq!(passed, expected, "{input:?}");
        let is_served = matches!(head.upgrade, Upgrade::WebSocket | Upgrade::Other);
        assert!(!is_served, "{input:?}");
    }
}

#[test]
fn only_foreign_protocols_may_be_asked_of_a_backend() {
    let passed = |upgrade: &str| {
        passed_head(&format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{upgrade}Connection: x, Upgrade\r\n\r\n"
        ))
    };
    for upgrade in [
        "Upgrade: echo\r\n",
        "Upgrade: echo/1.0, Other\r\n",
        "Upgrade: echo\r\nupgrade: ,other\r\n",
        "Upgrade: httpx\r\nContent-Length: 0\r\n",
    ] {
        let (passed, head) = passed(upgrade);
        assert_eq!(head.upgrade, Upgrade::Other, "{upgrade:?}");
        assert_eq!(
            passed,
            format!("GET / HTTP/1.1\r\nHost: a\r\n{upgrade}Connection: x\r\n\r\n")
        );
    }
    for protocols in [
        "",
        ",",
        "h2c",
        "H2",
        "h3",
        "HTTP/2.0",
        "http",
        "TLS/1.0",
        "websocket/13",
        "echo, h2c",
        "echo, HTTP/1.1",
        "echo/",
        "/1",
        "e cho",
        "echo/1/2",
        "\u{e4}cho",
    ] {
        let (passed, head) = passed(&format!("Upgrade: {protocols}\r\n"));
        assert_eq!(head.upgrade, Upgrade::Ignored, "{protocols:?}");
        assert!(!passed.contains("Upgrade"), "{passed:?}");
    }
}

#[test]
fn hosts_and_targets_that_pass() {
    for host in [
        "",
        "a",
        "A.b-c_d",
        "a:80",
        "a:",
        "127.0.0.1:1",
        "[::1]",
        "[fe80::1]:65535",
        "a%20b",
        "a.",
    ] {
        passed_head(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
    for target in [
        "/",
        "//",
        "/a/../b",
        "/?",
        "/??a=/?",
        "/%zz",
        "/{\"a\"}|\\^~",
        "/a:b@c;d=e,f",
    ] {
        let (passed, _) = passed_head(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(passed.contains(target));
    }
}
