//! What all sessions of a worker, or of one channel, are told at once: one small message for each.

use super::{Entry, HubStore};
use crate::{
    actors::messages::{SessionEvent, SessionKind},
    engine::fan_out::SessionKey,
    grip::channel::ChannelName,
};

impl HubStore {
    /// Tells whether every hold ends at once.
    pub fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Tells every session to end, and those that come later as soon as they are held.
    pub fn drain(&mut self) {
        self.is_draining = true;
        let keys = self.sessions.iter().map(|(key, _)| SessionKey(key as u32));
        keys.for_each(|key| self.tell(key, SessionEvent::Drain));
    }

    /// Tells every session that it may have missed items.
    pub fn recover(&mut self) {
        let keys = self.sessions.iter().map(|(key, _)| SessionKey(key as u32));
        keys.for_each(|key| self.tell_to_refresh(key));
    }

    /// Tells every session on a channel that it may have missed items.
    pub fn refresh(&mut self, name: &ChannelName) {
        let index = self.names.get(name).copied();
        let Some(channel) = index.and_then(|index| self.channels.get(index as usize)) else {
            return;
        };
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
