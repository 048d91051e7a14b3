//! What a session's filters do to the items it is delivered, and to its first body.
//!
//! Only filters that need no network; `http-check` and `http-modify` are not applied yet: items pass
//! them. Keeps the ids that filters see: a channel's moves on with each item, delivered or dropped.
//!
//! Source: `docs/grip.md#filters`.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::grip::{
    channel::{ChannelName, ItemId},
    filter::{self, Context, Filter, FilterError, Verdict},
    instruct::{HoldMode, Instruct, Subscription},
    publish::Item,
};

/// What becomes of an item's content.
#[derive(Debug, PartialEq)]
pub enum Filtered {
    /// It is delivered, as edited.
    Pass(Bytes),
    /// A filter keeps it from this session.
    Drop,
    /// Its `content-filters` are not this session's.
    OtherFilters,
    /// A filter could not be applied; the item is not delivered.
    Error(FilterError),
}

/// The filters of one session.
#[derive(Debug)]
pub struct Filtering {
    /// Full channel name and filters, for each subscription.
    filters: Vec<(ChannelName, Vec<Filter>)>,
    /// Bare channel name and current id, in the same order.
    ids: Vec<(ChannelName, Option<ItemId>)>,
    meta: BTreeMap<String, String>,
}

impl Filtering {
    /// Takes the filters of a hold; none if no subscription names one that is known.
    pub fn new(
        subscriptions: &[Subscription],
        prefix: Option<&str>,
        meta: &BTreeMap<String, String>,
    ) -> Option<Self> {
        let mut names = subscriptions.iter().flat_map(|s| &s.filters);
        if !names.any(|name| Filter::parse(name).is_some()) {
            return None;
        }
        let known = |subscription: &Subscription| -> Vec<Filter> {
            let names = subscription.filters.iter();
            names.filter_map(|name| Filter::parse(name)).collect()
        };
        let full = |channel: &ChannelName| channel.prefixed(prefix.unwrap_or_default());
        Some(Self {
            filters: subscriptions
                .iter()
                .map(|subscription| (full(&subscription.channel), known(subscription)))
                .collect(),
            ids: subscriptions
                .iter()
                .map(|subscription| (subscription.channel.clone(), subscription.prev_id.clone()))
                .collect(),
            meta: meta.clone(),
        })
    }

    /// Takes the filters of an instruct, and applies those that edit bodies to what is sent at once.
    ///
    /// A body that is not there whole (`is_cut`) is left alone.
    pub fn of_instruct(
        instruct: &mut Instruct,
        prefix: Option<&str>,
        is_cut: bool,
    ) -> Result<Option<Self>, FilterError> {
        let filtering = Self::new(&instruct.subscriptions, prefix, &instruct.meta);
        let mode = instruct.hold.as_ref().map(|hold| hold.mode);
        if let (Some(filtering), false, None | Some(HoldMode::Stream)) = (&filtering, is_cut, mode)
        {
            instruct.response.body = filtering.on_body(instruct.response.body.clone())?;
        }
        Ok(filtering)
    }

    /// Judges and edits the content of an item; its id becomes its channel's, delivered or dropped.
    ///
    /// Content meant for other filters moves nothing.
    pub fn on_item(
        &mut self,
        item: &Item,
        content: Bytes,
        content_filters: Option<&[String]>,
    ) -> Filtered {
        let place = self
            .filters
            .iter()
            .position(|(channel, _)| *channel == item.channel);
        let filters: &[Filter] = place
            .and_then(|place| self.filters.get(place))
            .map_or(&[], |(_, filters)| filters);
        if content_filters.is_some_and(|wanted| !filter::content_filters_match(wanted, filters)) {
            return Filtered::OtherFilters;
        }
        if let Some((_, id)) = place.and_then(|place| self.ids.get_mut(place)) {
            id.clone_from(&item.id);
        }
        let context = Context {
            meta: &self.meta,
            publish_meta: &item.meta,
            ids: &self.ids,
        };
        match filter::apply(filters, &context, content) {
            Ok(Verdict::Pass(content)) => Filtered::Pass(content),
            Ok(Verdict::Drop) => Filtered::Drop,
            Err(error) => Filtered::Error(error),
        }
    }

    /// Edits a first body with the filters of all channels, each once.
    pub fn on_body(&self, body: Bytes) -> Result<Bytes, FilterError> {
        let mut filters: Vec<Filter> = Vec::new();
        for filter in self.filters.iter().flat_map(|(_, filters)| filters) {
            if !filters.contains(filter) {
                filters.push(*filter);
            }
        }
        let none = BTreeMap::new();
        let context = Context {
            meta: &self.meta,
            publish_meta: &none,
            ids: &self.ids,
        };
        filter::apply_to_body(&filters, &context, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grip::publish::Formats;

    fn subscription(channel: &str, prev_id: Option<&str>, filters: &[&str]) -> Subscription {
        Subscription {
            channel: ChannelName::new(channel),
            prev_id: prev_id.map(ItemId::new),
            filters: filters.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn item(channel: &str, id: &str, meta: &[(&str, &str)]) -> Item {
        let meta = meta.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Item {
            channel: ChannelName::new(channel),
            id: Some(ItemId::new(id)),
            prev_id: None,
            formats: Formats::default(),
            meta: meta.collect(),
            size: None,
            no_seq: false,
        }
    }

    fn meta(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn without_a_known_filter_there_is_nothing_to_do() {
        let none = [
            subscription("a", None, &[]),
            subscription("b", None, &["nobody-knows"]),
        ];
        assert!(Filtering::new(&none, None, &meta(&[])).is_none());
    }

    #[test]
    fn only_the_channel_with_the_filter_is_filtered() {
        let subscriptions = [
            subscription("a", None, &["skip-self"]),
            subscription("b", None, &[]),
        ];
        let session = meta(&[("user", "alice")]);
        let mut filtering = Filtering::new(&subscriptions, Some("pre-"), &session).unwrap();
        let mut judge = |channel| {
            let item = item(channel, "1", &[("sender", "alice")]);
            filtering.on_item(&item, Bytes::from("x"), None)
        };
        assert_eq!(judge("pre-a"), Filtered::Drop);
        assert_eq!(judge("pre-b"), Filtered::Pass(Bytes::from("x")));
    }

    #[test]
    fn ids_move_on_with_each_item() {
        let subscriptions = [subscription("a", Some("4"), &["build-id", "skip-self"])];
        let session = meta(&[("id_format", "%(a)s"), ("user", "alice")]);
        let mut filtering = Filtering::new(&subscriptions, None, &session).unwrap();
        assert_eq!(
            filtering.on_body(Bytes::from("id: %I")),
            Ok(Bytes::from("id: 4"))
        );
        let own = item("a", "5", &[("sender", "alice")]);
        assert_eq!(
            filtering.on_item(&own, Bytes::from("%I"), None),
            Filtered::Drop
        );
        assert_eq!(filtering.on_body(Bytes::from("%I")), Ok(Bytes::from("5")));
        let next = item("a", "6", &[]);
        let passed = filtering.on_item(&next, Bytes::from("id: %I"), None);
        assert_eq!(passed, Filtered::Pass(Bytes::from("id: 6")));
    }

    #[test]
    fn content_for_other_filters_is_skipped_and_moves_nothing() {
        let subscriptions = [subscription("a", Some("4"), &["build-id"])];
        let session = meta(&[("id_format", "%(a)s")]);
        let mut filtering = Filtering::new(&subscriptions, None, &session).unwrap();
        let wanted = ["var-subst".to_owned()];
        let judged = filtering.on_item(&item("a", "5", &[]), Bytes::from("x"), Some(&wanted));
        assert_eq!(judged, Filtered::OtherFilters);
        assert_eq!(filtering.on_body(Bytes::from("%I")), Ok(Bytes::from("4")));
    }
}
