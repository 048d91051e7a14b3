//! The machine of a session that looks at each item itself: every long-poll, and streams with filters,
//! prev-ids or a next link.
//!
//! It decides what becomes of each item, when the backend is asked again, and what its answer means.
//! Not its concern: sockets, subscriptions, whose turn it is. A plain stream needs none of this: its
//! items go from the hub to its outbox.
//!
//! ```text
//! item ─▶ follows? ─▶ filters ─▶ Append, Respond        items wait while a filter asks the backend,
//!           │ no                                        while something is missing, and while the
//!           └▶ gap ─▶ TakeTurn ─▶ Ask ─▶ on_answer      backend's word may change what they mean
//! ```
//!
//! Source: `docs/grip.md#recovery`.

mod output;
mod steps;
mod terms;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    filtering::Filtered,
    prev_ids::Before,
    recovery::Recovery,
    response_hold::ResponseHold,
    stream_hold::{self, StreamHold},
};
use crate::grip::{
    channel::ChannelName,
    filter::{Filter, FilterError, Verdict},
    instruct::NextLink,
    publish::{ResponseFormat, StreamFormat},
};

pub use output::{Asked, End, FilterAnswer, LinkAnswer, Moment, Output, Published, Skipped};
pub use terms::{Beginning, Terms};

/// A session.
#[derive(Debug)]
pub struct Session<E> {
    kind: Kind,
    terms: Terms,
    recovery: Recovery,
    waiting: VecDeque<E>,
    /// How many of the first that wait were there when the backend last said something.
    doubtful: usize,
    /// Channels that are to catch up, though nothing of theirs waits.
    conflicts: Vec<ChannelName>,
    /// More items came than may wait while the backend was asked.
    has_overflowed: bool,
    pending: Option<Pending<E>>,
    /// Its turn came while a filter was pending.
    has_turn: bool,
    /// A part of the next link's answer was appended, and the rest is on its way.
    is_amid_answer: bool,
    is_over: bool,
    outputs: VecDeque<Output<E>>,
}

#[derive(Debug)]
enum Kind {
    Response {
        hold: ResponseHold,
        can_retry: bool,
    },
    Stream {
        hold: StreamHold,
        next: Option<Next>,
    },
}

/// A next link and when it is asked if a channel is silent.
#[derive(Debug)]
struct Next {
    link: NextLink,
    due: Instant,
}

/// An item whose filter waits for the backend.
#[derive(Debug)]
struct Pending<E> {
    entry: E,
    filter: Filter,
    at: usize,
    content: Bytes,
    before: Before,
}

impl<E: Published> Session<E> {
    /// Makes a long-poll; `can_retry` if its request can be asked again.
    pub fn response(hold: ResponseHold, can_retry: bool, terms: Terms) -> Self {
        Self::new(Kind::Response { hold, can_retry }, terms)
    }

    /// Makes a stream.
    pub fn stream(hold: StreamHold, next: Option<NextLink>, terms: Terms, now: Instant) -> Self {
        let next = next.map(|link| Next::new(link, now));
        Self::new(Kind::Stream { hold, next }, terms)
    }

    fn new(kind: Kind, terms: Terms) -> Self {
        Self {
            kind,
            terms,
            recovery: Recovery::default(),
            waiting: VecDeque::new(),
            doubtful: 0,
            conflicts: Vec::new(),
            has_overflowed: false,
            pending: None,
            has_turn: false,
            is_amid_answer: false,
            is_over: false,
            outputs: VecDeque::new(),
        }
    }

    /// Begins: what came meanwhile is taken as far as the backend does not know it.
    pub fn begin(&mut self, beginning: Beginning<E>, moment: Moment) {
        self.waiting = beginning.waiting;
        if self.must_end_for_want_of_a_link() {
            return;
        }
        let is_first = beginning.told.is_none();
        let told = beginning.told.unwrap_or_default();
        let conflicts = self.unsettled(beginning.conflicts, &told);
        let missed = self.catch_up(conflicts);
        if missed && matches!(self.kind, Kind::Response { .. }) && is_first {
            self.ask_now();
        } else if missed {
            self.miss(moment);
        }
        self.go_on(moment);
        self.doubt();
    }

    /// Asks the next link at once: the response had no hold but a link.
    pub fn begin_chain(&mut self) {
        self.ask_now();
    }

    /// Returns the next thing to do.
    pub fn next_output(&mut self) -> Option<Output<E>> {
        self.outputs.pop_front()
    }

    /// Returns when [`Session::on_timer`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let own = match &self.kind {
            _ if self.is_over => return None,
            Kind::Response { hold, .. } => hold.deadline(),
            Kind::Stream { hold, next } => {
                let due = next.as_ref().map(|next| next.due);
                hold.deadline().into_iter().chain(due).min()
            }
        };
        own.into_iter().chain(self.recovery.deadline()).min()
    }

    /// Takes an item.
    pub fn on_item(&mut self, entry: E, moment: Moment) {
        if self.is_over {
            return;
        }
        let is_hint = self.action(&entry) == Some(Action::Hint);
        let is_idle = self.pending.is_none() && !self.recovery.is_asking();
        // What a channel means that the backend's answer has just brought is said by that answer.
        let is_early =
            self.recovery.is_asking() && !self.terms.prev_ids.knows(&entry.item().channel);
        // A hint may speak of what the answer that is on its way does not know yet.
        let has_to_wait = match is_hint {
            true => !is_idle,
            false => self.is_blocked(),
        };
        if is_early || has_to_wait {
            self.wait(entry, moment);
            self.catch_up_by_itself();
            self.go_on(moment);
        } else {
            self.take(entry, moment);
        }
    }

    /// Wants the backend asked, as soon as others who want the same have gathered.
    pub fn on_refresh(&mut self, moment: Moment) {
        if !self.is_over && self.can_ask() {
            self.recovery.refresh(moment.now, moment.jitter);
        }
    }

    /// The turn that was asked for has come; without an [`Output::Ask`] it is not needed any more.
    pub fn on_turn(&mut self) {
        self.has_turn = self.pending.is_some();
        if self.is_over || self.has_turn || !self.recovery.on_turn() {
            return;
        }
        let link = match &self.kind {
            Kind::Response { .. } => None,
            Kind::Stream { next, .. } => next.as_ref().map(|next| next.link.uri.clone()),
        };
        if let Kind::Response { .. } = self.kind {
            self.is_over = true;
            // The next hold begins with what waits, but for what this one has doubted already.
            self.catch_up(Vec::new());
        }
        let last = self.terms.prev_ids.last();
        self.outputs.push_back(Output::Ask(Asked { link, last }));
    }

    /// Tells whether there is still something to ask the backend for when the turn comes.
    pub fn wants_turn(&self) -> bool {
        !self.is_over && self.recovery.is_waiting()
    }

    /// Returns how many items it has taken and done nothing with yet.
    pub fn in_hand(&self) -> usize {
        self.waiting.len() + usize::from(self.pending.is_some())
    }

    /// Gives out what waits: a long-poll's request is asked again, and its next hold has use for it.
    pub fn into_waiting(self) -> VecDeque<E> {
        self.waiting
    }

    /// Takes the backend's word on an item.
    pub fn on_filtered(&mut self, answer: Result<FilterAnswer, FilterError>, moment: Moment) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let Pending {
            entry,
            filter,
            at,
            content,
            before,
        } = pending;
        let verdict = answer.and_then(|answer| answer.judge(filter, content));
        match verdict {
            Ok(Verdict::Pass(content)) => self.filter(entry, content, before, at + 1),
            Ok(Verdict::Drop) => self.skip(entry, Skipped::Filtered),
            // Judging asks nothing itself.
            Ok(Verdict::Ask { .. }) => {}
            Err(error) => {
                self.terms.prev_ids.go_back(before);
                self.skip(entry, Skipped::FilterError(error));
            }
        }
        if self.pending.is_none() && std::mem::take(&mut self.has_turn) {
            self.on_turn();
        }
        self.go_on(moment);
    }

    /// The next link's answer has begun to be appended: nothing may come in between.
    pub fn on_answer_begun(&mut self) {
        self.is_amid_answer = true;
        self.recovery.hold_up();
    }

    /// Takes what a stream's next link was answered.
    pub fn on_answer(&mut self, answer: LinkAnswer, moment: Moment) {
        let Kind::Stream { hold, next } = &mut self.kind else {
            return;
        };
        if self.is_over || !self.recovery.is_asking() {
            return;
        }
        self.recovery.settle();
        self.is_amid_answer = false;
        if !answer.body.is_empty() {
            self.outputs.push_back(Output::AppendBody(answer.body));
        }
        let is_over = !answer.is_hold && answer.next.is_none();
        hold.change(answer.keep_alive, moment.now, moment.jitter);
        *next = answer.next.map(|link| Next::new(link, moment.now));
        let told = std::mem::replace(&mut self.terms.prev_ids, answer.prev_ids).last();
        self.terms.filtering = answer.filtering;
        if is_over {
            return self.finish(End::Told);
        }
        if !answer.is_hold {
            self.ask_now();
        } else if self.must_end_for_want_of_a_link() {
            return;
        }
        let conflicts = std::mem::take(&mut self.conflicts);
        self.unsettled(conflicts, &told);
        // A chain of links that bring channels in turns must not go on for ever.
        let forgotten = answer.conflicts.iter().cloned().map(Output::Forget);
        self.outputs.extend(forgotten);
        if self.catch_up(answer.conflicts) {
            self.miss(moment);
        }
        self.go_on(moment);
        self.doubt();
    }

    /// The next link could not be asked, or its answer is of no use.
    pub fn on_failure(&mut self, moment: Moment) {
        if self.is_over || !self.recovery.is_asking() {
            return;
        }
        if self.recovery.on_failure(moment.now, moment.jitter) {
            self.catch_up_by_itself();
            self.go_on(moment);
        } else {
            self.finish(End::LinkFailed);
        }
    }

    /// Looks at the clock; `last_sent` is when something was last written to the client.
    pub fn on_timer(&mut self, last_sent: Instant, moment: Moment) {
        let Moment { now, jitter } = moment;
        if self.is_over {
            return;
        }
        match &mut self.kind {
            Kind::Response { hold, .. } => {
                if let Some(response) = hold.on_timer(now) {
                    return self.respond(response, None);
                }
            }
            Kind::Stream { hold, next } => {
                match hold.on_timer(now, last_sent, jitter) {
                    stream_hold::Output::Append(content) if !self.is_amid_answer => {
                        self.outputs.push_back(Output::KeepAlive(content));
                    }
                    _ => {}
                }
                if let Some(next) = next.as_mut().filter(|next| next.due <= now) {
                    next.wait_from(now);
                    if !self.terms.prev_ids.were_all_heard() {
                        self.recovery.refresh(now, jitter);
                    }
                }
            }
        }
        if self.recovery.on_timer(now) {
            self.outputs.push_back(Output::TakeTurn);
        }
    }

    /// Ends in good order.
    pub fn on_drain(&mut self) {
        if !self.is_over {
            self.end(if self.is_amid_answer {
                End::Cut
            } else {
                End::Told
            });
        }
    }
}

impl Next {
    fn new(link: NextLink, now: Instant) -> Self {
        let mut next = Self { link, due: now };
        next.wait_from(now);
        next
    }

    fn wait_from(&mut self, now: Instant) {
        let timeout_secs = self.link.timeout_secs.max(1);
        self.due = now + Duration::from_secs(u64::from(timeout_secs));
    }
}

/// What an item wants of a session of its kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Send,
    Hint,
    Close,
    Nothing,
}
