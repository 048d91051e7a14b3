//! Publishers that go on whatever happens, with poison among their items, and keep account.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{json, Value};

use crate::support::publish::{expect_handler_lost, post_items};
use crate::support::wait::slowness;

use super::{CHANNELS, PUBLISHERS};

/// Between two items of a publisher.
const PAUSE: Duration = Duration::from_millis(20);

/// For how long a wedged actor blocks its thread, at most.
const WEDGE_MS: u64 = 4_000;

/// Items of a publisher between two that wedge, and between two that crash a hub, a channel or a
/// publisher: an actor that crashes often is paused, which would be another test.
const WEDGE_GAP: u32 = 60;
const CRASH_GAP: u32 = 100;

/// Publishes an item until it is taken; a handler that is lost meanwhile is no reason to stop.
#[track_caller]
pub fn publish_until_taken(control: SocketAddr, item: &Value) -> usize {
    for lost in 0..20 {
        let reply = post_items(control, std::slice::from_ref(item));
        match (reply.status(), reply.head.header("p8-reason")) {
            (200, _) => return lost,
            (503, Some("publish-handler-lost")) => {}
            _ => panic!("a publish was answered {} {}", reply.status(), reply.text()),
        }
    }
    panic!("an item is never taken: {item}");
}

/// What became of what was published.
#[derive(Default)]
pub struct Account {
    /// By channel, in order.
    accepted: HashMap<usize, Vec<u32>>,
    /// Items that crashed hubs: some sessions may miss them.
    poisonous: HashSet<u32>,
    /// Items that crashed a channel or publisher: nobody gets them.
    pub refused_by_crash: usize,
    /// Items that wedged one: nobody gets them.
    wedging: usize,
    /// Publishes that were made again.
    again: usize,
}

impl Account {
    /// Puts the accounts of all publishers together.
    pub fn of_all(accounts: Vec<Account>) -> Account {
        let mut all = Account::default();
        for account in accounts {
            all.accepted.extend(account.accepted);
            all.poisonous.extend(account.poisonous);
            all.refused_by_crash += account.refused_by_crash;
            all.wedging += account.wedging;
            all.again += account.again;
        }
        all
    }

    /// Compares what a client got with what was accepted; returns how many items it missed.
    #[track_caller]
    pub fn check(&self, channel: usize, got: &str) -> usize {
        let numbers = got
            .split_terminator(';')
            .map(|text| text.parse().expect("a number"));
        let mut got = numbers.collect::<Vec<u32>>().into_iter().peekable();
        let mut missed = 0;
        for item in self.accepted.get(&channel).into_iter().flatten() {
            if got.next_if_eq(item).is_none() {
                let next = got.peek();
                assert!(
                    self.poisonous.contains(item),
                    "c{channel}: {item} was lost before {next:?}"
                );
                missed += 1;
            }
        }
        let rest: Vec<_> = got.collect();
        assert!(
            rest.is_empty(),
            "c{channel}: {rest:?} came, doubled or out of order"
        );
        missed
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accepted: usize = self.accepted.values().map(Vec::len).sum();
        let (poisonous, crashed) = (self.poisonous.len(), self.refused_by_crash);
        let (wedging, again) = (self.wedging, self.again);
        write!(
            f,
            "{accepted} items accepted, {again} of them published again, {poisonous} that crashed hubs, \
             {crashed} refused by a crash, {wedging} that wedged"
        )
    }
}

/// One of the publishers: every third channel is its own.
pub struct Publisher {
    control: SocketAddr,
    which: usize,
    rng: fastrand::Rng,
    account: Account,
    next: u32,
    since_wedge: u32,
    since_crash: u32,
}

impl Publisher {
    pub fn new(control: SocketAddr, which: usize, seed: u64) -> Publisher {
        Publisher {
            control,
            which,
            rng: fastrand::Rng::with_seed(seed.wrapping_mul(31).wrapping_add(which as u64)),
            account: Account::default(),
            next: which as u32,
            since_wedge: 0,
            since_crash: which as u32 * CRASH_GAP / PUBLISHERS as u32,
        }
    }

    /// Publishes until it is told that all is over.
    pub fn run(mut self, is_over: &AtomicBool) -> Account {
        while !is_over.load(Ordering::SeqCst) {
            self.publish();
            slowness(PAUSE);
        }
        self.account
    }

    fn publish(&mut self) {
        let of_its_own = self.rng.usize(..CHANNELS / PUBLISHERS);
        let channel = of_its_own * PUBLISHERS + self.which;
        self.next += PUBLISHERS as u32;
        self.since_wedge += 1;
        self.since_crash += 1;
        let text = format!("{};", self.next);
        let mut item = json!({
            "channel": format!("c{channel}"),
            "id": self.next.to_string(),
            "formats": {"http-stream": {"content": text}, "ws-message": {"content": text}},
        });
        let may_wedge = self.which == 0 && self.since_wedge > WEDGE_GAP;
        if self.since_crash > CRASH_GAP && self.rng.u8(..10) == 0 {
            self.since_crash = 0;
            match self.rng.u8(..3) {
                0 => return self.publish_crash(item, "panic-channel"),
                1 => return self.publish_crash(item, "panic-publisher"),
                _ => {
                    let at = self.rng.usize(1..5).to_string();
                    item["meta"] = json!({"p8-chaos": "panic-hub", "p8-chaos-at": at});
                    self.account.poisonous.insert(self.next);
                }
            }
        } else if may_wedge && self.rng.u8(..20) == 0 {
            self.since_wedge = 0;
            let actor = ["wedge-channel", "wedge-publisher"][self.rng.usize(..2)];
            return self.publish_wedge(item, actor);
        }
        self.account.again += publish_until_taken(self.control, &item);
        self.account
            .accepted
            .entry(channel)
            .or_default()
            .push(self.next);
    }

    /// Nobody gets it, and its publisher is told.
    fn publish_crash(&mut self, mut item: Value, actor: &str) {
        item["meta"] = json!({ "p8-chaos": actor });
        let reply = post_items(self.control, &[item]);
        match (reply.status(), reply.head.header("p8-reason")) {
            (500, Some("publish-crashed")) => self.account.refused_by_crash += 1,
            // Its handler was lost before it came to the item.
            (503, Some("publish-handler-lost")) => {}
            _ => panic!("poison was answered {} {}", reply.status(), reply.text()),
        }
    }

    /// The same, once another thread has the channel.
    fn publish_wedge(&mut self, mut item: Value, actor: &str) {
        let ms = self.rng.u64(1_500..WEDGE_MS).to_string();
        item["meta"] = json!({"p8-chaos": actor, "p8-chaos-ms": ms});
        let reply = post_items(self.control, &[item]);
        expect_handler_lost(&reply);
        self.account.wedging += 1;
    }
}
