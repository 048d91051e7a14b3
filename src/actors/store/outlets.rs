//! What waits to be written to each session, and when each wants to be woken.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::HubStore;
use crate::{
    actors::{
        messages::{SessionEvent, SessionKind},
        ports::{Flushed, Outlet},
    },
    engine::{
        fan_out::SessionKey,
        wire::{self, BodyEnd, LAST_CHUNK},
    },
    stats::counters::{Dropped, Timed, Total},
};

/// Items whose time is taken at once; of more it is not.
const TO_WRITE_MAX: usize = 1_024;

impl HubStore {
    /// Gives a session its way out; the head goes before everything that arrived meanwhile.
    pub fn begin(&mut self, key: SessionKey, outlet: Rc<dyn Outlet>, head: Bytes) {
        let Some(entry) = self.sessions.get_mut(key.0 as usize) else {
            return;
        };
        entry.outlet = Some(outlet);
        if !head.is_empty() {
            entry.outbox.put_head(head);
        }
        self.note_begun(key);
        self.mark_dirty(key);
    }

    /// Appends content that P-8 adds itself, unless the client is not keeping up anyway.
    pub fn append_content(&mut self, key: SessionKey, content: Bytes) {
        let entry = self.sessions.get(key.0 as usize);
        if entry.is_some_and(|entry| entry.outbox.is_empty()) {
            self.append_body(key, content);
        }
    }

    /// Appends a part of the stream that must not be left out.
    pub fn append_body(&mut self, key: SessionKey, content: Bytes) {
        let Some(entry) = self.sessions.get_mut(key.0 as usize) else {
            return;
        };
        if entry.is_closing {
            return;
        }
        entry.outbox.append(framed(entry.body_end, content));
        self.mark_dirty(key);
    }

    /// The parts of a message follow.
    pub fn begin_message(&mut self, key: SessionKey) {
        if let Some(entry) = self.sessions.get_mut(key.0 as usize) {
            entry.outbox.begin_message();
        }
    }

    /// The message is whole, and the items that have waited for that may leave.
    pub fn end_message(&mut self, key: SessionKey) {
        if let Some(entry) = self.sessions.get_mut(key.0 as usize) {
            entry.outbox.end_message();
        }
        self.mark_dirty(key);
    }

    /// Returns how many bytes wait to be written to a session.
    pub fn queued_bytes(&self, key: SessionKey) -> usize {
        let entry = self.sessions.get(key.0 as usize);
        entry.map_or(0, |entry| entry.outbox.bytes())
    }

    /// Returns how many of those belong to no item.
    pub fn own_bytes(&self, key: SessionKey) -> usize {
        let entry = self.sessions.get(key.0 as usize);
        entry.map_or(0, |entry| entry.outbox.own_bytes())
    }

    /// Appends the last bytes (for a chunked stream the last chunk) and ends the response once they left.
    pub fn finish(&mut self, key: SessionKey, bytes: Bytes) {
        let Some(entry) = self.sessions.get_mut(key.0 as usize) else {
            return;
        };
        if entry.is_closing {
            return;
        }
        entry.is_closing = true;
        entry.outbox.append(bytes);
        if entry.kind == SessionKind::Stream && entry.body_end == BodyEnd::Chunked {
            entry.outbox.append(LAST_CHUNK);
        }
        self.mark_dirty(key);
    }

    /// Changes when a session is woken; true if the timer must look again.
    pub fn set_deadline(&mut self, key: SessionKey, deadline: Option<Instant>) -> bool {
        let Some(entry) = self.sessions.get_mut(key.0 as usize) else {
            return false;
        };
        let old = std::mem::replace(&mut entry.deadline, deadline);
        if old == deadline {
            return false;
        }
        self.timetable.change(key, old, deadline)
    }

    /// Returns when something was last written to a session.
    pub fn last_sent(&self, key: SessionKey) -> Option<Instant> {
        self.sessions
            .get(key.0 as usize)
            .map(|entry| self.since + Duration::from_millis(entry.last_sent_ms))
    }

    /// The client takes bytes again.
    pub fn mark_dirty(&mut self, key: SessionKey) {
        let Some(entry) = self.sessions.get_mut(key.0 as usize) else {
            return;
        };
        if entry.outlet.is_some() && !entry.is_dirty {
            entry.is_dirty = true;
            self.dirty.push_back(key);
        }
    }

    /// Writes at most `sessions` dirty outboxes; true if more are waiting.
    pub fn flush_slice(&mut self, sessions: usize) -> bool {
        let now_ms = self.now_ms();
        for _ in 0..sessions.min(self.dirty.len()) {
            let Some(key) = self.dirty.pop_front() else {
                break;
            };
            let Some(entry) = self.sessions.get_mut(key.0 as usize) else {
                continue;
            };
            entry.is_dirty = false;
            let Some(outlet) = &entry.outlet else {
                continue;
            };
            let (flushed, bytes) = outlet.flush(&mut entry.outbox);
            if bytes > 0 {
                entry.last_sent_ms = now_ms;
                entry.sent_bytes += bytes as u64;
                self.counters.add(Total::BytesWritten, bytes as u64);
            }
            match flushed {
                Flushed::Drained if entry.is_closing => {
                    entry.outlet = None;
                    self.tell(key, SessionEvent::Finished);
                }
                Flushed::Drained | Flushed::Blocked => {}
                Flushed::Partly => self.mark_dirty(key),
                Flushed::Gone => {
                    let lost = entry.outbox.clear();
                    entry.is_closing = true;
                    entry.outlet = None;
                    self.counters.drop_items(Dropped::ClientGone, lost as u64);
                    self.tell(key, SessionEvent::Gone);
                }
            }
        }
        let is_waiting = !self.dirty.is_empty();
        if !is_waiting {
            self.note_written();
        }
        is_waiting
    }

    /// The item in flight is in all outboxes: its time ends when they have been written.
    pub(super) fn note_to_write(&mut self) {
        let in_flight = self.in_flight.as_ref();
        let since = in_flight.map(|in_flight| in_flight.encoded.since);
        if self.to_write.len() < TO_WRITE_MAX {
            self.to_write.extend(since);
        }
    }

    /// All that was in outboxes has been tried to write.
    fn note_written(&mut self) {
        let now = actix::clock::Instant::now().into_std();
        for since in self.to_write.drain(..) {
            let time = now.saturating_duration_since(since);
            self.counters.observe(Timed::PublishToWrite, time);
        }
    }

    /// Returns when the next session wants to be woken, or a subscription has no reason left.
    pub fn next_deadline(&self) -> Option<Instant> {
        let lingering = self.lingering.next().filter(|_| !self.is_ending_told);
        self.timetable.next().into_iter().chain(lingering).min()
    }

    /// Wakes every session whose time has come; true if subscriptions have none left.
    pub fn wake_due(&mut self, now: Instant) -> bool {
        while let Some(key) = self.timetable.due(now) {
            if let Some(entry) = self.sessions.get_mut(key.0 as usize) {
                entry.deadline = None;
                self.tell(key, SessionEvent::Timer);
            }
        }
        let has_lingered = self.lingering.next().is_some_and(|until| until <= now);
        has_lingered && !std::mem::replace(&mut self.is_ending_told, true)
    }
}

/// Frames content of a stream as its client needs it.
pub(super) fn framed(body_end: BodyEnd, content: Bytes) -> Bytes {
    match body_end {
        BodyEnd::Chunked => wire::chunk(&content),
        BodyEnd::Close | BodyEnd::Outside => content,
    }
}
