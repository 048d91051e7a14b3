//! Instructions: how they are recognised, and hostile ones; each notation in a file of its own.

use super::*;
use http::{HeaderName, HeaderValue};
use serde_json::{json, Value};

mod in_headers;
mod in_json;

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
