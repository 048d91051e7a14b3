//! Instructions while they are gathered from headers and JSON.

use std::collections::{BTreeMap, HashMap};

use super::{Hold, HoldMode, Instruct, Subscription};
use super::{DEFAULT_TIMEOUT_SECS, FILTERS_MAX, MIN_TIMEOUT_SECS};
use crate::grip::channel::ChannelName;
use crate::grip::error::{excerpt, InstructError};
use crate::grip::keep_alive::KeepAlive;
use crate::grip::link::Links;
use crate::grip::response::Response;

/// What is known of the instructions so far; `None` where nothing was said.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) mode: Option<HoldMode>,
    pub(super) timeout_secs: Option<u32>,
    pub(super) subscriptions: Subscriptions,
    pub(super) keep_alive: Option<KeepAlive>,
    pub(super) meta: BTreeMap<String, String>,
    pub(super) links: Links,
    /// `Grip-Status`: the code and a reason of its own.
    pub(super) status: Option<(u16, Option<String>)>,
}

/// Channels in the order of their first mention; a channel's last mention counts.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    list: Vec<Subscription>,
    places: HashMap<ChannelName, usize>,
}

impl Draft {
    /// Fills in the defaults and leaves out what the hold has no use for.
    pub(super) fn finish(self, response: Response) -> Instruct {
        let timeout_secs = self
            .timeout_secs
            .unwrap_or(DEFAULT_TIMEOUT_SECS)
            .max(MIN_TIMEOUT_SECS);
        let streams = self.mode != Some(HoldMode::Response);
        Instruct {
            hold: self.mode.map(|mode| Hold { mode, timeout_secs }),
            subscriptions: self.subscriptions.list,
            keep_alive: self.keep_alive.filter(|_| streams),
            meta: self.meta,
            next: self.links.next.filter(|_| streams),
            gone: self.links.gone,
            response,
        }
    }
}

impl Subscriptions {
    /// Adds a channel, or replaces all that was said of it before.
    ///
    /// **Errors**: too many filters.
    pub(super) fn add(&mut self, subscription: Subscription) -> Result<(), InstructError> {
        if subscription.filters.len() > FILTERS_MAX {
            let channel = excerpt(subscription.channel.as_str());
            return Err(InstructError::TooManyFilters(channel));
        }
        let end = self.list.len();
        let place = *self
            .places
            .entry(subscription.channel.clone())
            .or_insert(end);
        match self.list.get_mut(place) {
            Some(earlier) => *earlier = subscription,
            None => self.list.push(subscription),
        }
        Ok(())
    }
}
