//! Seeded random sessions between a client, a backend of either kind, a publisher and a clock.
//! `P8_SIM_SEED` replays one run.
//!
//! Each of them knows only what it said and what it is told: everything said before an end must reach
//! the other side once and in order, each side hears of the end once, and then there is silence.

mod backend;
mod checks;
mod client;
mod others;

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
