//! The machine of a WebSocket session: what its client, its backend and publishers say, and what each
//! of them hears of it.
//!
//! It closes both sides in order, relays, follows GRIP control messages and filters items. Not its
//! concern: sockets, frames (`ws`), which requests carry a client's events (`ws_over_http`), and items
//! of sessions without filters, which go from the hub to the outbox.
//!
//! ```text
//! client ──on_client──▶ ┌───────────┐ ──Post, ToBackend──▶ backend
//!        ◀──ToClient─── │ WebSocket │ ◀──on_backend─────── (events of answers, or frames)
//!                       └───────────┘ ◀──on_item────────── hub
//! ```
//!
//! Source: `docs/websockets.md`.

mod addressing;
mod backend;
mod closing;
mod control;
mod items;
mod output;
mod rare;
mod subscriptions;

#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use self::{
    addressing::Addressing,
    closing::Closing,
    output::Outputs,
    rare::{Incoming, Rare},
    subscriptions::Subscriptions,
};
pub use self::{
    backend::{Backend, Direct, FromBackend},
    output::{Note, Output, ToBackend, ToClient},
};
use super::{
    plan::Wanted,
    route::Route,
    session::Moment,
    ws::{Close, ProtocolError, Received},
    ws_over_http::{self, AnswerFacts, OverHttp},
};
use crate::grip::channel::ChannelName;

/// Longest wait for the other side's part of a close handshake.
pub const CLOSE_MAX: Duration = Duration::from_secs(5);

/// What a session is made with.
#[derive(Debug)]
pub struct Terms {
    /// Its route.
    pub route: Arc<Route>,
    /// Channels that it has from the start and cannot leave.
    pub implicit: Vec<ChannelName>,
    /// Most channels that its backend may add.
    pub subscriptions_max: usize,
    /// Most items that wait for a filter.
    pub waiting_max: usize,
    /// GRIP is spoken, and messages for the client begin with this.
    pub prefix: Option<Bytes>,
    /// Items are for the session to say, be there filters or not.
    pub is_attentive: bool,
}

/// A session.
#[derive(Debug)]
pub struct WebSocket<E> {
    route: Arc<Route>,
    backend: Backend,
    closing: Closing,
    addressing: Addressing,
    subscriptions: Subscriptions,
    waiting_max: u32,
    /// The client is not told yet that it is connected.
    is_opening: bool,
    /// A change of channels is not acknowledged yet.
    is_awaiting: bool,
    /// The client takes less than the backend says.
    is_slow: bool,
    /// The client has had a part of a message, and not its end.
    is_amid_message: bool,
    rare: Option<Box<Rare<E>>>,
    outputs: Outputs<E>,
}

impl<E: super::session::Published> WebSocket<E> {
    /// Makes a session whose backend has accepted it; what the backend says before [`WebSocket::begin`] is
    /// said behind the answer to the handshake.
    pub fn new(terms: Terms, backend: Backend) -> Self {
        Self {
            addressing: Addressing::new(terms.prefix),
            subscriptions: Subscriptions::new(
                terms.implicit,
                terms.subscriptions_max,
                terms.is_attentive || terms.route.debug,
            ),
            waiting_max: u32::try_from(terms.waiting_max).unwrap_or(u32::MAX),
            route: terms.route,
            backend,
            closing: Closing::No,
            is_opening: true,
            is_awaiting: false,
            is_slow: false,
            is_amid_message: false,
            rare: None,
            outputs: Outputs::default(),
        }
    }

    /// Returns the channels that it listens to.
    pub fn channels(&self) -> Vec<Wanted> {
        self.subscriptions.wanted()
    }

    /// Keeps the names of its channels as others have them already.
    pub fn share_names(&mut self, known: impl Fn(&ChannelName) -> Option<ChannelName>) {
        self.subscriptions.share_names(known);
    }

    /// Tells whether it looks at each item itself.
    pub fn is_attentive(&self) -> bool {
        self.subscriptions.are_attentive()
    }

    /// Its channels have acknowledged, and the client is told that it is connected.
    pub fn begin(&mut self, moment: Moment) {
        self.is_opening = false;
        self.backend.on_answer_ended();
        self.settle(moment);
    }

    /// Returns the next thing to do.
    pub fn next_output(&mut self) -> Option<Output<E>> {
        self.outputs.pop_front()
    }

    /// Tells whether more of the client's bytes are wanted.
    pub fn wants_client(&self) -> bool {
        // Whoever sends pings and reads no pongs is not read either.
        let is_flooded = self.is_slow && self.answers_pings();
        !is_flooded
            && match &self.backend {
                Backend::OverHttp(posts) => posts.machine().has_room(),
                Backend::Direct(direct) => !direct.is_slow,
                Backend::Detached => true,
            }
    }

    /// Tells whether more of what the backend says is wanted.
    pub fn wants_backend(&self) -> bool {
        !self.is_slow && !self.is_awaiting
    }

    /// Tells whether both sides have heard all that they hear from this session.
    pub fn is_over(&self) -> bool {
        self.closing == Closing::Over
    }

    /// Gives out what is still to be told to a backend that is reached over HTTP.
    pub fn into_posts(self) -> Option<OverHttp> {
        match self.backend {
            Backend::OverHttp(posts) => Some(posts.into_machine()).filter(|posts| !posts.is_over()),
            _ => None,
        }
    }

    /// Takes what the client sent.
    pub fn on_client(&mut self, received: Received, moment: Moment) {
        match received {
            Received::Close(close) => self.on_client_close(close, moment),
            _ if self.closing != Closing::No => {}
            Received::Part(part) => self.backend.on_part(part, &mut self.outputs),
            Received::Ping(content) if self.answers_pings() => {
                self.tell_client(ToClient::Pong(content));
            }
            Received::Ping(content) => self.backend.on_ping(content, &mut self.outputs),
            Received::Pong(content) => self.backend.on_pong(content, &mut self.outputs),
        }
        self.settle(moment);
    }

    /// The client's bytes are no WebSocket's, or too many: it hears why, and nothing more is read.
    pub fn on_client_error(&mut self, error: &ProtocolError) {
        if self.is_over() {
            return;
        }
        if !matches!(self.closing, Closing::Sent { .. }) {
            self.tell_client(ToClient::Close(Close::bare(error.close_code())));
        }
        self.outputs
            .push_back(Output::Note(Note::ClientError(error.code())));
        self.lose_client();
        self.outputs.push_back(Output::Finish);
    }

    /// The client's messages are nothing that it could say, which this word names.
    pub fn on_client_nonsense(&mut self, code: &'static str) {
        if self.is_open() {
            self.tell_client(ToClient::Close(Close::bare(1002)));
        }
        if !self.is_over() {
            self.note(Note::ClientError(code));
            self.lose_client();
            self.outputs.push_back(Output::Finish);
        }
    }

    /// The client is gone without a close handshake.
    pub fn on_client_gone(&mut self) {
        if !self.is_over() {
            self.lose_client();
        }
    }

    /// The client does not take what the backend says, or takes it again.
    pub fn on_client_slow(&mut self, is_slow: bool, moment: Moment) {
        self.is_slow = is_slow;
        self.settle(moment);
    }

    /// The backend, reached directly, takes all that waits for it again, or does not.
    pub fn on_backend_slow(&mut self, is_slow: bool) {
        if let Backend::Direct(direct) = &mut self.backend {
            direct.is_slow = is_slow;
        }
    }

    /// Takes what the backend says, in order.
    pub fn on_backend(&mut self, said: FromBackend, moment: Moment) {
        if self.is_awaiting {
            self.rare().incoming.push_back(Incoming::Said(said));
        } else {
            self.follow(said, moment);
        }
        self.settle(moment);
    }

    /// A post was answered; its events were taken before.
    pub fn on_answer(&mut self, facts: &AnswerFacts, moment: Moment) {
        if self.has_incoming() {
            self.rare().incoming.push_back(Incoming::AnswerEnded);
        } else {
            self.backend.on_answer_ended();
        }
        if let Some(posts) = self.backend.posts() {
            posts.on_answer(facts, moment.now);
        }
        self.settle(moment);
    }

    /// A post could not be sent, or its answer is of no use.
    pub fn on_post_failed(&mut self, may_retry: bool, moment: Moment) {
        if let Some(posts) = self.backend.posts() {
            posts.on_failed(may_retry, moment);
        }
        self.settle(moment);
    }

    /// The channels that were asked for have acknowledged, or one has not.
    pub fn on_subscribed(&mut self, is_subscribed: bool, moment: Moment) {
        self.is_awaiting = false;
        if !is_subscribed {
            self.close_client_by(1011, "subscription failed", moment.now);
        }
        while let Some(incoming) = self.next_incoming() {
            match incoming {
                Incoming::Said(said) => self.follow(said, moment),
                Incoming::AnswerEnded => self.backend.on_answer_ended(),
            }
        }
        if self.backend.posts().is_some_and(|posts| posts.is_over()) {
            self.on_posts_over(None);
        }
        self.settle(moment);
    }

    /// Returns when [`WebSocket::on_timer`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        if self.is_over() {
            return None;
        }
        let rare = self.rare.as_ref().and_then(|rare| rare.deadline());
        let posts = match &self.backend {
            Backend::OverHttp(posts) => posts.machine().deadline(),
            _ => None,
        };
        let due = [self.closing.due(), rare, posts];
        due.into_iter().flatten().min()
    }

    /// Looks at the clock; `last_sent` is when something was last written to the client.
    pub fn on_timer(&mut self, last_sent: Instant, moment: Moment) {
        if self.closing.due().is_some_and(|due| due <= moment.now) {
            self.on_close_timeout(moment.now);
            return;
        }
        self.on_rare_timer(last_sent, moment);
        if let Some(posts) = self.backend.posts() {
            posts.on_timer(moment.now);
        }
        self.settle(moment);
    }

    /// Too much waits for the client.
    pub fn on_overflow(&mut self, moment: Moment) {
        self.close_client_by(1013, "too slow", moment.now);
        self.settle(moment);
    }

    /// The server stops: both sides hear of it.
    pub fn on_drain(&mut self, moment: Moment) {
        self.lose_backend();
        self.close_client_by(1001, "", moment.now);
        self.settle(moment);
    }

    /// P-8 answers pings itself once the backend hears nothing any more, or if it is told to.
    fn answers_pings(&self) -> bool {
        self.route.auto_pong || self.backend.is_left()
    }

    fn rare(&mut self) -> &mut Rare<E> {
        self.rare.get_or_insert_default()
    }

    /// Tells whether something of the backend waits for an acknowledgement.
    fn has_incoming(&self) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| !rare.incoming.is_empty())
    }

    fn next_incoming(&mut self) -> Option<Incoming> {
        if self.is_awaiting {
            return None;
        }
        self.rare.as_mut()?.incoming.pop_front()
    }

    fn tell_client(&mut self, said: ToClient) {
        if let ToClient::Part(part) = &said {
            self.is_amid_message = !part.is_last;
        }
        self.outputs.push_back(Output::ToClient(said));
    }

    fn note(&mut self, note: Note) {
        self.outputs.push_back(Output::Note(note));
    }

    /// Brings the posts up to date with everything else, once it has begun; when it is over, they are
    /// somebody else's to send.
    fn settle(&mut self, moment: Moment) {
        let is_held = self.is_awaiting || self.is_slow;
        while !self.is_over() && !self.is_opening {
            let Some(posts) = self.backend.posts() else {
                break;
            };
            posts.hold_up(is_held);
            match posts.next_output() {
                None => break,
                Some(ws_over_http::Output::Post(post)) => {
                    self.outputs.push_back(Output::Post(post))
                }
                Some(ws_over_http::Output::Fail(failure)) => self.on_posts_failed(failure, moment),
                Some(ws_over_http::Output::Over { missed }) => self.on_posts_over(missed),
            }
        }
        self.check_invariants();
    }

    fn check_invariants(&self) {
        debug_assert!(
            self.is_awaiting || !self.has_incoming(),
            "what the backend said waits only for an acknowledgement"
        );
    }

    /// Tells whether the client has been told nothing of the end; it may have said so itself.
    fn may_speak(&self) -> bool {
        matches!(self.closing, Closing::No | Closing::Received { .. })
    }

    /// Tells whether nobody has said anything of the end.
    fn is_open(&self) -> bool {
        matches!(self.closing, Closing::No)
    }
}
