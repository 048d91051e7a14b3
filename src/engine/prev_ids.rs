//! Where a session stands in each of its channels: the id of the last item it has, checked or not.
//!
//! A channel is checked if its subscription gave a prev-id: then an item must follow the one before
//! it, until an item without id ends the checking. Filters see the ids of all channels.
//!
//! Source: `docs/grip.md#recovery`.

mod linked;

use std::collections::VecDeque;

use self::linked::Linked;

use crate::grip::{
    channel::{ChannelName, ItemId},
    instruct::Subscription,
    publish::Item,
};

/// The ids of one session.
#[derive(Clone, Debug, Default)]
pub struct PrevIds {
    /// Bare name and current id, as filters and the backend know them.
    ids: Vec<(ChannelName, Option<ItemId>)>,
    /// More of the same channels, in the same order.
    channels: Vec<Standing>,
}

#[derive(Clone, Debug)]
struct Standing {
    /// With the route's prefix.
    full_name: ChannelName,
    is_checked: bool,
    /// An item came since the next link was last asked.
    is_heard: bool,
}

/// What a session was before an item moved it on.
#[derive(Clone, Debug, Default)]
pub struct Before(Option<(usize, Option<ItemId>, bool)>);

impl PrevIds {
    /// Takes a hold's channels: the implicit ones by their names, the others with the route's prefix.
    pub fn new(
        implicit: &[ChannelName],
        subscriptions: &[Subscription],
        prefix: Option<&str>,
    ) -> Self {
        let mut ids = Self::default();
        for channel in implicit {
            ids.add(channel.clone(), channel.clone(), None);
        }
        for subscription in subscriptions {
            let full_name = subscription.channel.prefixed(prefix.unwrap_or_default());
            ids.add(
                subscription.channel.clone(),
                full_name,
                subscription.prev_id.clone(),
            );
        }
        ids
    }

    fn add(&mut self, name: ChannelName, full_name: ChannelName, id: Option<ItemId>) {
        if self.place(&full_name).is_some() {
            return;
        }
        self.channels.push(Standing {
            full_name,
            is_checked: id.is_some(),
            is_heard: false,
        });
        self.ids.push((name, id));
    }

    fn place(&self, channel: &ChannelName) -> Option<usize> {
        self.channels
            .iter()
            .position(|standing| standing.full_name == *channel)
    }

    /// Takes over what is known of the channels that were there before.
    pub fn keep_ids(&mut self, before: &Self) {
        for (name, id) in &mut self.ids {
            let known = before.ids.iter().find(|(known, _)| known == name);
            if let Some((_, Some(known))) = known {
                *id = Some(known.clone());
            }
        }
    }

    /// Returns the bare names with the current ids.
    pub fn ids(&self) -> &[(ChannelName, Option<ItemId>)] {
        &self.ids
    }

    /// Tells whether any channel is checked.
    pub fn is_checked(&self) -> bool {
        self.channels.iter().any(|standing| standing.is_checked)
    }

    /// Returns the bare names and ids of the checked channels: what the backend is told.
    pub fn last(&self) -> Vec<(ChannelName, ItemId)> {
        let checked = self.ids.iter().zip(&self.channels);
        checked
            .filter(|(_, standing)| standing.is_checked)
            .filter_map(|((name, id), _)| Some((name.clone(), id.clone()?)))
            .collect()
    }

    /// Returns the id that an item of this channel must follow; none if it is not checked.
    pub fn checked(&self, channel: &ChannelName) -> Option<&ItemId> {
        let place = self.place(channel)?;
        let is_checked = self.channels.get(place)?.is_checked;
        self.ids.get(place)?.1.as_ref().filter(|_| is_checked)
    }

    /// Tells whether a checked channel has one of these ids, which are by bare names.
    pub fn is_one_of(&self, channel: &ChannelName, known: &[(ChannelName, ItemId)]) -> bool {
        let place = self.place(channel);
        let own = place.and_then(|place| self.ids.get(place));
        own.is_some_and(|(own, id)| {
            known
                .iter()
                .any(|(name, known)| name == own && Some(known) == id.as_ref())
        })
    }

    /// Tells whether an item follows what the session has.
    pub fn follows(&self, item: &Item) -> bool {
        self.checked(&item.channel)
            .is_none_or(|id| item.prev_id.as_ref() == Some(id))
    }

    /// Tells whether a checked session has this very item already.
    pub fn has(&self, item: &Item) -> bool {
        let known = self.checked(&item.channel);
        known.is_some() && known == item.id.as_ref()
    }

    /// Moves on to an item; one without id ends the checking of its channel.
    pub fn advance(&mut self, item: &Item) -> Before {
        let Some(place) = self.place(&item.channel) else {
            return Before::default();
        };
        let (Some(standing), Some((_, id))) =
            (self.channels.get_mut(place), self.ids.get_mut(place))
        else {
            return Before::default();
        };
        let before = Before(Some((place, id.take(), standing.is_checked)));
        id.clone_from(&item.id);
        standing.is_checked &= id.is_some();
        standing.is_heard = true;
        before
    }

    /// Goes back to before an item that was not seen after all.
    pub fn go_back(&mut self, before: Before) {
        let Some((place, id, is_checked)) = before.0 else {
            return;
        };
        if let (Some(standing), Some(known)) =
            (self.channels.get_mut(place), self.ids.get_mut(place))
        {
            standing.is_checked = is_checked;
            known.1 = id;
        }
    }

    /// Tells whether every channel had an item since this was last asked.
    pub fn were_all_heard(&mut self) -> bool {
        let all = !self.channels.is_empty() && self.channels.iter().all(|s| s.is_heard);
        self.channels.iter_mut().for_each(|s| s.is_heard = false);
        all
    }

    /// Tells whether it is one of the session's channels.
    pub fn knows(&self, channel: &ChannelName) -> bool {
        self.place(channel).is_some()
    }

    /// Tells whether nothing is missing between the items that the session has and those that wait.
    pub fn is_bridged<E>(&self, waiting: &VecDeque<E>, item_of: impl Fn(&E) -> &Item) -> bool {
        let mut channels = self.channels.iter();
        channels.all(|standing| match self.checked(&standing.full_name) {
            None => true,
            Some(id) => {
                let items = waiting.iter().map(&item_of).enumerate();
                let items = items.filter(|(_, item)| item.channel == standing.full_name);
                let is_beside = |(_, item): (usize, &Item)| {
                    item.id.as_ref() == Some(id) || item.prev_id.as_ref() == Some(id)
                };
                // The second look costs more, and is rarely needed.
                items.clone().next().is_none()
                    || items.clone().any(is_beside) && Linked::new(items, id).unlinked.is_empty()
            }
        })
    }

    /// Takes out of `waiting` what the session has, and puts what leads on from there in its order; what
    /// does neither comes behind it, unless it is one of the first `doubtful` of all that waits: then it is
    /// taken out. Returns how many were.
    pub fn catch_up<E>(
        &self,
        waiting: &mut VecDeque<E>,
        item_of: impl Fn(&E) -> &Item,
        doubtful: usize,
    ) -> usize {
        let items: Vec<_> = waiting.iter().map(item_of).collect();
        let is_known = |(place, item): (usize, &&Item)| self.knows(&item.channel).then_some(place);
        // For each place, which of the items comes there.
        let mut order: Vec<Option<usize>> = items.iter().enumerate().map(is_known).collect();
        for standing in &self.channels {
            let Some(id) = self.checked(&standing.full_name) else {
                continue;
            };
            let own = items.iter().copied().enumerate();
            let own = own.filter(|(_, item)| item.channel == standing.full_name);
            let Linked { next, unlinked } = Linked::new(own.clone(), id);
            let unlinked = unlinked.into_iter().filter(|place| *place >= doubtful);
            let mut kept = next.into_iter().chain(unlinked);
            for (place, _) in own {
                if let Some(slot) = order.get_mut(place) {
                    *slot = kept.next();
                }
            }
        }
        let before = waiting.len();
        let mut entries: Vec<_> = waiting.drain(..).map(Some).collect();
        let of_place = |place: usize| entries.get_mut(place).and_then(Option::take);
        waiting.extend(order.into_iter().flatten().filter_map(of_place));
        before - waiting.len()
    }
}

#[cfg(test)]
mod tests;
