//! Items of a session that looks at each itself: its filters run, one item at a time.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{super::ws::Close, Moment, Output, WebSocket};
use crate::{
    engine::{
        filtering::{Filtered, Filtering},
        prev_ids::PrevIds,
        session::{FilterAnswer, Published, Skipped},
    },
    grip::{
        filter::{Filter, FilterError, Verdict},
        publish::WsFormat,
    },
};

/// The items of a session and its filters.
#[derive(Debug)]
pub(super) struct Items<E> {
    waiting: VecDeque<E>,
    pending: Option<Pending<E>>,
    filtering: Filtering,
    ids: PrevIds,
}

/// An item whose filter waits for the backend.
#[derive(Debug)]
struct Pending<E> {
    entry: E,
    filter: Filter,
    at: usize,
    content: Bytes,
}

impl<E> Default for Items<E> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            pending: None,
            filtering: Filtering::default(),
            ids: PrevIds::default(),
        }
    }
}

impl<E: Published> WebSocket<E> {
    /// Takes an item.
    pub fn on_item(&mut self, entry: E, moment: Moment) {
        if self.is_open() {
            let items = self.rare.as_ref().map(|rare| &rare.items);
            let blocked = items.filter(|items| items.pending.is_some());
            // One close finds room behind a full queue.
            let is_close = matches!(entry.item().formats.ws, Some(WsFormat::Close { .. }));
            let max = self.waiting_max as usize + usize::from(is_close);
            match blocked.map(|items| items.waiting.len()) {
                None => self.take_item(entry, moment),
                Some(waits) if waits < max => {
                    self.rare().items.waiting.push_back(entry);
                }
                Some(_) => self.skip(entry, Skipped::QueueFull),
            }
        }
        self.settle(moment);
    }

    /// The backend is to be asked, if it is one that is.
    pub fn on_refresh(&mut self, moment: Moment) {
        if self.is_open() {
            self.refresh();
        }
        self.settle(moment);
    }

    fn refresh(&mut self) {
        if let Some(posts) = self.backend.posts() {
            posts.on_refresh();
        }
    }

    /// Takes the backend's word on an item.
    pub fn on_filtered(&mut self, answer: Result<FilterAnswer, FilterError>, moment: Moment) {
        // What a closed session still has goes with it.
        if self.is_open() {
            self.go_on(answer, moment);
        }
        self.settle(moment);
    }

    fn go_on(&mut self, answer: Result<FilterAnswer, FilterError>, moment: Moment) {
        let Some(pending) = self.rare().items.pending.take() else {
            return;
        };
        let Pending {
            entry,
            filter,
            at,
            content,
        } = pending;
        let verdict = answer.and_then(|answer| answer.judge(filter, content));
        match verdict {
            Ok(Verdict::Pass(content)) => self.filter(entry, content, at + 1, moment),
            Ok(Verdict::Drop) => self.skip(entry, Skipped::Filtered),
            // Judging asks nothing itself.
            Ok(Verdict::Ask { .. }) => {}
            Err(error) => self.on_filter_error(entry, error, moment),
        }
        while self.is_open() && self.rare().items.pending.is_none() {
            let Some(entry) = self.rare().items.waiting.pop_front() else {
                break;
            };
            self.take_item(entry, moment);
        }
    }

    /// Returns how many items it has taken and done nothing with yet.
    pub fn in_hand(&self) -> usize {
        let items = self.rare.as_ref().map(|rare| &rare.items);
        items.map_or(0, |items| {
            items.waiting.len() + usize::from(items.pending.is_some())
        })
    }

    /// The channels, their filters or the meta have changed.
    pub(super) fn renew_filters(&mut self) {
        if self.rare.is_none() && !self.is_attentive() {
            return;
        }
        let before = std::mem::take(&mut self.rare().items.ids);
        let (filtering, ids) = self.subscriptions.filtering(&before);
        let items = &mut self.rare().items;
        (items.filtering, items.ids) = (filtering, ids);
    }

    fn take_item(&mut self, entry: E, moment: Moment) {
        match &entry.item().formats.ws {
            Some(WsFormat::Send {
                content,
                content_filters,
                ..
            }) => {
                let content = content.clone();
                let filters = content_filters.as_deref();
                let items = &mut self.rare.get_or_insert_default().items;
                if !items.filtering.suits(entry.item(), filters) {
                    return self.on_other_filters(entry, moment);
                }
                items.ids.advance(entry.item());
                self.filter(entry, content, 0, moment);
            }
            Some(WsFormat::Close { code, reason }) => {
                let reason = reason.clone();
                let close = code.map(|code| Close { code, reason });
                self.on_published_close(close, moment);
            }
            Some(WsFormat::Refresh) => self.refresh(),
            Some(WsFormat::Hint) | None => {}
        }
    }

    /// Runs the filters from this place on.
    fn filter(&mut self, entry: E, content: Bytes, from: usize, moment: Moment) {
        let items = &mut self.rare.get_or_insert_default().items;
        let filtered = items
            .filtering
            .on_item(entry.item(), content, &items.ids, from);
        match filtered {
            Filtered::Pass(content) => self.say_item(entry, content),
            Filtered::Drop => self.skip(entry, Skipped::Filtered),
            Filtered::Error(error) => self.on_filter_error(entry, error, moment),
            Filtered::Ask {
                at,
                content,
                question,
            } => {
                items.pending = Some(Pending {
                    entry,
                    filter: question.filter,
                    at,
                    content,
                });
                self.outputs.push_back(Output::Ask(question));
            }
        }
    }

    /// Says an item as its filters have edited it.
    fn say_item(&mut self, entry: E, content: Bytes) {
        let is_sendable = match &entry.item().formats.ws {
            Some(WsFormat::Send { kind, .. }) => kind.takes(&content),
            _ => true,
        };
        match is_sendable {
            true => self.outputs.push_back(Output::Item(entry, content)),
            false => self.skip(entry, Skipped::Unsendable),
        }
    }

    fn on_other_filters(&mut self, entry: E, moment: Moment) {
        self.skip(entry, Skipped::ContentFilters);
        if self.route.debug {
            let why = "content-filters of an item are not those of the subscription";
            self.close_client_by(1011, why, moment.now);
        }
    }

    fn on_filter_error(&mut self, entry: E, error: FilterError, moment: Moment) {
        let why = error.to_string();
        self.skip(entry, Skipped::FilterError(error));
        if self.route.debug {
            self.close_client_by(1011, &why, moment.now);
        }
    }

    fn skip(&mut self, entry: E, why: Skipped) {
        self.outputs.push_back(Output::Skip(entry, why));
    }
}
