//! Subscriptions without sessions, which are kept for a while for the long-polls that come back.

use std::time::Instant;

use super::{ChannelChange, HubStore};
use crate::{engine::lingering::Lingerer, stats::counters::Total};

impl HubStore {
    /// Keeps a subscription without sessions for a while if a long-poll had it, else ends it.
    pub(super) fn linger(&mut self, index: u32) {
        let now = actix::clock::Instant::now().into_std();
        let Some(channel) = self.channels.get_mut(index as usize) else {
            return;
        };
        let until = channel.linger_until.filter(|until| *until > now);
        let Some(until) = until.filter(|_| channel.subscription.is_live()) else {
            return self.end_channel(index);
        };
        if std::mem::replace(&mut channel.is_lingering, true) {
            return;
        }
        let generation = channel.subscription.generation();
        self.lingering.set_max(self.options.load().lingering_max);
        let before = self.lingering.next();
        self.is_timer_stale |= before.is_none_or(|first| until < first);
        let oldest = self.lingering.keep(until, Lingerer { index, generation });
        if let Some(oldest) = oldest {
            self.counters.add(Total::LingersCut, 1);
            self.stop_lingering(oldest, None);
        }
    }

    /// Ends the subscriptions that nobody came back to.
    pub fn end_lingering(&mut self, now: Instant) {
        self.is_ending_told = false;
        while let Some(lingerer) = self.lingering.due(now) {
            self.stop_lingering(lingerer, Some(now));
        }
        // More than one only after the bound was lowered.
        while let Some(lingerer) = self.lingering.surplus() {
            self.counters.add(Total::LingersCut, 1);
            self.stop_lingering(lingerer, None);
        }
        self.give_back_memory();
    }

    /// With a time, only if that subscription has not been used again since.
    fn stop_lingering(&mut self, Lingerer { index, generation }: Lingerer, now: Option<Instant>) {
        let Some(channel) = self.channels.get_mut(index as usize) else {
            return;
        };
        if channel.subscription.generation() != generation {
            return;
        }
        channel.is_lingering = false;
        let is_used_again = now.is_some_and(|now| channel.linger_until.is_some_and(|at| at > now));
        if !channel.members.is_empty() {
            return;
        }
        if is_used_again {
            self.linger(index);
        } else {
            self.end_channel(index);
        }
    }

    fn end_channel(&mut self, index: u32) {
        let Some(channel) = self.channels.try_remove(index as usize) else {
            return;
        };
        if self.names.get(&channel.name) == Some(&index) {
            self.names.remove(&channel.name);
        }
        self.note_channel(&channel.name);
        self.in_flight
            .take_if(|in_flight| in_flight.channel == index);
        let generation = channel.subscription.generation();
        self.reannounced.forget(generation);
        self.changes.push(ChannelChange::Unsubscribe {
            channel: channel.name,
            generation,
        });
    }
}
