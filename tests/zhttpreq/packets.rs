//! A request is a packet to a backend, and its answer another.

use std::os::unix::fs::PermissionsExt;

use p8::engine::zmq::tnetstring::Value;

use super::peers::{text, Rep};
use super::{answer, condition, debugged, header, request, served, wait_for_backends};
use crate::support::programs::TempDir;
use crate::support::wait::DEADLINE;
use crate::support::zmtp::{ipc, path, Raw};
use crate::support::{publish, wait_until, Answer, Backend, Config, P8};

#[test]
fn a_request_is_one_packet_and_its_answer_another() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let p8 = served(&spec, ", ssl = true, host = \"in.example\"");
    let backend = Rep::connect(&spec, |_| answer(404, "not here"));
    let mut client = p8.client();
    client.request("POST", "/a%20b?c=d", &[("X-Own", "1")], b"body");
    let reply = client.reply();
    assert_eq!((reply.status(), reply.text().as_str()), (404, "not here"));
    assert_eq!(reply.head.reason, "Reason");
    assert_eq!(reply.head.header("x-backend"), Some("zmq"));
    assert_eq!(reply.head.header("content-length"), Some("8"));
    let [request] = &backend.seen()[..] else {
        panic!("one request");
    };
    assert_eq!(text(request, "method"), "POST");
    assert_eq!(text(request, "uri"), "https://in.example/a%20b?c=d");
    assert_eq!(text(request, "body"), "body");
    assert_eq!(text(request, "from"), "p-8");
    assert_eq!(text(request, "id").len(), 36);
    assert_eq!(request.get("max-size"), Some(&Value::Int(1_000_000)));
    assert_eq!(request.get("ignore-policies"), Some(&Value::Bool(true)));
    for absent in ["seq", "credits", "stream", "router-resp", "ext", "more"] {
        assert_eq!(request.get(absent), None, "{absent}");
    }
    let Some(Value::List(headers)) = request.get("headers") else {
        panic!("headers");
    };
    let headers = format!("{headers:?}").to_lowercase();
    for words in [
        "host",
        "in.example",
        "x-own",
        "grip-sig",
        "grip-feature",
        "content-length",
    ] {
        assert!(headers.contains(words), "{words} in {headers}");
    }
}

#[test]
fn backends_connect_by_tcp_too() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let spec = format!("tcp://{}", free.local_addr().expect("an address"));
    drop(free);
    let p8 = served(&spec, ", untrusted = true");
    let backend = Rep::connect(&spec, |_| answer(200, ""));
    assert_eq!(p8.get("/").text(), "");
    assert_eq!(backend.seen()[0].get("ignore-policies"), None);
    assert_eq!(p8.snapshot().total("zmq_requests_total"), 1);
}

#[test]
fn conditions_become_statuses() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let p8 = served(&spec, "");
    let _backend = Rep::connect(&spec, |request| {
        let uri = text(request, "uri");
        condition(match uri.rsplit('/').next() {
            Some("length") => "length-required",
            Some("policy") => "policy-violation",
            Some("connect") => "remote-connection-failed",
            Some("timeout") => "connection-timeout",
            Some("tls") => "tls-error",
            Some("lost") => "disconnected",
            _ => "strange",
        })
    });
    for (path, status, reason, words) in [
        (
            "/length",
            411,
            "length-required",
            "Must provide Content-Length header.",
        ),
        (
            "/policy",
            502,
            "zhttp-condition",
            "Error: Origin host/IP blocked.",
        ),
        (
            "/connect",
            502,
            "connect-refused",
            "Unable to connect to any targets. Tried: zhttpreq/",
        ),
        (
            "/timeout",
            502,
            "connect-timeout",
            "Unable to connect to any targets. Tried: zhttpreq/",
        ),
        (
            "/tls",
            502,
            "connect-failed",
            "Unable to connect to any targets. Tried: zhttpreq/",
        ),
        ("/lost", 502, "zhttp-condition", ""),
        ("/other", 502, "zhttp-condition", ""),
    ] {
        let reply = p8.get(path);
        let found = (reply.status(), reply.head.header("p8-reason"));
        assert_eq!(found, (status, Some(reason)), "{path}: {}", reply.text());
        assert!(reply.text().contains(words), "{path}: {}", reply.text());
    }
}

#[test]
fn the_next_target_is_asked_if_the_backend_could_not_connect() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let other = Backend::answering(|request| Answer::ok(&request.body));
    let targets = format!(
        "{{ zhttpreq = \"{spec}\" }}, {{ url = \"http://{}\" }}",
        other.addr
    );
    let p8 = P8::start(&debugged(targets));
    let _backend = Rep::connect(&spec, |request| {
        condition(match text(request, "uri").rsplit('/').next() {
            Some("connect") => "remote-connection-failed",
            Some("tls") => "tls-error",
            _ => "disconnected",
        })
    });
    for (path, expected) in [("/connect", "body"), ("/tls", "body"), ("/lost", "")] {
        let mut client = p8.client();
        client.request("POST", path, &[], b"body");
        let reply = client.reply();
        assert_eq!(reply.status() == 200, !expected.is_empty(), "{path}");
        assert!(reply.text().contains(expected));
    }
    assert_eq!(other.seen().len(), 2);
}

#[test]
fn without_an_answer_in_time_it_is_502() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let p8 = served(&spec, "");
    let expect_unreachable = || {
        let reply = p8.get("/");
        assert_eq!(reply.status(), 502);
        assert_eq!(reply.head.header("p8-reason"), Some("zhttp-unreachable"));
        assert_eq!(
            reply.text(),
            "Error: zhttp service for route is unreachable.\n"
        );
    };
    expect_unreachable();
    let mut silent = Raw::connect(&path(&spec), "REP");
    wait_for_backends(&p8, 1);
    expect_unreachable();
    assert_eq!(text(&request(&mut silent), "method"), "GET");
}

#[test]
fn a_request_waits_for_a_backend_that_is_not_there_yet() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let config = debugged(format!("{{ zhttpreq = \"{spec}\" }}"));
    let p8 = P8::start(&config);
    let mut client = p8.client();
    client.request("GET", "/early", &[], b"");
    wait_until(DEADLINE, "the request", || {
        p8.snapshot().total("zmq_requests_total") == 1
    });
    let _backend = Rep::connect(&spec, |_| answer(200, "late"));
    assert_eq!(client.reply().text(), "late");
}

#[test]
fn several_backends_share_the_requests_and_one_may_leave() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let p8 = P8::start(&debugged(format!("{{ zhttpreq = \"{spec}\" }}")));
    let one = Rep::connect(&spec, |_| answer(200, "one"));
    wait_for_backends(&p8, 1);
    let two = Rep::connect(&spec, |_| answer(200, "two"));
    wait_for_backends(&p8, 2);
    for _ in 0..10 {
        assert_eq!(p8.get("/").status(), 200);
    }
    assert_eq!((one.seen().len(), two.seen().len()), (5, 5));
    drop(one);
    wait_for_backends(&p8, 1);
    for _ in 0..4 {
        assert_eq!(p8.get("/").text(), "two");
    }
    let again = Rep::connect(&spec, |_| answer(200, "again"));
    wait_for_backends(&p8, 2);
    for _ in 0..4 {
        p8.get("/");
    }
    assert_eq!(again.seen().len(), 2);
}

#[test]
fn a_packet_can_instruct_to_hold() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let p8 = served(&spec, "");
    let _backend = Rep::connect(&spec, |_| {
        let pair = |name, value| Value::List(vec![Value::bytes(name), Value::bytes(value)]);
        let headers = vec![pair("Grip-Hold", "stream"), pair("Grip-Channel", "news")];
        let mut fields = answer(200, "first\n");
        fields.retain(|(key, _)| *key != "headers");
        fields.push(("headers", Value::List(headers)));
        fields
    });
    let mut stream = p8.stream("/");
    stream.expect("first\n");
    p8.publish(&[publish::stream_item("news", "second\n")]);
    stream.expect("second\n");
}

#[test]
fn websockets_need_over_http() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let p8 = served(&spec, "");
    let mut client = p8.client();
    let handshake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    client.request("GET", "/", &handshake, b"");
    let reply = client.reply();
    assert_eq!(reply.status(), 502);
    assert_eq!(
        reply.text(),
        "WebSockets cannot be used with zhttpreq target\n"
    );

    let spec = ipc(folder.path());
    let p8 = served(&spec, ", over_http = true");
    let backend = Rep::connect(&spec, |request| {
        let body = text(request, "body");
        let mut fields = answer(
            200,
            if body == "OPEN\r\n" {
                &body
            } else {
                "TEXT 3\r\nyes\r\n"
            },
        );
        fields.retain(|(key, _)| *key != "headers");
        fields.push((
            "headers",
            header("Content-Type", "application/websocket-events"),
        ));
        fields
    });
    let mut client = p8.ws("/chat");
    client.send_text("hello");
    client.expect_text("yes");
    let seen = backend.seen();
    assert_eq!(text(&seen[1], "body"), "TEXT 5\r\nhello\r\n");
    assert_eq!(text(&seen[1], "method"), "POST");
}

#[test]
fn bodies_are_bounded_by_the_packet() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let p8 = P8::start(&debugged(format!("{{ zhttpreq = \"{spec}\" }}")));
    let _backend = Rep::connect(&spec, |request| {
        let body = request.get("body").cloned().unwrap_or(Value::bytes(""));
        vec![("code", Value::Int(200)), ("body", body)]
    });
    let body = vec![b'x'; 1_000_000];
    let reply = p8.client().post("/", &body);
    assert_eq!((reply.status(), reply.body.len()), (200, 1_000_000));
    let reply = p8.client().post("/", &vec![b'x'; 1_000_001]);
    assert_eq!(reply.status(), 413);
    assert_eq!(
        reply.head.header("p8-reason"),
        Some("request-too-large-for-zhttpreq")
    );
    let mut client = p8.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("{:x}\r\n", body.len()));
    client.send(&body);
    client.send("\r\n0\r\n\r\n");
    assert_eq!(client.reply().body.len(), 1_000_000);
}

#[test]
fn the_socket_has_the_mode_that_is_asked_for_and_goes_with_p8() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let file = path(&spec);
    // What a crash leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&file).expect("a socket"));
    let p8 = served(&spec, ", ipc_file_mode = \"600\"");
    let mode = std::fs::metadata(&file)
        .expect("the socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(p8);
    wait_until(DEADLINE, "the socket to go", || !file.exists());
}

#[test]
fn what_is_wrong_in_the_file_is_named() {
    for (target, words) in [
        (
            "zhttp = \"tcp://127.0.0.1:1\"",
            "streaming ones (zhttp) are not",
        ),
        ("zhttpreq = \"tcp://a.example:1\"", "tcp://address:port"),
        (
            "zhttpreq = \"tcp://127.0.0.1:1\", test = true",
            "no url, test or demo",
        ),
        ("zhttpreq = \"ipc:///x\", ipc_file_mode = \"888\"", "octal"),
        (
            "url = \"http://a:1\", ssl = true",
            "ssl and ipc_file_mode are for it only",
        ),
    ] {
        let config = Config::new().route_to("host = \"*\"", format!("{{ {target} }}"));
        let error = p8::Settings::from_toml(&config.toml()).expect_err("refused");
        assert!(error.to_string().contains(words), "{target}: {error}");
    }
    let many: Vec<String> = (1..=101)
        .map(|port| format!("{{ zhttpreq = \"tcp://127.0.0.1:{port}\" }}"))
        .collect();
    let config = Config::new().route_to("host = \"*\"", many.join(", "));
    let error = p8::Settings::from_toml(&config.toml()).expect_err("refused");
    assert!(error.to_string().contains("at most 100"), "{error}");
}
