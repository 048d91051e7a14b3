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
    channels: Names,
    max: u32,
    implicit: u16,
    /// Items are for the session, be there filters or not.
    is_attentive: bool,
    filtered: Option<Box<Filtered>>,
}

/// Names of channels; most sessions have one.
#[derive(Debug)]
enum Names {
    One(ChannelName),
    /// None at all, too.
    #[expect(clippy::box_collection, reason = "a session with one name is smaller")]
    Others(Option<Box<Vec<ChannelName>>>),
}

impl Names {
    fn as_slice(&self) -> &[ChannelName] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Others(names) => names.as_ref().map_or(&[], |names| names.as_slice()),
        }
    }

    fn as_mut_slice(&mut self) -> &mut [ChannelName] {
        match self {
            Self::One(name) => std::slice::from_mut(name),
            Self::Others(names) => names.as_mut().map_or(&mut [], |names| names.as_mut_slice()),
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Vec<ChannelName>)) {
        let mut names = match std::mem::replace(self, Self::Others(None)) {
            Self::One(name) => vec![name],
            Self::Others(names) => names.map(|names| *names).unwrap_or_default(),
        };
        change(&mut names);
        *self = names.into();
    }
}

impl From<Vec<ChannelName>> for Names {
    fn from(mut names: Vec<ChannelName>) -> Self {
        match names.len() {
            1 => names.pop().map_or(Self::Others(None), Self::One),
            0 => Self::Others(None),
            _ => {
                names.shrink_to_fit();
                Self::Others(Some(Box::new(names)))
            }
        }
    }
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
    pub(super) fn new(implicit: Vec<ChannelName>, max: usize, is_attentive: bool) -> Self {
        Self {
            implicit: u16::try_from(implicit.len()).unwrap_or(u16::MAX),
            channels: implicit.into(),
            is_attentive,
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
        self.channels.as_slice().iter().map(wanted).collect()
    }

    /// Puts names that others know already in the place of equal ones.
    pub(super) fn share_names(&mut self, known: impl Fn(&ChannelName) -> Option<ChannelName>) {
        for name in self.channels.as_mut_slice() {
            if let Some(known) = known(name) {
                *name = known;
            }
        }
    }

    /// Subscribes to a channel by its full name; again replaces its filters.
    pub(super) fn add(&mut self, channel: ChannelName, filters: Vec<String>) -> Added {
        let channels = self.channels.as_slice();
        let known = channels.contains(&channel);
        let instructed = channels.len() - usize::from(self.implicit);
        // As Pushpin has it, at the limit nothing is subscribed to again either.
        if instructed >= self.max as usize {
            return Added::TooMany;
        }
        if !known {
            self.channels.change(|names| names.push(channel.clone()));
        }
        self.set_filters(channel, filters);
        Added::Yes
    }

    /// Leaves a channel, unless it is an implicit one; true if it was there.
    pub(super) fn remove(&mut self, channel: &ChannelName) -> bool {
        let implicit = usize::from(self.implicit);
        let mut channels = self.channels.as_slice().iter().skip(implicit);
        let Some(place) = channels.position(|known| known == channel) else {
            return false;
        };
        self.channels
            .change(|names| drop(names.remove(place + implicit)));
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

    /// Tells whether items are for the session itself.
    pub(super) fn are_attentive(&self) -> bool {
        self.is_attentive || self.has_filters()
    }

    /// Tells whether a channel has a filter that P-8 knows.
    fn has_filters(&self) -> bool {
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
        let all: Vec<_> = self.channels.as_slice().iter().map(subscription).collect();
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
        let mut subscriptions = Subscriptions::new(vec!["i".into()], 2, false);
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
    fn names_are_shared_with_those_who_have_them() {
        let known = ChannelName::new("a");
        let mut subscriptions = Subscriptions::new(vec!["i".into(), "a".into()], 2, false);
        subscriptions.share_names(|name| (*name == known).then(|| known.clone()));
        assert_eq!(names(&subscriptions), ["i", "a"]);
        let kept = subscriptions.channels.as_slice();
        assert_eq!(kept[1].as_str().as_ptr(), known.as_str().as_ptr());
        assert!(std::mem::size_of::<Subscriptions>() <= 32);
    }

    #[test]
    fn filters_are_replaced_and_unknown_ones_are_none() {
        let mut subscriptions = Subscriptions::new(vec![], 20, false);
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
        let mut subscriptions = Subscriptions::new(vec![], 20, false);
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
