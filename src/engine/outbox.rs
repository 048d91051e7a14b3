//! The outbox: what waits to be written to one client, bounded in items and bytes.
//!
//! Not its concern: sockets (a flusher writes what `slices` shows and reports by `advance`) and what
//! the bytes mean. Entries are shared `Bytes`; a publish is never copied for a session.
//! Past a bound the route's slow-client policy decides; nothing is dropped without being told. What is
//! no item is never dropped. A message that leaves in several parts is not broken into: items that come
//! amid it wait for its end.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes};

/// What happens to a client that reads slower than items arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowClient {
    /// The session is ended; with a next link or history the client resumes without loss.
    #[default]
    Close,
    /// The oldest waiting items make room.
    DropOldest,
    /// The new item is not queued.
    DropNewest,
}

impl SlowClient {
    /// Returns the word used in p-8.toml.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::DropOldest => "drop-oldest",
            Self::DropNewest => "drop-newest",
        }
    }
}

/// Bounds of an outbox and the policy past them.
///
/// Only items count, not what belongs to the response itself. **Bounds**: an item larger than `bytes_max` is accepted when nothing else waits, so that a
/// publish within the control port's limit always reaches a client that reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Most items waiting.
    pub items_max: usize,
    /// Most bytes waiting.
    pub bytes_max: usize,
    /// What happens past a bound.
    pub policy: SlowClient,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            items_max: 4096,
            bytes_max: 1 << 20,
            policy: SlowClient::Close,
        }
    }
}

/// What became of a pushed item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits, and so does all that waited before.
    Queued,
    /// It waits; this many older items were dropped for it.
    DroppedOldest(usize),
    /// It was dropped itself.
    DroppedNewest,
    /// A bound is reached and the policy is to end the session.
    Overflow,
}

/// The queue of one session.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Entry>,
    /// Bytes of items that none of was written, and how many those are: what the limits bound.
    item_bytes: u32,
    items: u32,
    /// All other bytes.
    own_bytes: u32,
    /// 0, or amid a message of several parts 1 and the trailing items that wait until it is whole:
    /// nothing but its parts may come in between.
    amid: u32,
}

#[derive(Debug)]
struct Entry {
    bytes: Bytes,
    kind: Kind,
}

/// What an entry is to the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// An item, none of it written.
    Item,
    /// An item that is partly written.
    Begun,
    /// What is no item and never dropped: a response head, an answer, a part of a message.
    Own,
}

impl Outbox {
    /// Tells whether nothing waits that could be written now.
    pub fn is_empty(&self) -> bool {
        self.writable() == 0
    }

    /// Returns the number of waiting entries.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Returns the number of waiting items.
    pub fn items(&self) -> usize {
        self.items as usize
    }

    /// Returns the number of waiting bytes.
    pub fn bytes(&self) -> usize {
        self.item_bytes as usize + self.own_bytes as usize
    }

    /// Returns the number of those that belong to no item, or to one that is partly written.
    pub fn own_bytes(&self) -> usize {
        self.own_bytes as usize
    }

    /// Puts an item in the queue, within the limits.
    pub fn push(&mut self, item: Bytes, limits: &OutboxLimits) -> Pushed {
        if item.is_empty() || self.fits(item.len(), limits) {
            self.push_item(item);
            return Pushed::Queued;
        }
        match limits.policy {
            SlowClient::Close => Pushed::Overflow,
            SlowClient::DropNewest => Pushed::DroppedNewest,
            SlowClient::DropOldest => self.push_over_oldest(item, limits),
        }
    }

    /// Puts bytes in the queue that belong to the response itself: an end, a keep-alive, an answer.
    ///
    /// Amid a message they come before the items that wait for its end.
    pub fn append(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.own_bytes += size(&bytes);
        let kind = Kind::Own;
        self.queue.insert(self.writable(), Entry { bytes, kind });
        self.check_invariants();
    }

    /// The parts of a message follow, by `append`: items wait until it is whole.
    pub fn begin_message(&mut self) {
        self.amid = self.amid.max(1);
    }

    /// The message is whole.
    pub fn end_message(&mut self) {
        self.amid = 0;
    }

    /// Puts the response head before everything that arrived while it was made.
    pub fn put_head(&mut self, head: Bytes) {
        self.own_bytes += size(&head);
        let kind = Kind::Own;
        self.queue.push_front(Entry { bytes: head, kind });
        self.check_invariants();
    }

    /// Fills `into` with what waits, oldest first, and returns how many slices it filled.
    pub fn slices<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        into.iter_mut()
            .zip(self.queue.iter().take(self.writable()))
            .map(|(slot, entry)| *slot = IoSlice::new(&entry.bytes))
            .count()
    }

    /// Takes the oldest entry out whole.
    pub fn pop(&mut self) -> Option<Bytes> {
        if self.is_empty() {
            return None;
        }
        let entry = self.queue.pop_front()?;
        self.note_left(&entry);
        self.give_back_memory();
        self.check_invariants();
        Some(entry.bytes)
    }

    /// Notes that `written` bytes have left, from the front on.
    pub fn advance(&mut self, mut written: usize) {
        while let Some(front) = self.queue.front_mut() {
            if written < front.bytes.len() {
                if written > 0 {
                    if front.kind == Kind::Item {
                        front.kind = Kind::Begun;
                        self.items -= 1;
                        self.item_bytes -= size(&front.bytes);
                        self.own_bytes += size(&front.bytes);
                    }
                    front.bytes.advance(written);
                    self.own_bytes -= u32::try_from(written).unwrap_or(u32::MAX);
                }
                break;
            }
            written -= front.bytes.len();
            if self.pop().is_none() {
                break;
            }
        }
        self.check_invariants();
    }

    /// Drops everything and returns how many items were waiting, a partly written one too.
    pub fn clear(&mut self) -> usize {
        let entries = self.queue.iter();
        let dropped = entries.filter(|entry| entry.kind != Kind::Own).count();
        *self = Self::default();
        dropped
    }

    /// Drops the items that none of was written, and returns how many.
    pub fn drop_items(&mut self) -> usize {
        self.queue.retain(|entry| entry.kind != Kind::Item);
        self.amid = self.amid.min(1);
        self.item_bytes = 0;
        self.give_back_memory();
        let dropped = std::mem::take(&mut self.items);
        self.check_invariants();
        dropped as usize
    }

    /// How many entries may leave now.
    fn writable(&self) -> usize {
        self.queue.len() - self.amid.saturating_sub(1) as usize
    }

    fn note_left(&mut self, entry: &Entry) {
        if entry.kind == Kind::Item {
            self.items -= 1;
            self.item_bytes -= size(&entry.bytes);
        } else {
            self.own_bytes -= size(&entry.bytes);
        }
    }

    fn push_item(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.item_bytes += size(&bytes);
        self.items += 1;
        self.amid += u32::from(self.amid > 0);
        let kind = Kind::Item;
        self.queue.push_back(Entry { bytes, kind });
        self.check_invariants();
    }

    fn fits(&self, len: usize, limits: &OutboxLimits) -> bool {
        let has_room = (self.items as usize) < limits.items_max
            && self.item_bytes as usize + len <= limits.bytes_max;
        has_room || self.items == 0
    }

    fn push_over_oldest(&mut self, item: Bytes, limits: &OutboxLimits) -> Pushed {
        let mut dropped = 0;
        while !self.fits(item.len(), limits) {
            let mut entries = self.queue.iter();
            let oldest = entries.position(|entry| entry.kind == Kind::Item);
            let Some(oldest) = oldest else {
                break;
            };
            self.amid -= u32::from(oldest >= self.writable());
            if let Some(oldest) = self.queue.remove(oldest) {
                self.note_left(&oldest);
            }
            dropped += 1;
        }
        self.push_item(item);
        Pushed::DroppedOldest(dropped)
    }

    /// An idle session keeps no queue storage.
    fn give_back_memory(&mut self) {
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }

    fn check_invariants(&self) {
        debug_assert!(self.amid.saturating_sub(1) as usize <= self.queue.len());
        if cfg!(debug_assertions) && self.queue.len() <= 64 {
            let of = |is_item: bool| {
                let mine = move |entry: &&Entry| (entry.kind == Kind::Item) == is_item;
                self.queue.iter().filter(mine)
            };
            let bytes = |is_item| of(is_item).map(|entry| size(&entry.bytes)).sum::<u32>();
            debug_assert_eq!(self.items as usize, of(true).count());
            debug_assert_eq!(
                (self.item_bytes, self.own_bytes),
                (bytes(true), bytes(false))
            );
        }
    }
}

/// The size of an entry; the bounds of configuration are far below 32 bits.
fn size(bytes: &Bytes) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(items_max: usize, bytes_max: usize, policy: SlowClient) -> OutboxLimits {
        OutboxLimits {
            items_max,
            bytes_max,
            policy,
        }
    }

    fn content(outbox: &Outbox) -> Vec<u8> {
        outbox.queue.iter().flat_map(|e| e.bytes.to_vec()).collect()
    }

    #[test]
    fn items_leave_in_order_and_partly() {
        let mut outbox = Outbox::default();
        let limits = OutboxLimits::default();
        for item in ["one", "two", "three"] {
            assert_eq!(outbox.push(Bytes::from(item), &limits), Pushed::Queued);
        }
        outbox.advance(4);
        assert_eq!(content(&outbox), b"wothree");
        assert_eq!(outbox.bytes(), 7);
        outbox.advance(7);
        assert!(outbox.is_empty());
        assert_eq!(outbox.queue.capacity(), 0, "an idle outbox owns no storage");
    }

    #[test]
    fn each_policy_acts_at_the_bound() {
        for (policy, expected, left) in [
            (SlowClient::Close, Pushed::Overflow, "abcd"),
            (SlowClient::DropNewest, Pushed::DroppedNewest, "abcd"),
            (SlowClient::DropOldest, Pushed::DroppedOldest(1), "cdef"),
        ] {
            let mut outbox = Outbox::default();
            let limits = limits(2, 100, policy);
            outbox.push(Bytes::from("ab"), &limits);
            outbox.push(Bytes::from("cd"), &limits);
            assert_eq!(outbox.push(Bytes::from("ef"), &limits), expected);
            assert_eq!(content(&outbox), left.as_bytes(), "{policy:?}");
        }
    }

    #[test]
    fn heads_and_begun_items_are_never_dropped() {
        let mut outbox = Outbox::default();
        let limits = limits(2, 100, SlowClient::DropOldest);
        outbox.push(Bytes::from("11"), &limits);
        outbox.put_head(Bytes::from("HEAD"));
        outbox.push(Bytes::from("22"), &limits);
        assert_eq!(
            outbox.push(Bytes::from("33"), &limits),
            Pushed::DroppedOldest(1)
        );
        assert_eq!(content(&outbox), b"HEAD2233");
        outbox.advance(5);
        assert_eq!(outbox.push(Bytes::from("44"), &limits), Pushed::Queued);
        assert_eq!(
            outbox.push(Bytes::from("55"), &limits),
            Pushed::DroppedOldest(1)
        );
        assert_eq!(content(&outbox), b"24455", "the begun item stays whole");
    }

    #[test]
    fn what_is_no_item_is_never_dropped() {
        let mut outbox = Outbox::default();
        let limits = limits(2, 100, SlowClient::DropOldest);
        outbox.append(Bytes::from("own"));
        outbox.push(Bytes::from("11"), &limits);
        outbox.push(Bytes::from("22"), &limits);
        outbox.push(Bytes::from("33"), &limits);
        assert_eq!(content(&outbox), b"own2233");
        assert_eq!((outbox.items(), outbox.drop_items()), (2, 2));
        assert_eq!(content(&outbox), b"own");
        assert_eq!(outbox.clear(), 0);
    }

    #[test]
    fn items_wait_until_a_message_of_several_parts_is_whole() {
        let mut outbox = Outbox::default();
        let limits = limits(4, 100, SlowClient::DropOldest);
        outbox.push(Bytes::from("0"), &limits);
        outbox.begin_message();
        outbox.append(Bytes::from("part1"));
        outbox.push(Bytes::from("late"), &limits);
        outbox.append(Bytes::from("part2"));
        assert_eq!(content(&outbox), b"0part1part2late");
        outbox.advance(11);
        assert!(outbox.is_empty() && outbox.pop().is_none());
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(outbox.slices(&mut slices), 0);
        outbox.append(Bytes::from("part3"));
        assert_eq!(outbox.slices(&mut [IoSlice::new(&[]); 4]), 1);
        outbox.end_message();
        assert_eq!(content(&outbox), b"part3late");
        outbox.advance(9);
        assert_eq!(outbox.queue.capacity(), 0);
    }

    #[test]
    fn an_item_over_the_bound_passes_alone() {
        for policy in [
            SlowClient::Close,
            SlowClient::DropOldest,
            SlowClient::DropNewest,
        ] {
            let mut outbox = Outbox::default();
            outbox.put_head(Bytes::from("h"));
            let big = Bytes::from(vec![b'x'; 1000]);
            assert_eq!(outbox.push(big, &limits(4, 10, policy)), Pushed::Queued);
        }
    }

    #[test]
    fn random_use_keeps_the_invariants() {
        let mut random = fastrand::Rng::with_seed(7);
        for policy in [
            SlowClient::Close,
            SlowClient::DropOldest,
            SlowClient::DropNewest,
        ] {
            let mut outbox = Outbox::default();
            let limits = limits(8, 64, policy);
            for _ in 0..5_000 {
                match random.u8(0..8) {
                    0 | 4 if outbox.amid == 0 => {
                        outbox.advance(random.usize(0..=outbox.bytes()));
                    }
                    5 => outbox.begin_message(),
                    6 => outbox.end_message(),
                    1 => drop(outbox.pop()),
                    _ => drop(outbox.push(Bytes::from(vec![1; random.usize(1..20)]), &limits)),
                }
                // One more may be partly written.
                assert!(outbox.items() <= 8 && outbox.len() <= 9);
                assert!(outbox.bytes() < 64 + 20);
            }
        }
    }
}
