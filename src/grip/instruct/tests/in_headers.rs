//! Instructions in `Grip-*` headers: each header, its odd values, and its refusals.

use super::*;

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
