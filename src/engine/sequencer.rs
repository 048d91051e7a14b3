//! The sequencer: the order of one channel's items, by their ids and prev-ids.
//!
//! An item that says what it follows waits until that one has gone out, or until it has waited long
//! enough. What is delivered is told back with [`Sequencer::on_delivered`], so an item that crashed
//! on its way was never the last one, and may be published again.
//!
//! ```text
//! on_item ──▶ Deliver ──▶ on_delivered ──┐
//!         ──▶ Wait ······▶ on_timer ◀────┘  until it returns none; again at deadline()
//!         ──▶ Drop
//! ```
//!
//! Source: `docs/grip.md`, order.

use std::time::{Duration, Instant};

use crate::grip::{channel::ItemId, publish::Item};

/// Bounds of what waits in one channel.
#[derive(Clone, Copy, Debug)]
pub struct SequencerLimits {
    /// How long an item waits for the one it follows.
    pub wait: Duration,
    /// Most items waiting.
    pub items_max: usize,
}

/// What is to be done with an item that has come.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// It goes out now.
    Deliver(Item),
    /// It is kept until the one it follows has gone out.
    Wait,
    /// Too many items wait.
    TooMany(Item),
    /// Another item that follows the same one waits.
    Repeat(Item),
}

#[derive(Debug)]
struct Waiting {
    follows: ItemId,
    until: Instant,
    item: Item,
}

/// The order of one channel.
#[derive(Debug, Default)]
pub struct Sequencer {
    last: Option<ItemId>,
    /// In the order of arrival, which is that of `until`; nearly always empty.
    waiting: Vec<Waiting>,
}

impl Sequencer {
    /// Returns the id of the last item that went out in order.
    pub fn last(&self) -> Option<&ItemId> {
        self.last.as_ref()
    }

    /// Takes what went out last from those who got it.
    pub fn begin_at(&mut self, last: Option<ItemId>) {
        self.last = last;
    }

    /// Forgets the last id; what waits goes on waiting, for the next item may say where it belongs.
    pub fn forget_last(&mut self) {
        self.last = None;
    }

    /// Returns how many items wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Judges an item by what went out last.
    pub fn on_item(&mut self, item: Item, now: Instant, limits: &SequencerLimits) -> Outcome {
        let outcome = match (&self.last, &item.prev_id) {
            (Some(last), Some(follows)) if last != follows && !item.no_seq => {
                let follows = follows.clone();
                self.keep(follows, item, now, limits)
            }
            _ => Outcome::Deliver(item),
        };
        self.check_invariants();
        outcome
    }

    fn keep(
        &mut self,
        follows: ItemId,
        item: Item,
        now: Instant,
        limits: &SequencerLimits,
    ) -> Outcome {
        if self.waiting.iter().any(|known| known.follows == follows) {
            return Outcome::Repeat(item);
        }
        if self.waiting.len() >= limits.items_max {
            return Outcome::TooMany(item);
        }
        let until = now + limits.wait;
        // A clock that seems to go back must not hide who is due.
        let until = self
            .waiting
            .last()
            .map_or(until, |before| before.until.max(until));
        self.waiting.push(Waiting {
            follows,
            until,
            item,
        });
        Outcome::Wait
    }

    /// Notes that an item has gone out; one without an id leaves nothing to wait for.
    pub fn on_delivered(&mut self, item: &Item) {
        if !item.no_seq {
            self.last.clone_from(&item.id);
        }
        self.check_invariants();
    }

    /// Takes out the item that goes out next: the one that follows the last, else one that has waited
    /// long enough. The flag tells whether it follows.
    pub fn on_timer(&mut self, now: Instant) -> Option<(Item, bool)> {
        let last = self.last.as_ref();
        let next = self
            .waiting
            .iter()
            .position(|known| Some(&known.follows) == last);
        let is_due = |known: &Waiting| known.until <= now;
        let index = match next {
            Some(index) => index,
            None => self.waiting.first().is_some_and(is_due).then_some(0)?,
        };
        let item = self.waiting.remove(index).item;
        if self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
        self.check_invariants();
        Some((item, next.is_some()))
    }

    /// Returns when [`Sequencer::on_timer`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.first().map(|first| first.until)
    }

    /// Forgets the last id and throws away what waits: nobody is subscribed any more. Returns how many.
    pub fn clear(&mut self) -> usize {
        std::mem::take(self).waiting.len()
    }

    fn check_invariants(&self) {
        debug_assert!(self.waiting.is_sorted_by_key(|known| known.until));
        debug_assert!(self.waiting.iter().enumerate().all(|(at, known)| {
            let mut before = self.waiting.iter().take(at);
            !known.item.no_seq && before.all(|other| other.follows != known.follows)
        }));
    }
}

#[cfg(test)]
mod tests;
