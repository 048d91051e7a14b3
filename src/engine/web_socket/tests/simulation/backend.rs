//! What the backend says, by answers or by a WebSocket of its own, and what it is told.

use super::*;

impl World {
    /// Something that a backend says; the pieces of a message for one that is reached directly.
    pub(super) fn saying(&mut self) -> (String, Said) {
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

    pub(super) fn backend_says(&mut self, text: &str, said: Said) {
        self.held.push_back(said);
        self.act(&format!("backend {text}"));
    }

    pub(super) fn backend_answers(&mut self) {
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
    pub(super) fn accept(&mut self, body: &Bytes, messages: usize) -> Option<u64> {
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

    pub(super) fn request_fails(&mut self) {
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

    pub(super) fn backend_gets(&mut self, post: &Post) {
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

    pub(super) fn pipe_speaks(&mut self) {
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

    pub(super) fn pipe_says(&mut self) {
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
}
