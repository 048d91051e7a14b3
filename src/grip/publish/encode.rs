//! Publish requests as a publisher writes them: the way back from `parse_request`.
//!
//! Sends nothing. Content that is no UTF-8 goes into the `-bin` fields.

use base64::engine::{general_purpose::STANDARD, Engine};
use bytes::Bytes;
use serde_json::{json, Map, Value};

use super::{
    Formats, Item, ResponseBody, ResponseFormat, ResponseSend, StreamFormat, WsFormat, WsKind,
};

/// Encodes the body of a publish request.
///
/// **Shape**: `{"items": [item, ...]}`, as `parse_request` reads it; it refuses an item without any
/// format, which would reach nobody.
///
/// ```
/// use p8::grip::publish::{encode_request, parse_request};
///
/// let body = br#"{"items": [{"channel": "news", "formats": {"http-stream": {"content": "x"}}}]}"#;
/// let items = parse_request(body)?;
/// assert_eq!(parse_request(encode_request(&items).as_bytes())?, items);
/// # Ok::<(), p8::grip::PublishError>(())
/// ```
pub fn encode_request(items: &[Item]) -> String {
    let items: Vec<Value> = items.iter().map(encode_item).collect();
    json!({ "items": items }).to_string()
}

/// Encodes one item.
pub fn encode_item(item: &Item) -> Value {
    let mut fields = Map::new();
    fields.insert("channel".into(), item.channel.as_str().into());
    if let Some(id) = &item.id {
        fields.insert("id".into(), id.as_str().into());
    }
    if let Some(prev_id) = &item.prev_id {
        fields.insert("prev-id".into(), prev_id.as_str().into());
    }
    fields.insert("formats".into(), formats(&item.formats));
    if !item.meta.is_empty() {
        fields.insert("meta".into(), json!(item.meta));
    }
    if let Some(size) = item.size {
        fields.insert("size".into(), size.into());
    }
    if item.no_seq {
        fields.insert("no-seq".into(), true.into());
    }
    Value::Object(fields)
}

fn formats(formats: &Formats) -> Value {
    let mut fields = Map::new();
    if let Some(format) = &formats.response {
        fields.insert("http-response".into(), response(format));
    }
    if let Some(format) = &formats.stream {
        fields.insert("http-stream".into(), stream(format));
    }
    if let Some(format) = &formats.ws {
        fields.insert("ws-message".into(), ws(format));
    }
    Value::Object(fields)
}

fn response(format: &ResponseFormat) -> Value {
    match format {
        ResponseFormat::Send(send) => response_send(send),
        ResponseFormat::Hint => json!({"action": "hint"}),
        ResponseFormat::Close => json!({"action": "close"}),
        ResponseFormat::Refresh => json!({"action": "refresh"}),
    }
}

fn response_send(send: &ResponseSend) -> Value {
    let mut fields = Map::new();
    fields.insert("code".into(), send.status.into());
    if let Some(reason) = &send.reason {
        fields.insert("reason".into(), reason.as_str().into());
    }
    if !send.headers.is_empty() {
        // Pairs, because an object could not repeat a name.
        let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
        };
        fields.insert("headers".into(), send.headers.iter().map(pair).collect());
    }
    match &send.body {
        ResponseBody::Bytes(body) => add_content(&mut fields, "body", body),
        ResponseBody::Patch(patch) => drop(fields.insert("body-patch".into(), patch.clone())),
    }
    add_filters(&mut fields, &send.content_filters);
    Value::Object(fields)
}

fn stream(format: &StreamFormat) -> Value {
    match format {
        StreamFormat::Send {
            content,
            content_filters,
        } => {
            let mut fields = Map::new();
            add_content(&mut fields, "content", content);
            add_filters(&mut fields, content_filters);
            Value::Object(fields)
        }
        StreamFormat::Hint => json!({"action": "hint"}),
        StreamFormat::Close => json!({"action": "close"}),
        StreamFormat::Refresh => json!({"action": "refresh"}),
    }
}

fn ws(format: &WsFormat) -> Value {
    match format {
        WsFormat::Send {
            kind,
            content,
            content_filters,
        } => {
            let mut fields = Map::new();
            let kind = match kind {
                WsKind::Text => "text",
                WsKind::Binary => "binary",
                WsKind::Ping => "ping",
                WsKind::Pong => "pong",
            };
            fields.insert("type".into(), kind.into());
            add_content(&mut fields, "content", content);
            add_filters(&mut fields, content_filters);
            Value::Object(fields)
        }
        WsFormat::Close { code, reason } => {
            let mut fields = Map::from_iter([("action".to_owned(), "close".into())]);
            if let Some(code) = code {
                fields.insert("code".into(), (*code).into());
            }
            if !reason.is_empty() {
                fields.insert("reason".into(), reason.as_str().into());
            }
            Value::Object(fields)
        }
        WsFormat::Hint => json!({"action": "hint"}),
        WsFormat::Refresh => json!({"action": "refresh"}),
    }
}

/// Adds text under this name, anything else as base64 under the name with `-bin`.
fn add_content(fields: &mut Map<String, Value>, name: &str, content: &Bytes) {
    match std::str::from_utf8(content) {
        Ok(text) => fields.insert(name.to_owned(), text.into()),
        Err(_) => fields.insert(format!("{name}-bin"), STANDARD.encode(content).into()),
    };
}

fn add_filters(fields: &mut Map<String, Value>, filters: &Option<Vec<String>>) {
    if let Some(filters) = filters {
        fields.insert("content-filters".into(), filters.as_slice().into());
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_request;
    use super::*;
    use std::collections::BTreeMap;

    fn item(formats: Formats) -> Item {
        Item {
            channel: "a \"b\" ☃".into(),
            id: None,
            prev_id: None,
            formats,
            meta: BTreeMap::new(),
            size: None,
            no_seq: false,
        }
    }

    #[track_caller]
    fn assert_survives(items: &[Item]) {
        let body = encode_request(items);
        assert_eq!(
            parse_request(body.as_bytes()).as_deref(),
            Ok(items),
            "{body}"
        );
    }

    fn contents() -> Vec<Bytes> {
        let all: Vec<u8> = (0..=255).collect();
        let texts = ["", "x", "a\n", "\0\u{1b}\u{7f} ☃ \\u0041"].map(Bytes::from);
        let binary = [Bytes::from_static(b"\xff"), Bytes::from(all)];
        texts.into_iter().chain(binary).collect()
    }

    fn ws_close(code: Option<u16>, reason: &str) -> WsFormat {
        let reason = reason.to_owned();
        WsFormat::Close { code, reason }
    }

    fn headers() -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        headers.append("x-a", http::HeaderValue::from_static("1"));
        headers.append("x-a", http::HeaderValue::from_static("2"));
        let snowman = http::HeaderValue::from_bytes("☃".as_bytes());
        headers.append("x-b", snowman.unwrap());
        headers
    }

    #[test]
    fn every_format_and_action_survives() {
        let filters = [
            None,
            Some(vec![]),
            Some(vec!["a".to_owned(), "ž".to_owned()]),
        ];
        let mut items = Vec::new();
        let kinds = [WsKind::Text, WsKind::Binary, WsKind::Ping, WsKind::Pong];
        for content_filters in filters {
            for (content, kind) in contents().into_iter().zip(kinds.into_iter().cycle()) {
                let is_text = std::str::from_utf8(&content).is_ok();
                let kind = if is_text { kind } else { WsKind::Binary };
                items.push(item(Formats {
                    response: Some(ResponseFormat::Send(ResponseSend {
                        status: 404,
                        reason: Some("Gone fishing".into()),
                        headers: headers(),
                        body: ResponseBody::Bytes(content.clone()),
                        content_filters: content_filters.clone(),
                    })),
                    stream: Some(StreamFormat::Send {
                        content: content.clone(),
                        content_filters: content_filters.clone(),
                    }),
                    ws: Some(WsFormat::Send {
                        kind,
                        content,
                        content_filters: content_filters.clone(),
                    }),
                }));
            }
        }
        for (response, stream, ws) in [
            (ResponseFormat::Hint, StreamFormat::Hint, WsFormat::Hint),
            (
                ResponseFormat::Close,
                StreamFormat::Close,
                ws_close(Some(4000), "bye"),
            ),
            (
                ResponseFormat::Close,
                StreamFormat::Close,
                ws_close(None, ""),
            ),
            (
                ResponseFormat::Refresh,
                StreamFormat::Refresh,
                WsFormat::Refresh,
            ),
        ] {
            items.push(item(Formats {
                response: Some(response),
                stream: Some(stream),
                ws: Some(ws),
            }));
        }
        assert_survives(&items);
    }

    #[test]
    fn every_field_of_an_item_survives() {
        let patch = json!([{"op": "add", "path": "/-", "value": {"a": [1, null]}}]);
        let patched = item(Formats {
            response: Some(ResponseFormat::Send(ResponseSend {
                status: 200,
                reason: None,
                headers: http::HeaderMap::new(),
                body: ResponseBody::Patch(patch),
                content_filters: None,
            })),
            ..Formats::default()
        });
        let full = Item {
            id: Some("2".into()),
            prev_id: Some("".into()),
            meta: BTreeMap::from([("sender".into(), "x=\"y\"".into()), ("".into(), "".into())]),
            size: Some(u64::from(u32::MAX)),
            no_seq: true,
            ..patched.clone()
        };
        assert_survives(&[patched, full]);
        assert_survives(&[]);
    }
}
