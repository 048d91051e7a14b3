//! JSON-P: what a query makes of a request, and answers that are a function call.
//!
//! Source: `docs/cross-origin.md#json-p`, checklist 172 to 176 and 197. Which parameters are wrong is
//! tabled beside `engine::jsonp`.

use serde_json::{json, Value};

use crate::support::client::Reply;
use crate::support::grip::{hold, instruct};
use crate::support::publish::{hint_item, response_item};
use crate::support::snapshot::Snapshot;
use crate::support::{Answer, Backend, Config, P8};

/// P-8 before a backend that answers with that, on one route with these keys.
fn before(route: &str, answer: Answer) -> (Backend, P8) {
    let backend = Backend::answering(move |_| answer.clone());
    let p8 = P8::start(&Config::new().route(route, &[backend.addr]));
    (backend, p8)
}

/// The argument of the call, whose response is a script.
#[track_caller]
fn argument<'r>(reply: &'r Reply, callback: &str) -> &'r str {
    assert_eq!((reply.status(), reply.head.reason.as_str()), (200, "OK"));
    let content_type = reply.head.header("content-type");
    assert_eq!(content_type, Some("application/javascript"));
    let sniffing = reply.head.header("x-content-type-options");
    assert_eq!(sniffing, Some("nosniff"));
    let no_cors = reply.head.names_with("access-control-");
    assert_eq!(no_cors, [] as [&str; 0]);
    let text = std::str::from_utf8(&reply.body).expect("UTF-8");
    text.strip_prefix(&format!("/**/{callback}("))
        .and_then(|rest| rest.strip_suffix(");\n"))
        .unwrap_or_else(|| panic!("no call of {callback}: {text}"))
}

#[track_caller]
fn object(reply: &Reply, callback: &str) -> Value {
    serde_json::from_str(argument(reply, callback)).expect("JSON")
}

#[test]
fn extended_json_p_has_status_headers_and_body_in_an_object() {
    let answer = Answer::new(404)
        .reason("Nope")
        .header("X-A", "1")
        .header("X-A", "2")
        .header("Cache-Control", "no-store")
        .header("Set-Cookie", "a=b")
        .body("he \"said\" </script>\n");
    let (_backend, p8) = before("aco = true", answer);
    let reply = p8
        .client()
        .get_with("/x?callback=app.f[0]", &[("Origin", "http://page.test")]);
    let written = "{\"code\": 404, \"reason\": \"Nope\", \"headers\": {\"Cache-Control\":\
                   \"no-store\",\"Content-Length\":\"20\",\"Set-Cookie\":\"a=b\",\"X-A\":\"1\"}, \
                   \"body\": \"he \\\"said\\\" <\\/script>\\n\"}";
    assert_eq!(argument(&reply, "app.f[0]"), written);
    assert_eq!(reply.head.header("cache-control"), Some("no-store"));
    assert_eq!(reply.head.header("set-cookie"), None);
    let length = reply.body.len().to_string();
    assert_eq!(reply.head.header("content-length"), Some(length.as_str()));
}

#[test]
fn the_query_says_what_the_backend_is_asked() {
    let (backend, p8) = before("aco = true", Answer::ok("ok"));
    let headers = "%7B%22X-H%22%3A%22v%22%2C%22Host%22%3A%22evil%22%2C%22X-Forwarded-For%22%3A%221\
                   %22%2C%22Grip-Sig%22%3A%22x%22%2C%22Transfer-Encoding%22%3A%22chunked%22%7D";
    let target = format!("/x?callback=f&_method=PUT&_headers={headers}&_body=the%20body+");
    let mut client = p8.client();
    let own = [
        ("Accept", "text/html"),
        ("Cookie", "c=1"),
        ("Accept-Encoding", "gzip"),
    ];
    client.get_with(&target, &own);
    let request = backend.only_request();
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("PUT", "/x")
    );
    assert_eq!(request.body, b"the body+");
    for (name, value) in [
        ("x-h", Some("v")),
        ("host", Some("h")),
        ("accept", Some("*/*")),
        ("cookie", Some("c=1")),
        ("content-length", Some("9")),
        ("accept-encoding", None),
        ("x-forwarded-for", None),
        ("transfer-encoding", None),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }
    assert_ne!(request.header("grip-sig"), Some("x"));
    client.get("/x?a=1&callback=f&b=%20");
    let request = backend.seen().pop().expect("another");
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("GET", "/x?a=1&b=%20")
    );
}

#[test]
fn basic_json_p_posts_json_and_calls_with_the_body() {
    let keys = "aco = true\njsonp_mode = \"basic\"\njsonp_cb = \"cb\"\njsonp_body = \"body\"\n\
                jsonp_defcb = \"usual\"";
    let (backend, p8) = before(keys, Answer::ok("{\"a\": 1}\n"));
    assert_eq!(
        argument(&p8.get("/x?cb=f&x=1&body=%7B%22q%22%3A2%7D"), "f"),
        "{\"a\": 1}"
    );
    let request = backend.only_request();
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/x?x=1")
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.body, b"{\"q\":2}");
    assert_eq!(argument(&p8.get("/x?body=1"), "usual"), "{\"a\": 1}");
    assert_eq!(p8.get("/x?callback=f&_body=1").text(), "{\"a\": 1}\n");
}

#[test]
fn only_a_get_with_a_callback_is_json_p() {
    let (backend, p8) = before("aco = true", Answer::ok("plain"));
    let mut client = p8.client();
    assert_eq!(client.get("/?_method=PUT&_body=x").text(), "plain");
    assert_eq!(client.post("/?callback=f", b"x").text(), "plain");
    let seen: Vec<_> = backend
        .seen()
        .into_iter()
        .map(|request| (request.method, request.target))
        .collect();
    let expected = [("GET", "/?_method=PUT&_body=x"), ("POST", "/?callback=f")];
    assert_eq!(
        seen,
        expected.map(|(method, target)| (method.into(), target.into()))
    );
}

#[test]
fn bad_parameters_are_refused_and_reach_nobody() {
    let (backend, p8) = before("aco = true", Answer::ok("ok"));
    for (query, text) in [
        ("callback=", "Invalid callback parameter.\n"),
        ("callback=alert(1)//", "Invalid callback parameter.\n"),
        ("callback=%3Cscript%3E", "Invalid callback parameter.\n"),
        ("callback=f%0D%0AX-Y:%20z", "Invalid callback parameter.\n"),
        ("callback=%E2%80%A8f", "Invalid callback parameter.\n"),
        ("callback=f&_method=A%20B", "Invalid _method parameter.\n"),
        (
            "callback=f&_headers=%7Bnope",
            "Invalid _headers parameter.\n",
        ),
        ("callback=f&_body=%zz", "Invalid _body parameter.\n"),
    ] {
        let reply = p8.get(&format!("/?{query}"));
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (400, text),
            "{query}"
        );
        let content_type = reply.head.header("content-type").expect("a type");
        assert!(content_type.starts_with("text/plain"), "{content_type}");
    }
    assert!(backend.seen().is_empty());
    assert_eq!(p8.snapshot().refused("bad-jsonp"), 8);
}

#[test]
fn held_json_p_answers_are_wrapped_pushed_or_timed_out() {
    let answer = hold("response", "a", "late").header("X-Held", "1");
    let (_backend, p8) = before("aco = true", answer.header("Grip-Timeout", "5"));
    let mut client = p8.long_poll("/?callback=f", "a", 1);
    let headers = json!([["X-B", "1"], ["X-B", "2"]]);
    let format = json!({"code": 201, "headers": headers, "body": "pushed"});
    p8.publish(&[json!({"channel": "a", "formats": {"http-response": format}})]);
    let reply = client.reply();
    let written = "{\"body\":\"pushed\",\"code\":201,\"headers\":{\"Content-Type\":\"text/plain\",\
                   \"X-B\":\"1, 2\",\"X-Held\":\"1\"},\"reason\":\"Created\"}";
    assert_eq!(argument(&reply, "f"), written);
    assert_eq!(reply.head.all("x-b"), ["1", "2"]);
    assert_eq!(reply.head.header("x-held"), Some("1"));

    let late = object(&client.get("/?callback=g"), "g");
    assert_eq!(
        (&late["body"], &late["code"]),
        (&json!("late"), &json!(200))
    );
}

#[test]
fn basic_json_p_of_a_hold_has_the_body_without_its_line_end() {
    let keys = "aco = true\njsonp_mode = \"basic\"";
    let (_backend, p8) = before(keys, hold("response", "a", ""));
    for (body, expected) in [("[1]\n", "[1]"), ("it's", "\"it's\""), ("", "")] {
        let mut client = p8.long_poll("/?callback=f", "a", 1);
        p8.publish(&[response_item("a", body)]);
        assert_eq!(argument(&client.reply(), "f"), expected);
        Snapshot::wait_for_subscribers(p8.control, "a", 0);
    }
}

#[test]
fn a_hint_asks_the_backend_the_rewritten_request_again() {
    let backend = Backend::scripted(|exchange| {
        exchange.read_body();
        let answer = match exchange.index() {
            0 => hold("response", "a", ""),
            _ => Answer::ok("fresh"),
        };
        exchange.answer(&answer);
    });
    let p8 = P8::start(&Config::new().route("aco = true", &[backend.addr]));
    let mut client = p8.long_poll("/x?callback=f&_method=PUT&_body=b", "a", 1);
    p8.publish(&[hint_item("a")]);
    assert_eq!(object(&client.reply(), "f")["body"], "fresh");
    for request in backend.seen() {
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("PUT", "/x")
        );
        assert_eq!(request.body, b"b");
    }
    assert_eq!(backend.seen().len(), 2);
}

#[test]
fn errors_of_p8_are_wrapped() {
    let bad = instruct(&json!({"hold": {"mode": "none"}}));
    let (_backend, p8) = before("aco = true", bad);
    let browser = [("Accept", "text/html")];
    let error = object(&p8.client().get_with("/?callback=f", &browser), "f");
    assert_eq!(error["code"], 502);
    assert_eq!(error["body"], "Error while proxying to origin.\n");
    let basic = "aco = true\njsonp_mode = \"basic\"";
    let down = P8::start(&Config::new().route(basic, &[Backend::nowhere()]));
    let reply = down.client().get_with("/?callback=f", &browser);
    assert_eq!(argument(&reply, "f"), "\"Error while proxying to origin.\"");
}

#[test]
fn an_answer_that_cannot_be_wrapped_is_a_502_that_is() {
    let (_backend, p8) = before("aco = true", Answer::ok(vec![b'x'; 1_000_000]));
    let whole = object(&p8.get("/?callback=f"), "f");
    assert_eq!(whole["body"].as_str().map(str::len), Some(1_000_000));

    let (_backend, p8) = before(
        "aco = true\ndebug = true",
        Answer::ok(vec![b'x'; 1_000_001]),
    );
    let error = object(&p8.get("/?callback=f"), "f");
    let text = "the answer is too large for JSON-P, expected at most 1000000 bytes\n";
    assert_eq!(
        (&error["code"], &error["body"]),
        (&json!(502), &json!(text))
    );
    assert_eq!(error["headers"]["P8-Reason"], "jsonp-answer-too-large");
    assert_eq!(p8.snapshot().refused("jsonp-answer"), 1);

    let cut = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        exchange.close();
    });
    let p8 = P8::start(&Config::new().route("aco = true", &[cut.addr]));
    let error = object(&p8.get("/?callback=f"), "f");
    assert_eq!(error["headers"]["P8-Reason"], "body-cut");
}

#[test]
fn bodies_of_any_framing_and_none_are_wrapped() {
    let chunked = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        exchange.chunk("a\u{2028}");
        exchange.chunk(b"\xff");
        exchange.raw("0\r\n\r\n");
    });
    let p8 = P8::start(&Config::new().route("aco = true", &[chunked.addr]));
    let mut client = p8.client();
    for _ in 0..2 {
        let reply = client.get("/?callback=f");
        assert!(argument(&reply, "f").contains("\\u2028"));
        assert_eq!(object(&reply, "f")["body"], "a\u{2028}\u{fffd}");
    }
    for status in [204, 304] {
        let (_backend, p8) = before("aco = true", Answer::new(status));
        let empty = object(&p8.get("/?callback=f"), "f");
        assert_eq!(
            (&empty["code"], &empty["body"]),
            (&json!(status), &json!(""))
        );
    }
    let (backend, p8) = before("aco = true", Answer::ok(""));
    let empty = object(&p8.get("/?callback=f&_method=HEAD"), "f");
    assert_eq!(empty["body"], "");
    assert_eq!(backend.only_request().method, "HEAD");
}
