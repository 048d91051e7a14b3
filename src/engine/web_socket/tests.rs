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
mod closing_directly;
mod controls;
mod detaching;
mod failing;
mod filters;
mod opening;
mod relaying;
mod said;
mod shown;
mod simulation;
mod timers;

use self::{said::*, shown::*};

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
