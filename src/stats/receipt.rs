//! What became of a published item, as far as it is known when its publish is answered.
//!
//! Threads that meet the item note on its [`Sheet`] what they did; the [`Receipt`] reads it. Source:
//! `docs/control-api.md#receipts`.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, AtomicU8, Ordering},
};

use serde::Serialize;

use super::counters::Dropped;

/// How a session gets items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A long-poll.
    Response,
    /// A stream.
    Stream,
    /// A WebSocket.
    Socket,
}

impl Transport {
    /// Returns the word of receipts and of `/admin`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Stream => "stream",
            Self::Socket => "ws-message",
        }
    }
}

/// What happened to an item before it met any session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did not come to its channel: something crashed on the way.
    Lost,
    /// Its channel sent it to every worker with subscribers.
    Accepted,
    /// Nobody is subscribed to its channel.
    NoSubscribers,
    /// Its id was seen before; it goes out once.
    Duplicate,
    /// It waits for the item it follows.
    WaitingForOrder,
    /// Its channel dropped it.
    Dropped,
}

impl Outcome {
    const ALL: [Self; 6] = [
        Self::Lost,
        Self::Accepted,
        Self::NoSubscribers,
        Self::Duplicate,
        Self::WaitingForOrder,
        Self::Dropped,
    ];

    /// Returns the stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Accepted => "accepted",
            Self::NoSubscribers => "no-subscribers",
            Self::Duplicate => "duplicate",
            Self::WaitingForOrder => "waiting-for-order",
            Self::Dropped => "dropped",
        }
    }
}

/// What a session made of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// It, or what it says, waits to be written to the client.
    Queued,
    /// A filter keeps it from this session, as it should.
    Filtered,
    /// The item has no format for the session's transport, or an action without effect there.
    OtherFormat,
    /// The session is ending and takes nothing more.
    Ending,
}

/// Where threads note what they do with an item.
#[derive(Debug, Default)]
pub struct Sheet {
    outcome: AtomicU8,
    matched: [AtomicU64; 3],
    met: [AtomicU64; 4],
    dropped: [AtomicU64; Dropped::NAMES.len()],
}

impl Sheet {
    /// Notes what happened before the item met any session.
    pub fn settle(&self, outcome: Outcome) {
        self.outcome.store(outcome as u8, Ordering::Relaxed);
    }

    /// Notes a session that the item is for.
    pub fn matched(&self, transport: Transport) {
        add(&self.matched, transport as usize);
    }

    /// Notes what a session made of it.
    pub fn met(&self, met: Met) {
        add(&self.met, met as usize);
    }

    /// Notes that it was dropped: for one session, or by its channel.
    pub fn dropped(&self, reason: Dropped) {
        add(&self.dropped, reason as usize);
    }

    /// Reads what was noted; `is_complete` says that nothing more will be.
    pub fn read(&self, channel: String, id: Option<String>, is_complete: bool) -> Receipt {
        let outcome = usize::from(self.outcome.load(Ordering::Relaxed));
        let outcome = Outcome::ALL.get(outcome).copied();
        let outcome = outcome.unwrap_or(Outcome::Lost);
        let matched = Matched {
            response: count(&self.matched, Transport::Response as usize),
            stream: count(&self.matched, Transport::Stream as usize),
            socket: count(&self.matched, Transport::Socket as usize),
        };
        let counts = Dropped::NAMES.iter().zip(&self.dropped);
        let counts = counts.map(|(name, count)| (*name, count.load(Ordering::Relaxed)));
        let dropped: BTreeMap<_, _> = counts.filter(|(_, count)| *count > 0).collect();
        let queued = count(&self.met, Met::Queued as usize);
        let filtered = count(&self.met, Met::Filtered as usize);
        let settled = queued + filtered + dropped.values().sum::<u64>();
        let rest = matched.all().saturating_sub(settled);
        Receipt {
            channel,
            id,
            outcome: outcome.as_str(),
            matched,
            queued,
            filtered,
            dropped,
            superseded: if is_complete { rest } else { 0 },
            undecided: if is_complete { 0 } else { rest },
            other_format: count(&self.met, Met::OtherFormat as usize),
            ending: count(&self.met, Met::Ending as usize),
        }
    }
}

fn add(counts: &[AtomicU64], index: usize) {
    if let Some(count) = counts.get(index) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn count(counts: &[AtomicU64], index: usize) -> u64 {
    counts
        .get(index)
        .map_or(0, |count| count.load(Ordering::Relaxed))
}

/// Sessions that an item is for, by transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Matched {
    /// Long-polls.
    pub response: u64,
    /// Streams.
    pub stream: u64,
    /// WebSockets.
    #[serde(rename = "ws-message")]
    pub socket: u64,
}

impl Matched {
    fn all(&self) -> u64 {
        self.response + self.stream + self.socket
    }
}

/// What became of one item.
///
/// **Shape**: an element of `receipts` in the answer to `POST /publish/?receipt=1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Where it was published.
    pub channel: String,
    /// Its id.
    pub id: Option<String>,
    /// What happened before it met any session: the word of an [`Outcome`].
    pub outcome: &'static str,
    /// Sessions that it is for.
    pub matched: Matched,
    /// Sessions for which it waits to be written, or was written.
    pub queued: u64,
    /// Sessions whose filters keep it away.
    pub filtered: u64,
    /// Sessions that do not get it, and why; the reason alone if its channel dropped it.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Sessions that did something else: what they get from their backend stands for it.
    pub superseded: u64,
    /// Sessions that had not decided in time.
    pub undecided: u64,
    /// Sessions on the channel whose transport it has no format for.
    pub other_format: u64,
    /// Sessions on the channel that were ending.
    pub ending: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_read_by_words_and_what_is_not_settled_is_said() {
        let sheet = Sheet::default();
        sheet.settle(Outcome::Accepted);
        for transport in [Transport::Response, Transport::Stream, Transport::Stream] {
            sheet.matched(transport);
        }
        sheet.met(Met::Queued);
        sheet.met(Met::OtherFormat);
        sheet.dropped(Dropped::SlowClient);
        let early = sheet.read("a".to_owned(), None, false);
        assert_eq!((early.undecided, early.superseded), (1, 0));
        let receipt = sheet.read("a".to_owned(), None, true);
        assert_eq!((receipt.undecided, receipt.superseded), (0, 1));
        assert_eq!(receipt.outcome, "accepted");
        assert_eq!((receipt.matched.response, receipt.matched.stream), (1, 2));
        assert_eq!((receipt.queued, receipt.other_format), (1, 1));
        assert_eq!(receipt.dropped, BTreeMap::from([("slow-client", 1)]));
    }

    #[test]
    fn an_item_that_nobody_noted_is_lost() {
        let receipt = Sheet::default().read("a".to_owned(), Some("1".to_owned()), true);
        assert_eq!(
            (receipt.outcome, receipt.id.as_deref()),
            ("lost", Some("1"))
        );
    }

    #[test]
    fn every_outcome_is_read_back() {
        for outcome in Outcome::ALL {
            let sheet = Sheet::default();
            sheet.settle(outcome);
            let receipt = sheet.read(String::new(), None, true);
            assert_eq!(receipt.outcome, outcome.as_str());
        }
    }
}
