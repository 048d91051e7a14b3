//! The clock, the queue of what is going to happen, and chance.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use p8::{
    engine::session::{Asked, FilterAnswer, LinkAnswer, Moment},
    grip::{channel::ItemId, filter::FilterError},
};

use super::{
    backend::{Backend, Reply, Sent, Word},
    client::Client,
    handler::Handler,
    hub::{FromChannel, Hub},
    seat::Seat,
};

/// When publishers, clients and accidents come to rest.
pub const QUIET_AT: u64 = 30_000;
/// When everything that heals has healed: a few periods of the next links later.
const END_AT: u64 = 150_000;
/// The end of a calm world, where nothing has to heal.
const CALM_END_AT: u64 = 40_000;
const STEPS_MAX: u64 = 200_000;
/// Steps told of a broken world.
const TRACE: usize = 300;

/// What is going to happen; a seat is a client's connection, a key its place at the hub.
#[derive(Debug)]
pub enum Event {
    /// The backend writes to a channel, and publishes.
    Write(usize),
    /// An item reaches its handler.
    Publish(Sent),
    /// Something waits in a channel until now.
    ChannelDue(usize),
    /// A channel that is new has been there for a second.
    ChannelRefresh(usize),
    /// A hub at a channel, with the generation.
    Subscribe(usize, usize, u64),
    Unsubscribe(usize, usize, u64),
    ForgetLast(usize, ItemId),
    /// A channel at a hub.
    ToHub(usize, FromChannel),
    HubForget(usize, usize),
    Leave(usize, u32),
    Linger(usize),
    /// Every channel has acknowledged.
    Ready(u64, u32),
    ToSeat(u64, u32, Told),
    Timer(u64, u32, u64),
    Turn(u64, u32, u64),
    /// A next link at the backend, then its answer at P-8.
    LinkAsked(u64, u32, u64, Asked),
    LinkHeard(u64, u32, u64, Option<Word>),
    /// A client connects, or polls again.
    Connect(usize),
    /// Its request at the backend, again with the ids of its session; then the reply at P-8.
    Request(u64, Vec<(usize, usize)>),
    Heard(u64, Reply),
    Accident,
}

/// What a session is told.
#[derive(Debug)]
pub enum Told {
    Item(Sent),
    Refresh,
    Turn,
    Filtered(Result<FilterAnswer, FilterError>),
    LinkAnswered(Option<Box<LinkAnswer>>),
}

/// What happened in a world, so that a quiet one is noticed.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub fn count(&mut self, what: &'static str, by: usize) {
        *self.0.entry(what).or_default() += by as u64;
    }

    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    pub fn add(&mut self, other: &Self) {
        other
            .0
            .iter()
            .for_each(|(what, n)| self.count(what, *n as usize));
    }

    pub fn assert_nothing_is_zero(&self) {
        for what in [
            "appended",
            "answered",
            "superseded",
            "filtered",
            "filter errors",
            "overflowed",
            "asked",
            "retried",
            "conflicts",
            "links failed",
            "turns not needed",
            "forgotten",
            "repeated",
            "given up",
            "crashed",
            "lost with a handler",
            "stale",
            "refreshed",
            "lingered",
            "early",
            "chains",
            "stopped",
            "recovered",
        ] {
            assert!(
                self.0.contains_key(what),
                "no world had any '{what}': {self:?}"
            );
        }
    }
}

/// A link on which nothing overtakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    ChannelToHub(usize, usize),
    HubToHandler(usize),
    HubToSeat(u64),
}

pub struct World {
    pub now: u64,
    start: Instant,
    queue: BTreeMap<(u64, u64), Event>,
    steps: u64,
    links: BTreeMap<Link, u64>,
    pub rng: fastrand::Rng,
    /// Nothing is lost in this world, and no timeout heals it: items come late, twice and in disorder, and
    /// clients and channels go as they like.
    pub is_calm: bool,
    /// Most items that wait in a session.
    pub waiting_max: usize,
    trace: Option<VecDeque<String>>,
    pub tally: Tally,
    pub backend: Backend,
    pub handler: Handler,
    pub hubs: Vec<Hub>,
    pub clients: Vec<Client>,
    pub seats: BTreeMap<u64, Seat>,
    pub names: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let backend = Backend::new(&mut rng);
        let is_calm = rng.bool();
        let clients = (0..7)
            .map(|user| Client::new(user, &backend, &mut rng))
            .collect();
        let mut world = Self {
            now: 0,
            start: Instant::now(),
            queue: BTreeMap::new(),
            steps: 0,
            links: BTreeMap::new(),
            handler: Handler::new(backend.logs.len(), is_calm, &mut rng),
            hubs: (0..2).map(|_| Hub::default()).collect(),
            is_calm,
            waiting_max: if is_calm || rng.bool() { 1_000 } else { 6 },
            rng,
            trace: None,
            tally: Tally::default(),
            backend,
            clients,
            seats: BTreeMap::new(),
            names: 0,
        };
        for channel in 0..world.backend.logs.len() {
            world.after(10, 500, Event::Write(channel));
        }
        for client in 0..world.clients.len() {
            world.after(0, 2_000, Event::Connect(client));
        }
        world.after(0, 5_000, Event::Accident);
        world
    }

    pub fn run(&mut self) -> Tally {
        while let Some(((at, _), event)) = self.queue.pop_first() {
            if at > if self.is_calm { CALM_END_AT } else { END_AT } {
                break;
            }
            self.now = at;
            self.steps += 1;
            assert!(self.steps < STEPS_MAX, "the world does not come to rest");
            self.tell(|| format!("{event:?}"));
            self.happen(event);
        }
        self.check_end();
        std::mem::take(&mut self.tally)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Write(channel) => self.on_write(channel),
            Event::Publish(sent) => self.on_publish(sent),
            Event::ChannelDue(channel) => self.on_channel_due(channel),
            Event::ChannelRefresh(channel) => self.on_channel_refresh(channel),
            Event::Subscribe(hub, channel, generation) => {
                self.on_subscribe(hub, channel, generation);
            }
            Event::Unsubscribe(hub, channel, generation) => {
                self.on_unsubscribe(hub, channel, generation);
            }
            Event::ForgetLast(channel, last) => self.on_forget_last(channel, &last),
            Event::ToHub(hub, message) => self.on_channel_message(hub, message),
            Event::HubForget(hub, channel) => self.on_hub_forget(hub, channel),
            Event::Leave(hub, key) => self.on_leave(hub, key),
            Event::Linger(hub) => self.on_linger(hub),
            Event::Ready(seat, key) => self.on_ready(seat, key),
            Event::ToSeat(seat, key, told) => self.on_told(seat, key, told),
            Event::Timer(seat, key, at) => self.on_timer(seat, key, at),
            Event::Turn(seat, key, task) => self.on_turn(seat, key, task),
            Event::LinkAsked(seat, key, task, asked) => self.on_link_asked(seat, key, task, &asked),
            Event::LinkHeard(seat, key, task, word) => self.on_link_heard(seat, key, task, word),
            Event::Connect(client) => self.on_connect(client),
            Event::Request(seat, last) => self.on_request(seat, &last),
            Event::Heard(seat, reply) => self.on_heard(seat, reply),
            Event::Accident => self.on_accident(),
        }
    }

    /// A handler, a client or an operator does what it should not have to.
    fn on_accident(&mut self) {
        if self.is_quiet() {
            return;
        }
        let channel = self.rng.usize(..self.backend.logs.len());
        match self.rng.u8(..10) {
            0..=2 if !self.is_calm => self.crash(channel),
            3 if !self.is_calm => self.lose(channel),
            4 => self.recover(),
            _ => {
                let client = self.rng.usize(..self.clients.len());
                self.on_disconnect(client);
            }
        }
        self.after(100, 3_000, Event::Accident);
    }

    pub fn is_quiet(&self) -> bool {
        self.now >= QUIET_AT
    }

    /// Tells, once in so many times, that something fails; never in a calm world, nor in the end.
    pub fn fails(&mut self, once_in: u8) -> bool {
        self.rng.u8(..once_in) == 0 && !self.is_calm && !self.is_quiet()
    }

    /// Has something happen after a while, from `least` to `most` milliseconds.
    pub fn after(&mut self, least: u64, most: u64, event: Event) {
        let at = self.now + self.rng.u64(least..=most);
        self.at(at, event);
    }

    pub fn at(&mut self, at: u64, event: Event) {
        self.names += 1;
        self.queue.insert((at.max(self.now), self.names), event);
    }

    /// Sends on a link: usually at once, sometimes late, never before what was sent earlier.
    pub fn send(&mut self, link: Link, event: Event) {
        let late = if self.rng.u8(..20) == 0 { 80 } else { 3 };
        let at = self.now + self.rng.u64(0..late);
        let at = at.max(self.links.get(&link).copied().unwrap_or_default());
        self.links.insert(link, at);
        self.at(at, event);
    }

    pub fn instant(&self, at: u64) -> Instant {
        self.start + Duration::from_millis(at)
    }

    /// The millisecond at which an instant has come.
    pub fn ms(&self, at: Instant) -> u64 {
        let passed = at.saturating_duration_since(self.start);
        passed.as_micros().div_ceil(1_000) as u64
    }

    pub fn moment(&mut self) -> Moment {
        Moment {
            now: self.instant(self.now),
            jitter: Duration::from_millis(self.rng.u64(..1_000)),
        }
    }

    pub fn keep_trace(&mut self) {
        self.trace = Some(VecDeque::new());
    }

    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            if trace.len() >= TRACE {
                trace.pop_front();
            }
            trace.push_back(format!("{:>6} {}", self.now, line()));
        }
    }

    pub fn trace(&self) -> String {
        let lines = self.trace.iter().flatten().cloned();
        lines.collect::<Vec<_>>().join("\n")
    }
}
