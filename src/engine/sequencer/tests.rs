//! The order of single items, and of seeded random traffic. `P8_SIM_SEED` replays one run.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::grip::{channel::ChannelName, publish::Formats};

const LIMITS: SequencerLimits = SequencerLimits {
    wait: Duration::from_millis(5_000),
    items_max: 3,
};

fn item(id: &str, prev_id: &str) -> Item {
    let id_of = |text: &str| (!text.is_empty()).then(|| ItemId::from(text));
    Item {
        channel: ChannelName::from("a"),
        id: id_of(id),
        prev_id: id_of(prev_id),
        formats: Formats::default(),
        meta: BTreeMap::new(),
        size: None,
        no_seq: false,
    }
}

/// Hands an item in; returns the ids of what goes out, in order.
fn passed(sequencer: &mut Sequencer, item: Item, now: Instant) -> Vec<String> {
    let mut out = Vec::new();
    if let Outcome::Deliver(item) = sequencer.on_item(item, now, &LIMITS) {
        sequencer.on_delivered(&item);
        out.push(name(&item));
    }
    out.extend(due(sequencer, now));
    out
}

/// Takes out what is due; returns its ids.
fn due(sequencer: &mut Sequencer, now: Instant) -> Vec<String> {
    let mut out = Vec::new();
    while let Some((item, _)) = sequencer.on_timer(now) {
        sequencer.on_delivered(&item);
        out.push(name(&item));
    }
    out
}

fn name(item: &Item) -> String {
    item.id.as_ref().map(ItemId::to_string).unwrap_or_default()
}

#[test]
fn items_that_come_early_go_out_in_a_chain() {
    let (mut sequencer, now) = (Sequencer::default(), Instant::now());
    for (id, prev_id, expected) in [
        ("1", "0", vec!["1"]),
        ("3", "2", vec![]),
        ("4", "3", vec![]),
        ("2", "1", vec!["2", "3", "4"]),
        ("5", "4", vec!["5"]),
        ("x", "", vec!["x"]),
        ("y", "x", vec!["y"]),
    ] {
        assert_eq!(
            passed(&mut sequencer, item(id, prev_id), now),
            expected,
            "{id}"
        );
    }
    assert_eq!(sequencer.waiting(), 0);
}

#[test]
fn an_item_without_id_leaves_nothing_to_wait_for() {
    let (mut sequencer, now) = (Sequencer::default(), Instant::now());
    passed(&mut sequencer, item("1", ""), now);
    assert_eq!(passed(&mut sequencer, item("", "1"), now), [""]);
    assert_eq!(sequencer.last(), None);
    assert_eq!(passed(&mut sequencer, item("7", "6"), now), ["7"]);
}

#[test]
fn an_item_out_of_sequence_passes_and_leaves_the_last_id_alone() {
    let (mut sequencer, now) = (Sequencer::default(), Instant::now());
    passed(&mut sequencer, item("1", ""), now);
    passed(&mut sequencer, item("3", "2"), now);
    let free = |id, prev_id| Item {
        no_seq: true,
        ..item(id, prev_id)
    };
    assert_eq!(passed(&mut sequencer, free("2", "9"), now), ["2"]);
    assert_eq!(sequencer.last(), Some(&ItemId::from("1")));
    assert_eq!(passed(&mut sequencer, item("2", "1"), now), ["2", "3"]);
}

#[test]
fn a_waiting_item_is_given_up_on_in_time_and_those_behind_it_follow() {
    let (mut sequencer, start) = (Sequencer::default(), Instant::now());
    let at = |ms| start + Duration::from_millis(ms);
    passed(&mut sequencer, item("1", ""), at(0));
    passed(&mut sequencer, item("4", "3"), at(1_000));
    passed(&mut sequencer, item("3", "2"), at(2_000));
    assert_eq!(sequencer.deadline(), Some(at(6_000)));
    assert_eq!(due(&mut sequencer, at(5_999)), [] as [&str; 0]);
    assert_eq!(due(&mut sequencer, at(6_000)), ["4"]);
    assert_eq!(sequencer.deadline(), Some(at(7_000)));
    assert_eq!(passed(&mut sequencer, item("5", "4"), at(6_500)), ["5"]);
    assert_eq!(due(&mut sequencer, at(7_000)), ["3"]);
    assert_eq!(sequencer.deadline(), None);
}

#[test]
fn too_many_and_repeated_ones_are_handed_back() {
    let (mut sequencer, now) = (Sequencer::default(), Instant::now());
    passed(&mut sequencer, item("1", ""), now);
    for id in ["11", "12", "13"] {
        let waits = sequencer.on_item(item(id, &format!("b{id}")), now, &LIMITS);
        assert_eq!(waits, Outcome::Wait);
    }
    for (follows, expected) in [
        ("b12", Outcome::Repeat(item("z", "b12"))),
        ("b14", Outcome::TooMany(item("z", "b14"))),
    ] {
        let outcome = sequencer.on_item(item("z", follows), now, &LIMITS);
        assert_eq!(outcome, expected);
    }
    assert_eq!(sequencer.clear(), 3);
    assert_eq!(sequencer.last(), None);
}

#[test]
fn a_forgotten_last_id_lets_the_next_item_pass_and_say_where_the_waiting_ones_belong() {
    let (mut sequencer, now) = (Sequencer::default(), Instant::now());
    passed(&mut sequencer, item("1", ""), now);
    passed(&mut sequencer, item("4", "3"), now);
    sequencer.forget_last();
    assert_eq!(due(&mut sequencer, now), [] as [&str; 0]);
    assert_eq!(passed(&mut sequencer, item("3", "2"), now), ["3", "4"]);
}

#[test]
fn an_item_that_was_never_delivered_is_still_the_next_one() {
    let (mut sequencer, now) = (Sequencer::default(), Instant::now());
    passed(&mut sequencer, item("1", ""), now);
    let crashes = sequencer.on_item(item("2", "1"), now, &LIMITS);
    assert_eq!(crashes, Outcome::Deliver(item("2", "1")));
    assert_eq!(passed(&mut sequencer, item("3", "2"), now), [""; 0]);
    assert_eq!(passed(&mut sequencer, item("2", "1"), now), ["2", "3"]);
}

/// One run of random traffic, and what became of its items.
struct Run {
    rng: fastrand::Rng,
    sequencer: Sequencer,
    now: Instant,
    /// When each item came.
    came: BTreeMap<usize, Instant>,
    gone: HashSet<usize>,
}

impl Run {
    fn new(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            sequencer: Sequencer::default(),
            now: Instant::now(),
            came: BTreeMap::new(),
            gone: HashSet::new(),
        }
    }

    /// Items of one channel: a chain with breaks, shuffled a little; `size` tells them apart.
    fn traffic(&mut self) -> Vec<Item> {
        let mut items: Vec<Item> = (0..200)
            .map(|number| {
                let (id, prev_id) = (number.to_string(), (number.max(1) - 1).to_string());
                let mut item = match self.rng.u8(..20) {
                    0 => item("", &prev_id),
                    1 => item(&id, ""),
                    2 => item(&id, "never published"),
                    _ => item(&id, &prev_id),
                };
                item.no_seq = self.rng.u8(..20) == 0;
                item.size = Some(number);
                item
            })
            .collect();
        for _ in 0..self.rng.usize(..150) {
            let at = self.rng.usize(..items.len() - 8);
            items.swap(at, at + self.rng.usize(1..8));
        }
        items
    }

    fn goes(&mut self, item: &Item, may: bool) {
        assert!(may, "{item:?} behind {:?}", self.sequencer.last());
        self.leaves(item);
        self.sequencer.on_delivered(item);
    }

    fn leaves(&mut self, item: &Item) {
        let number = item.size.unwrap_or_default() as usize;
        assert!(self.gone.insert(number), "{item:?} goes once");
    }

    fn may_go(&self, item: &Item) -> bool {
        let (last, follows) = (self.sequencer.last(), item.prev_id.as_ref());
        item.no_seq || last.is_none() || follows.is_none() || last == follows
    }

    fn take_due(&mut self) {
        while let Some((item, follows)) = self.sequencer.on_timer(self.now) {
            let number = item.size.unwrap_or_default() as usize;
            let waited = self.now.duration_since(self.came[&number]);
            let may = match follows {
                true => item.prev_id.as_ref() == self.sequencer.last(),
                false => waited >= LIMITS.wait,
            };
            self.goes(&item, may);
        }
    }

    fn step(&mut self, item: Item) {
        self.now += Duration::from_millis(self.rng.u64(..800));
        self.take_due();
        if self.rng.u8(..100) == 0 {
            self.sequencer.forget_last();
        }
        let number = item.size.unwrap_or_default() as usize;
        self.came.insert(number, self.now);
        let may = self.may_go(&item);
        match self.sequencer.on_item(item, self.now, &LIMITS) {
            Outcome::Deliver(item) => self.goes(&item, may),
            Outcome::Wait => assert!(!may),
            Outcome::TooMany(item) | Outcome::Repeat(item) => self.leaves(&item),
        }
        self.take_due();
        assert!(self.sequencer.waiting() <= LIMITS.items_max);
    }
}

#[test]
fn random_traffic_goes_out_once_and_in_order() {
    let seeds = match std::env::var("P8_SIM_SEED") {
        Ok(text) => {
            let seed = text.parse().expect("P8_SIM_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..300,
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(|| {
            let mut run = Run::new(seed);
            for item in run.traffic() {
                run.step(item);
            }
            while let Some(deadline) = run.sequencer.deadline() {
                run.now = deadline;
                run.take_due();
            }
            assert_eq!(run.gone.len(), 200, "each went out or was handed back");
        });
        assert!(run.is_ok(), "P8_SIM_SEED={seed}");
    }
}
