//! Sizes and counts, each just within its bound and just past it.
//!
//! Source: `docs/compatibility.md`, limits.

use crate::support::grip::{hold, hold_in, instruct, BOTH_FORMS};
use crate::support::publish::{close_item, response_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::{Answer, Backend, Config, P8};
use serde_json::json;

/// A body of that many bytes.
fn bytes(n: usize) -> Vec<u8> {
    vec![b'x'; n]
}

#[test]
fn channels_past_the_twentieth_are_left_out_and_counted() {
    let names: Vec<String> = (1..=25).map(|n| format!("c{n}")).collect();
    for form in BOTH_FORMS {
        let names = names.clone();
        let backend = Backend::answering(move |_| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            hold_in(form, "stream", &names, "")
        });
        let p8 = P8::start(&Config::to(backend.addr));
        let mut client = p8.stream("/");
        p8.publish(&[
            stream_item("c1", "1,"),
            stream_item("c20", "20,"),
            stream_item("c21", "21,"),
        ]);
        p8.publish(&[close_item("c25"), stream_item("c2", "2"), close_item("c20")]);
        assert_eq!(client.read_to_end().expect("an end"), b"1,20,2", "{form:?}");
        assert_eq!(p8.snapshot().refused("too-many-channels"), 5, "{form:?}");
    }
}

#[test]
fn the_number_of_channels_is_an_option() {
    let backend = Backend::answering(|_| hold_in(BOTH_FORMS[0], "stream", &["a", "b", "c"], ""));
    let config = Config::to(backend.addr).handler("connection_subscription_max = 2");
    let p8 = P8::start(&config);
    let mut client = p8.stream("/");
    p8.publish(&[
        stream_item("c", "c"),
        stream_item("b", "b"),
        close_item("a"),
    ]);
    assert_eq!(client.read_to_end().expect("an end"), b"b");
}

#[test]
fn a_grip_response_of_100_000_bytes_is_held_and_one_more_is_refused() {
    let backend = Backend::answering(|request| {
        let size: usize = request.query().parse().expect("a size");
        hold("response", "a", "")
            .body(bytes(size))
            .header("Grip-Timeout", "5")
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.request("GET", "/?100000", &[], b"");
    let refused = p8.get("/?100001");
    assert_eq!(
        (refused.status(), refused.text().as_str()),
        (502, "Error while proxying to origin.\n")
    );
    assert_eq!(client.reply().body.len(), 100_000, "the timeout's answer");
}

#[test]
fn a_json_instruct_shares_that_limit() {
    let envelope = json!({"response": {"body": ""}}).to_string().len();
    let backend = Backend::answering(move |request| {
        let size: usize = request.query().parse().expect("a size");
        instruct(&json!({"response": {"body": "x".repeat(size - envelope)}}))
    });
    let p8 = P8::start(&Config::to(backend.addr));
    assert_eq!(p8.get("/?100000").status(), 200);
    assert_eq!(p8.get("/?100001").status(), 502);
}

#[test]
fn a_larger_stream_is_relayed_first_and_then_held() {
    let backend = Backend::answering(|_| {
        let large = hold("stream", "a", "")
            .body(bytes(300_000))
            .header("X-A", "1");
        large.header("Grip-Status", "202 Large")
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.request("GET", "/", &[], b"");
    let head = client.final_head();
    assert_eq!((head.status, head.reason.as_str()), (202, "Large"));
    assert_eq!(
        (head.header("content-length"), head.header("x-a")),
        (None, Some("1"))
    );
    assert_eq!(head.names_with("grip-"), Vec::<&str>::new());
    assert_eq!(client.read_exact(300_000), bytes(300_000));
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[stream_item("a", "then held\n"), close_item("a")]);
    assert_eq!(client.read_to_end().expect("an end"), b"then held\n");
}

#[test]
fn a_request_of_100_000_bytes_may_be_held_and_one_more_may_not() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/plain" => Answer::ok("plain"),
        _ => hold("response", "a", ""),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.request("POST", "/", &[], &bytes(100_000));
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[response_item("a", "held")]);
    assert_eq!(client.reply().text(), "held");
    let refused = p8.client().post("/", &bytes(100_001));
    let text = "Request too large to accept GRIP instruct.\n";
    assert_eq!((refused.status(), refused.text().as_str()), (400, text));
    assert_eq!(p8.client().post("/plain", &bytes(100_001)).text(), "plain");
}

/// A request head of exactly that many bytes.
fn head_of(size: usize) -> String {
    let around = "GET / HTTP/1.1\r\nHost: h\r\nX-Long: \r\n\r\n";
    let head = around.replace(
        "X-Long: ",
        &format!("X-Long: {}", "v".repeat(size - around.len())),
    );
    assert_eq!(head.len(), size);
    head
}

#[test]
fn a_request_head_of_8192_bytes_passes_and_one_more_is_refused() {
    let backend = Backend::answering(|_| Answer::ok("passed"));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    client.send(head_of(8192));
    assert_eq!(client.reply().text(), "passed");
    let mut client = p8.client();
    client.send(head_of(8193));
    let reply = client.reply();
    let text = "Request header size exceeded limit of 8192 bytes.\n";
    assert_eq!((reply.status(), reply.text().as_str()), (400, text));
    client.expect_end();
}

#[test]
fn the_size_of_a_request_head_is_an_option() {
    let backend = Backend::answering(|_| Answer::ok("passed"));
    let p8 = P8::start(&Config::to(backend.addr).http("client_buffer_size = 16384"));
    let mut client = p8.client();
    client.send(head_of(16_384));
    assert_eq!(client.reply().text(), "passed");
    client.send(head_of(16_385));
    assert_eq!(client.reply().status(), 400);
}

#[test]
fn a_request_with_64_headers_passes_and_one_with_65_is_refused() {
    let backend = Backend::answering(|_| Answer::ok("passed"));
    let p8 = P8::start(&Config::to(backend.addr));
    for (count, status) in [(64, 200), (65, 400), (500, 400)] {
        let more: String = (1..count).map(|n| format!("X-{n}: {n}\r\n")).collect();
        let mut client = p8.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\n{more}\r\n"));
        let reply = client.reply();
        assert_eq!(reply.status(), status, "{count} headers");
        if status == 400 {
            assert_eq!(reply.text(), "Failed to parse request: too many headers\n");
        }
    }
}

#[test]
fn a_response_with_200_headers_and_24_kib_passes() {
    let backend = Backend::answering(|_| {
        (1..=199).fold(Answer::ok("passed"), |answer, n| {
            answer.header(&format!("X-{n}"), "v".repeat(100))
        })
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let reply = p8.get("/");
    assert_eq!(reply.text(), "passed");
    assert_eq!(reply.head.names_with("x-").len(), 199);
}

#[test]
fn a_response_head_without_end_is_refused() {
    let backend = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\n");
        while exchange.raw(format!("X-Endless: {}\r\n", "v".repeat(8000))) {}
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let reply = p8.get("/");
    assert_eq!(
        (reply.status(), reply.head.header("p8-reason")),
        (502, Some("head-too-large"))
    );
}

#[test]
fn clients_past_the_most_connections_get_503_and_are_counted() {
    let backend = Backend::answering(|_| Answer::ok("passed"));
    let p8 = P8::start(&Config::to(backend.addr).http("client_maxconn = 3"));
    let mut clients: Vec<_> = (0..3).map(|_| p8.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").text(), "passed");
    }
    let mut refused = p8.client();
    let head = refused.head();
    assert_eq!((head.status, head.header("retry-after")), (503, Some("1")));
    drop(refused);
    assert_eq!(p8.snapshot().refused("too-many-connections"), 1);
    for client in &mut clients {
        assert_eq!(client.get("/").text(), "passed");
    }
}
