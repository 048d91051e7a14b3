//! Tests of JSON-P: requests by table, and answers that always parse.

use super::*;

mod wrapping;

fn basic() -> Jsonp {
    Jsonp {
        mode: JsonpMode::Basic,
        callback: "cb".to_owned(),
        body: Some("body".to_owned()),
        ..Jsonp::default()
    }
}

fn call(jsonp: &Jsonp, uri: &str) -> (Call, Rewritten) {
    parse(jsonp, uri)
        .unwrap_or_else(|error| panic!("{uri}: {error}"))
        .unwrap_or_else(|| panic!("{uri}: no JSON-P"))
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    headers.iter().map(line).collect()
}

#[test]
fn callbacks_are_paths_of_names() {
    for name in [
        "f",
        "$",
        "_x",
        "$x",
        "jQuery123_456",
        "a.b.c",
        "a.b[0]",
        "a[0][12].b",
        &"x".repeat(128),
    ] {
        assert!(is_callback(name), "{name}");
    }
    for name in [
        "",
        "1a",
        "a-b",
        "a b",
        "a.",
        ".a",
        "a..b",
        "a[]",
        "a[b]",
        "a[0",
        "a0]",
        "a[0]b",
        "a[0].",
        "[0]",
        "a[-1]",
        "a['b']",
        "a()",
        "a;b",
        "alert(1)//",
        "a\nb",
        "a\u{2028}b",
        "é",
        "<script>",
        &"x".repeat(129),
    ] {
        assert!(!is_callback(name), "{name}");
    }
}

#[test]
fn what_triggers_is_the_callback_or_a_default_with_its_body() {
    let defaulted = Jsonp {
        default_callback: Some("d".to_owned()),
        ..basic()
    };
    let bodiless = Jsonp {
        body: None,
        ..defaulted.clone()
    };
    for (jsonp, uri, expected) in [
        (&Jsonp::default(), "/x", None),
        (&Jsonp::default(), "/x?a=1&_body=b&_method=PUT", None),
        (&Jsonp::default(), "/x?cb=f", None),
        (&Jsonp::default(), "/x?callback=f", Some("f")),
        (
            &Jsonp::default(),
            "/x?a=1&callback=a%2Eb%5B0%5D",
            Some("a.b[0]"),
        ),
        (&Jsonp::default(), "/x?%63allback=f", Some("f")),
        (&Jsonp::default(), "/x?callback=f&callback=g", Some("f")),
        (&basic(), "/x?cb=f", Some("f")),
        (&basic(), "/x?callback=f&body=1", None),
        (&defaulted, "/x?a=1", None),
        (&defaulted, "/x?body=1", Some("d")),
        (&defaulted, "/x?body=1&cb=f", Some("f")),
        (&bodiless, "/x?_body=1", None),
        (&bodiless, "/x?cb=f", Some("f")),
    ] {
        let found = parse(jsonp, uri).unwrap();
        let callback = found.as_ref().map(|(call, _)| call.callback.as_str());
        assert_eq!(callback, expected, "{uri}");
    }
}

#[test]
fn parameters_that_are_used_are_cut_from_the_uri() {
    for (jsonp, uri, expected) in [
        (Jsonp::default(), "/x?callback=f", "/x"),
        (
            Jsonp::default(),
            "/x?callback=f&a=%20+b&&c",
            "/x?a=%20+b&&c",
        ),
        (
            Jsonp::default(),
            "/x?a=1&_method=GET&callback=f&_headers={}&_body=&b",
            "/x?a=1&b",
        ),
        (Jsonp::default(), "/x?callback=f&callback=g&c=d", "/x?c=d"),
        (
            Jsonp::default(),
            "/?callback=f&body=b&cb=c",
            "/?body=b&cb=c",
        ),
        (basic(), "/x?cb=f&x=1&body=1&_body=2", "/x?x=1&_body=2"),
    ] {
        assert_eq!(call(&jsonp, uri).1.path_and_query, expected, "{uri}");
    }
}

#[test]
fn methods_and_bodies_are_as_asked_or_by_default() {
    let put = Jsonp {
        default_method: Some(Method::PUT),
        ..basic()
    };
    for (jsonp, uri, method, body, is_json) in [
        (Jsonp::default(), "/?callback=f", "GET", None, false),
        (basic(), "/?cb=f", "POST", None, false),
        (put.clone(), "/?cb=f", "PUT", None, false),
        (put, "/?cb=f&_method=D%45LETE", "DELETE", None, false),
        (
            Jsonp::default(),
            "/?callback=f&_body",
            "GET",
            Some(&b""[..]),
            false,
        ),
        (
            Jsonp::default(),
            "/?callback=f&_method=POST&_body=a+%ff%0A",
            "POST",
            Some(b"a+\xff\n"),
            false,
        ),
        (basic(), "/?cb=f&body=%7B%7D", "POST", Some(b"{}"), true),
        (basic(), "/?cb=f&_body=x", "POST", None, false),
    ] {
        let (_, asked) = call(&jsonp, uri);
        assert_eq!(asked.method.as_str(), method, "{uri}");
        assert_eq!(asked.body.as_deref(), body, "{uri}");
        assert_eq!(asked.is_json, is_json, "{uri}");
    }
}

#[test]
fn headers_come_before_those_of_the_client_which_stay() {
    let uri = "/?callback=f&_headers={\"X-B\":\" v \",\"X-A\":\"\",\"x-own\":\"no\",\
               \"Host\":\"h\",\"Accept\":\"a\",\"Cookie\":\"c\",\"X-Forwarded-For\":\"1\",\
               \"Accept-Encoding\":\"gzip\",\"X-Real-IP\":\"1\"}";
    let mut client = HeaderMap::new();
    for (name, value) in [
        ("host", "a.test"),
        ("accept", "text/html"),
        ("accept-encoding", "br"),
        ("x-own", "yes"),
    ] {
        client.append(name, HeaderValue::from_static(value));
    }
    let merged = call(&Jsonp::default(), uri).1.merge_headers(client);
    let mut merged = lines(&merged);
    assert_eq!(merged[..2], ["x-a: ", "x-b: v"]);
    merged.sort();
    let expected = [
        "accept: */*",
        "host: a.test",
        "x-a: ",
        "x-b: v",
        "x-own: yes",
    ];
    assert_eq!(merged, expected);

    let json = "/?cb=f&body=1&_headers={\"Content-Type\":\"text/x\"}";
    let merged = call(&basic(), json).1.merge_headers(HeaderMap::new());
    assert_eq!(
        lines(&merged),
        ["content-type: application/json", "accept: */*"]
    );
}

#[test]
fn what_is_wrong_is_said_in_the_known_words() {
    let many: Vec<String> = (0..65).map(|n| format!("\"x-{n}\":\"\"")).collect();
    let many = format!("_headers={{{}}}", many.join(","));
    let table: [(&str, &[&str]); 4] = [
        (
            "Invalid callback parameter.",
            &[
                "callback",
                "callback=",
                "callback=%zz",
                "callback=%6",
                "callback=a%2",
            ],
        ),
        (
            "Invalid _method parameter.",
            &[
                "_method",
                "_method=",
                "_method=A%20B",
                "_method=%",
                "_method=CONNECT",
            ],
        ),
        (
            "Invalid _headers parameter.",
            &[
                "_headers",
                "_headers=%7Bnope",
                "_headers=[]",
                "_headers={\"a\":1}",
                "_headers={\"a b\":\"\"}",
                "_headers={\"a\":\"x%0D%0Ay:z\"}",
                "_headers={\"a\":\"\\u0000\"}",
                "_headers={\"a\":\"%ff\"}",
                "_headers=%",
                &many,
            ],
        ),
        ("Invalid _body parameter.", &["_body=%", "_body=%g0"]),
    ];
    for (text, queries) in table {
        for query in queries {
            let is_callback = query.starts_with("callback");
            let first = if is_callback { "" } else { "callback=f&" };
            let found = parse(&Jsonp::default(), &format!("/?{first}{query}"));
            assert_eq!(found.unwrap_err().to_string(), text, "{query}");
        }
    }
    let found = parse(&basic(), "/?cb=f&body=%").unwrap_err();
    assert_eq!(found.to_string(), "Invalid body parameter.");
    assert_eq!(found.code(), "bad-jsonp-body");
}
