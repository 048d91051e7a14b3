//! Outputs, in the words of a script.

use super::*;

/// Writes what the machine wants.
pub(super) fn line(output: &Output<Item>) -> String {
    let id = |item: &Item| item.id.as_ref().map_or(String::new(), ToString::to_string);
    match output {
        Output::ToClient(said) => format!("client {}", to_client(said)),
        Output::Item(_, content) => format!("item {}", shown(content)),
        Output::KeepAlive(said) => format!("keep-alive {}", to_client(said)),
        Output::Post(said) => post(said),
        Output::ToBackend(said) => format!("backend {}", to_backend(said)),
        Output::EndBackend => "end backend".to_owned(),
        Output::Subscribe(wanted) => {
            let names = wanted.iter().map(|wanted| format!(" {}", wanted.channel));
            format!("subscribe{}", names.collect::<String>())
        }
        Output::Ask(question) => format!("ask {}", question.url),
        Output::Skip(item, why) => {
            let why = match why {
                Skipped::FilterError(error) => error.to_string(),
                other => format!("{other:?}"),
            };
            format!("skip {} {why}", id(item))
        }
        Output::Deafen => "deafen".to_owned(),
        Output::Finish => "finish".to_owned(),
        Output::Cut => "cut".to_owned(),
        Output::Note(note) => match note {
            Note::Unaddressed => "note unaddressed".to_owned(),
            Note::BadControl(error) => format!("note {}", error.code()),
            Note::LongControl => "note long control".to_owned(),
            Note::ChannelRefused => "note channel refused".to_owned(),
            Note::LongPing => "note long ping".to_owned(),
            Note::MetaRefused => "note meta refused".to_owned(),
            Note::BackendFailed(why) | Note::ClientError(why) => format!("note {why}"),
        },
    }
}

pub(super) fn shown(content: &[u8]) -> String {
    String::from_utf8_lossy(content).into_owned()
}

pub(super) fn spaced(word: &str, rest: &str) -> String {
    format!("{word} {rest}").trim_end().to_owned()
}

pub(super) fn part_line(part: &Part) -> String {
    let kind = match part.kind {
        MessageKind::Text => "text",
        MessageKind::Binary => "binary",
    };
    let before = if part.is_first { "" } else { "+" };
    let behind = if part.is_last { "" } else { "+" };
    spaced(kind, &format!("{before}{}{behind}", shown(&part.content)))
}

pub(super) fn close_line(close: Option<&Close>) -> String {
    let said = close.map(|close| spaced(&close.code.to_string(), &close.reason));
    spaced("close", &said.unwrap_or_default())
}

pub(super) fn to_client(said: &ToClient) -> String {
    match said {
        ToClient::Part(part) => part_line(part),
        ToClient::Ping(content) => spaced("ping", &shown(content)),
        ToClient::Pong(content) => spaced("pong", &shown(content)),
        ToClient::Close(close) => close_line(Some(close)),
    }
}

pub(super) fn to_backend(said: &ToBackend) -> String {
    match said {
        ToBackend::Part(part) => part_line(part),
        ToBackend::Ping(content) => spaced("ping", &shown(content)),
        ToBackend::Pong(content) => spaced("pong", &shown(content)),
        ToBackend::Close(close) => close_line(close.as_ref()),
    }
}

pub(super) fn post(post: &Post) -> String {
    let events = decode(&post.body).expect("a post has events").into_iter();
    let events = events.map(|event| {
        let content = match event.kind {
            EventKind::Close => parse_close(event.content.as_ref())
                .map(|(code, reason)| spaced(&code.to_string(), &reason)),
            _ => event.content.map(|content| shown(&content)),
        };
        spaced(event.kind.as_str(), &content.unwrap_or_default())
    });
    let replayed = match post.replayed {
        0 => String::new(),
        bytes => format!(" ({bytes} again)"),
    };
    let events: Vec<_> = events.collect();
    spaced(&format!("post{replayed}"), &events.join(" + "))
}
