//! What a fresh handler hears of the channels that a lost one had, in slices.

use std::collections::{HashMap, VecDeque};

use super::HubStore;
use crate::{
    actors::messages::{Announced, Reannounce},
    grip::channel::{ChannelName, ItemId},
};

/// Channels looked at between two looks at the rest of the worker's work.
const SLICE: usize = 1_024;

/// Which handlers are to be told, and the last items of what was told.
#[derive(Default)]
pub(super) struct Reannounced {
    /// Each with the channel it goes on at.
    wanted: VecDeque<(Reannounce, usize)>,
    /// Until the first delivery of the fresh handler, by generation: if that is the same item, its
    /// publisher was not told that it went out, and has published it again.
    last: HashMap<u64, ItemId>,
}

impl Reannounced {
    /// Tells whether a delivery is the item that went out last before its handler was replaced.
    pub(super) fn is_repeat(&mut self, generation: u64, id: Option<&ItemId>) -> bool {
        if self.last.is_empty() {
            return false;
        }
        let last = self.last.remove(&generation);
        if self.last.is_empty() {
            self.last = HashMap::new();
        }
        last.is_some() && last.as_ref() == id
    }

    /// The subscription has ended.
    pub(super) fn forget(&mut self, generation: u64) {
        if !self.last.is_empty() {
            self.last.remove(&generation);
        }
    }
}

/// A part of what a fresh handler is told.
pub struct Part {
    /// What it asked.
    pub asked: Reannounce,
    /// Some of the subscriptions.
    pub channels: Vec<Announced>,
    /// There are no more.
    pub is_last: bool,
}

impl HubStore {
    /// A share of the channels has another handler.
    pub fn begin_reannouncing(&mut self, asked: Reannounce) {
        self.reannounced.wanted.push_back((asked, 0));
    }

    /// Tells whether fresh handlers are still to be told.
    pub fn is_reannouncing(&self) -> bool {
        !self.reannounced.wanted.is_empty()
    }

    /// Has subscriptions wait for their fresh handler and returns what it must hear; none if it has.
    pub fn reannounce_some(&mut self, is_of: impl Fn(usize, &ChannelName) -> bool) -> Option<Part> {
        let (asked, from) = self.reannounced.wanted.front().copied()?;
        let to = (from + SLICE).min(self.channels.capacity());
        let mut channels = Vec::new();
        for index in from..to {
            let Some(channel) = self.channels.get_mut(index) else {
                continue;
            };
            if !is_of(asked.share, &channel.name) || !channel.subscription.on_replaced(asked.epoch)
            {
                continue;
            }
            let generation = channel.subscription.generation();
            if let Some(last) = &channel.last {
                self.reannounced.last.insert(generation, last.clone());
            }
            channels.push(Announced {
                channel: channel.name.clone(),
                generation,
                last: channel.last.clone(),
                tally: channel.tally.clone(),
            });
        }
        let is_last = to == self.channels.capacity();
        if is_last {
            self.reannounced.wanted.pop_front();
        } else if let Some((_, next)) = self.reannounced.wanted.front_mut() {
            *next = to;
        }
        Some(Part {
            asked,
            channels,
            is_last,
        })
    }
}
