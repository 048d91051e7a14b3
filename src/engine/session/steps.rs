//! The steps of a session's machine: one item on its way, and what waits.

use bytes::Bytes;

use super::{
    Action, Before, End, Filtered, Kind, Moment, Output, Pending, Published, ResponseFormat,
    Session, Skipped, StreamFormat, Terms,
};
use crate::grip::{
    channel::{ChannelName, ItemId},
    response::Response,
};

impl<E: Published> Session<E> {
    /// Takes what waits, as far as nothing is in the way.
    pub(super) fn go_on(&mut self, moment: Moment) {
        while !self.is_over && !self.is_blocked() {
            let Some(entry) = self.waiting.pop_front() else {
                break;
            };
            self.take(entry, moment);
        }
        self.check_invariants();
    }

    /// Tells whether items have to wait.
    pub(super) fn is_blocked(&self) -> bool {
        self.pending.is_some()
            || self.recovery.has_gap()
            || (self.recovery.is_asking() && self.waits_for_answer())
    }

    /// Tells whether nothing goes on while the backend is asked: it may cover what comes, or change the
    /// filters that an item is in.
    fn waits_for_answer(&self) -> bool {
        let Terms {
            prev_ids,
            filtering,
            ..
        } = &self.terms;
        prev_ids.is_checked() || filtering.asks_backend() || !self.waiting.is_empty()
    }

    /// Tells whether there is somebody to ask when something was missed.
    pub(super) fn can_ask(&self) -> bool {
        match &self.kind {
            Kind::Response { can_retry, .. } => *can_retry,
            Kind::Stream { next, .. } => next.is_some(),
        }
    }

    /// Puts an item behind those that wait.
    pub(super) fn wait(&mut self, entry: E, moment: Moment) {
        if self.waiting.len() < self.terms.waiting_max {
            return self.waiting.push_back(entry);
        }
        if self.terms.prev_ids.checked(&entry.item().channel).is_some() {
            // Whoever is checked gets it from the backend.
            self.has_overflowed |= self.recovery.is_asking();
            self.on_refresh(moment);
        }
        self.skip(entry, Skipped::QueueFull);
    }

    /// The backend need not be asked for what has arrived by itself.
    pub(super) fn catch_up_by_itself(&mut self) {
        let has_waiting =
            |channel: &ChannelName| self.waiting.iter().any(|e| e.item().channel == *channel);
        if self.recovery.may_catch_up()
            && self.conflicts.iter().all(has_waiting)
            && self.terms.prev_ids.is_bridged(&self.waiting, E::item)
        {
            self.catch_up(Vec::new());
            self.recovery.on_caught_up();
        }
    }

    /// Leaves out the channels of which the backend says once more what it was told: there the memory
    /// of the channel is wrong.
    pub(super) fn unsettled(
        &mut self,
        mut conflicts: Vec<ChannelName>,
        told: &[(ChannelName, ItemId)],
    ) -> Vec<ChannelName> {
        conflicts.retain(|channel| {
            let is_repeated = self.terms.prev_ids.is_one_of(channel, told);
            if is_repeated {
                self.outputs.push_back(Output::Forget(channel.clone()));
            }
            !is_repeated
        });
        conflicts
    }

    /// Puts what waits in order, less what the session's ids cover; true if something is missing
    /// that nothing of what waits will tell.
    pub(super) fn catch_up(&mut self, conflicts: Vec<ChannelName>) -> bool {
        self.conflicts = conflicts;
        // A conflict is none if what waits leads on from the backend's last item.
        self.conflicts
            .retain(|channel| !self.waiting.iter().any(|e| e.item().channel == *channel));
        let doubtful = std::mem::take(&mut self.doubtful);
        let prev_ids = &self.terms.prev_ids;
        let superseded = prev_ids.catch_up(&mut self.waiting, E::item, doubtful);
        self.supersede(superseded);
        std::mem::take(&mut self.has_overflowed) || !self.conflicts.is_empty()
    }

    /// What does not follow the backend's word is given up if it does not follow the next one either.
    pub(super) fn doubt(&mut self) {
        self.doubtful = if self.recovery.has_gap() {
            self.waiting.len()
        } else {
            0
        };
    }

    pub(super) fn supersede(&mut self, items: usize) {
        if items > 0 {
            self.outputs.push_back(Output::Supersede(items));
        }
    }

    /// A checked channel without a next link cannot be kept complete.
    pub(super) fn must_end_for_want_of_a_link(&mut self) -> bool {
        let is_stream = matches!(self.kind, Kind::Stream { .. });
        let must_end = is_stream && !self.can_ask() && self.terms.prev_ids.is_checked();
        if must_end {
            self.finish(End::NoNextLink);
        }
        must_end
    }

    /// Something was missed: asks the backend soon, or ends where nobody can be asked.
    pub(super) fn miss(&mut self, moment: Moment) {
        if self.can_ask() {
            self.recovery.miss(moment.now, moment.jitter);
        } else {
            self.end(End::NoNextLink);
        }
    }

    /// Asks the backend as soon as it is this session's turn.
    pub(super) fn ask_now(&mut self) {
        if !self.can_ask() {
            if let Kind::Response { .. } = self.kind {
                self.end(End::Told);
            }
        } else if self.recovery.ask_now() {
            self.outputs.push_back(Output::TakeTurn);
        }
    }

    /// The backend has something to say, and says it before what is behind the hint.
    fn on_hint(&mut self) {
        if !self.is_over {
            self.ask_now();
            self.recovery.hold_up();
        }
    }

    pub(super) fn action(&self, entry: &E) -> Option<Action> {
        let formats = &entry.item().formats;
        match &self.kind {
            Kind::Response { .. } => formats.response.as_ref().map(|format| match format {
                ResponseFormat::Send(_) => Action::Send,
                ResponseFormat::Hint => Action::Hint,
                ResponseFormat::Close | ResponseFormat::Refresh => Action::Nothing,
            }),
            Kind::Stream { .. } => formats.stream.as_ref().map(|format| match format {
                StreamFormat::Send { .. } => Action::Send,
                StreamFormat::Hint => Action::Hint,
                StreamFormat::Close => Action::Close,
                StreamFormat::Refresh => Action::Nothing,
            }),
        }
    }

    /// Takes one item that nothing stands in the way of.
    pub(super) fn take(&mut self, entry: E, moment: Moment) {
        let Some(action) = self.action(&entry) else {
            return;
        };
        let prev_ids = &self.terms.prev_ids;
        if !prev_ids.knows(&entry.item().channel) || prev_ids.has(entry.item()) {
            return self.supersede(1);
        }
        if !prev_ids.follows(entry.item()) {
            return self.on_mismatch(entry, action, moment);
        }
        if action == Action::Send && !self.suits(&entry) {
            return self.skip(entry, Skipped::ContentFilters);
        }
        let before = self.terms.prev_ids.advance(entry.item());
        match action {
            Action::Send => self.send(entry, before),
            Action::Hint => self.on_hint(),
            Action::Close => self.finish(End::Told),
            Action::Nothing => {}
        }
    }

    /// An item does not follow the last one.
    fn on_mismatch(&mut self, entry: E, action: Action, moment: Moment) {
        if action == Action::Hint {
            // The backend says what it hints at.
            self.supersede(1);
            return self.on_hint();
        }
        self.waiting.push_front(entry);
        self.miss(moment);
    }

    fn suits(&self, entry: &E) -> bool {
        let formats = &entry.item().formats;
        let wanted = match &self.kind {
            Kind::Response { .. } => match &formats.response {
                Some(ResponseFormat::Send(send)) => send.content_filters.as_deref(),
                _ => None,
            },
            Kind::Stream { .. } => match &formats.stream {
                Some(StreamFormat::Send {
                    content_filters, ..
                }) => content_filters.as_deref(),
                _ => None,
            },
        };
        self.terms.filtering.suits(entry.item(), wanted)
    }

    fn send(&mut self, entry: E, before: Before) {
        let formats = &entry.item().formats;
        let content = match (&self.kind, &formats.response, &formats.stream) {
            (Kind::Response { hold, .. }, Some(ResponseFormat::Send(send)), _) => {
                hold.content(send)
            }
            (Kind::Stream { .. }, _, Some(StreamFormat::Send { content, .. })) => {
                Ok(content.clone())
            }
            _ => return,
        };
        match content {
            Ok(content) => self.filter(entry, content, before, 0),
            Err(error) => {
                self.terms.prev_ids.go_back(before);
                self.skip(entry, Skipped::Unpatchable(error));
                self.ask_now();
            }
        }
    }

    /// Runs the filters from this place on.
    pub(super) fn filter(&mut self, entry: E, content: Bytes, before: Before, from: usize) {
        let Self { terms, .. } = self;
        let filtered = terms
            .filtering
            .on_item(entry.item(), content, &terms.prev_ids, from);
        match filtered {
            Filtered::Pass(content) => self.deliver(entry, content),
            Filtered::Drop => self.skip(entry, Skipped::Filtered),
            Filtered::Error(error) => self.skip(entry, Skipped::FilterError(error)),
            Filtered::Ask {
                at,
                content,
                question,
            } => {
                let filter = question.filter;
                self.outputs.push_back(Output::Filter(question));
                self.pending = Some(Pending {
                    entry,
                    filter,
                    at,
                    content,
                    before,
                });
            }
        }
    }

    fn deliver(&mut self, entry: E, content: Bytes) {
        let Kind::Response { hold, .. } = &mut self.kind else {
            return self.outputs.push_back(Output::Append(content, entry));
        };
        let answer = match &entry.item().formats.response {
            Some(ResponseFormat::Send(send)) => hold.answer(send, content),
            _ => None,
        };
        if let Some(response) = answer {
            self.respond(response, Some(entry));
        }
    }

    pub(super) fn skip(&mut self, entry: E, why: Skipped) {
        self.outputs.push_back(Output::Skip(entry, why));
    }

    pub(super) fn respond(&mut self, response: Response, of: Option<E>) {
        self.outputs.push_back(Output::Respond(response, of));
        self.leave();
    }

    pub(super) fn finish(&mut self, end: End) {
        self.outputs.push_back(Output::Finish(end));
        self.leave();
    }

    /// Ends in good order, whatever the kind.
    pub(super) fn end(&mut self, end: End) {
        match &mut self.kind {
            Kind::Response { hold, .. } => {
                if let Some(response) = hold.on_end() {
                    self.respond(response, None);
                }
            }
            Kind::Stream { .. } => self.finish(end),
        }
    }

    /// It is over; what waits is not for it any more.
    fn leave(&mut self) {
        self.is_over = true;
        let in_hand = self.in_hand();
        self.waiting.clear();
        self.pending = None;
        self.supersede(in_hand);
    }

    fn check_invariants(&self) {
        debug_assert!(self.waiting.len() <= self.terms.waiting_max + 1);
        debug_assert!(self.is_over || self.is_blocked() || self.waiting.is_empty());
        debug_assert!(!self.has_turn || self.pending.is_some());
        debug_assert!(self.pending.is_none() || !self.recovery.is_asking());
    }
}
