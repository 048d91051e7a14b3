//! Instructions in both notations, alone and together, and hostile ones.

use super::*;
use http::{HeaderName, HeaderValue};
use serde_json::{json, Value};

const JSON_TYPE: (&str, &str) = ("Content-Type", MEDIA_TYPE);

fn header_map(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn by_headers(pairs: &[(&str, &str)]) -> Result<Instruct, InstructError> {
    parse(200, None, &header_map(pairs), Bytes::from_static(b"body"))
}

fn by_json(body: &Value, beside: &[(&str, &str)]) -> Result<Instruct, InstructError> {
    let headers = [&[JSON_TYPE], beside].concat();
    parse(
        200,
        None,
        &header_map(&headers),
        Bytes::from(body.to_string()),
    )
}

fn subscription(channel: &str, prev_id: Option<&str>, filters: &[&str]) -> Subscription {
    Subscription {
        channel: ChannelName::new(channel),
        prev_id: prev_id.map(ItemId::new),
        filters: filters.iter().map(|filter| filter.to_string()).collect(),
    }
}

fn hold(mode: HoldMode, timeout_secs: u32) -> Option<Hold> {
    Some(Hold { mode, timeout_secs })
}

fn pairs(headers: &HeaderMap) -> Vec<(&str, &str)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect()
}

#[test]
fn instructions_are_recognised() {
    for (headers, expected) in [
        (&[][..], false),
        (&[("Grip-Hold", "stream")], true),
        (&[("grip-anything", "")], true),
        (&[("GRIP-Status", "200")], true),
        (&[("Gripe", "x"), ("X-Grip-Hold", "stream")], false),
        (&[JSON_TYPE], true),
        (
            &[("content-type", "application/grip-instruct; charset=utf-8")],
            true,
        ),
        (&[("content-type", "application/grip-instruct ;x")], true),
        (&[("Content-Type", "Application/Grip-Instruct")], false),
        (&[("Content-Type", "application/grip-instruction")], false),
        (&[("Content-Type", "text/plain"), JSON_TYPE], false),
    ] {
        assert_eq!(is_instruct(&header_map(headers)), expected, "{headers:?}");
    }
}

#[test]
fn holds_by_headers() {
    use HoldMode::{Response, Stream};
    for (headers, expected) in [
        (&[("Grip-Hold", "response")][..], hold(Response, 55)),
        (&[("Grip-Hold", "stream")], hold(Stream, 55)),
        (
            &[("grip-hold", "stream"), ("Grip-Hold", "odd")],
            hold(Stream, 55),
        ),
        (
            &[("Grip-Hold", "response"), ("Grip-Timeout", "30")],
            hold(Response, 30),
        ),
        (
            &[("Grip-Hold", "response"), ("Grip-Timeout", " +7 ")],
            hold(Response, 7),
        ),
        (
            &[("Grip-Hold", "response"), ("Grip-Timeout", "1")],
            hold(Response, 5),
        ),
        (
            &[("Grip-Hold", "response"), ("Grip-Timeout", "0")],
            hold(Response, 5),
        ),
        (
            &[
                ("Grip-Hold", "response"),
                ("Grip-Timeout", "9"),
                ("Grip-Timeout", "x"),
            ],
            { hold(Response, 9) },
        ),
        (&[("Grip-Timeout", "9"), ("Grip-Channel", "a")], None),
        (&[("Grip-Foo", "x")], None),
        (&[], None),
    ] {
        assert_eq!(by_headers(headers).unwrap().hold, expected, "{headers:?}");
    }
}

/// Values of `Grip-Channel` headers, and the channels: name, prev-id and filters.
type Row = (
    &'static [&'static str],
    &'static [(&'static str, Option<&'static str>, &'static str)],
);

const CHANNELS: &[Row] = &[
    (&["a"], &[("a", None, "")]),
    (
        &["a, b", "c"],
        &[("a", None, ""), ("b", None, ""), ("c", None, "")],
    ),
    (
        &["a; prev-id=5; filter=skip-self; filter=x; FILTER=y"],
        &[("a", Some("5"), "skip-self x")],
    ),
    (&["a; Prev-ID=\"x, y\""], &[("a", Some("x, y"), "")]),
    (&["a; prev-id="], &[("a", Some(""), "")]),
    (
        &["a; prev-id=1; filter=f, b, a; prev-id=2"],
        &[("a", Some("2"), ""), ("b", None, "")],
    ),
    (
        &["\"a,b\"", "\"c;d\""],
        &[("\"a,b\"", None, ""), ("\"c", None, "")],
    ),
    (
        &["a, \"b", "c; prev-id=\"1", "d"],
        &[("a", None, ""), ("d", None, "")],
    ),
    (
        &["a, ,b,"],
        &[("a", None, ""), ("", None, ""), ("b", None, "")],
    ),
    (&[""], &[]),
    (&["žluť ☃"], &[("žluť ☃", None, "")]),
    (&["A, a"], &[("A", None, ""), ("a", None, "")]),
    (
        &["a; filter=1; filter=2; filter=3; filter=4; filter=5"],
        &[("a", None, "1 2 3 4 5")],
    ),
];

#[test]
fn channels_by_headers() {
    for (values, expected) in CHANNELS {
        let headers: Vec<_> = values
            .iter()
            .map(|value| ("Grip-Channel", *value))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(channel, prev_id, filters)| {
                subscription(
                    channel,
                    *prev_id,
                    &filters.split_whitespace().collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(
            by_headers(&headers).unwrap().subscriptions,
            expected,
            "{values:?}"
        );
    }
}

#[test]
fn status_by_header() {
    for (value, status, reason) in [
        ("404", 404, "Not Found"),
        ("404 Nope", 404, "Nope"),
        ("404  Not here, sorry ", 404, "Not here, sorry"),
        ("200", 200, "OK"),
        ("999", 999, "Undefined Reason"),
        ("500 Ž", 500, "Ž"),
    ] {
        let headers = header_map(&[("Grip-Status", value), ("Grip-Status", "x")]);
        let response = parse(201, Some("Origin's"), &headers, Bytes::new())
            .unwrap()
            .response;
        assert_eq!(
            (response.status, response.reason_phrase()),
            (status, reason),
            "{value}"
        );
    }
    let response = parse(201, Some("Own"), &HeaderMap::new(), Bytes::new())
        .unwrap()
        .response;
    assert_eq!((response.status, response.reason_phrase()), (201, "Own"));
}

#[test]
fn response_by_headers_has_its_own_headers_and_body() {
    let instruct = by_headers(&[
        ("Grip-Hold", "stream"),
        ("Content-Type", "text/plain"),
        ("Content-Length", "4"),
        ("Set-Cookie", "a"),
        ("Set-Cookie", "b"),
        ("Transfer-Encoding", "chunked"),
        ("GRIP-Unknown", "x"),
    ]);
    let response = instruct.unwrap().response;
    let expected = [
        ("content-type", "text/plain"),
        ("set-cookie", "a"),
        ("set-cookie", "b"),
    ];
    assert_eq!(pairs(&response.headers), expected);
    assert_eq!(response.body, "body");

    let exposed = by_headers(&[("Grip-Expose-Headers", "X-A"), ("x-a", "1"), ("x-b", "2")]);
    assert_eq!(pairs(&exposed.unwrap().response.headers), [("x-a", "1")]);
}

#[test]
fn holds_keep_only_what_they_use() {
    let options = [
        ("Grip-Keep-Alive", "ka; timeout=20"),
        ("Grip-Link", "</n>; rel=next, </g>; rel=gone"),
        ("Grip-Set-Meta", "user=alice"),
    ];
    for (mode, streams) in [
        (Some("response"), false),
        (Some("stream"), true),
        (None, true),
    ] {
        let mut headers = options.to_vec();
        headers.extend(mode.map(|mode| ("Grip-Hold", mode)));
        let instruct = by_headers(&headers).unwrap();
        assert_eq!(instruct.keep_alive.is_some(), streams, "{mode:?}");
        assert_eq!(instruct.next.is_some(), streams, "{mode:?}");
        assert_eq!(instruct.gone.as_deref(), Some("/g"));
        assert_eq!(instruct.meta.get("user").map(String::as_str), Some("alice"));
    }
}

#[test]
fn bad_headers_are_refused_by_name() {
    let six = "a; filter=1; filter=2; filter=3; filter=4; filter=5; filter=6";
    for (name, value, code) in [
        ("Grip-Hold", "forever", "bad-hold-mode"),
        ("Grip-Hold", "Stream", "bad-hold-mode"),
        ("Grip-Hold", "", "bad-hold-mode"),
        ("Grip-Hold", "stream; x=y", "bad-hold-mode"),
        ("Grip-Timeout", "x", "bad-hold-timeout"),
        ("Grip-Timeout", "5.5", "bad-hold-timeout"),
        ("Grip-Timeout", "-1", "bad-hold-timeout"),
        ("Grip-Timeout", "", "bad-hold-timeout"),
        ("Grip-Timeout", "99999999999", "bad-hold-timeout"),
        ("Grip-Keep-Alive", "", "bad-keep-alive-content"),
        ("Grip-Keep-Alive", "x; mode=odd", "bad-keep-alive-mode"),
        ("Grip-Status", "", "bad-status"),
        ("Grip-Status", "abc", "bad-status"),
        ("Grip-Status", "1000", "bad-status"),
        ("Grip-Status", "199", "bad-status"),
        ("Grip-Status", "100 Continue", "bad-status"),
        ("Grip-Status", "-200", "bad-status"),
        ("Grip-Status", "200;x", "bad-status"),
        ("Grip-Link", "/n; rel=next", "bad-link-syntax"),
        ("Grip-Channel", six, "too-many-filters"),
    ] {
        for beside in [("Grip-Foo", "x"), JSON_TYPE] {
            let error = by_headers(&[(name, value), beside]).unwrap_err();
            assert_eq!(error.code(), code, "{name}: {value}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn everything_by_json() {
    let body = json!({
        "hold": {
            "mode": "stream",
            "channels": [
                {"name": "a", "prev-id": "1", "filters": ["skip-self", "x"], "extra": null},
                {"name": ""},
                {"name": "a"},
            ],
            "timeout": "30",
            "keep-alive": {"content": "ignored", "content-bin": "AP8", "timeout": 0},
            "meta": {"user": "alice", "empty": ""},
            "unknown": 1,
        },
        "response": {
            "code": 201.4,
            "reason": "Made",
            "headers": [["X-A", "1"], ["Set-Cookie", "a"], ["Set-Cookie", "b"],
                        ["Grip-Hold", "no"], ["content-length", "9"]],
            "body": "ignored",
            "body-bin": "AP8K",
        },
        "unknown": [],
    });
    let instruct = by_json(&body, &[("X-Origin", "dropped")]).unwrap();
    assert_eq!(instruct.hold, hold(HoldMode::Stream, 30));
    let expected = [subscription("a", None, &[]), subscription("", None, &[])];
    assert_eq!(instruct.subscriptions, expected);
    let keep_alive = instruct.keep_alive.unwrap();
    assert_eq!(keep_alive.content, &b"\0\xff"[..]);
    assert_eq!(
        (keep_alive.timeout_secs, keep_alive.mode),
        (1, KeepAliveMode::Interval)
    );
    assert_eq!(instruct.meta.len(), 2);
    let response = instruct.response;
    assert_eq!((response.status, response.reason_phrase()), (201, "Made"));
    assert_eq!(
        pairs(&response.headers),
        [("x-a", "1"), ("set-cookie", "a"), ("set-cookie", "b")]
    );
    assert_eq!(response.body, &b"\0\xff\n"[..]);
}

#[test]
fn defaults_of_json() {
    let instruct = by_json(&json!({}), &[]).unwrap();
    assert_eq!(
        (instruct.hold, instruct.next, instruct.gone),
        (None, None, None)
    );
    assert_eq!(
        (instruct.response.status, instruct.response.reason),
        (200, None)
    );
    assert!(instruct.response.headers.is_empty() && instruct.response.body.is_empty());

    let instruct = by_json(&json!({"hold": {"channels": []}}), &[]).unwrap();
    assert_eq!(instruct.hold, hold(HoldMode::Response, 55));

    for (keep_alive, expected) in [
        (json!({}), None),
        (json!({"timeout": 5}), None),
        (json!({"content": ""}), None),
        (json!({"content": "x"}), Some(("x", 55))),
        (json!({"content": "x", "timeout": 7.4}), Some(("x", 7))),
    ] {
        let hold = json!({"mode": "stream", "channels": [], "keep-alive": keep_alive});
        let got = by_json(&json!({"hold": hold}), &[]).unwrap().keep_alive;
        let expected = expected.map(|(content, timeout_secs)| KeepAlive {
            content: Bytes::from(content),
            timeout_secs,
            mode: KeepAliveMode::Interval,
        });
        assert_eq!(got, expected, "{keep_alive}");
    }
}

#[test]
fn headers_beside_json_are_overridden_and_added_to() {
    let beside = [
        ("Grip-Hold", "stream"),
        ("Grip-Timeout", "40"),
        ("Grip-Channel", "a; prev-id=1, b"),
        ("Grip-Set-Meta", "user=alice, kept=1"),
        ("Grip-Link", "</g>; rel=gone"),
        ("Grip-Status", "404 Nope"),
        ("Grip-Expose-Headers", "X-A"),
        ("X-A", "origin's"),
    ];
    let body = json!({
        "hold": {"channels": [{"name": "c"}, {"name": "a", "prev-id": "2"}], "meta": {"user": "bob"}},
        "response": {"headers": {"X-A": "1", "X-B": "2"}},
    });
    let instruct = by_json(&body, &beside).unwrap();
    assert_eq!(instruct.hold, hold(HoldMode::Response, 40));
    let names: Vec<_> = instruct
        .subscriptions
        .iter()
        .map(|s| s.channel.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(instruct.subscriptions[0].prev_id, Some(ItemId::new("2")));
    let meta = [("kept", "1"), ("user", "bob")].map(|(key, value)| (key.into(), value.into()));
    assert_eq!(instruct.meta, BTreeMap::from(meta));
    assert_eq!(instruct.gone.as_deref(), Some("/g"));
    assert_eq!(
        (instruct.response.status, instruct.response.reason_phrase()),
        (404, "Nope")
    );
    assert_eq!(pairs(&instruct.response.headers), [("x-a", "1")]);

    let kept = by_json(&json!({}), &beside).unwrap();
    assert_eq!(kept.hold, hold(HoldMode::Stream, 40));
    assert_eq!(kept.subscriptions.len(), 2);
}

#[test]
fn json_overrides_parts_of_status_and_keep_alive() {
    for (response, status, reason) in [
        (json!({}), 404, "Nope"),
        (json!({"code": 500}), 500, "Internal Server Error"),
        (json!({"reason": "Own"}), 404, "Own"),
        (json!({"reason": ""}), 404, "Nope"),
        (json!({"code": "500", "reason": "Own"}), 500, "Own"),
    ] {
        let body = json!({"response": response});
        let got = by_json(&body, &[("Grip-Status", "404 Nope")])
            .unwrap()
            .response;
        assert_eq!(
            (got.status, got.reason_phrase()),
            (status, reason),
            "{response}"
        );
    }
    let body = json!({"hold": {"mode": "stream", "channels": [], "keep-alive": {"timeout": 9}}});
    let got = by_json(&body, &[("Grip-Keep-Alive", "ka; timeout=20")])
        .unwrap()
        .keep_alive;
    let expected = KeepAlive {
        content: Bytes::from("ka"),
        timeout_secs: 9,
        mode: KeepAliveMode::Idle,
    };
    assert_eq!(got, Some(expected));
}

/// Bodies, and what the refusal says.
const BAD_FIELDS: &[(&str, &str)] = &[
    ("[]", "instruct object is not an object"),
    ("null", "instruct object is not an object"),
    (r#"{"hold": 1}"#, "'hold' with wrong type"),
    (r#"{"hold": null}"#, "'hold' with wrong type"),
    (r#"{"hold": {}}"#, "'hold' does not contain 'channels'"),
    (
        r#"{"hold": {"channels": null}}"#,
        "'channels' with wrong type",
    ),
    (
        r#"{"hold": {"channels": [], "mode": "odd"}}"#,
        "'mode' with unknown value",
    ),
    (
        r#"{"hold": {"channels": [], "mode": "Stream"}}"#,
        "'mode' with unknown value",
    ),
    (
        r#"{"hold": {"channels": [], "mode": 1}}"#,
        "'mode' with wrong type",
    ),
    (
        r#"{"hold": {"channels": [], "timeout": -1}}"#,
        "'timeout' with invalid value",
    ),
    (
        r#"{"hold": {"channels": [], "timeout": 1e12}}"#,
        "'timeout' with invalid value",
    ),
    (
        r#"{"hold": {"channels": [], "timeout": null}}"#,
        "'timeout' with wrong type",
    ),
    (
        r#"{"hold": {"channels": [], "keep-alive": []}}"#,
        "'keep-alive' with wrong type",
    ),
    (
        r#"{"hold": {"channels": [], "keep-alive": {"content": 1}}}"#,
        "'content' with wrong",
    ),
    (
        r#"{"hold": {"channels": [], "keep-alive": {"content-bin": 1}}}"#,
        "'content-bin' with",
    ),
    (
        r#"{"hold": {"channels": [], "keep-alive": {"timeout": -1}}}"#,
        "'timeout' with inv",
    ),
    (
        r#"{"hold": {"channels": [], "meta": 1}}"#,
        "'meta' with wrong type",
    ),
    (
        r#"{"hold": {"channels": [], "meta": {"a": 1}}}"#,
        "'meta' contains 'a' with wrong",
    ),
    (
        r#"{"hold": {"channels": ["a"]}}"#,
        "channel is not an object",
    ),
    (
        r#"{"hold": {"channels": [{}]}}"#,
        "channel does not contain 'name'",
    ),
    (
        r#"{"hold": {"channels": [{"name": 5}]}}"#,
        "'name' with wrong type",
    ),
    (
        r#"{"hold": {"channels": [{"name": "a", "prev-id": null}]}}"#,
        "'prev-id' with wrong",
    ),
    (
        r#"{"hold": {"channels": [{"name": "a", "filters": "f"}]}}"#,
        "'filters' with wrong",
    ),
    (
        r#"{"hold": {"channels": [{"name": "a", "filters": [1]}]}}"#,
        "filters contains elem",
    ),
    (r#"{"response": null}"#, "'response' with wrong type"),
    (
        r#"{"response": {"code": 199}}"#,
        "'code' with invalid value",
    ),
    (
        r#"{"response": {"code": 1000}}"#,
        "'code' with invalid value",
    ),
    (
        r#"{"response": {"code": "abc"}}"#,
        "'code' with invalid value",
    ),
    (r#"{"response": {"code": {}}}"#, "'code' with wrong type"),
    (r#"{"response": {"reason": 1}}"#, "'reason' with wrong type"),
    (
        r#"{"response": {"reason": "a\r\nb"}}"#,
        "'reason' with invalid value",
    ),
    (
        r#"{"response": {"headers": 3}}"#,
        "'headers' with wrong type",
    ),
    (
        r#"{"response": {"headers": {"A": 1}}}"#,
        "headers contains 'A' with wrong type",
    ),
    (
        r#"{"response": {"headers": {"A": "\n"}}}"#,
        "headers contains 'A' with invalid value",
    ),
    (
        r#"{"response": {"headers": {"A\r\nB": ""}}}"#,
        "'A\\r\\nB' with invalid value",
    ),
    (r#"{"response": {"body": null}}"#, "'body' with wrong type"),
    (
        r#"{"response": {"body-bin": 1}}"#,
        "'body-bin' with wrong type",
    ),
];

#[test]
fn bad_json_fields_are_refused_by_name() {
    for (body, text) in BAD_FIELDS {
        let error = by_json(&serde_json::from_str(body).unwrap(), &[]).unwrap_err();
        assert_eq!(error.code(), "bad-instruct-field", "{body}");
        assert!(error.to_string().contains(text), "{body}: {error}");
    }
    let six = json!({"hold": {"channels": [{"name": "a", "filters": ["", "", "", "", "", ""]}]}});
    assert_eq!(by_json(&six, &[]).unwrap_err().code(), "too-many-filters");
}

#[test]
fn json_must_be_json_with_status_200() {
    let headers = header_map(&[JSON_TYPE]);
    for (body, code) in [
        (&b"{nope"[..], "instruct-not-json"),
        (b"", "instruct-not-json"),
        (b"{} x", "instruct-not-json"),
        (b"{\"a\":\"\xff\"}", "instruct-not-json"),
        (b"3", "bad-instruct-field"),
    ] {
        let error = parse(200, None, &headers, Bytes::from_static(body)).unwrap_err();
        assert_eq!(error.code(), code);
    }
    for status in [201, 204, 404, 500] {
        let error = parse(status, None, &headers, Bytes::from_static(b"{}")).unwrap_err();
        assert_eq!(error, InstructError::JsonStatus(status));
    }
    let held = parse(
        500,
        None,
        &header_map(&[("Grip-Hold", "stream")]),
        Bytes::new(),
    )
    .unwrap();
    assert_eq!(
        (held.hold, held.response.status),
        (hold(HoldMode::Stream, 55), 500)
    );
}

#[test]
fn hostile_input_is_refused_or_taken_but_never_breaks() {
    let json_headers = header_map(&[JSON_TYPE]);
    for open in ["[", "{\"a\":", "{\"hold\":{\"channels\":["] {
        let deep = Bytes::from(open.repeat(200_000));
        assert_eq!(
            parse(200, None, &json_headers, deep),
            Err(InstructError::NotJson)
        );
    }
    let many: Vec<_> = (0..40_000)
        .map(|n| json!([format!("x-{n}"), "v"]))
        .collect();
    assert!(by_json(&json!({"response": {"headers": many}}), &[]).is_err());

    let names: Vec<_> = (0..100_000).map(|n| n.to_string()).collect();
    let channels = by_headers(&[("Grip-Channel", &names.join(","))])
        .unwrap()
        .subscriptions;
    assert_eq!(channels.len(), names.len());
    let same = by_headers(&[("Grip-Channel", &"a,".repeat(1 << 19))])
        .unwrap()
        .subscriptions;
    assert_eq!(same.len(), 1);

    let mut headers = HeaderMap::new();
    for name in [
        "grip-channel",
        "grip-set-meta",
        "grip-keep-alive",
        "grip-expose-headers",
    ] {
        headers.append(
            name,
            HeaderValue::from_bytes(b"\xff\x80; \xfe=\"\xfd\"").unwrap(),
        );
    }
    let instruct = parse(200, None, &headers, Bytes::new()).unwrap();
    assert_eq!(
        instruct.subscriptions[0].channel.as_str(),
        "\u{fffd}\u{fffd}"
    );
    let keep_alive = instruct.keep_alive.unwrap();
    assert_eq!(keep_alive.content, &b"\xff\x80"[..]);
}
