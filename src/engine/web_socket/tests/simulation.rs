//! Seeded random sessions between a client, a backend of either kind, a publisher and a clock.
//! `P8_SIM_SEED` replays one run.
//!
//! Each of them knows only what it said and what it is told: everything said before an end must reach
//! the other side once and in order, each side hears of the end once, and then there is silence.

use std::collections::{BTreeSet, VecDeque};

use super::*;
use crate::grip::ws::events::close_content;

/// What the backend has said, in short.
#[derive(Clone, Debug)]
enum Said {
    /// The client is to get this line.
    Message(String),
    Subscribe(&'static str),
    Unsubscribe(&'static str),
    Detach,
    Close(u16),
    Disconnect,
    /// It is of no use any more.
    Fault,
    /// It is none of the client's business.
    Aside,
    AnswerEnded,
}

/// The backend's requests, if it is reached by them.
#[derive(Default)]
struct Requests {
    /// What the client sent, from the first byte on that is not accepted.
    sent: VecDeque<(WsKind, Bytes)>,
    /// How many of them it was offered before.
    offered: usize,
    /// The body under way, and how many messages of `sent` are in it.
    under_way: Option<(Bytes, usize)>,
    /// The body of a failed request, which must come again unchanged.
    repeat: Option<Bytes>,
    fails_in_a_row: u32,
    /// The ends that it was told.
    ends: BTreeSet<&'static str>,
    posts: u32,
}

/// A backend's own WebSocket.
#[derive(Default)]
struct Pipe {
    /// The message whose parts it is sending.
    amid: Option<(MessageKind, VecDeque<String>, String)>,
    has_closed: bool,
    is_gone: bool,
    closes: u32,
    ends: u32,
}

/// What the client has heard.
#[derive(Default)]
struct Heard {
    amid: Option<String>,
    close_at: Option<Instant>,
    is_deaf: bool,
    /// `Finish` or `Cut`.
    ends: u32,
}

#[derive(Default)]
struct Items {
    entered: usize,
    done: usize,
    last: u32,
    is_asked: bool,
}

struct World {
    rng: fastrand::Rng,
    run: Run,
    is_direct: bool,
    next: u32,
    has_begun: bool,
    is_slow: bool,
    is_awaiting: bool,
    /// The client's own part of the end: it has closed, or it is gone.
    has_client_closed: bool,
    client_close: Option<Close>,
    client_message: Option<String>,
    held: VecDeque<Said>,
    channels: BTreeSet<&'static str>,
    is_left: bool,
    is_silent: bool,
    has_disconnected: bool,
    has_failed: bool,
    requests: Requests,
    pipe: Pipe,
    heard: Heard,
    items: Items,
    delayed: u32,
    /// One run alone is written down.
    is_replay: bool,
}

impl World {
    fn new(seed: u64, is_replay: bool) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let now = Instant::now();
        let is_direct = rng.bool();
        let route = Route {
            auto_pong: rng.u8(..4) == 0,
            debug: rng.u8(..4) == 0,
            ..route()
        };
        let backend = match is_direct {
            true => Backend::direct(),
            false => {
                let keep_alive = match rng.bool() {
                    true => KeepAliveInterval::Secs(rng.u32(20..40)),
                    false => KeepAliveInterval::Off,
                };
                Backend::over_http(OverHttp::new(Options::default(), keep_alive, now))
            }
        };
        World {
            run: Run::new(terms(route), backend, now),
            rng,
            is_direct,
            next: 0,
            has_begun: false,
            is_slow: false,
            is_awaiting: false,
            has_client_closed: false,
            client_close: None,
            client_message: None,
            held: VecDeque::new(),
            channels: BTreeSet::new(),
            is_left: false,
            is_silent: false,
            has_disconnected: false,
            has_failed: false,
            requests: Requests::default(),
            pipe: Pipe::default(),
            heard: Heard::default(),
            items: Items::default(),
            delayed: 0,
            is_replay,
        }
    }

    fn is_over(&self) -> bool {
        self.run.session.is_over()
    }

    /// Nobody has said anything of the end.
    fn is_open(&self) -> bool {
        !self.is_over() && !self.has_client_closed && self.heard.close_at.is_none()
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn step(&mut self) {
        match self.rng.u32(..1_000) {
            0..250 => self.client_speaks(),
            250..640 if self.is_direct => self.pipe_speaks(),
            250..610 => self.backend_answers(),
            610..640 => self.request_fails(),
            640..740 => self.acknowledge(),
            740..840 => self.publish(),
            840..880 => self.answer_filter(),
            880..910 => self.be_slow(),
            910..990 => self.time_passes(),
            990..994 => self.client_closes(),
            994 => self.plain("gone"),
            995 => self.plain("break"),
            996 => self.plain("overflow"),
            997 => self.plain("drain"),
            998 => self.publish_close(),
            _ => {}
        }
    }

    /// Lets something happen to the machine that the backend has no part in.
    fn plain(&mut self, event: &str) {
        let is_wanted = !self.is_over();
        self.has_client_closed |= event == "gone" || event == "break";
        self.act(event);
        assert!(!is_wanted || event == "drain" || event == "overflow" || self.is_over());
    }

    /// Lets something happen, and checks what is wanted; all lines are returned.
    fn act(&mut self, event: &str) -> Vec<String> {
        self.apply(event, |run| run.act(event))
    }

    fn apply(&mut self, event: &str, act: impl FnOnce(&mut Run)) -> Vec<String> {
        let was_over = self.is_over();
        let (was_told, was_awaiting) = (self.heard.close_at.is_some(), self.is_awaiting);
        if event == "subscribed" || event == "unsubscribed" {
            self.is_awaiting = false;
        }
        act(&mut self.run);
        let mut lines = Vec::new();
        while let Some(output) = self.run.session.next_output() {
            self.check(&output, &mut lines);
        }
        if self.is_replay {
            println!("{event} > {}", lines.join(", "));
        }
        assert!(
            !was_over || lines.is_empty(),
            "silence after the end: {lines:?}"
        );
        if !was_awaiting || event.ends_with("subscribed") {
            self.explain(&lines, was_told || event == "unsubscribed", was_over);
        }
        self.check_state();
        lines
    }

    fn check(&mut self, output: &Output<Item>, lines: &mut Vec<String>) {
        let to_client = matches!(
            output,
            Output::ToClient(_) | Output::Item(..) | Output::KeepAlive(_)
        );
        if to_client {
            assert!(
                self.heard.close_at.is_none() && self.heard.ends == 0,
                "{output:?}"
            );
            self.run.last_sent = self.run.now;
        }
        match output {
            Output::ToClient(ToClient::Part(part)) => return self.hear_part(part, lines),
            Output::ToClient(ToClient::Close(_)) => self.heard.close_at = Some(self.run.now),
            Output::ToClient(ToClient::Ping(content) | ToClient::Pong(content)) => {
                assert!(content.len() <= 125);
            }
            Output::KeepAlive(ToClient::Part(_)) => assert!(self.heard.amid.is_none()),
            Output::KeepAlive(_) | Output::Note(_) => {}
            Output::Item(item, content) => {
                assert!(!self.heard.is_deaf);
                self.count_item(item);
                assert!(content.starts_with(b"i"));
            }
            Output::Skip(item, Skipped::QueueFull) => {
                assert!(item.id.is_some());
                self.items.done += 1;
            }
            Output::Skip(item, _) => self.count_item(item),
            Output::Post(post) => self.backend_gets(post),
            Output::ToBackend(said) => {
                assert!(self.pipe.ends == 0 && self.pipe.closes == 0, "{said:?}");
                self.pipe.closes += u32::from(matches!(said, ToBackend::Close(_)));
            }
            Output::EndBackend => self.pipe.ends += 1,
            Output::Subscribe(_) => {
                assert!(self.has_begun && !self.is_awaiting, "one change at a time");
                self.is_awaiting = true;
            }
            Output::Ask(_) => {
                assert!(!std::mem::replace(&mut self.items.is_asked, true));
            }
            Output::Deafen => assert!(!std::mem::replace(&mut self.heard.is_deaf, true)),
            Output::Finish | Output::Cut => self.heard.ends += 1,
        }
        lines.push(line(output));
    }

    /// Joins the parts of a message.
    fn hear_part(&mut self, part: &Part, lines: &mut Vec<String>) {
        assert_eq!(part.is_first, self.heard.amid.is_none(), "{part:?}");
        let mut message = self.heard.amid.take().unwrap_or_default();
        message += &shown(&part.content);
        if !part.is_last {
            self.heard.amid = Some(message);
        } else {
            self.delayed -= u32::from(message.starts_with('d'));
            lines.push(format!("client {message}"));
        }
    }

    fn count_item(&mut self, item: &Item) {
        let number = item.id.as_ref().expect("items have ids").to_string();
        let number = number[1..].parse().expect("a number");
        assert!(number > self.items.last, "items come in order");
        self.items.last = number;
        self.items.done += 1;
    }

    /// What the client got and the channels that were asked for must be what the backend said.
    fn explain(&mut self, lines: &[String], mut is_told: bool, mut is_over: bool) {
        let is_backends = |line: &&String| {
            line.starts_with("client b")
                || line.starts_with("client ping b")
                || line.starts_with("client close 3")
                || line.starts_with("subscribe")
        };
        let mut lines = lines.iter().filter(is_backends);
        while let Some(said) = self.held.pop_front() {
            let is_open = !is_told && !is_over && !self.has_client_closed;
            match said {
                Said::AnswerEnded => self.is_silent |= self.is_left,
                _ if is_over || self.is_silent => {}
                Said::Aside => {}
                Said::Message(_) if is_told => {}
                Said::Message(message) => {
                    assert_eq!(lines.next(), Some(&message));
                }
                Said::Detach => {
                    self.is_left |= is_open;
                    self.is_silent |= is_open && self.is_direct;
                }
                Said::Subscribe(_) | Said::Unsubscribe(_) if !is_open => {}
                Said::Subscribe(_) | Said::Unsubscribe(_) => {
                    let has_changed = match said {
                        Said::Unsubscribe(channel) => self.channels.remove(channel),
                        Said::Subscribe(channel) => {
                            self.channels.insert(channel);
                            true
                        }
                        _ => false,
                    };
                    if has_changed && self.has_begun {
                        assert_eq!(lines.next().map(|line| &line[..9]), Some("subscribe"));
                        break;
                    }
                }
                Said::Close(code) => {
                    if !is_told {
                        assert_eq!(lines.next(), Some(&format!("client close {code}")));
                    }
                    is_told = true;
                    is_over |= self.has_client_closed;
                }
                Said::Fault => {
                    is_told = true;
                    is_over |= self.has_client_closed;
                    self.is_silent |= self.is_direct;
                }
                Said::Disconnect => is_over = true,
            }
        }
        assert_eq!(lines.next(), None, "nobody said that");
        assert!(self.held.is_empty() || self.is_awaiting);
    }

    fn check_state(&mut self) {
        let session = &self.run.session;
        assert!(self.heard.ends <= 1);
        if self.heard.ends == 1 {
            assert!(session.is_over());
        }
        if session.is_over() {
            self.is_silent = true;
            return;
        }
        if let Some(at) = self.heard.close_at {
            let due = session
                .deadline()
                .expect("a close is not waited for without end");
            assert!(due <= at + CLOSE_MAX);
        }
        if self.is_open() {
            let items = &self.items;
            assert_eq!(items.entered, items.done + session.in_hand());
            assert!(items.is_asked || session.in_hand() == 0);
        }
        if self.is_direct {
            return;
        }
        let requests = &self.requests;
        let is_idle = requests.under_way.is_none() && requests.repeat.is_none();
        if is_idle && self.is_open() && self.has_begun && !self.is_awaiting && !self.is_slow {
            let is_all_offered = requests.sent.len() == requests.offered;
            assert!(is_all_offered || self.is_left, "{:?}", requests.sent);
        }
    }

    fn client_speaks(&mut self) {
        if self.has_client_closed || !self.has_begun || !self.run.session.wants_client() {
            return;
        }
        let number = self.number();
        let is_taken = self.is_open() && !self.is_left && !self.has_disconnected;
        if self.rng.u8(..4) == 0 {
            let kind = ["ping", "pong"][self.rng.usize(..2)];
            return self.client_pings(kind, number, is_taken);
        }
        let is_first = self.client_message.is_none();
        let is_last = self.rng.u8(..3) > 0;
        let content = format!("c{number}");
        let before = if is_first { "" } else { "+" };
        let behind = if is_last { "" } else { "+" };
        let said = format!("text {before}{content}{behind}");
        let whole = self.client_message.take().unwrap_or_default() + &content;
        if !is_last {
            self.client_message = Some(whole);
        } else if is_taken {
            self.requests.sent.push_back((WsKind::Text, bytes(&whole)));
        }
        let lines = self.act(&format!("client {said}"));
        if self.is_direct {
            let expected = is_taken.then(|| format!("backend {said}"));
            assert_eq!(lines, Vec::from_iter(expected));
        }
    }

    fn client_pings(&mut self, kind: &str, number: u32, is_taken: bool) {
        let answers = kind == "ping" && (self.run.session.route.auto_pong || self.is_left);
        let (is_open, said) = (self.is_open(), format!("{kind} c{number}"));
        if is_taken && !answers {
            let kind = match kind {
                "ping" => WsKind::Ping,
                _ => WsKind::Pong,
            };
            let sent = (kind, bytes(&format!("c{number}")));
            self.requests.sent.push_back(sent);
        }
        let lines = self.act(&format!("client {said}"));
        let pong = format!("client pong c{number}");
        let is_answered = answers && is_open;
        assert_eq!(lines.contains(&pong), is_answered, "{lines:?}");
        if self.is_direct && is_taken && !answers {
            assert_eq!(lines, [format!("backend {said}")]);
        }
    }

    fn client_closes(&mut self) {
        if self.has_client_closed || !self.has_begun {
            return;
        }
        let text = ["close", "close 1000", "close 4999 bye"][self.rng.usize(..3)];
        if self.is_open() || self.client_close.is_none() {
            self.client_close = close(text.strip_prefix("close ").unwrap_or_default());
        }
        let is_told = self.heard.close_at.is_some();
        let (is_left, was_closed) = (self.is_left, self.pipe.closes);
        // Before the machine hears it, as what it wants is checked by it.
        self.has_client_closed = true;
        self.act(&format!("client {text}"));
        assert!(self.is_over() || !(is_told || is_left));
        if self.is_direct && !self.is_silent {
            assert!(was_closed + self.pipe.closes >= 1, "the backend hears it");
        }
    }

    /// Something that a backend says; the pieces of a message for one that is reached directly.
    fn saying(&mut self) -> (String, Said) {
        let number = self.number();
        let channel = ["a", "b"][self.rng.usize(..2)];
        match self.rng.u32(..400) {
            200.. | 0..90 => {
                let said = format!("text m:b{number}");
                (said, Said::Message(format!("client b{number}")))
            }
            90..110 => {
                let said = format!("ping b{number}");
                (said, Said::Message(format!("client ping b{number}")))
            }
            110..120 => (format!("text x{number}"), Said::Aside),
            120..150 => {
                let filters =
                    ["", " filters=http-check", " filters=skip-self"][self.rng.usize(..3)];
                let said = format!("control subscribe channel={channel}{filters}");
                (said, Said::Subscribe(channel))
            }
            150..160 => {
                let said = format!("control unsubscribe channel={channel}");
                (said, Said::Unsubscribe(channel))
            }
            160..168 => (
                "control set-meta name=url value=/check".to_owned(),
                Said::Aside,
            ),
            168..180 => {
                let secs = self.rng.u32(1..30);
                let mode = ["idle", "interval"][self.rng.usize(..2)];
                let kind = ["text", "pong"][self.rng.usize(..2)];
                let said = format!(
                    "control keep-alive content=k timeout={secs} mode={mode} message-type={kind}"
                );
                (said, Said::Aside)
            }
            180..190 => {
                let secs = self.rng.u32(1..4);
                // How many are said is checked: no more than were asked for.
                self.delayed += 1;
                let said = format!("control send-delayed content=d{number} timeout={secs}");
                (said, Said::Aside)
            }
            190..193 => ("control flush-delayed".to_owned(), Said::Aside),
            193 => ("control detach".to_owned(), Said::Detach),
            194 | 195 => {
                let code = 3_000 + u16::try_from(number % 1_000).expect("it is small");
                (format!("close {code}"), Said::Close(code))
            }
            196 if !self.is_direct => ("disconnect".to_owned(), Said::Disconnect),
            197 if !self.is_direct => ("bad-text".to_owned(), Said::Fault),
            196 => ("error".to_owned(), Said::Fault),
            197 => ("gone".to_owned(), Said::Fault),
            _ => (format!("binary x{number}"), Said::Aside),
        }
    }

    fn backend_says(&mut self, text: &str, said: Said) {
        self.held.push_back(said);
        self.act(&format!("backend {text}"));
    }

    fn backend_answers(&mut self) {
        if self.requests.repeat.is_some() || !self.has_begun {
            return;
        }
        let Some((body, messages)) = self.requests.under_way.clone() else {
            return;
        };
        self.requests.fails_in_a_row = 0;
        let mut ends = Ends::No;
        for _ in 0..self.rng.u32(..5) {
            let (text, said) = self.saying();
            ends = match said {
                Said::Close(_) => Ends::Close,
                Said::Disconnect => Ends::Disconnect,
                _ => Ends::No,
            };
            self.backend_says(&text, said);
            if ends != Ends::No {
                break;
            }
        }
        let facts = AnswerFacts {
            accepted: self.accept(&body, messages),
            keep_alive: KeepAliveInterval::Unchanged,
            ends,
        };
        self.has_disconnected |= ends == Ends::Disconnect;
        self.held.push_back(Said::AnswerEnded);
        self.requests.under_way = None;
        self.apply("answered", |run| {
            run.session.on_answer(&facts, run.moment())
        });
    }

    /// Decides how much is accepted, and cuts that off what was sent.
    fn accept(&mut self, body: &Bytes, messages: usize) -> Option<u64> {
        let events = decode(body).expect("a post has events");
        let size = |event: &crate::grip::ws::Event| event.content.as_ref().map_or(0, Bytes::len);
        let all: usize = events.iter().map(size).sum();
        let accepted = match self.rng.u8(..12) {
            0 => Some(self.rng.usize(..=all)),
            _ => None,
        };
        let sent = &mut self.requests.sent;
        let mut left = accepted.unwrap_or(all);
        self.requests.offered = 0;
        for at in 0..messages.min(sent.len()) {
            let (kind, content) = sent.pop_front().expect("it was counted");
            if left < content.len() {
                sent.push_front((kind, content.slice(left..)));
                self.requests.offered = messages - at;
                break;
            }
            left -= content.len();
        }
        accepted.map(|bytes| bytes as u64)
    }

    fn request_fails(&mut self) {
        if self.requests.repeat.is_some() || self.is_over() {
            return;
        }
        let Some((body, messages)) = self.requests.under_way.clone() else {
            return;
        };
        self.requests.fails_in_a_row += 1;
        let may_retry = self.rng.u8(..20) > 0;
        if may_retry && self.requests.fails_in_a_row <= 5 {
            self.requests.repeat = Some(body);
            self.requests.under_way = Some((Bytes::new(), messages));
            self.act("fail for now");
        } else {
            (self.requests.under_way, self.has_failed) = (None, true);
            self.requests.fails_in_a_row = 0;
            self.requests.sent.clear();
            self.act(if may_retry { "fail for now" } else { "fail" });
        }
    }

    fn backend_gets(&mut self, post: &Post) {
        assert!(self.has_begun, "nothing is posted before");
        self.requests.posts += 1;
        if let Some(body) = self.requests.repeat.take() {
            assert_eq!(post.body, body, "a repeat is the same");
            let messages = self
                .requests
                .under_way
                .take()
                .map_or(0, |(_, messages)| messages);
            self.requests.under_way = Some((body, messages));
            return;
        }
        assert!(self.requests.under_way.is_none(), "one request at a time");
        let mut events = decode(&post.body).expect("a post has events");
        let last = events.last().map(|event| event.kind);
        let is_end = matches!(last, Some(EventKind::Close | EventKind::Disconnect));
        assert!(
            is_end || !(self.is_slow || self.is_awaiting),
            "it is held up"
        );
        let mut messages = events.len();
        match last {
            Some(EventKind::Disconnect) => {
                assert_eq!(messages, 1, "alone");
                self.requests.ends.insert("disconnect");
                messages = 0;
            }
            Some(EventKind::Close) => {
                let said = events.pop().expect("there is one").content;
                self.requests.ends.insert("close");
                messages -= 1;
                if self.has_client_closed && !self.is_left {
                    let close = self.client_close.as_ref();
                    let content = close.map(|close| close_content(close.code, &close.reason));
                    assert!(said.is_none() || said == content, "as the client said it");
                    assert_eq!(
                        messages,
                        self.requests.sent.len(),
                        "a close comes after all"
                    );
                }
            }
            _ => assert_eq!(messages, self.requests.sent.len(), "all goes together"),
        }
        for (event, (kind, content)) in events.iter().zip(&self.requests.sent) {
            assert!(messages == 0 || event.kind == EventKind::from(*kind));
            assert!(messages == 0 || event.content.as_ref() == Some(content));
        }
        self.requests.under_way = Some((post.body.clone(), messages));
    }

    fn pipe_speaks(&mut self) {
        // One read may hold more than one frame.
        for _ in 0..self.rng.u32(1..4) {
            if !self.has_begun && self.pipe.amid.is_none() && self.rng.bool() {
                return;
            }
            if self.pipe.is_gone || (!self.is_awaiting && !self.run.session.wants_backend()) {
                return;
            }
            if self.pipe.has_closed {
                self.pipe.is_gone = self.rng.bool();
                if self.pipe.is_gone {
                    self.backend_says("gone", Said::Fault);
                }
                return;
            }
            self.pipe_says();
        }
    }

    fn pipe_says(&mut self) {
        let Some((kind, mut rest, message)) = self.pipe.amid.take() else {
            let (text, said) = self.saying();
            match said {
                Said::Message(line) if text.starts_with("text") && self.rng.bool() => {
                    let kind = MessageKind::Text;
                    let text = text.strip_prefix("text ").unwrap_or_default();
                    let cut = self.rng.usize(..=text.len());
                    let rest = VecDeque::from([
                        text[..cut].to_owned(),
                        String::new(),
                        text[cut..].to_owned(),
                    ]);
                    self.pipe.amid = Some((kind, rest, line));
                }
                said => {
                    self.pipe.has_closed = matches!(said, Said::Close(_)) || text == "error";
                    self.pipe.is_gone = text == "gone";
                    self.backend_says(&text, said);
                }
            }
            return;
        };
        if self.rng.u8(..4) == 0 {
            let ping = format!("b{}", self.number());
            self.backend_says(
                &format!("ping {ping}"),
                Said::Message(format!("client ping {ping}")),
            );
        }
        let content = rest.pop_front().expect("it is not whole yet");
        let (is_first, is_last) = (rest.len() == 2, rest.is_empty());
        let part = Part {
            kind,
            content: bytes(&content),
            is_first,
            is_last,
            key: [0; 4],
        };
        match is_last {
            true => self.held.push_back(Said::Message(message)),
            false => {
                self.held.push_back(Said::Aside);
                self.pipe.amid = Some((kind, rest, message));
            }
        }
        self.apply("backend part", |run| {
            run.session
                .on_backend(FromBackend::Part(part), run.moment());
        });
    }

    fn acknowledge(&mut self) {
        if !self.has_begun {
            // What stands in the answer to the handshake comes at once.
            for _ in 0..self.rng.u32(..4) {
                if !self.is_direct {
                    let (text, said) = self.saying();
                    let ends = matches!(said, Said::Close(_) | Said::Disconnect);
                    self.has_disconnected |= matches!(said, Said::Disconnect);
                    self.backend_says(&text, said);
                    if ends {
                        break;
                    }
                }
            }
            self.has_begun = true;
            self.held.push_back(Said::AnswerEnded);
            self.act("begin");
        } else if self.is_awaiting {
            let is_good = self.rng.u8(..20) > 0;
            self.act(if is_good {
                "subscribed"
            } else {
                "unsubscribed"
            });
        }
    }

    fn publish(&mut self) {
        if !self.has_begun || self.heard.is_deaf {
            return;
        }
        let number = self.number();
        let channel = ["own", "a", "b"][self.rng.usize(..3)];
        // Behind an item that waits it would be counted with the items.
        if self.rng.u8(..10) == 0 && self.run.session.in_hand() == 0 {
            self.act(&format!("item {channel} i{number} / refresh"));
            return;
        }
        self.items.entered += usize::from(self.is_open());
        self.act(&format!("item {channel} i{number}"));
    }

    fn publish_close(&mut self) {
        if !self.has_begun || self.heard.is_deaf || self.run.session.in_hand() > 0 {
            return;
        }
        let code = self.rng.u16(4_000..4_100);
        let is_open = self.is_open();
        let lines = self.act(&format!("item own / close {code}"));
        let told = format!("client close {code}");
        assert_eq!(lines.contains(&told), is_open);
    }

    fn answer_filter(&mut self) {
        if self.items.is_asked {
            self.items.is_asked = false;
            let answer = ["200", "drop", "500"][self.rng.usize(..3)];
            self.act(&format!("filtered {answer}"));
        }
    }

    fn be_slow(&mut self) {
        self.is_slow = !self.is_slow;
        self.act(if self.is_slow { "slow" } else { "fast" });
    }

    fn time_passes(&mut self) {
        let Some(due) = self.run.session.deadline() else {
            return;
        };
        assert!(due >= self.run.now, "what is due is done");
        self.run.jitter = MS * self.rng.u32(..1_000);
        if self.rng.bool() {
            self.run.now += (due - self.run.now) / 2;
            return;
        }
        self.run.now = due;
        let last_sent = self.run.last_sent;
        self.apply("timer", |run| run.session.on_timer(last_sent, run.moment()));
        let due = self.run.session.deadline();
        assert!(
            due.is_none_or(|due| due > self.run.now),
            "it makes progress"
        );
    }

    /// The client goes, and the backend is told the rest.
    fn end(mut self) -> u32 {
        self.has_client_closed = true;
        self.act("gone");
        assert!(self.is_over() && self.heard.ends <= 1);
        self.act("subscribed");
        self.act("filtered 200");
        assert_eq!(
            self.run.session.in_hand() + self.items.done,
            self.items.entered
        );
        if self.is_direct {
            let pipe = &self.pipe;
            assert_eq!(pipe.ends, 1, "its connection ends once");
            assert!(pipe.closes == 1 || pipe.is_gone || pipe.has_closed);
            return 0;
        }
        let posts = self.requests.posts;
        let has_hard_end = self.has_disconnected || self.has_failed;
        let ends = self.tell_the_rest();
        assert!(ends.len() <= 1, "both CLOSE and DISCONNECT");
        assert!(ends.len() == 1 || has_hard_end, "it was not told");
        posts
    }

    fn tell_the_rest(mut self) -> BTreeSet<&'static str> {
        let mut ends = std::mem::take(&mut self.requests.ends);
        let mut now = self.run.now;
        let facts = AnswerFacts {
            accepted: None,
            keep_alive: KeepAliveInterval::Unchanged,
            ends: Ends::No,
        };
        let Some(mut posts) = self.run.session.into_posts() else {
            return ends;
        };
        posts.hold_up(false);
        if self.requests.under_way.is_some() && self.requests.repeat.is_none() {
            posts.on_answer(&facts, now);
        }
        for _ in 0..20 {
            match (posts.next_output(), posts.deadline()) {
                (Some(ws_over_http::Output::Post(post)), _) => {
                    let events = decode(&post.body).expect("a post has events");
                    match events.last().map(|event| event.kind) {
                        Some(EventKind::Close) => ends.insert("close"),
                        Some(EventKind::Disconnect) => ends.insert("disconnect"),
                        _ => false,
                    };
                    posts.on_answer(&facts, now);
                }
                (Some(_), _) | (None, None) => return ends,
                (None, Some(due)) => {
                    now = due;
                    posts.on_timer(now);
                }
            }
        }
        panic!("the rest has no end");
    }
}

#[test]
fn random_sessions_lose_nothing_and_end_once() {
    let seeds = match std::env::var("P8_SIM_SEED") {
        Ok(text) => {
            let seed = text.parse().expect("P8_SIM_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..3_000,
    };
    let runs = seeds.clone().count();
    let mut posts = 0;
    for seed in seeds {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed, runs == 1);
            for _ in 0..300 {
                world.step();
            }
            world.end()
        });
        assert!(run.is_ok(), "P8_SIM_SEED={seed}");
        posts += run.unwrap_or_default();
    }
    assert!(
        runs < 1_000 || posts as usize > 3 * runs,
        "{posts} requests of {runs} sessions"
    );
}
