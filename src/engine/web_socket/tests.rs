//! The machine of a WebSocket session, step by step, with virtual time; random runs are in `simulation`.
//!
//! A session is played from a script: in each line what happens, and behind `>` what is wanted then.
//!
//! ```text
//! client text hi          > post TEXT hi
//! answer text m:yo; close > client text yo, deafen, client close 1000
//! client close            > post CLOSE, finish
//! ```
//!
//! A part of a message that does not begin it has `+` before its content, one that does not end it has
//! `+` behind it.

use bytes::BytesMut;
use http::HeaderMap;
use serde_json::{json, Value};

use super::*;
use crate::engine::{
    session::{FilterAnswer, Skipped},
    ws::{MessageKind, Part},
    ws_over_http::{Ends, Options, Post},
};
use crate::grip::{
    channel::ItemId,
    filter::{Filter, FilterError},
    publish::{Formats, Item, WsFormat, WsKind},
    ws::{
        events::{decode, parse_close},
        EventKind, KeepAliveInterval,
    },
};

mod awaiting;
mod closing;
mod controls;
mod detaching;
mod failing;
mod filters;
mod opening;
mod relaying;
mod simulation;
mod timers;

const MS: Duration = Duration::from_millis(1);

/// A session at a time of its own.
struct Run {
    session: WebSocket<Item>,
    now: Instant,
    /// When something was last written to the client.
    last_sent: Instant,
    jitter: Duration,
}

/// What a session is made with: GRIP, one implicit channel, three channels and two waiting items at most.
fn terms(route: Route) -> Terms {
    Terms {
        route: Arc::new(route),
        implicit: vec!["own".into()],
        subscriptions_max: 3,
        waiting_max: 2,
        prefix: Some(Bytes::from("m:")),
        is_attentive: false,
    }
}

fn route() -> Route {
    Route::new("*")
}

fn debug_route() -> Route {
    Route {
        debug: true,
        ..route()
    }
}

impl Run {
    fn new(terms: Terms, backend: Backend, now: Instant) -> Run {
        Run {
            session: WebSocket::new(terms, backend),
            now,
            last_sent: now,
            jitter: Duration::ZERO,
        }
    }

    /// A session that has not begun.
    fn opening() -> Run {
        Run::opening_with(KeepAliveInterval::Off)
    }

    fn opening_with(keep_alive: KeepAliveInterval) -> Run {
        let now = Instant::now();
        let posts = OverHttp::new(Options::default(), keep_alive, now);
        Run::new(terms(route()), Backend::over_http(posts), now)
    }

    fn over_http() -> Run {
        Run::over_http_on(route())
    }

    fn over_http_on(route: Route) -> Run {
        let now = Instant::now();
        let posts = OverHttp::new(Options::default(), KeepAliveInterval::Off, now);
        Run::new(terms(route), Backend::over_http(posts), now).begun()
    }

    fn kept_alive() -> Run {
        Run::opening_with(KeepAliveInterval::Secs(20)).begun()
    }

    fn direct() -> Run {
        Run::direct_on(route())
    }

    fn direct_on(route: Route) -> Run {
        Run::new(terms(route), Backend::direct(), Instant::now()).begun()
    }

    /// Whatever the backend says is for the client.
    fn without_grip(backend: Backend) -> Run {
        let terms = Terms {
            prefix: None,
            ..terms(route())
        };
        Run::new(terms, backend, Instant::now()).begun()
    }

    fn begun(mut self) -> Run {
        assert_eq!(self.happens("begin"), "");
        self
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.now,
            jitter: self.jitter,
        }
    }

    /// Plays a script.
    #[track_caller]
    fn plays(&mut self, script: &str) {
        for line in script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (event, expected) = line.split_once('>').expect("a line has a `>`");
            assert_eq!(self.happens(event.trim()), expected.trim(), "{event}");
        }
    }

    /// Lets something happen, and returns what is wanted then.
    fn happens(&mut self, event: &str) -> String {
        self.act(event);
        self.wanted()
    }

    fn act(&mut self, event: &str) {
        let (who, what) = event.split_once(' ').unwrap_or((event, ""));
        let moment = self.moment();
        let session = &mut self.session;
        match who {
            "begin" => session.begin(moment),
            "client" => session.on_client(received(what), moment),
            "gone" => session.on_client_gone(),
            "nonsense" => session.on_client_nonsense("bad-sockjs-payload"),
            "break" => session.on_client_error(&ProtocolError::InvalidText),
            "slow" => session.on_client_slow(true, moment),
            "fast" => session.on_client_slow(false, moment),
            "backend" => session.on_backend(from_backend(what), moment),
            "answer" => self.answer(what, None),
            "accept" => {
                let (bytes, said) = what.split_once(' ').unwrap_or((what, ""));
                self.answer(said, bytes.parse().ok());
            }
            "fail" => session.on_post_failed(what == "for now", moment),
            "subscribed" => session.on_subscribed(true, moment),
            "unsubscribed" => session.on_subscribed(false, moment),
            "item" => session.on_item(item(what), moment),
            "filtered" => session.on_filtered(filter_answer(what), moment),
            "overflow" => session.on_overflow(moment),
            "drain" => session.on_drain(moment),
            "wait" => self.wait(what.parse().expect("a number of ms")),
            _ => panic!("what is `{event}`?"),
        }
    }

    /// The backend answers a post with these events.
    fn answer(&mut self, said: &str, accepted: Option<u64>) {
        let mut ends = Ends::No;
        for said in said.split("; ").filter(|said| !said.is_empty()) {
            let said = from_backend(said);
            match said {
                FromBackend::Close(_) => ends = Ends::Close,
                FromBackend::Disconnect => ends = Ends::Disconnect,
                _ => {}
            }
            self.session.on_backend(said, self.moment());
        }
        let facts = AnswerFacts {
            accepted,
            keep_alive: KeepAliveInterval::Unchanged,
            ends,
        };
        self.session.on_answer(&facts, self.moment());
    }

    /// Lets time pass, and wakes the session if it wanted that.
    fn wait(&mut self, ms: u32) {
        self.now += MS * ms;
        if self.session.deadline().is_some_and(|due| due <= self.now) {
            self.session.on_timer(self.last_sent, self.moment());
            let is_later = |due| due > self.now;
            assert!(self.session.deadline().is_none_or(is_later), "no progress");
        }
    }

    fn wanted(&mut self) -> String {
        let mut lines = Vec::new();
        while let Some(output) = self.session.next_output() {
            if let Output::ToClient(_) | Output::Item(..) | Output::KeepAlive(_) = &output {
                self.last_sent = self.now;
            }
            lines.push(line(&output));
        }
        lines.join(", ")
    }

    /// Ends it, and returns what its backend is still told over HTTP, each post answered.
    fn rest(self) -> Vec<String> {
        let now = self.now;
        let mut rest = Vec::new();
        let Some(mut posts) = self.session.into_posts() else {
            return rest;
        };
        posts.hold_up(false);
        while let Some(output) = posts.next_output() {
            let ws_over_http::Output::Post(said) = &output else {
                break;
            };
            rest.push(post(said));
            let facts = AnswerFacts {
                accepted: None,
                keep_alive: KeepAliveInterval::Unchanged,
                ends: Ends::No,
            };
            posts.on_answer(&facts, now);
        }
        assert_eq!(posts.deadline(), None, "it comes to its end");
        rest
    }

    /// Returns in how many milliseconds it is to be woken.
    fn due(&self) -> Option<u128> {
        let due = self.session.deadline()?;
        Some((due - self.now).as_millis())
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn part(kind: MessageKind, text: &str) -> Part {
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

fn close(text: &str) -> Option<Close> {
    let (code, reason) = text.split_once(' ').unwrap_or((text, ""));
    let reason = reason.to_owned();
    let code = code.parse().ok()?;
    Some(Close { code, reason })
}

fn received(text: &str) -> Received {
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
fn from_backend(text: &str) -> FromBackend {
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

fn control(text: &str) -> String {
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
fn item(text: &str) -> Item {
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
fn filter_answer(text: &str) -> Result<FilterAnswer, FilterError> {
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

/// Writes what the machine wants.
fn line(output: &Output<Item>) -> String {
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

fn shown(content: &[u8]) -> String {
    String::from_utf8_lossy(content).into_owned()
}

fn spaced(word: &str, rest: &str) -> String {
    format!("{word} {rest}").trim_end().to_owned()
}

fn part_line(part: &Part) -> String {
    let kind = match part.kind {
        MessageKind::Text => "text",
        MessageKind::Binary => "binary",
    };
    let before = if part.is_first { "" } else { "+" };
    let behind = if part.is_last { "" } else { "+" };
    spaced(kind, &format!("{before}{}{behind}", shown(&part.content)))
}

fn close_line(close: Option<&Close>) -> String {
    let said = close.map(|close| spaced(&close.code.to_string(), &close.reason));
    spaced("close", &said.unwrap_or_default())
}

fn to_client(said: &ToClient) -> String {
    match said {
        ToClient::Part(part) => part_line(part),
        ToClient::Ping(content) => spaced("ping", &shown(content)),
        ToClient::Pong(content) => spaced("pong", &shown(content)),
        ToClient::Close(close) => close_line(Some(close)),
    }
}

fn to_backend(said: &ToBackend) -> String {
    match said {
        ToBackend::Part(part) => part_line(part),
        ToBackend::Ping(content) => spaced("ping", &shown(content)),
        ToBackend::Pong(content) => spaced("pong", &shown(content)),
        ToBackend::Close(close) => close_line(close.as_ref()),
    }
}

fn post(post: &Post) -> String {
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
