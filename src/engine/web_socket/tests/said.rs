//! The words of a script, read.

use super::*;

pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(super) fn part(kind: MessageKind, text: &str) -> Part {
    let (text, is_first) = match text.strip_prefix('+') {
        Some(rest) => (rest, false),
        None => (text, true),
    };
    let (text, is_last) = match text.strip_suffix('+') {
        Some(rest) => (rest, false),
        None => (text, true),
    };
    Part {
        kind,
        content: bytes(text),
        is_first,
        is_last,
        key: [0; 4],
    }
}

pub(super) fn close(text: &str) -> Option<Close> {
    let (code, reason) = text.split_once(' ').unwrap_or((text, ""));
    let reason = reason.to_owned();
    let code = code.parse().ok()?;
    Some(Close { code, reason })
}

pub(super) fn received(text: &str) -> Received {
    let (kind, content) = text.split_once(' ').unwrap_or((text, ""));
    match kind {
        "text" => Received::Part(part(MessageKind::Text, content)),
        "binary" => Received::Part(part(MessageKind::Binary, content)),
        "ping" => Received::Ping(bytes(content)),
        "pong" => Received::Pong(bytes(content)),
        "close" => Received::Close(close(content)),
        _ => panic!("what is `{text}`?"),
    }
}

/// Reads what a backend says, among it `control TYPE field=value field=a+b`.
pub(super) fn from_backend(text: &str) -> FromBackend {
    let (kind, content) = text.split_once(' ').unwrap_or((text, ""));
    match kind {
        "disconnect" => FromBackend::Disconnect,
        "gone" => FromBackend::Gone,
        "bad-text" => FromBackend::BadText,
        "error" => FromBackend::Error(ProtocolError::MaskedFrame),
        "control" => FromBackend::Part(part(MessageKind::Text, &control(content))),
        _ => match received(text) {
            Received::Part(part) => FromBackend::Part(part),
            Received::Ping(content) => FromBackend::Ping(content),
            Received::Pong(content) => FromBackend::Pong(content),
            Received::Close(close) => FromBackend::Close(close),
        },
    }
}

pub(super) fn control(text: &str) -> String {
    let mut words = text.split(' ');
    let mut order = json!({ "type": words.next() });
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        order[name] = match (name, value.parse::<u32>()) {
            ("filters", _) => value.split('+').collect(),
            ("timeout", Ok(number)) => Value::from(number),
            _ => Value::from(value),
        };
    }
    format!("c:{order}")
}

/// Reads an item: `CHANNEL CONTENT`, its id is its content; behind a `/` what else it says:
/// `close CODE REASON`, `refresh`, `hint`, `by=SENDER`, `for=FILTER` or `ping`.
pub(super) fn item(text: &str) -> Item {
    let (text, more) = text.split_once(" / ").unwrap_or((text, ""));
    let (channel, content) = text.split_once(' ').unwrap_or((text, ""));
    let (word, rest) = more.split_once(' ').unwrap_or((more, ""));
    let content_filters = word.strip_prefix("for=").map(|name| vec![name.to_owned()]);
    let ws = match word {
        "close" => WsFormat::Close {
            code: rest.split(' ').next().and_then(|code| code.parse().ok()),
            reason: rest
                .split_once(' ')
                .map_or("", |(_, reason)| reason)
                .to_owned(),
        },
        "refresh" => WsFormat::Refresh,
        "hint" => WsFormat::Hint,
        _ => WsFormat::Send {
            kind: match word {
                "ping" => WsKind::Ping,
                _ => WsKind::Text,
            },
            content: bytes(content),
            content_filters,
        },
    };
    let sender = word.strip_prefix("by=");
    Item {
        channel: ChannelName::from(channel),
        id: (!content.is_empty()).then(|| ItemId::from(content)),
        prev_id: None,
        formats: Formats {
            response: None,
            stream: None,
            ws: Some(ws),
        },
        meta: sender
            .map(|sender| ("sender".to_owned(), sender.to_owned()))
            .into_iter()
            .collect(),
        size: None,
        no_seq: false,
    }
}

/// Reads what a filter's question was answered: a status, `drop`, or nothing.
pub(super) fn filter_answer(text: &str) -> Result<FilterAnswer, FilterError> {
    let mut headers = HeaderMap::new();
    let status = match text {
        "drop" => {
            headers.insert("action", "drop".parse().expect("a header's value"));
            Some(200)
        }
        text => text.parse().ok(),
    };
    let body = Bytes::from("edited");
    status
        .map(|status| FilterAnswer {
            status,
            headers,
            body,
        })
        .ok_or_else(|| FilterError::Unanswered {
            filter: Filter::HttpCheck,
            why: "nobody is there".to_owned(),
        })
}
