//! What reaches the backend's socket.

use super::*;

/// Sends one request and returns its head and the given number of body bytes.
fn on_the_wire(make: impl FnOnce(&TargetKind) -> BackendRequest + 'static, body: usize) -> String {
    let (sender, received) = std::sync::mpsc::channel();
    run(async move {
        let backend = Backend::of_connections(1, move |_, mut peer| {
            let mut text = peer.head();
            text.push_str(&String::from_utf8(peer.bytes(body)).expect("a text"));
            sender.send(text).expect("the test waits");
            peer.send(OK);
            peer.wait_closed();
        });
        let pool = Pool::new(PoolOptions::default());
        let answered = whole(&pool, make(&backend.target)).await;
        assert_eq!(answered, Ok((200, "ok".to_owned())));
        drop(pool);
        backend.finish().await;
    });
    received.recv().expect("a request")
}

#[test]
fn a_request_target_reaches_the_wire_byte_for_byte() {
    for uri in [
        "/",
        "/a%2Fb;c~d?x=%20&&=?y",
        "//double//",
        "/../up/./here",
        "/%zz%",
        "/q?",
        "/\"{}|^'ö?`{}|^'ö",
        "*",
    ] {
        let wire = on_the_wire(
            move |target| BackendRequest {
                uri: uri.to_owned(),
                ..get(target)
            },
            0,
        );
        assert!(
            wire.starts_with(&format!("GET {uri} HTTP/1.1\r\n")),
            "{wire}"
        );
    }
}

#[test]
fn a_request_target_that_cannot_be_sent_is_refused() {
    run(async {
        let pool = Pool::new(PoolOptions::default());
        for uri in [
            "",
            "a",
            "?a",
            "/a b",
            "/<a>",
            "/`",
            "/?\"",
            "/a#b",
            "/a\r\nb",
            "http://example.com/",
        ] {
            let request = BackendRequest {
                uri: uri.to_owned(),
                ..get(&target(1))
            };
            let error = answer(&pool, request).await.err();
            assert_eq!(
                error,
                Some(FetchError::BadRequestTarget {
                    uri: uri.to_owned()
                })
            );
        }
    });
}

#[test]
fn host_comes_first_and_names_are_title_case() {
    let make = |target: &TargetKind| {
        let mut request = get(target);
        request.headers.clear();
        request
            .headers
            .insert("x-one", HeaderValue::from_static("1"));
        request
            .headers
            .append("x-one", HeaderValue::from_static("2"));
        request
            .headers
            .insert("accept", HeaderValue::from_static("*/*"));
        request
            .headers
            .insert("host", HeaderValue::from_static("example.com"));
        request
    };
    let expected =
        "GET / HTTP/1.1\r\nHost: example.com\r\nX-One: 1\r\nX-One: 2\r\nAccept: */*\r\n\r\n";
    assert_eq!(on_the_wire(make, 0), expected);
}

#[test]
fn a_request_without_host_gets_the_targets() {
    let wire = on_the_wire(
        |target| BackendRequest {
            headers: HeaderMap::new(),
            ..get(target)
        },
        0,
    );
    assert!(
        wire.starts_with("GET / HTTP/1.1\r\nHost: 127.0.0.1:"),
        "{wire}"
    );
}

#[test]
fn framing_follows_from_the_body_alone() {
    type Make = fn() -> BackendBody;
    let full: Make = || BackendBody::Full(Bytes::from_static(b"hello"));
    let empty: Make = || BackendBody::Empty;
    let counted: Make = || Pieces::stream(vec!["he".into(), "llo".into()], Then::End, Some(5));
    let uncounted: Make = || Pieces::stream(vec!["he".into(), "llo".into()], Then::End, None);
    let none: Make = || Pieces::stream(vec![], Then::End, Some(0));
    let chunked = "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    let length = |length: usize, body: &str| format!("Content-Length: {length}\r\n\r\n{body}");
    let table = [
        (Method::GET, empty, "\r\n".to_owned()),
        (Method::DELETE, empty, "\r\n".to_owned()),
        (Method::POST, empty, length(0, "")),
        (Method::PUT, empty, length(0, "")),
        (Method::PATCH, empty, length(0, "")),
        (Method::POST, none, length(0, "")),
        (Method::POST, full, length(5, "hello")),
        (Method::GET, full, length(5, "hello")),
        (Method::POST, counted, length(5, "hello")),
        (Method::GET, counted, length(5, "hello")),
        (Method::POST, uncounted, chunked.to_owned()),
        (Method::GET, uncounted, chunked.to_owned()),
    ];
    for (method, body, end) in table {
        let body_bytes = end.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
        let shown = method.clone();
        let make = move |target: &TargetKind| {
            let mut request = request(method, target, body());
            request
                .headers
                .insert("transfer-encoding", HeaderValue::from_static("gzip"));
            request
                .headers
                .insert("content-length", HeaderValue::from_static("999"));
            request
        };
        let wire = on_the_wire(make, body_bytes);
        let expected = format!("{shown} / HTTP/1.1\r\nHost: example.com\r\n{end}");
        assert_eq!(wire, expected);
    }
}

#[test]
fn a_failing_request_body_is_the_clients_fault() {
    run(async {
        let table = [
            (Then::Fail, None, "client left"),
            (Then::Fail, Some(10), "client left"),
            (Then::End, Some(10), "5 more bytes"),
        ];
        for (then, length, expected) in table {
            let backend = Backend::of_connections(1, |_, mut peer| peer.wait_closed());
            let pool = Pool::new(PoolOptions::default());
            let body = Pieces::stream(vec!["hello".into()], then, length);
            let failed = pool
                .fetch(request(Method::POST, &backend.target, body), None)
                .await;
            let failure = failed.err().expect("no answer");
            assert_eq!(failure.error.code(), "request-body-cut");
            assert!(
                failure.error.to_string().contains(expected),
                "{}",
                failure.error
            );
            assert!(failure.unsent.is_none());
            backend.finish().await;
        }
    });
}
