//! A worker's sessions as operators see them, a slice at a time.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use super::{Entry, HubStore};
use crate::{
    actors::{
        looks::{SessionsQuery, LOOK_SLICE},
        messages::SessionEvent,
    },
    engine::fan_out::SessionKey,
    stats::{
        rows::{KeyRef, Top},
        views::{Facts, SessionFilter, SessionRow, SessionSort, CHANNELS_SHOWN},
    },
};

/// Names a session among those of all workers.
fn write_id(into: &mut String, worker: u64, key: usize, hold: u64) {
    into.clear();
    // A `String` takes everything.
    let _ = write!(into, "{worker}-{key}-{hold}");
}

impl HubStore {
    /// Offers a slice of the sessions that fit; returns where the next one begins, if there is one.
    pub fn list_slice(
        &self,
        (worker, from): (u64, usize),
        query: &SessionsQuery,
        top: &mut Top<SessionRow>,
    ) -> Option<usize> {
        let now = actix::clock::Instant::now().into_std();
        let since = self.since.saturating_duration_since(query.since);
        let mut id = String::new();
        let mut peer = String::new();
        self.each_of(from, |key, entry| {
            write_id(&mut id, worker, key, entry.hold);
            let facts = self.facts(&id, entry);
            if !query.filter.fits(&facts) {
                return;
            }
            let ms = |ms: u64| since.as_millis() as u64 + ms;
            let sort_key = match query.sort {
                // Newer ones have smaller ages.
                SessionSort::Age => {
                    KeyRef::Number(u64::MAX - ms(u64::from(entry.begun_secs) * 1_000))
                }
                SessionSort::LastWrite => KeyRef::Number(u64::MAX - ms(entry.last_sent_ms)),
                SessionSort::Queued => KeyRef::Number(entry.outbox.bytes() as u64),
                SessionSort::Sent => KeyRef::Number(entry.sent_bytes),
                SessionSort::Channels => KeyRef::Number(entry.places.all().len() as u64),
                SessionSort::Route => KeyRef::Text(facts.route),
                SessionSort::Transport => KeyRef::Text(facts.transport),
                SessionSort::Peer => {
                    peer.clear();
                    let _ = facts.peer.map(|address| write!(peer, "{address}"));
                    KeyRef::Text(&peer)
                }
            };
            let tie = KeyRef::Number((worker << 44) | entry.hold);
            top.offer((sort_key, tie), || self.row(&id, entry, now));
        })
    }

    /// Tells a slice of the sessions that are meant to end; returns where the next one begins, if there
    /// is one.
    pub fn end_slice(
        &self,
        (worker, from): (u64, usize),
        filter: &SessionFilter,
        ended: &mut u64,
    ) -> Option<usize> {
        let mut id = String::new();
        self.each_of(from, |key, entry| {
            write_id(&mut id, worker, key, entry.hold);
            if !entry.is_closing && filter.fits(&self.facts(&id, entry)) {
                *ended += 1;
                self.tell(SessionKey(key as u32), SessionEvent::Drain);
            }
        })
    }

    fn each_of(&self, from: usize, mut look: impl FnMut(usize, &Entry)) -> Option<usize> {
        let end = from.saturating_add(LOOK_SLICE);
        for key in from..end {
            if let Some(entry) = self.sessions.get(key) {
                look(key, entry);
            }
        }
        (end < self.sessions.capacity()).then_some(end)
    }

    fn facts<'a>(
        &'a self,
        id: &'a str,
        entry: &'a Entry,
    ) -> Facts<'a, impl Iterator<Item = &'a str> + Clone> {
        let channels = entry.places.all().iter();
        Facts {
            id,
            peer: entry.outlet.as_ref().and_then(|outlet| outlet.peer()),
            route: self.routes.name(entry.route),
            transport: entry.kind.transport().as_str(),
            channels: channels.filter_map(|(index, _)| {
                let channel = self.channels.get(*index as usize)?;
                Some(channel.name.as_str())
            }),
        }
    }

    fn row(&self, id: &str, entry: &Entry, now: Instant) -> SessionRow {
        let facts = self.facts(id, entry);
        let begun = self.since + Duration::from_secs(u64::from(entry.begun_secs));
        let written = self.since + Duration::from_millis(entry.last_sent_ms);
        let mut row = SessionRow::new(id.to_owned(), facts.transport);
        row.peer = facts.peer.map(|peer| peer.to_string());
        row.route = facts.route.to_owned();
        row.age_secs = now.saturating_duration_since(begun).as_secs();
        row.channels = facts
            .channels
            .take(CHANNELS_SHOWN)
            .map(str::to_owned)
            .collect();
        row.channels_total = entry.places.all().len();
        row.queued_bytes = entry.outbox.bytes() as u64;
        row.sent_bytes = entry.sent_bytes;
        row.last_write_ms_ago = now.saturating_duration_since(written).as_millis() as u64;
        row
    }
}
