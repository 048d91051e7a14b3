//! Seeded random sessions against a backend that accepts as it likes. `P8_SIM_SEED` replays one run.
//!
//! The backend reads the bodies and knows nothing of the machine: what it accepted must be what the
//! client sent, each byte once and in order, and what it is offered again must be what it left.

use super::*;
use crate::grip::ws::events::{decode, parse_close, Event};
use crate::grip::ws::EventKind;

/// Messages of the client that the backend has not accepted to the end.
type Sent = std::collections::VecDeque<(WsKind, Bytes)>;

struct World {
    rng: fastrand::Rng,
    machine: OverHttp,
    now: Instant,
    has_one_event: bool,
    /// What the client sent, from the first byte on that is not accepted.
    sent: Sent,
    /// How many of them the backend was offered before.
    offered: usize,
    /// The request under way: its body, and how many messages of `sent` are in it.
    under_way: Option<(Bytes, usize)>,
    /// The body of a failed request, which must come again unchanged.
    repeat: Option<Bytes>,
    fails_in_a_row: u32,
    next: u32,
    close: Option<Bytes>,
    /// Client or P-8 ended it without a close: only this event follows the request under way.
    last: Option<EventKind>,
    has_said_last: bool,
    is_told_close: bool,
    is_held: bool,
    is_wanted: bool,
    is_over: bool,
    posts: u32,
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let now = Instant::now();
        let has_one_event = rng.bool();
        let keep_alive = random_keep_alive(&mut rng);
        let options = Options {
            has_one_event,
            queue_bytes_max: 1_000,
        };
        World {
            machine: OverHttp::new(options, keep_alive, now),
            rng,
            now,
            has_one_event,
            sent: Sent::new(),
            offered: 0,
            under_way: None,
            repeat: None,
            fails_in_a_row: 0,
            next: 0,
            close: None,
            last: None,
            has_said_last: false,
            is_told_close: false,
            is_held: false,
            is_wanted: false,
            is_over: false,
            posts: 0,
        }
    }

    fn step(&mut self) {
        match self.rng.u32(..100) {
            0..30 => self.client_sends(),
            30..60 => self.backend_answers(),
            60..66 => self.request_fails(),
            66..80 => self.time_passes(),
            80..88 => {
                self.is_held = self.rng.bool();
                self.machine.hold_up(self.is_held);
            }
            88..95 => {
                self.is_wanted = true;
                self.machine.on_refresh();
            }
            95..98 => self.client_closes(),
            98 => self.ends(EventKind::Disconnect),
            _ => self.ends(EventKind::Close),
        }
        self.take_outputs();
    }

    fn client_sends(&mut self) {
        if !self.machine.has_room() {
            return;
        }
        let kinds = [WsKind::Text, WsKind::Binary, WsKind::Ping, WsKind::Pong];
        let kind = kinds[self.rng.usize(..kinds.len())];
        let len = if self.rng.bool() {
            0
        } else {
            self.rng.usize(..30)
        };
        // No two contents are alike, so that nothing is swapped unseen.
        self.next += 1;
        let content: Vec<u8> = self
            .next
            .to_be_bytes()
            .into_iter()
            .cycle()
            .take(len)
            .collect();
        let content = Bytes::from(content);
        let is_open = self.close.is_none() && self.last.is_none() && !self.is_over;
        assert_eq!(self.machine.on_message(kind, content.clone()), is_open);
        if is_open {
            self.sent.push_back((kind, content));
        }
    }

    fn client_closes(&mut self) {
        let close = self.rng.bool().then(|| (1000, "bye".to_owned()));
        let is_server = self.rng.bool();
        if is_server {
            self.machine.on_server_close();
        } else {
            self.machine.on_close(close.clone());
        }
        if self.last.is_none() && self.close.is_none() {
            let close = close.filter(|_| !is_server);
            let content = close.map(|(code, reason)| close_content(code, &reason));
            self.close = Some(content.unwrap_or_default());
        }
    }

    fn ends(&mut self, event: EventKind) {
        if event == EventKind::Disconnect {
            self.machine.on_gone();
        } else {
            self.machine.on_detach();
        }
        if self.close.is_none() && self.last.is_none() {
            self.last = Some(event);
            let kept = self.under_way.as_ref().map_or(0, |(_, messages)| *messages);
            self.sent.truncate(kept);
        }
    }

    fn time_passes(&mut self) {
        let Some(deadline) = self.machine.deadline() else {
            return;
        };
        assert!(deadline >= self.now, "what is due is done");
        assert!(deadline <= self.now + SECOND * 100);
        self.now = if self.rng.bool() {
            deadline
        } else {
            self.now + (deadline - self.now) / 2
        };
        self.is_wanted |= self.now == deadline && self.repeat.is_none();
        self.machine.on_timer(self.now);
        assert!(self.machine.deadline().is_none_or(|at| at > self.now));
    }

    fn request_fails(&mut self) {
        if self.repeat.is_some() {
            return;
        }
        let Some((body, _)) = &self.under_way else {
            let moment = self.moment();
            self.machine.on_failed(self.rng.bool(), moment);
            return;
        };
        self.repeat = Some(body.clone());
        self.fails_in_a_row += 1;
        let may_retry = self.rng.u8(..20) > 0;
        let moment = self.moment();
        self.machine.on_failed(may_retry, moment);
        if !may_retry && self.last.is_some() && !self.has_said_last {
            // The last event is said all the same.
            (self.repeat, self.under_way) = (None, None);
            (self.fails_in_a_row, self.offered) = (0, 0);
            self.sent.clear();
            return assert!(!self.machine.is_over());
        }
        assert_eq!(
            self.machine.is_over(),
            !may_retry || self.fails_in_a_row > 5
        );
    }

    fn moment(&mut self) -> Moment {
        Moment {
            now: self.now,
            jitter: Duration::from_millis(self.rng.u64(..1000)),
        }
    }

    fn backend_answers(&mut self) {
        if self.repeat.is_some() {
            return;
        }
        let Some((body, messages)) = self.under_way.take() else {
            self.machine.on_answer(&GOOD, self.now);
            return;
        };
        self.fails_in_a_row = 0;
        let events = decode(&body).unwrap();
        let size = |event: &Event| event.content.as_ref().map_or(0, Bytes::len) as u64;
        let all: u64 = events.iter().map(size).sum();
        let accepted = match self.rng.u8(..10) {
            0..6 => None,
            6 => Some(all),
            _ => Some(self.rng.u64(..=all)),
        };
        let ends = match self.rng.u8(..60) {
            0 => Ends::Disconnect,
            1 => Ends::Close,
            _ => Ends::No,
        };
        let facts = AnswerFacts {
            accepted,
            keep_alive: random_keep_alive(&mut self.rng),
            ends,
        };
        if self.last.is_some() {
            self.sent.clear();
        } else {
            self.accept(messages, accepted.unwrap_or(all));
        }
        let has_close = events
            .last()
            .is_some_and(|last| last.kind == EventKind::Close);
        self.is_told_close |= has_close && accepted.is_none_or(|accepted| accepted == all);
        self.machine.on_answer(&facts, self.now);
    }

    /// Cuts off what the backend accepted of the first messages.
    fn accept(&mut self, messages: usize, mut accepted: u64) {
        self.offered = 0;
        for left in (1..=messages).rev() {
            let (kind, content) = self.sent.pop_front().unwrap();
            let len = content.len() as u64;
            if accepted < len {
                let rest = content.slice(usize::try_from(accepted).unwrap()..);
                self.sent.push_front((kind, rest));
                self.offered = left;
                return;
            }
            accepted -= len;
        }
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.machine.next_output() {
            assert!(!self.is_over, "nothing comes after the end");
            match output {
                Output::Post(post) => self.backend_gets(&post),
                Output::Fail(_) => {
                    assert!(self.last.is_none(), "nobody is there to be failed");
                    self.is_over = true;
                }
                Output::Over { .. } => self.is_over = true,
            }
        }
        assert_eq!(self.machine.is_over(), self.is_over);
        if self.is_over {
            assert_eq!(self.machine.deadline(), None);
            assert!(self.machine.has_room());
        } else if self.under_way.is_none() {
            self.check_nothing_is_left_behind();
        }
    }

    /// While idle there is nothing new to say, unless it is held up.
    fn check_nothing_is_left_behind(&self) {
        if self.is_held && self.last.is_none() {
            return;
        }
        assert!(self.last.is_none(), "the last event goes at once");
        assert!(!self.is_wanted);
        assert!(self.close.is_none() || self.is_told_close);
        assert_eq!(self.sent.len(), self.offered, "only what was offered waits");
    }

    fn check_reason(&self) {
        let has_new = self.sent.len() > self.offered;
        let has_close = self.close.is_some() && !self.is_told_close;
        assert!(
            self.last.is_some() || self.is_wanted || has_new || has_close,
            "a request has a reason"
        );
    }

    fn backend_gets(&mut self, post: &Post) {
        self.posts += 1;
        assert!(
            !self.has_said_last || self.repeat.is_some(),
            "the last is last"
        );
        if let Some(body) = self.repeat.take() {
            assert_eq!(post.body, body, "a repeat is the same");
            return;
        }
        assert!(self.under_way.is_none(), "one request at a time");
        self.check_reason();
        self.is_wanted = false;
        let mut events = decode(&post.body).unwrap();
        if let Some(kind) = self.last {
            assert_eq!(events, [Event::bare(kind)], "alone");
            self.has_said_last = true;
            self.under_way = Some((post.body.clone(), 0));
            return;
        }
        assert!(!self.has_one_event || events.len() <= 1);
        if events
            .last()
            .is_some_and(|last| last.kind == EventKind::Close)
        {
            let content = events.pop().unwrap().content;
            assert_eq!(Some(content.clone().unwrap_or_default()), self.close);
            let expected = content.is_some().then(|| (1000, "bye".to_owned()));
            assert_eq!(parse_close(content.as_ref()), expected);
            assert_eq!(events.len(), self.sent.len(), "a close comes after all");
        }
        if !self.has_one_event {
            assert_eq!(
                events.len(),
                self.sent.len(),
                "all that waits goes together"
            );
        }
        let mut replayed = 0;
        for (at, (event, (kind, content))) in events.iter().zip(&self.sent).enumerate() {
            assert_eq!(event.kind, EventKind::from(*kind));
            assert_eq!(event.content.clone().unwrap_or_default(), *content);
            if at < self.offered {
                replayed += content.len() as u64;
            }
        }
        assert!(events.len() <= self.sent.len(), "nothing is invented");
        assert_eq!(post.replayed, replayed);
        self.under_way = Some((post.body.clone(), events.len()));
    }
}

fn random_keep_alive(rng: &mut fastrand::Rng) -> KeepAliveInterval {
    match rng.u8(..6) {
        0 => KeepAliveInterval::Off,
        1 => KeepAliveInterval::Secs(rng.u32(20..100)),
        _ => KeepAliveInterval::Unchanged,
    }
}

#[test]
fn random_sessions_lose_and_repeat_nothing() {
    let seeds = match std::env::var("P8_SIM_SEED") {
        Ok(text) => {
            let seed = text.parse().expect("P8_SIM_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..3_000,
    };
    let mut posts = 0;
    let runs = seeds.clone().count();
    for seed in seeds {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..150 {
                world.step();
            }
            world.posts
        });
        assert!(run.is_ok(), "P8_SIM_SEED={seed}");
        posts += run.unwrap_or_default();
    }
    assert!(
        runs < 1_000 || posts as usize > 5 * runs,
        "{posts} requests of {runs} sessions"
    );
}
