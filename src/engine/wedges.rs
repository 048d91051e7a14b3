//! Which threads have stopped turning, and what becomes of them.
//!
//! Each watched thread counts its own heartbeats; a tick looks at all counts. A thread whose count
//! stands still for the deadline is wedged: an actor on it loops for ever or blocks. A handler is then
//! replaced, its channels go to a fresh thread, and the lost one is reported until it ends. A worker
//! holds sockets, which cannot be taken away from it, so it is only reported.
//!
//! ```text
//! well ──deadline──▶ wedged ──▶ Replace, again at each tick ──on_replaced──▶ lost ──▶ Ended
//!  ▲                   │                                                       too many: GiveUp
//!  └──────beats────────┘
//! ```
//!
//! Silence is counted by ticks and each tick counts for little, so that a process that was suspended
//! does not take its own threads for wedged. Source: `docs/reliability.md`.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Replacements are counted over this time.
pub const WINDOW: Duration = Duration::from_secs(3_600);

/// When a thread counts as wedged, and how often that is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WedgeRules {
    /// How long a thread may be silent; zero: nobody is watched.
    pub deadline: Duration,
    /// Most replacements within an hour, those of threads that have not ended among them; past it P-8
    /// gives up.
    pub replacements_max: usize,
}

impl Default for WedgeRules {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(2),
            replacements_max: 5,
        }
    }
}

impl WedgeRules {
    /// Returns how often threads beat and are looked at.
    pub fn tick(&self) -> Duration {
        let shortest = Duration::from_millis(5);
        (self.deadline / 8).clamp(shortest, Duration::from_millis(250))
    }
}

/// What a thread is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A publisher and its share of the channels: which share.
    Handler(usize),
    /// A hub and its clients: which worker.
    Worker(u64),
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Handler(share) => write!(f, "handler {share}"),
            Self::Worker(id) => write!(f, "worker {id}"),
        }
    }
}

/// How a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It turns.
    Well,
    /// It has been silent for the deadline.
    Wedged,
    /// It was wedged, and another thread has its channels.
    Lost,
}

impl State {
    /// Returns the stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Wedged => "wedged",
            Self::Lost => "lost",
        }
    }
}

/// What is read of a thread at a tick.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Which thread, for ever.
    pub thread: u64,
    /// What it is for.
    pub role: Role,
    /// How often it has beaten.
    pub beats: u64,
    /// It has ended.
    pub has_ended: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A thread was silent for too long.
    Wedged(u64),
    /// Its share of the channels goes to a fresh thread; until that is told, this is asked at each tick.
    Replace {
        /// The wedged thread.
        thread: u64,
        /// The share.
        share: usize,
    },
    /// A wedged thread turns again.
    Turns(u64),
    /// A lost thread has ended.
    Ended(u64),
    /// Too many handlers had to be replaced: the process is to end.
    GiveUp,
}

/// How one thread is, for a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Which thread, for ever.
    pub thread: u64,
    /// What it is for.
    pub role: Role,
    /// How it is.
    pub state: State,
    /// For how long it has been silent.
    pub silent: Duration,
    beats: u64,
}

/// The watch over all threads of a broker.
#[derive(Debug)]
pub struct Watch {
    rules: WedgeRules,
    threads: Vec<Watched>,
    ticked: Option<Instant>,
    replaced: VecDeque<(Instant, u64)>,
    has_given_up: bool,
}

impl Watch {
    /// Begins to watch.
    pub fn new(rules: WedgeRules) -> Self {
        Self {
            rules,
            threads: Vec::new(),
            ticked: None,
            replaced: VecDeque::new(),
            has_given_up: false,
        }
    }

    /// Looks at everybody; a thread that is not among the readings has ended.
    pub fn on_tick(&mut self, now: Instant, readings: &[Reading]) -> Vec<Output> {
        let mut outputs = Vec::new();
        let since = self.ticked.replace(now);
        let passed = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let passed = passed.min(self.rules.tick() * 2);
        self.end_missing(readings, &mut outputs);
        for reading in readings.iter().filter(|reading| !reading.has_ended) {
            let known = self.threads.iter_mut();
            match known
                .into_iter()
                .find(|known| known.thread == reading.thread)
            {
                Some(known) => look(known, reading, (passed, self.rules.deadline), &mut outputs),
                None => self.threads.push(Watched {
                    thread: reading.thread,
                    role: reading.role,
                    state: State::Well,
                    silent: Duration::ZERO,
                    beats: reading.beats,
                }),
            }
        }
        self.replace_wedged(now, &mut outputs);
        self.check_invariants();
        outputs
    }

    /// Another thread has this one's channels.
    pub fn on_replaced(&mut self, now: Instant, thread: u64) {
        let mut threads = self.threads.iter_mut();
        if let Some(known) = threads.find(|known| known.thread == thread) {
            known.state = State::Lost;
        }
        self.replaced.push_back((now, thread));
        self.check_invariants();
    }

    /// Tells how everybody is.
    pub fn report(&self) -> Report {
        Report {
            at: self.ticked,
            threads: self.threads.clone(),
            has_given_up: self.has_given_up,
        }
    }

    fn end_missing(&mut self, readings: &[Reading], outputs: &mut Vec<Output>) {
        let lives = |known: &Watched| {
            let mut readings = readings.iter();
            readings.any(|reading| reading.thread == known.thread && !reading.has_ended)
        };
        self.threads.retain(|known| {
            let lives = lives(known);
            if !lives && known.state != State::Well {
                outputs.push(Output::Ended(known.thread));
            }
            lives
        });
    }

    fn replace_wedged(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        let threads = &self.threads;
        let runs = |thread: u64| threads.iter().any(|known| known.thread == thread);
        self.replaced
            .retain(|(at, thread)| now.duration_since(*at) < WINDOW || runs(*thread));
        let mut room = self
            .rules
            .replacements_max
            .saturating_sub(self.replaced.len());
        for known in &self.threads {
            let (State::Wedged, Role::Handler(share)) = (known.state, known.role) else {
                continue;
            };
            if room == 0 {
                if !std::mem::replace(&mut self.has_given_up, true) {
                    outputs.push(Output::GiveUp);
                }
                continue;
            }
            room -= 1;
            let thread = known.thread;
            outputs.push(Output::Replace { thread, share });
        }
    }

    fn check_invariants(&self) {
        debug_assert!(self
            .threads
            .iter()
            .all(|known| { (known.state == State::Well) <= (known.silent < self.rules.deadline) }));
        debug_assert!(self.replaced.len() <= self.rules.replacements_max);
    }
}

/// Looks at one thread.
fn look(
    known: &mut Watched,
    reading: &Reading,
    (passed, deadline): (Duration, Duration),
    outputs: &mut Vec<Output>,
) {
    if known.beats != reading.beats {
        known.beats = reading.beats;
        known.silent = Duration::ZERO;
        if known.state == State::Wedged {
            known.state = State::Well;
            outputs.push(Output::Turns(known.thread));
        }
        return;
    }
    known.silent += passed;
    if known.state == State::Well && known.silent >= deadline {
        known.state = State::Wedged;
        outputs.push(Output::Wedged(known.thread));
    }
}

/// How everybody was at the last tick.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// When that was; none: there was no tick yet.
    pub at: Option<Instant>,
    /// Everybody.
    pub threads: Vec<Watched>,
    /// Too many handlers had to be replaced.
    pub has_given_up: bool,
}

/// Why not everybody is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwell {
    /// The supervisor itself has not looked for too long.
    Supervisor,
    /// Too many handlers had to be replaced; the process is about to end.
    GivenUp,
    /// This thread is wedged.
    Wedged(Role),
}

impl std::fmt::Display for Unwell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Supervisor => f.write_str("the supervisor is silent"),
            Self::GivenUp => f.write_str("too many handlers had to be replaced"),
            Self::Wedged(role) => write!(f, "{role} is wedged"),
        }
    }
}

impl Report {
    /// Tells who is not well; nobody, if the list is empty. A lost handler that was replaced is no reason.
    pub fn unwell(&self, now: Instant, rules: &WedgeRules) -> Vec<Unwell> {
        if rules.deadline.is_zero() {
            return Vec::new();
        }
        let silent = |at: Instant| now.saturating_duration_since(at) >= rules.deadline * 2;
        let wedged = self
            .threads
            .iter()
            .filter(|known| known.state == State::Wedged);
        let mut unwell: Vec<_> = wedged.map(|known| Unwell::Wedged(known.role)).collect();
        if self.at.is_some_and(silent) {
            unwell.push(Unwell::Supervisor);
        }
        if self.has_given_up {
            unwell.push(Unwell::GivenUp);
        }
        unwell
    }
}

#[cfg(test)]
mod tests;
