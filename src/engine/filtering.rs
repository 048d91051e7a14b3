//! What a session's filters do to the items it is delivered, and to its first body.
//!
//! Which ids they see is known by `prev_ids`; a filter that asks the backend stops the run until its
//! answer is there. Source: `docs/grip.md#filters`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::prev_ids::PrevIds;
use crate::grip::{
    channel::ChannelName,
    filter::{self, Context, Filter, FilterError, Verdict},
    instruct::Subscription,
    network_filter::Question,
    publish::Item,
};

/// What becomes of an item's content.
#[derive(Debug, PartialEq)]
pub enum Filtered {
    /// It is delivered, as edited.
    Pass(Bytes),
    /// A filter keeps it from this session.
    Drop,
    /// A filter could not be applied; the item is not delivered.
    Error(FilterError),
    /// The backend is to be asked; the run goes on behind the filter at this place.
    Ask {
        /// Place of the filter that asks.
        at: usize,
        /// The content so far.
        content: Bytes,
        /// What the backend is asked.
        question: Box<Question>,
    },
}

/// The filters of one session.
#[derive(Debug, Default)]
pub struct Filtering {
    /// Full channel name and filters, for each subscription with a known one.
    filters: Vec<(ChannelName, Vec<Filter>)>,
    meta: BTreeMap<String, String>,
}

impl Filtering {
    /// Takes the filters of a hold.
    pub fn new(
        subscriptions: &[Subscription],
        prefix: Option<&str>,
        meta: &BTreeMap<String, String>,
    ) -> Self {
        let known = |subscription: &Subscription| -> Vec<Filter> {
            let names = subscription.filters.iter();
            names.filter_map(|name| Filter::parse(name)).collect()
        };
        let full = |channel: &ChannelName| channel.prefixed(prefix.unwrap_or_default());
        let filters = subscriptions
            .iter()
            .map(|subscription| (full(&subscription.channel), known(subscription)));
        let filters: Vec<_> = filters.filter(|(_, known)| !known.is_empty()).collect();
        let meta = if filters.is_empty() {
            BTreeMap::new()
        } else {
            meta.clone()
        };
        Self { filters, meta }
    }

    /// Tells whether no channel has a filter.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Tells whether a filter edits bodies, which must be there whole for that.
    pub fn edits_bodies(&self) -> bool {
        self.filters
            .iter()
            .any(|(_, filters)| filters.contains(&Filter::BuildId))
    }

    /// Tells whether a filter asks the backend.
    pub fn asks_backend(&self) -> bool {
        let mut filters = self.filters.iter().flat_map(|(_, filters)| filters);
        filters.any(|filter| filter.is_network())
    }

    /// Judges and edits the content of an item, whose id is already its channel's in `ids`.
    ///
    /// `from` is the place of the first filter to run: behind the one that asked the backend.
    pub fn on_item(&self, item: &Item, content: Bytes, ids: &PrevIds, from: usize) -> Filtered {
        let filters = self.of(&item.channel);
        let context = self.context(&item.meta, ids);
        let rest = filters.get(from..).unwrap_or_default();
        match filter::apply(rest, &context, content) {
            Ok(Verdict::Pass(content)) => Filtered::Pass(content),
            Ok(Verdict::Drop) => Filtered::Drop,
            Err(error) => Filtered::Error(error),
            Ok(Verdict::Ask { at, content }) => {
                let Some(asking) = rest.get(at) else {
                    return Filtered::Pass(content);
                };
                match Question::new(*asking, &context, &content) {
                    Ok(question) => Filtered::Ask {
                        at: from + at,
                        content,
                        question: Box::new(question),
                    },
                    Err(error) => Filtered::Error(error),
                }
            }
        }
    }

    /// Tells whether an item's content is meant for the filters of this session.
    pub fn suits(&self, item: &Item, content_filters: Option<&[String]>) -> bool {
        content_filters
            .is_none_or(|wanted| filter::content_filters_match(wanted, self.of(&item.channel)))
    }

    /// Edits a body with the filters of all channels, each once.
    pub fn on_body(&self, body: Bytes, ids: &PrevIds) -> Result<Bytes, FilterError> {
        let mut filters: Vec<Filter> = Vec::new();
        for filter in self.filters.iter().flat_map(|(_, filters)| filters) {
            if !filters.contains(filter) {
                filters.push(*filter);
            }
        }
        let none = BTreeMap::new();
        filter::apply_to_body(&filters, &self.context(&none, ids), body)
    }

    fn of(&self, channel: &ChannelName) -> &[Filter] {
        let filters = self.filters.iter().find(|(known, _)| known == channel);
        filters.map_or(&[], |(_, filters)| filters)
    }

    fn context<'a>(
        &'a self,
        publish_meta: &'a BTreeMap<String, String>,
        ids: &'a PrevIds,
    ) -> Context<'a> {
        Context {
            meta: &self.meta,
            publish_meta,
            ids: ids.ids(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grip::{channel::ItemId, publish::Formats};

    fn subscription(channel: &str, prev_id: Option<&str>, filters: &[&str]) -> Subscription {
        Subscription {
            channel: ChannelName::new(channel),
            prev_id: prev_id.map(ItemId::new),
            filters: filters.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn item(channel: &str, id: &str, meta: &[(&str, &str)]) -> Item {
        Item {
            channel: ChannelName::new(channel),
            id: Some(ItemId::new(id)),
            prev_id: None,
            formats: Formats::default(),
            meta: pairs(meta),
            size: None,
            no_seq: false,
        }
    }

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
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
        assert!(Filtering::new(&none, None, &pairs(&[])).is_empty());
    }

    #[test]
    fn only_the_channel_with_the_filter_is_filtered() {
        let subscriptions = [
            subscription("a", None, &["skip-self"]),
            subscription("b", None, &[]),
        ];
        let ids = PrevIds::new(&[], &subscriptions, Some("pre-"));
        let filtering = Filtering::new(&subscriptions, Some("pre-"), &pairs(&[("user", "alice")]));
        let judge = |channel| {
            let item = item(channel, "1", &[("sender", "alice")]);
            filtering.on_item(&item, Bytes::from("x"), &ids, 0)
        };
        assert_eq!(judge("pre-a"), Filtered::Drop);
        assert_eq!(judge("pre-b"), Filtered::Pass(Bytes::from("x")));
    }

    #[test]
    fn bodies_and_items_see_the_ids_of_their_time() {
        let subscriptions = [subscription("a", Some("4"), &["build-id"])];
        let mut ids = PrevIds::new(&[], &subscriptions, None);
        let filtering = Filtering::new(&subscriptions, None, &pairs(&[("id_format", "%(a)s")]));
        assert_eq!(
            filtering.on_body(Bytes::from("id: %I"), &ids),
            Ok(Bytes::from("id: 4"))
        );
        let item = item("a", "5", &[]);
        ids.advance(&item);
        let passed = filtering.on_item(&item, Bytes::from("id: %I"), &ids, 0);
        assert_eq!(passed, Filtered::Pass(Bytes::from("id: 5")));
    }

    #[test]
    fn the_run_goes_on_behind_a_filter_that_asked() {
        let subscriptions = [subscription(
            "a",
            None,
            &["skip-self", "http-check", "var-subst"],
        )];
        let ids = PrevIds::new(&[], &subscriptions, None);
        let meta = pairs(&[("url", "/check"), ("user", "alice")]);
        let filtering = Filtering::new(&subscriptions, None, &meta);
        let item = item("a", "5", &[]);
        let content = Bytes::from("%(user)s");
        let Filtered::Ask { at, question, .. } = filtering.on_item(&item, content.clone(), &ids, 0)
        else {
            panic!("the backend is asked first")
        };
        assert_eq!((at, question.url.as_str()), (1, "/check"));
        let passed = filtering.on_item(&item, content, &ids, at + 1);
        assert_eq!(passed, Filtered::Pass(Bytes::from("alice")));
    }

    #[test]
    fn content_for_other_filters_does_not_suit() {
        let subscriptions = [subscription("a", Some("4"), &["build-id"])];
        let filtering = Filtering::new(&subscriptions, None, &pairs(&[]));
        let item = item("a", "5", &[]);
        for (wanted, suits) in [("var-subst", false), ("build-id", true)] {
            assert_eq!(filtering.suits(&item, Some(&[wanted.to_owned()])), suits);
        }
        assert!(filtering.suits(&item, None));
    }
}
