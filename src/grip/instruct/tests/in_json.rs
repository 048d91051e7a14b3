//! Instructions in JSON, alone and beside headers, and each refusal by its field.

use super::*;

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
