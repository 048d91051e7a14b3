//! Each control message, its defaults, and what makes it void.

use super::*;

fn read(text: &str) -> Control {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn message(kind: WsKind, content: &'static str) -> WsMessage {
    let content = Bytes::from_static(content.as_bytes());
    WsMessage { kind, content }
}

#[test]
fn each_type_is_read() {
    let channel = ChannelName::from("a");
    for (text, expected) in [
        (
            r#"{"type":"subscribe","channel":"a","x":[1]}"#,
            Control::Subscribe {
                channel: channel.clone(),
                filters: vec![],
            },
        ),
        (
            r#" {"type":"subscribe","channel":"a","filters":["skip-self","odd"]} "#,
            Control::Subscribe {
                channel: channel.clone(),
                filters: vec!["skip-self".to_owned(), "odd".to_owned()],
            },
        ),
        (
            r#"{"type":"unsubscribe","channel":"a"}"#,
            Control::Unsubscribe { channel },
        ),
        (r#"{"type":"detach"}"#, Control::Detach),
        (r#"{"type":"session"}"#, Control::Session { id: None }),
        (
            r#"{"type":"session","id":"s"}"#,
            Control::Session {
                id: Some("s".to_owned()),
            },
        ),
        (
            r#"{"type":"set-meta","name":"user"}"#,
            Control::SetMeta {
                name: "user".to_owned(),
                value: None,
            },
        ),
        (
            r#"{"type":"set-meta","name":"user","value":""}"#,
            Control::SetMeta {
                name: "user".to_owned(),
                value: Some(String::new()),
            },
        ),
        (r#"{"type":"keep-alive"}"#, Control::KeepAlive(None)),
        (
            r#"{"type":"keep-alive","timeout":-1,"mode":"odd"}"#,
            Control::KeepAlive(None),
        ),
        (
            r#"{"type":"send-delayed","timeout":"-5"}"#,
            Control::SendDelayed {
                message: message(WsKind::Text, ""),
                timeout_secs: 1,
            },
        ),
        (r#"{"type":"flush-delayed"}"#, Control::FlushDelayed),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn more_filters_than_allowed_are_for_the_caller_to_refuse() {
    let text = r#"{"type":"subscribe","channel":"a","filters":["1","2","3","4","5","6"]}"#;
    let Control::Subscribe { filters, .. } = read(text) else {
        panic!("not a subscription");
    };
    assert_eq!(filters.len(), FILTERS_MAX + 1);
}

#[test]
fn messages_to_send_have_a_kind() {
    for (fields, expected) in [
        (r#""content":"hi""#, message(WsKind::Text, "hi")),
        (r#""content":"""#, message(WsKind::Text, "")),
        (r#""content-bin":"aG\nk""#, message(WsKind::Text, "hi")),
        (
            r#""content-bin":"aGk=","content":3"#,
            message(WsKind::Text, "hi"),
        ),
        (
            r#""content-bin":"aGk=","message-type":"binary""#,
            message(WsKind::Binary, "hi"),
        ),
        (
            r#""content":"","message-type":"ping""#,
            message(WsKind::Ping, ""),
        ),
        (
            r#""content":"p","message-type":"pong""#,
            message(WsKind::Pong, "p"),
        ),
        (
            r#""content":"t","message-type":"text""#,
            message(WsKind::Text, "t"),
        ),
    ] {
        let delayed = format!(r#"{{"type":"send-delayed",{fields}}}"#);
        let expected_delayed = Control::SendDelayed {
            message: expected.clone(),
            timeout_secs: 1,
        };
        assert_eq!(read(&delayed), expected_delayed, "{fields}");
        let keep_alive = format!(r#"{{"type":"keep-alive",{fields}}}"#);
        let expected = WsKeepAlive {
            message: expected,
            timeout_secs: 55,
            mode: KeepAliveMode::Idle,
        };
        let expected = Control::KeepAlive(Some(expected));
        assert_eq!(read(&keep_alive), expected, "{fields}");
    }
}

#[test]
fn times_are_converted() {
    for (timeout, expected) in [
        ("7", Some(7)),
        ("\"7\"", Some(7)),
        ("\" 7 \"", Some(7)),
        ("1.4", Some(1)),
        ("1.5", Some(2)),
        ("true", Some(1)),
        ("2147483647", Some(2_147_483_647)),
        ("0", None),
        ("-0.4", None),
        ("\"soon\"", None),
        ("\"\"", None),
        ("\"1.5\"", None),
    ] {
        let text = |kind| format!(r#"{{"type":"{kind}","content":"x","timeout":{timeout}}}"#);
        let Control::KeepAlive(Some(keep_alive)) = read(&text("keep-alive")) else {
            panic!("not a keep-alive");
        };
        assert_eq!(keep_alive.timeout_secs, expected.unwrap_or(55), "{timeout}");
        let Control::SendDelayed { timeout_secs, .. } = read(&text("send-delayed")) else {
            panic!("not a delayed message");
        };
        assert_eq!(timeout_secs, expected.unwrap_or(1), "{timeout}");
    }
}

#[test]
fn modes_other_than_interval_are_idle() {
    for (mode, expected) in [
        ("idle", KeepAliveMode::Idle),
        ("interval", KeepAliveMode::Interval),
        ("Interval", KeepAliveMode::Idle),
        ("", KeepAliveMode::Idle),
    ] {
        let text = format!(r#"{{"type":"keep-alive","content":"x","mode":"{mode}"}}"#);
        let Control::KeepAlive(Some(keep_alive)) = read(&text) else {
            panic!("not a keep-alive");
        };
        assert_eq!(keep_alive.mode, expected, "{mode}");
    }
}

#[track_caller]
fn is_void(text: &str, code: &str) {
    let error = parse(text.as_bytes()).unwrap_err();
    assert_eq!(error.code(), code, "{text}");
    assert_eq!(error.side(), Side::Backend);
    assert!(!error.to_string().is_empty());
}

#[test]
fn what_is_no_known_object_is_void() {
    for (text, code) in [
        ("", "control-not-json"),
        ("{", "control-not-json"),
        (r#"{"type":"detach"}x"#, "control-not-json"),
        ("[]", "bad-control-field"),
        ("{}", "bad-control-field"),
        (r#"{"type":1}"#, "bad-control-field"),
        (r#"{"type":"Detach"}"#, "unknown-control-type"),
    ] {
        is_void(text, code);
    }
    assert!(parse(b"{\"type\":\"detach\xff\"}").is_err());
    is_void(&"[".repeat(100_000), "control-not-json");
}

#[test]
fn missing_and_mistyped_fields_make_it_void() {
    for (kind, fields) in [
        ("subscribe", ""),
        ("subscribe", r#","channel":"""#),
        ("subscribe", r#","channel":1"#),
        ("subscribe", r#","channel":"a","filters":"x""#),
        ("subscribe", r#","channel":"a","filters":[1]"#),
        ("subscribe", r#","channel":"a","filters":null"#),
        ("unsubscribe", r#","channel":"""#),
        ("session", r#","id":1"#),
        ("set-meta", r#","value":"x""#),
        ("set-meta", r#","name":"""#),
        ("set-meta", r#","name":"a","value":1"#),
        ("keep-alive", r#","content":1"#),
        ("keep-alive", r#","content":"x","content-bin":1"#),
        ("keep-alive", r#","content-bin":"gIA=""#),
        ("send-delayed", r#","content-bin":"gIA=""#),
        ("keep-alive", r#","content":"x","timeout":-1"#),
        ("keep-alive", r#","content":"x","timeout":"-1""#),
        ("keep-alive", r#","content":"x","timeout":2147483648"#),
        ("keep-alive", r#","content":"x","timeout":null"#),
        ("keep-alive", r#","content":"x","mode":1"#),
        ("keep-alive", r#","message-type":"close""#),
        ("send-delayed", r#","message-type":"TEXT""#),
        ("send-delayed", r#","content":"x","timeout":[]"#),
    ] {
        let text = format!(r#"{{"type":"{kind}"{fields}}}"#);
        is_void(&text, "bad-control-field");
    }
}

#[test]
fn a_message_cut_anywhere_is_void() {
    let text = br#"{"type":"keep-alive","content":"x","timeout":20,"mode":"interval"}"#;
    for end in 0..text.len() {
        assert!(parse(&text[..end]).is_err(), "{end}");
    }
}
