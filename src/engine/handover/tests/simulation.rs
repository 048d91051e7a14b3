//! A seeded run: a handler with some workers and one channel, publishes at random, and handlers that
//! stop turning at any moment and go on at any later one, or never.
//!
//! Mail between two threads is in order and takes its time. `P8_SIM_SEED` replays one seed.
//! Checked: what was answered well went to every worker exactly once and in order; what a lost handler
//! sent after it was replaced went to nobody.

use std::collections::VecDeque;

use super::*;
use crate::engine::{
    subscription::{Receipt, Subscription},
    wedges::{Output, Reading, Role, Watch, WedgeRules},
};

const WORKERS: usize = 3;
const TICK: Duration = Duration::from_millis(250);

enum ToWorker {
    Subscribed {
        epoch: u64,
        next: u64,
    },
    Deliver {
        epoch: u64,
        sequence: u64,
        item: u32,
    },
    Reannounce {
        epoch: u64,
    },
}

enum ToHandler {
    Subscribe(usize),
    Announce(usize, u64, Option<u32>),
    Publish(u32),
    /// It goes on with a delivery at this worker.
    GoOn(u32, usize),
}

#[derive(Default)]
struct Handler {
    epoch: u64,
    is_stuck: bool,
    mail: VecDeque<ToHandler>,
    /// The number of each worker's next delivery.
    subscribed: [Option<u64>; WORKERS],
    last: Option<ItemId>,
    is_known: bool,
    handover: Option<Handover>,
    held: VecDeque<u32>,
    beats: u64,
}

struct Worker {
    subscription: Subscription,
    mail: VecDeque<ToWorker>,
    got: Vec<u32>,
    /// Its last item when it announced, until the first delivery after that.
    announced: Option<u32>,
}

struct World {
    rng: fastrand::Rng,
    now: Instant,
    watch: Watch,
    /// The last one has the channel.
    handlers: Vec<Handler>,
    workers: Vec<Worker>,
    next_item: u32,
    /// What was answered well, in order; and what was published and is not answered yet.
    accepted: Vec<u32>,
    open: Option<u32>,
    stale: usize,
    replaced: usize,
}

fn channel() -> ChannelName {
    ChannelName::new("a")
}

fn named(item: Option<u32>) -> Option<ItemId> {
    item.map(|item| ItemId::from(item.to_string().as_str()))
}

impl World {
    fn new(seed: u64) -> Self {
        let rules = WedgeRules {
            replacements_max: 1_000,
            ..WedgeRules::default()
        };
        let worker = |_| Worker {
            subscription: Subscription::new(1),
            mail: VecDeque::new(),
            got: Vec::new(),
            announced: None,
        };
        let mut first = Handler::default();
        first.mail.extend((0..WORKERS).map(ToHandler::Subscribe));
        Self {
            rng: fastrand::Rng::with_seed(seed),
            now: Instant::now(),
            watch: Watch::new(rules),
            handlers: vec![first],
            workers: (0..WORKERS).map(worker).collect(),
            next_item: 0,
            accepted: Vec::new(),
            open: None,
            stale: 0,
            replaced: 0,
        }
    }

    fn at(&self) -> usize {
        self.handlers.len() - 1
    }

    fn step(&mut self) {
        match self.rng.u8(..100) {
            0..=34 => self.work_of_handler(),
            35..=74 => self.work_of_worker(),
            75..=84 => self.publish(),
            85..=94 => self.tick(),
            95 => {
                let at = self.at();
                self.handlers[at].is_stuck = self.rng.u8(..4) == 0;
            }
            _ => {
                let lost = self.rng.usize(..self.handlers.len());
                self.handlers[lost].is_stuck &= self.rng.u8(..8) > 0;
            }
        }
    }

    /// A publisher waits for the answer before it publishes again.
    fn publish(&mut self) {
        if self.open.is_none() {
            self.next_item += 1;
            self.open = Some(self.next_item);
            let at = self.at();
            let publish = ToHandler::Publish(self.next_item);
            self.handlers[at].mail.push_back(publish);
        }
    }

    fn tick(&mut self) {
        self.now += TICK;
        for handler in self.handlers.iter_mut().filter(|h| !h.is_stuck) {
            handler.beats += 1;
        }
        let readings = self.handlers.iter().enumerate();
        let readings = readings.map(|(thread, h)| Reading {
            thread: thread as u64,
            role: Role::Handler(0),
            beats: h.beats,
            has_ended: false,
        });
        let readings: Vec<_> = readings.collect();
        for output in self.watch.on_tick(self.now, &readings) {
            if let Output::Replace { thread, .. } = output {
                self.replace(thread);
            }
        }
    }

    fn replace(&mut self, thread: u64) {
        let epoch = first_epoch(self.handlers.len() as u64);
        let mut handover = Handover::new(self.now);
        handover.on_expected((0..WORKERS).map(|worker| worker as u64));
        self.handlers.push(Handler {
            epoch,
            handover: Some(handover),
            ..Handler::default()
        });
        self.watch.on_replaced(self.now, thread);
        self.replaced += 1;
        // Who waits for the lost one is answered 503, and publishes the same once more.
        if let Some(item) = self.open {
            let at = self.at();
            self.handlers[at].mail.push_back(ToHandler::Publish(item));
        }
        for worker in &mut self.workers {
            worker.mail.push_back(ToWorker::Reannounce { epoch });
        }
    }

    fn work_of_handler(&mut self) {
        let at = self.rng.usize(..self.handlers.len());
        if self.handlers[at].is_stuck {
            return;
        }
        let Some(mail) = self.handlers[at].mail.pop_front() else {
            return self.release(at);
        };
        match mail {
            ToHandler::Subscribe(worker) => self.subscribe(at, worker),
            ToHandler::Announce(worker, epoch, last) => {
                self.on_announce(at, (worker, epoch, last));
                self.subscribe(at, worker);
                self.release(at);
            }
            ToHandler::Publish(item) => {
                let handler = &mut self.handlers[at];
                match &mut handler.handover {
                    Some(handover) => {
                        assert!(handover.on_publish(1, 100));
                        handler.held.push_back(item);
                    }
                    None => self.deliver(at, item, 0),
                }
            }
            ToHandler::GoOn(item, worker) => self.deliver(at, item, worker),
        }
    }

    fn on_announce(&mut self, at: usize, (worker, epoch, last): (usize, u64, Option<u32>)) {
        let handler = &mut self.handlers[at];
        let known = handler.is_known.then_some(handler.last.as_ref());
        if let Some(handover) = &mut handler.handover {
            match handover.on_last(&channel(), known, named(last)) {
                Last::Keep => {}
                Last::Take(last) => handler.last = last,
                Last::Forget => handler.last = None,
            }
            if epoch == handler.epoch {
                handover.on_announced(worker as u64);
            }
        }
        handler.is_known = true;
    }

    fn subscribe(&mut self, at: usize, worker: usize) {
        let handler = &mut self.handlers[at];
        let next = *handler.subscribed[worker].get_or_insert(0);
        let epoch = handler.epoch;
        let subscribed = ToWorker::Subscribed { epoch, next };
        self.workers[worker].mail.push_back(subscribed);
    }

    fn release(&mut self, at: usize) {
        let handler = &mut self.handlers[at];
        let is_over = |handover: &Handover| {
            // In this run nobody is late: what a late worker misses is counted, not delivered.
            handover.is_over(self.now) && handover.missing().is_empty()
        };
        if handler.handover.as_ref().is_some_and(is_over) {
            handler.handover = None;
            let held = std::mem::take(&mut handler.held);
            for item in held.into_iter().rev() {
                handler.mail.push_front(ToHandler::Publish(item));
            }
        }
    }

    fn deliver(&mut self, at: usize, item: u32, from: usize) {
        let handler = &mut self.handlers[at];
        let epoch = handler.epoch;
        for worker in from..WORKERS {
            let Some(sequence) = handler.subscribed[worker].as_mut() else {
                continue;
            };
            let deliver = ToWorker::Deliver {
                epoch,
                sequence: *sequence,
                item,
            };
            *sequence += 1;
            self.workers[worker].mail.push_back(deliver);
            // It may stop between two workers.
            if worker + 1 < WORKERS && self.rng.u8(..30) == 0 {
                handler.is_stuck = true;
                handler.mail.push_front(ToHandler::GoOn(item, worker + 1));
                return;
            }
        }
        handler.last = named(Some(item));
        if at == self.at() && self.open == Some(item) {
            self.open = None;
            self.accepted.push(item);
        }
    }

    fn work_of_worker(&mut self) {
        let which = self.rng.usize(..WORKERS);
        let at = self.at();
        let worker = &mut self.workers[which];
        match worker.mail.pop_front() {
            None => {}
            Some(ToWorker::Subscribed { epoch, next }) => {
                worker.subscription.on_acknowledged(1, epoch, next);
            }
            Some(ToWorker::Reannounce { epoch }) => {
                worker.subscription.on_replaced(epoch);
                let last = worker.got.last().copied();
                worker.announced = last;
                let announce = ToHandler::Announce(which, epoch, last);
                self.handlers[at].mail.push_back(announce);
            }
            Some(ToWorker::Deliver {
                epoch,
                sequence,
                item,
            }) => match worker.subscription.on_delivery(epoch, sequence) {
                Receipt::Stale => self.stale += 1,
                Receipt::AfterGap(missed) => panic!("{missed} deliveries were lost"),
                Receipt::InOrder => {
                    let is_repeat = worker.announced.take() == Some(item);
                    if !is_repeat {
                        worker.got.push(item);
                    }
                }
            },
        }
    }

    /// Everything that is on its way arrives; the handler of the channel turns.
    fn settle(&mut self) {
        for _ in 0..200_000 {
            let at = self.at();
            self.handlers[at].is_stuck = false;
            self.work_of_handler();
            self.work_of_worker();
            let is_quiet = self.handlers[at].mail.is_empty()
                && self.workers.iter().all(|worker| worker.mail.is_empty());
            if is_quiet && self.open.is_none() {
                return;
            }
        }
        panic!("it does not settle");
    }
}

fn run(seed: u64) -> World {
    let mut world = World::new(seed);
    // Subscribed before anything is published.
    while world
        .workers
        .iter()
        .any(|worker| !worker.subscription.is_live())
    {
        world.work_of_handler();
        world.work_of_worker();
    }
    for _ in 0..2_000 {
        world.step();
    }
    world.settle();
    for worker in &world.workers {
        assert_eq!(worker.got, world.accepted, "P8_SIM_SEED={seed}");
    }
    world
}

#[test]
fn accepted_items_reach_every_worker_once_and_in_order_whenever_handlers_wedge() {
    let wanted = std::env::var("P8_SIM_SEED").ok();
    if let Some(seed) = wanted.and_then(|seed| seed.parse().ok()) {
        run(seed);
        return;
    }
    let (mut accepted, mut stale, mut replaced) = (0, 0, 0);
    for seed in 0..400 {
        let world = run(seed);
        accepted += world.accepted.len();
        stale += world.stale;
        replaced += world.replaced;
    }
    let counts = format!("{accepted} accepted, {stale} stale, {replaced} replaced");
    assert!(accepted > 5_000 && stale > 50 && replaced > 200, "{counts}");
}
