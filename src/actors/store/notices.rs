//! What all sessions of a worker, or of one channel, are told at once: one small message for each.

use super::{Entry, HubStore};
use crate::{
    actors::messages::{SessionEvent, SessionKind},
    engine::fan_out::SessionKey,
    grip::channel::ChannelName,
    stats::counters::Total,
};

impl HubStore {
    /// Tells whether every hold ends at once.
    pub fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Has every session that is held later end at once, tells those that have no socket of their own
    /// and would not be waited for, and returns the others.
    pub fn begin_drain(&mut self) -> Vec<SessionKey> {
        self.is_draining = true;
        let mut others = Vec::with_capacity(self.sessions.len());
        for (key, entry) in &self.sessions {
            let key = SessionKey(key as u32);
            match entry.outlet {
                Some(_) => others.push(key),
                None => self.tell(key, SessionEvent::Drain),
            }
        }
        others
    }

    /// Tells sessions to end.
    pub fn end(&self, keys: &[SessionKey]) {
        keys.iter()
            .for_each(|key| self.tell(*key, SessionEvent::Drain));
    }

    /// Tells every session that it may have missed items.
    pub fn recover(&mut self) {
        let keys = self.sessions.iter().map(|(key, _)| SessionKey(key as u32));
        keys.for_each(|key| self.tell_to_refresh(key));
    }

    /// Tells every session on a channel that it may have missed items.
    pub fn refresh(&mut self, name: &ChannelName, epoch: u64) {
        let index = self.names.get(name).copied();
        let Some(channel) = index.and_then(|index| self.channels.get(index as usize)) else {
            return;
        };
        if !channel.subscription.listens_to(epoch) {
            return self.counters.add(Total::DeliveriesStale, 1);
        }
        for key in channel.members.iter() {
            self.tell_to_refresh(key);
        }
    }

    /// A plain stream has nobody to ask, and what a WebSocket has missed is not known.
    fn tell_to_refresh(&self, key: SessionKey) {
        let entry = self.sessions.get(key.0 as usize);
        let is_socket = |entry: &Entry| matches!(entry.kind, SessionKind::Socket { .. });
        if entry.is_some_and(|entry| entry.is_attentive && !is_socket(entry)) {
            self.tell(key, SessionEvent::Refresh);
        }
    }
}
