//! The channels of a WebSocket session, with their filters and the meta that filters see.

use std::collections::BTreeMap;

use super::super::{filtering::Filtering, plan::Wanted, prev_ids::PrevIds};
use crate::grip::{channel::ChannelName, filter::Filter, instruct::Subscription};

/// Most meta fields of a session, and most bytes of them together.
const META_FIELDS_MAX: usize = 64;
const META_BYTES_MAX: usize = 16_384;

/// The channels of one session.
#[derive(Debug)]
pub(super) struct Subscriptions {
    /// Full names; the implicit ones first.
    channels: Vec<ChannelName>,
    implicit: u16,
    max: u32,
    filtered: Option<Box<Filtered>>,
}

/// What a session without filters and meta does not have.
#[derive(Debug, Default)]
struct Filtered {
    filters: Vec<(ChannelName, Vec<String>)>,
    meta: BTreeMap<String, String>,
}

/// What became of a wish to subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is a channel of the session.
    Yes,
    /// There are too many.
    TooMany,
}

impl Subscriptions {
    pub(super) fn new(mut implicit: Vec<ChannelName>, max: usize) -> Self {
        implicit.shrink_to_fit();
        Self {
            implicit: u16::try_from(implicit.len()).unwrap_or(u16::MAX),
            channels: implicit,
            max: u32::try_from(max).unwrap_or(u32::MAX),
            filtered: None,
        }
    }

    /// Returns what to subscribe to.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        let wanted = |channel: &ChannelName| Wanted {
            channel: channel.clone(),
            prev_id: None,
        };
        self.channels.iter().map(wanted).collect()
    }

    /// Subscribes to a channel by its full name; again replaces its filters.
    pub(super) fn add(&mut self, channel: ChannelName, filters: Vec<String>) -> Added {
        let known = self.channels.contains(&channel);
        let instructed = self.channels.len() - usize::from(self.implicit);
        // As Pushpin has it, at the limit nothing is subscribed to again either.
        if instructed >= self.max as usize {
            return Added::TooMany;
        }
        if !known {
            self.channels.reserve_exact(1);
            self.channels.push(channel.clone());
        }
        self.set_filters(channel, filters);
        Added::Yes
    }

    /// Leaves a channel, unless it is an implicit one; true if it was there.
    pub(super) fn remove(&mut self, channel: &ChannelName) -> bool {
        let mut channels = self.channels.iter().skip(usize::from(self.implicit));
        let Some(place) = channels.position(|known| known == channel) else {
            return false;
        };
        self.channels.remove(place + usize::from(self.implicit));
        self.set_filters(channel.clone(), Vec::new());
        true
    }

    fn set_filters(&mut self, channel: ChannelName, filters: Vec<String>) {
        let is_any = filters.iter().any(|name| Filter::parse(name).is_some());
        if self.filtered.is_none() && !is_any {
            return;
        }
        let filtered = self.filtered.get_or_insert_default();
        filtered.filters.retain(|(known, _)| *known != channel);
        if is_any {
            filtered.filters.push((channel, filters));
        }
    }

    /// Sets or removes a meta field; false if there are too many.
    pub(super) fn set_meta(&mut self, name: String, value: Option<String>) -> bool {
        let meta = &mut self.filtered.get_or_insert_default().meta;
        let Some(value) = value else {
            meta.remove(&name);
            return true;
        };
        let others = meta.iter().filter(|(known, _)| **known != name);
        let (fields, bytes) = others.fold((0, 0), |(fields, bytes), (name, value)| {
            (fields + 1, bytes + name.len() + value.len())
        });
        let fits = fields < META_FIELDS_MAX && bytes + name.len() + value.len() <= META_BYTES_MAX;
        if fits {
            meta.insert(name, value);
        }
        fits
    }

    /// Tells whether a channel has a filter that P-8 knows.
    pub(super) fn has_filters(&self) -> bool {
        let filtered = self.filtered.as_ref();
        filtered.is_some_and(|filtered| !filtered.filters.is_empty())
    }

    /// Makes the filters, and the ids that they see.
    pub(super) fn filtering(&self, before: &PrevIds) -> (Filtering, PrevIds) {
        let none = Filtered::default();
        let filtered = self.filtered.as_deref().unwrap_or(&none);
        let filters_of = |channel: &ChannelName| {
            let known = filtered.filters.iter().find(|(known, _)| known == channel);
            known
                .map(|(_, filters)| filters.clone())
                .unwrap_or_default()
        };
        let subscription = |channel: &ChannelName| Subscription {
            channel: channel.clone(),
            prev_id: None,
            filters: filters_of(channel),
        };
        let all: Vec<_> = self.channels.iter().map(subscription).collect();
        let filtering = Filtering::new(&all, None, &filtered.meta);
        let mut ids = PrevIds::new(&[], &all, None);
        ids.keep_ids(before);
        (filtering, ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(subscriptions: &Subscriptions) -> Vec<String> {
        let wanted = subscriptions.wanted().into_iter();
        wanted.map(|wanted| wanted.channel.to_string()).collect()
    }

    #[test]
    fn implicit_channels_stay_and_are_not_counted() {
        let mut subscriptions = Subscriptions::new(vec!["i".into()], 2);
        assert_eq!(subscriptions.add("a".into(), vec![]), Added::Yes);
        assert_eq!(subscriptions.add("b".into(), vec![]), Added::Yes);
        for channel in ["c", "a"] {
            assert_eq!(subscriptions.add(channel.into(), vec![]), Added::TooMany);
        }
        assert!(!subscriptions.remove(&"i".into()) && !subscriptions.remove(&"x".into()));
        assert!(subscriptions.remove(&"a".into()));
        assert_eq!(names(&subscriptions), ["i", "b"]);
    }

    #[test]
    fn filters_are_replaced_and_unknown_ones_are_none() {
        let mut subscriptions = Subscriptions::new(vec![], 20);
        subscriptions.add("a".into(), vec!["nobody-knows".into()]);
        assert!(!subscriptions.has_filters() && subscriptions.filtered.is_none());
        subscriptions.add("a".into(), vec!["skip-self".into()]);
        assert!(subscriptions.has_filters());
        assert!(!subscriptions.filtering(&PrevIds::default()).0.is_empty());
        subscriptions.add("a".into(), vec![]);
        assert!(!subscriptions.has_filters());
        assert_eq!(names(&subscriptions), ["a"]);
    }

    #[test]
    fn meta_is_bounded() {
        let mut subscriptions = Subscriptions::new(vec![], 20);
        for field in 0..META_FIELDS_MAX {
            assert!(subscriptions.set_meta(field.to_string(), Some("x".into())));
        }
        assert!(!subscriptions.set_meta("more".into(), Some("x".into())));
        assert!(subscriptions.set_meta("0".into(), Some("y".into())));
        assert!(subscriptions.set_meta("1".into(), None));
        let long = "x".repeat(META_BYTES_MAX);
        assert!(!subscriptions.set_meta("more".into(), Some(long)));
        assert!(subscriptions.set_meta("more".into(), Some("x".into())));
    }
}
