//! Where a session stands in each of its channels: the id of the last item it has, checked or not.
//!
//! A channel is checked if its subscription gave a prev-id: then an item must follow the one before
//! it, until an item without id ends the checking. Filters see the ids of all channels.
//!
//! Source: `docs/grip.md#recovery`.

use std::collections::VecDeque;

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

/// What becomes of items that waited for the backend's word.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CaughtUp {
    /// How many of them it made needless.
    pub superseded: usize,
    /// Channels whose waiting items do not follow what the backend said.
    pub gaps: Vec<ChannelName>,
}

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

    /// Tells whether what waits contains, for each checked channel, the item the session has or the one
    /// that follows it.
    pub fn is_bridged<E>(&self, waiting: &VecDeque<E>, item_of: impl Fn(&E) -> &Item) -> bool {
        self.channels.iter().all(|standing| {
            let Some(id) = self.checked(&standing.full_name) else {
                return true;
            };
            let mut items = waiting.iter().map(&item_of);
            !items.any(|item| item.channel == standing.full_name)
                || covered(waiting.iter().map(&item_of), &standing.full_name, id).is_some()
        })
    }

    /// Takes out of `waiting` what the backend's word covers: per checked channel everything up to the
    /// item it named last, or everything before the item that follows it.
    pub fn catch_up<E>(
        &self,
        waiting: &mut VecDeque<E>,
        item_of: impl Fn(&E) -> &Item,
    ) -> CaughtUp {
        let mut caught_up = CaughtUp::default();
        for standing in &self.channels {
            let Some(id) = self.checked(&standing.full_name) else {
                continue;
            };
            let of_channel = |entry: &E| item_of(entry).channel == standing.full_name;
            if !waiting.iter().any(of_channel) {
                continue;
            }
            let items = waiting.iter().map(&item_of);
            let covered = covered(items, &standing.full_name, id).unwrap_or_else(|| {
                caught_up.gaps.push(standing.full_name.clone());
                waiting.len()
            });
            let mut place = 0;
            let before = waiting.len();
            waiting.retain(|entry| {
                place += 1;
                place > covered || !of_channel(entry)
            });
            caught_up.superseded += before - waiting.len();
        }
        let before = waiting.len();
        waiting.retain(|entry| self.place(&item_of(entry).channel).is_some());
        caught_up.superseded += before - waiting.len();
        caught_up
    }
}

/// Returns how many of the items, from the first on, are no news after `id`: those up to the item of
/// that id, or before the one that follows it.
fn covered<'a>(
    items: impl DoubleEndedIterator<Item = &'a Item> + ExactSizeIterator + Clone,
    channel: &ChannelName,
    id: &ItemId,
) -> Option<usize> {
    let is_last = |item: &Item| item.channel == *channel && item.id.as_ref() == Some(id);
    let is_next = |item: &Item| item.channel == *channel && item.prev_id.as_ref() == Some(id);
    let last = items.clone().rposition(is_last).map(|last| last + 1);
    last.or_else(|| items.clone().position(is_next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grip::publish::Formats;

    fn item(channel: &str, id: Option<&str>, prev_id: Option<&str>) -> Item {
        Item {
            channel: ChannelName::new(channel),
            id: id.map(ItemId::new),
            prev_id: prev_id.map(ItemId::new),
            formats: Formats::default(),
            meta: Default::default(),
            size: None,
            no_seq: false,
        }
    }

    fn ids(channels: &[(&str, Option<&str>)]) -> PrevIds {
        let subscriptions: Vec<_> = channels
            .iter()
            .map(|(channel, prev_id)| Subscription {
                channel: ChannelName::new(channel),
                prev_id: prev_id.map(ItemId::new),
                filters: Vec::new(),
            })
            .collect();
        PrevIds::new(&[ChannelName::new("own")], &subscriptions, Some("p-"))
    }

    #[test]
    fn only_channels_with_a_prev_id_are_checked() {
        let ids = ids(&[("a", Some("3")), ("b", None)]);
        for (channel, prev_id, follows) in [
            ("p-a", Some("3"), true),
            ("p-a", Some("4"), false),
            ("p-a", None, false),
            ("p-b", None, true),
            ("own", Some("9"), true),
            ("elsewhere", Some("9"), true),
        ] {
            let item = item(channel, Some("x"), prev_id);
            assert_eq!(ids.follows(&item), follows, "{channel} {prev_id:?}");
        }
        let last = [(ChannelName::new("a"), ItemId::new("3"))];
        assert_eq!(ids.last(), last, "the backend knows the bare name");
        let names: Vec<_> = ids.ids().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["own", "a", "b"]);
    }

    #[test]
    fn items_move_the_id_on_and_one_without_id_ends_the_checking() {
        let mut ids = ids(&[("a", Some("3")), ("b", None)]);
        ids.advance(&item("p-a", Some("4"), Some("3")));
        ids.advance(&item("p-b", Some("9"), None));
        assert_eq!(ids.last(), [(ChannelName::new("a"), ItemId::new("4"))]);
        assert!(ids.has(&item("p-a", Some("4"), None)));
        let before = ids.advance(&item("p-a", None, Some("4")));
        assert!(!ids.is_checked() && ids.follows(&item("p-a", None, Some("99"))));
        ids.go_back(before);
        assert!(ids.follows(&item("p-a", None, Some("4"))) && ids.is_checked());
    }

    #[test]
    fn a_silent_channel_is_noticed_once_a_period() {
        let mut ids = ids(&[("a", None)]);
        ids.advance(&item("p-a", None, None));
        assert!(!ids.were_all_heard(), "the implicit one was silent");
        ids.advance(&item("p-a", None, None));
        ids.advance(&item("own", None, None));
        assert!(ids.were_all_heard());
        assert!(!ids.were_all_heard());
        assert!(!PrevIds::default().were_all_heard());
    }

    #[test]
    fn what_the_backend_covers_is_taken_out_of_what_waits() {
        let chain = |ids: &[u32]| -> VecDeque<Item> {
            let item = |n: &u32| {
                let prev_id = (n - 1).to_string();
                item("p-a", Some(&n.to_string()), Some(&prev_id))
            };
            ids.iter().map(item).collect()
        };
        for (waiting, known, left, has_gap) in [
            (&[4, 5, 6][..], "3", &["4", "5", "6"][..], false),
            (&[4, 5, 6], "5", &["6"], false),
            (&[4, 5, 6], "6", &[], false),
            (&[6, 4, 5], "4", &["5"], false),
            (&[5, 6], "3", &[], true),
            (&[5, 6], "9", &[], true),
            (&[], "9", &[], false),
        ] {
            let mut items = chain(waiting);
            let ids = ids(&[("a", Some(known))]);
            let caught_up = ids.catch_up(&mut items, |item| item);
            let ids: Vec<_> = items.iter().filter_map(|item| item.id.as_ref()).collect();
            let ids: Vec<_> = ids.into_iter().map(ItemId::as_str).collect();
            assert_eq!(ids, left, "{waiting:?} after {known}");
            assert_eq!(
                !caught_up.gaps.is_empty(),
                has_gap,
                "{waiting:?} after {known}"
            );
            assert_eq!(caught_up.superseded, waiting.len() - left.len());
        }
    }

    #[test]
    fn unchecked_items_wait_on_and_those_of_left_channels_go() {
        let mut waiting = VecDeque::from([
            item("p-b", Some("1"), None),
            item("p-gone", Some("1"), None),
        ]);
        let caught_up = ids(&[("b", None)]).catch_up(&mut waiting, |item| item);
        assert_eq!((waiting.len(), caught_up.superseded), (1, 1));
        assert_eq!(caught_up.gaps, []);
    }
}
