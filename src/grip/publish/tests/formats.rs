//! The formats of an item, each field of them.

use super::*;
use bytes::Bytes;
use http::HeaderMap;

fn stream(format: &Value) -> StreamFormat {
    with_format("http-stream", format)
        .unwrap()
        .formats
        .stream
        .unwrap()
}

fn ws(format: &Value) -> WsFormat {
    with_format("ws-message", format)
        .unwrap()
        .formats
        .ws
        .unwrap()
}

fn pairs(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

#[test]
fn response_fields() {
    let send = response_send(&json!({"body": "ž"}));
    assert_eq!(
        (send.status, send.reason, send.content_filters),
        (200, None, None)
    );
    assert_eq!(send.body, ResponseBody::Bytes(Bytes::from("ž")));
    assert!(send.headers.is_empty());

    let send = response_send(&json!({
        "code": "404", "reason": "Nope", "body": "", "content-filters": ["a", "b"],
        "headers": [["X-B", "1"], ["Set-Cookie", "a"], ["Set-Cookie", "ž"], ["GRIP-Hold", "x"],
                    ["Content-Length", "5"], ["Transfer-Encoding", "chunked"], ["X-A", ""]],
    }));
    assert_eq!((send.status, send.reason.as_deref()), (404, Some("Nope")));
    assert_eq!(
        send.content_filters,
        Some(vec!["a".to_owned(), "b".to_owned()])
    );
    let expected = [
        ("x-b", &b"1"[..]),
        ("set-cookie", b"a"),
        ("set-cookie", "ž".as_bytes()),
        ("x-a", b""),
    ];
    assert_eq!(pairs(&send.headers), expected);

    let send = response_send(&json!({"code": 200.6, "reason": "", "body": ""}));
    assert_eq!((send.status, send.reason), (201, None));

    let headers = json!({"X-A": "1", "X-B": "2", "Grip-Expose-Headers": "x-a, x-c"});
    let send = response_send(&json!({"headers": headers, "body": ""}));
    assert_eq!(pairs(&send.headers), [("x-a", &b"1"[..])]);
}

#[test]
fn one_body_is_used() {
    let patch = json!([{"op": "remove", "path": "/a"}]);
    for (format, expected) in [
        (
            json!({"body": "b", "body-bin": "AP8K", "body-patch": 1}),
            b"\0\xff\n".to_vec(),
        ),
        (
            json!({"body": 1, "body-bin": "A P*8K"}),
            b"\0\xff\n".to_vec(),
        ),
        (json!({"body": "b", "body-patch": patch}), b"b".to_vec()),
        (json!({"body-bin": ""}), vec![]),
    ] {
        assert_eq!(
            response_send(&format).body,
            ResponseBody::Bytes(expected.into()),
            "{format}"
        );
    }
    let send = response_send(&json!({"body-patch": patch}));
    assert_eq!(send.body, ResponseBody::Patch(patch));
}

#[test]
fn stream_fields() {
    let text = |text: &'static str| Bytes::from(text);
    for (format, content, content_filters) in [
        (json!({"content": "x"}), text("x"), None),
        (json!({"content": "", "action": "send"}), text(""), None),
        (
            json!({"content": 1, "content-bin": "aGk"}),
            text("hi"),
            None,
        ),
        (
            json!({"content": "x", "content-filters": []}),
            text("x"),
            Some(vec![]),
        ),
    ] {
        assert_eq!(
            stream(&format),
            StreamFormat::Send {
                content,
                content_filters
            },
            "{format}"
        );
    }
}

#[test]
fn other_actions_check_nothing_else() {
    let odd = |action: &str| json!({"action": action, "content": 5, "code": [], "body": null});
    assert_eq!(response(&odd("hint")), ResponseFormat::Hint);
    assert_eq!(response(&odd("close")), ResponseFormat::Close);
    assert_eq!(response(&odd("refresh")), ResponseFormat::Refresh);
    assert_eq!(stream(&odd("hint")), StreamFormat::Hint);
    assert_eq!(stream(&odd("close")), StreamFormat::Close);
    assert_eq!(stream(&odd("refresh")), StreamFormat::Refresh);
    assert_eq!(ws(&odd("hint")), WsFormat::Hint);
    assert_eq!(ws(&odd("refresh")), WsFormat::Refresh);
}

#[test]
fn ws_messages_have_a_kind() {
    use WsKind::{Binary, Ping, Pong, Text};
    for (format, kind, content) in [
        (json!({"content": "x"}), Text, "x"),
        (json!({"content-bin": "aGk"}), Binary, "hi"),
        (json!({"content": "x", "content-bin": "aGk"}), Binary, "hi"),
        (json!({"type": "text", "content-bin": "aGk"}), Text, "hi"),
        (json!({"type": "binary", "content": "x"}), Binary, "x"),
        (json!({"type": "ping"}), Ping, ""),
        (json!({"type": "pong", "content": "x"}), Pong, "x"),
    ] {
        let content = Bytes::from(content);
        let expected = WsFormat::Send {
            kind,
            content,
            content_filters: None,
        };
        assert_eq!(ws(&format), expected, "{format}");
    }
}

#[test]
fn ws_close_has_code_and_reason() {
    for (format, code, reason) in [
        (json!({"action": "close"}), None, ""),
        (
            json!({"action": "close", "code": 1001, "reason": "bye"}),
            Some(1001),
            "bye",
        ),
        (json!({"action": "close", "code": "0"}), Some(0), ""),
        (
            json!({"action": "close", "code": 65535, "content": 5}),
            Some(65535),
            "",
        ),
    ] {
        assert_eq!(
            ws(&format),
            WsFormat::Close {
                code,
                reason: reason.to_owned()
            },
            "{format}"
        );
    }
}
