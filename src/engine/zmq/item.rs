//! Published items as ZeroMQ carries them: one in a frame, as JSON or as a tnetstring.
//!
//! ```text
//! J{"channel": "a", "formats": {...}}       JSON, as in a publish over HTTP
//! T38:7:channel,1:a,7:formats,14:...}}      tnetstring; content and body are bytes as they are
//! 38:7:channel,...}                         the same
//! ```
//!
//! Source: `docs/zmq.md#publishing`.

use base64::{prelude::BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use serde_json::{Map, Number, Value as Json};

use super::tnetstring::{TnetstringError, Value};
use crate::grip::{
    channel::ChannelName,
    error::PublishError,
    publish::{parse_item, Item},
};

/// The formats whose contents may be any bytes.
const FORMATS: [&[u8]; 3] = [b"http-response", b"http-stream", b"ws-message"];

/// Says why a message is no item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// It has too many frames, or too few.
    #[error("expected {0}")]
    Frames(&'static str),
    /// It is said to be JSON, and is not.
    #[error("expected JSON behind the letter J")]
    NotJson,
    /// It is no tnetstring.
    #[error("expected a tnetstring: {0}")]
    NotTnetstring(#[from] TnetstringError),
    /// A text is not UTF-8.
    #[error("expected UTF-8 in '{0}'")]
    NotText(String),
    /// It is no item.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Reads the message of a PUSH: one frame.
pub fn read_pushed(frames: &[Bytes]) -> Result<Item, ItemError> {
    match frames {
        [frame] => Ok(parse_item(json(frame)?)?),
        _ => Err(ItemError::Frames("one frame, an item")),
    }
}

/// Reads the message of a PUB: the channel, and an item that need not name it.
pub fn read_published(frames: &[Bytes]) -> Result<Item, ItemError> {
    let [channel, frame] = frames else {
        let expected = "two frames, a channel and an item";
        return Err(ItemError::Frames(expected));
    };
    let channel = text(channel, b"channel")?;
    let mut item = json(frame)?;
    if let Json::Object(fields) = &mut item {
        fields.insert("channel".to_owned(), Json::String(String::new()));
    }
    let mut item = parse_item(item)?;
    item.channel = ChannelName::from(channel);
    Ok(item)
}

/// Turns a tnetstring item into the JSON that means the same.
///
/// Contents that are not UTF-8 become base64 in `content-bin` and `body-bin`; those keys themselves are
/// passed over, for contents are bytes anyway.
///
/// **Errors**: another text is not UTF-8.
pub fn to_json(value: &Value) -> Result<Json, ItemError> {
    plain(value, b"item")
}

fn json(frame: &Bytes) -> Result<Json, ItemError> {
    match frame.first() {
        Some(b'J') => {
            let text = frame.get(1..).unwrap_or_default();
            serde_json::from_slice(text).map_err(|_| ItemError::NotJson)
        }
        Some(b'T') => to_json(&Value::read(&frame.slice(1..))?),
        _ => to_json(&Value::read(frame)?),
    }
}

fn plain(value: &Value, key: &[u8]) -> Result<Json, ItemError> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::from(*value),
        Value::Float(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
        Value::Bytes(bytes) => Json::String(text(bytes, key)?),
        Value::List(values) => {
            let values = values.iter().map(|value| plain(value, key));
            Json::Array(values.collect::<Result<_, _>>()?)
        }
        Value::Map(pairs) => {
            let mut map = Map::new();
            for (name, value) in pairs {
                let converted = match value {
                    Value::Map(pairs) if FORMATS.contains(&&name[..]) => format(pairs)?,
                    value => plain(value, name)?,
                };
                map.insert(text(name, b"key")?, converted);
            }
            Json::Object(map)
        }
    })
}

/// Converts a format, whose content is any bytes.
fn format(pairs: &[(Bytes, Value)]) -> Result<Json, ItemError> {
    let mut map = Map::new();
    for (name, value) in pairs {
        let is_content = matches!(&name[..], b"content" | b"body");
        match (value, std::str::from_utf8(name)) {
            (_, Ok("content-bin" | "body-bin")) => {}
            (Value::Bytes(bytes), Ok(name)) if is_content => {
                map.remove(name);
                map.remove(&format!("{name}-bin"));
                match std::str::from_utf8(bytes) {
                    Ok(text) => map.insert(name.to_owned(), Json::from(text)),
                    Err(_) => {
                        let base64 = BASE64_STANDARD.encode(bytes);
                        map.insert(format!("{name}-bin"), Json::from(base64))
                    }
                };
            }
            _ => {
                map.insert(text(name, b"key")?, plain(value, name)?);
            }
        }
    }
    Ok(Json::Object(map))
}

fn text(bytes: &[u8], key: &[u8]) -> Result<String, ItemError> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| {
        let key: String = String::from_utf8_lossy(key).chars().take(100).collect();
        ItemError::NotText(key)
    })?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grip::publish::{
        Formats, ResponseBody, ResponseFormat, StreamFormat, WsFormat, WsKind,
    };

    fn tnetstring(prefix: &str, value: &Value) -> Bytes {
        let mut frame = prefix.as_bytes().to_vec();
        value.write(&mut frame);
        frame.into()
    }

    fn stream(content: &'static [u8]) -> Value {
        let format = Value::map([("content", Value::bytes(content))]);
        Value::map([
            ("channel", Value::bytes("a")),
            ("formats", Value::map([("http-stream", format)])),
        ])
    }

    fn content(item: &Item) -> &Bytes {
        match &item.formats.stream {
            Some(StreamFormat::Send { content, .. }) => content,
            other => panic!("a stream's content: {other:?}"),
        }
    }

    #[test]
    fn all_three_encodings_are_items() {
        let json = br#"J{"channel":"a","formats":{"http-stream":{"content":"x"}}}"#;
        for frame in [
            Bytes::from_static(json),
            tnetstring("T", &stream(b"x")),
            tnetstring("", &stream(b"x")),
        ] {
            let item = read_pushed(&[frame]).unwrap();
            assert_eq!(
                (item.channel.as_str(), &content(&item)[..]),
                ("a", &b"x"[..])
            );
        }
    }

    #[test]
    fn contents_are_any_bytes_in_a_tnetstring() {
        let any: &'static [u8] = b"\x00\xff\x80";
        let item = read_pushed(&[tnetstring("T", &stream(any))]).unwrap();
        assert_eq!(content(&item), any);
        let formats = Value::map([
            (
                "http-response",
                Value::map([("body", Value::bytes(any)), ("code", Value::Int(202))]),
            ),
            (
                "ws-message",
                Value::map([
                    ("content-bin", Value::bytes("eA==")),
                    ("content", Value::bytes(any)),
                ]),
            ),
        ]);
        let whole = Value::map([("channel", Value::bytes("a")), ("formats", formats)]);
        let item = read_pushed(&[tnetstring("T", &whole)]).unwrap();
        let Formats { response, ws, .. } = item.formats;
        let Some(ResponseFormat::Send(response)) = response else {
            panic!("a response");
        };
        let body = ResponseBody::Bytes(Bytes::from_static(any));
        assert_eq!((response.status, response.body), (202, body));
        let expected = WsFormat::Send {
            kind: WsKind::Binary,
            content: Bytes::from_static(any),
            content_filters: None,
        };
        assert_eq!(ws, Some(expected));
    }

    #[test]
    fn the_channel_of_a_published_item_is_its_topic() {
        let topic = Bytes::from_static(b"topic");
        let item = read_published(&[topic.clone(), tnetstring("T", &stream(b"x"))]).unwrap();
        assert_eq!(item.channel.as_str(), "topic");
        let nameless = Bytes::from_static(br#"J{"formats":{"http-stream":{"content":"x"}}}"#);
        let item = read_published(&[topic, nameless]).unwrap();
        assert_eq!(item.channel.as_str(), "topic");
    }

    #[test]
    fn what_is_no_item_is_refused() {
        let bare =
            Bytes::from_static(br#"{"channel":"a","formats":{"http-stream":{"content":"x"}}}"#);
        let good = tnetstring("T", &stream(b"x"));
        let bad_name = Value::map([("channel", Value::bytes(&b"\xff"[..]))]);
        for (frames, text) in [
            (vec![], "expected one frame, an item"),
            (
                vec![good.clone(), good.clone()],
                "expected one frame, an item",
            ),
            (vec![Bytes::new()], "expected a tnetstring: "),
            (vec![bare], "expected a tnetstring: "),
            (vec!["J{".into()], "expected JSON behind the letter J"),
            (
                vec!["J{}".into()],
                "Invalid format: publish item object does not contain",
            ),
            (
                vec!["T0:}".into()],
                "Invalid format: publish item object does not contain",
            ),
            (
                vec!["T4:true!".into()],
                "Invalid format: publish item object is not an object",
            ),
            (
                vec![tnetstring("T", &bad_name)],
                "expected UTF-8 in 'channel'",
            ),
        ] {
            let error = read_pushed(&frames).unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}: {text}");
        }
        let error = read_published(&[good]).unwrap_err().to_string();
        assert_eq!(error, "expected two frames, a channel and an item");
    }

    #[test]
    fn damage_is_survived() {
        let mut random = fastrand::Rng::with_seed(7);
        let whole = tnetstring("T", &stream(b"some \xff content"));
        for _ in 0..5_000 {
            let mut bytes = whole.to_vec();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            let frame = Bytes::from(bytes);
            let _ = read_pushed(std::slice::from_ref(&frame));
            let _ = read_published(&[frame.clone(), frame]);
        }
    }
}
