//! The machine of a WebSocket that is carried over HTTP, after it was opened: which requests the
//! backend gets, with which events, and when.
//!
//! Not its concern: opening, headers, the client's frames, and what the events of an answer lead to.
//! Whoever runs it says what happened, and takes outputs until there are none.
//!
//! ```text
//! Idle ── message, close, refresh, keep-alive ──▶ Sent ──▶ answered ──▶ Idle
//!                                                  │ ▲
//!                                           failed ▼ │ 1, 2, 4, 8, 16 s and a jitter
//!                                                 Retry        (fails after the sixth)
//! client gone: DISCONNECT, detached: CLOSE, each alone after the one under way, then over
//! ```
//!
//! One request at a time: what comes meanwhile waits and goes together. What a backend accepts in
//! part stays at the front and goes again with whatever comes next.

mod answered;
mod failure;
mod requests;
mod waiting;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::engine::session::Moment;
use crate::grip::publish::WsKind;
use crate::grip::ws::events::{close_content, EventKind};
use crate::grip::ws::KeepAliveInterval;

use requests::{Phase, UnderWay};
use waiting::Waiting;

pub use failure::{Failure, CLOSE_CODE};

/// Bounds of one carried WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A request carries one event at most.
    pub has_one_event: bool,
    /// Bytes from which on the client is not read; a message counts its content and 64 bytes.
    pub queue_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            has_one_event: false,
            queue_bytes_max: 200_000,
        }
    }
}

/// A request for the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Its events; may be empty.
    pub body: Bytes,
    /// `Content-Bytes-Replayed`: content bytes at the front that were offered before; 0 is not sent.
    pub replayed: u64,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this request, and say what came of it.
    Post(Post),
    /// The session fails: the client is closed with [`CLOSE_CODE`], and nothing more is sent.
    Fail(Failure),
    /// Nothing more is sent. What the client is told is known without the backend.
    Over {
        /// Why the backend was not told all it was to know; `None` if it was.
        missed: Option<Failure>,
    },
}

/// What an answer says of the end of the WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ends {
    /// It goes on.
    #[default]
    No,
    /// The answer has a `CLOSE`.
    Close,
    /// The answer has a `DISCONNECT`, or what counts as one.
    Disconnect,
}

/// What the machine has to know of a good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerFacts {
    /// Content bytes that are accepted; `None` for all.
    pub accepted: Option<u64>,
    /// What it says of keep-alives.
    pub keep_alive: KeepAliveInterval,
    /// What it says of the end.
    pub ends: Ends,
}

/// One WebSocket that is carried over HTTP.
///
/// **Bounds**: 96 bytes; it owns no memory beyond them while nothing waits and no request is under way.
#[derive(Debug)]
pub struct OverHttp {
    has_one_event: bool,
    queue_bytes_max: u32,
    waiting: Waiting,
    under_way: Option<Box<UnderWay>>,
    closing: Option<Box<Closing>>,
    /// When the backend is asked though nothing waits.
    keep_alive_at: Option<Instant>,
    /// Off if 0.
    keep_alive_secs: u32,
    life: Life,
    /// What ended it, until that is told.
    end: Option<End>,
    /// A request is wanted, be there something to say or not.
    is_wanted: bool,
    is_held_up: bool,
    has_backend_closed: bool,
    /// A request carried the close.
    has_said_close: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Open,
    /// This event alone is still to be sent; what is answered means nothing any more.
    Last(EventKind),
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Over,
    Missed(Failure),
    Failed(Failure),
}

/// A close that the backend is told after all messages.
#[derive(Debug)]
struct Closing {
    content: Bytes,
    /// The backend has accepted it.
    is_told: bool,
    /// The client waits for the backend's own close.
    needs_answer: bool,
    /// An answer has left messages before it unaccepted.
    was_put_off: bool,
}

impl OverHttp {
    /// Begins with what the opening answer said of keep-alives.
    pub fn new(options: Options, keep_alive: KeepAliveInterval, now: Instant) -> Self {
        let mut machine = Self {
            has_one_event: options.has_one_event,
            queue_bytes_max: u32::try_from(options.queue_bytes_max).unwrap_or(u32::MAX),
            waiting: Waiting::default(),
            under_way: None,
            closing: None,
            keep_alive_at: None,
            keep_alive_secs: 0,
            life: Life::Open,
            end: None,
            is_wanted: false,
            is_held_up: false,
            has_backend_closed: false,
            has_said_close: false,
        };
        machine.set_keep_alive(keep_alive, now);
        machine.check_invariants();
        machine
    }

    /// A whole message of the client, a ping or a pong; false if it comes after a close or the end,
    /// and is not sent.
    pub fn on_message(&mut self, kind: WsKind, content: Bytes) -> bool {
        let is_taken = self.takes_messages();
        if is_taken {
            self.waiting.push(kind, content);
        }
        self.check_invariants();
        is_taken
    }

    /// The client's close frame, be it the first one or the answer to ours.
    pub fn on_close(&mut self, close: Option<(u16, String)>) {
        let content = close.map(|(code, reason)| close_content(code, &reason));
        if self.takes_messages() {
            self.begin_close(content.unwrap_or_default(), !self.has_backend_closed);
        }
        self.check_invariants();
    }

    /// A publish has closed the client: the backend gets a close without code after what waits.
    ///
    /// The client's own close, which follows, changes nothing.
    pub fn on_server_close(&mut self) {
        if self.takes_messages() {
            self.begin_close(Bytes::new(), false);
        } else {
            self.waive_answer();
        }
        self.check_invariants();
    }

    /// The client side has ended. After a close that is the end of it; without one, what waits is
    /// dropped and the backend gets a `DISCONNECT`.
    pub fn on_gone(&mut self) {
        self.end_with(EventKind::Disconnect);
    }

    /// The backend leaves the client to its subscriptions: what waits is dropped, and it gets a close
    /// without code.
    pub fn on_detach(&mut self) {
        self.end_with(EventKind::Close);
    }

    /// The backend is to be asked now, or once more after the request under way.
    pub fn on_refresh(&mut self) {
        self.is_wanted |= self.life == Life::Open;
        self.check_invariants();
    }

    /// Looks at the clock.
    pub fn on_timer(&mut self, now: Instant) {
        if let Some(under_way) = &mut self.under_way {
            under_way.on_timer(now);
        } else if self.keep_alive_at.is_some_and(|at| at <= now) {
            self.keep_alive_at = None;
            self.is_wanted |= self.life == Life::Open;
        }
        self.check_invariants();
    }

    /// Returns when [`OverHttp::on_timer`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.under_way {
            Some(under_way) => under_way.deadline(),
            None => self.keep_alive_at,
        }
    }

    /// No request but the last one may begin while the client takes nothing, or an answer is still
    /// being worked on.
    pub fn hold_up(&mut self, held: bool) {
        self.is_held_up = held;
        self.check_invariants();
    }

    /// Gives what is to be done; to be called until there is nothing.
    pub fn next_output(&mut self) -> Option<Output> {
        let output = match self.end.take() {
            Some(End::Over) => Some(Output::Over { missed: None }),
            Some(End::Missed(failure)) => Some(Output::Over {
                missed: Some(failure),
            }),
            Some(End::Failed(failure)) => Some(Output::Fail(failure)),
            None => self.next_post().map(Output::Post),
        };
        self.check_invariants();
        output
    }

    /// The request under way could not be sent, or got no good answer.
    ///
    /// `may_retry` if nothing of it can have had an effect: the backend gets the same body again later.
    pub fn on_failed(&mut self, may_retry: bool, moment: Moment) {
        if let Some(under_way) = self.sent() {
            if !may_retry {
                self.fail(Failure::Request);
            } else if !under_way.retry_at(moment) {
                self.fail(Failure::Unreachable);
            }
        }
        self.check_invariants();
    }

    /// Tells whether the client may be read; false once too much waits.
    pub fn has_room(&self) -> bool {
        !self.takes_messages() || self.waiting.bytes() < self.queue_bytes_max as usize
    }

    /// Tells whether a request has carried the client's close.
    pub fn has_said_close(&self) -> bool {
        self.has_said_close
    }

    /// Tells whether nothing more is sent.
    pub fn is_over(&self) -> bool {
        self.life == Life::Over
    }

    fn takes_messages(&self) -> bool {
        self.life == Life::Open && self.closing.is_none()
    }

    /// Tells whether it still matters to the client what the backend answers.
    fn is_client_served(&self) -> bool {
        let closing = self.closing.as_ref();
        self.life == Life::Open && closing.is_none_or(|closing| closing.needs_answer)
    }

    /// The request under way, if it is neither answered nor failed yet.
    fn sent(&mut self) -> Option<&mut UnderWay> {
        let under_way = self.under_way.as_deref_mut();
        under_way.filter(|under_way| under_way.phase == Phase::Sent)
    }

    fn begin_close(&mut self, content: Bytes, needs_answer: bool) {
        self.closing = Some(Box::new(Closing {
            content,
            is_told: false,
            needs_answer,
            was_put_off: false,
        }));
    }

    /// The client waits no more for the backend's close; true if there is a close.
    fn waive_answer(&mut self) -> bool {
        let Some(closing) = &mut self.closing else {
            return false;
        };
        closing.needs_answer = false;
        // A repeat may be under way, which is the last one then.
        if closing.is_told && self.under_way.is_none() {
            self.finish(End::Over);
        }
        true
    }

    fn end_with(&mut self, event: EventKind) {
        if self.life == Life::Open && !self.waive_answer() {
            let kept = self.under_way.as_ref();
            let kept = kept.map_or(0, |under_way| under_way.messages);
            self.waiting.truncate(kept);
            self.life = Life::Last(event);
        }
        self.check_invariants();
    }

    fn finish(&mut self, end: End) {
        self.life = Life::Over;
        self.end = Some(end);
        self.waiting = Waiting::default();
        self.under_way = None;
        self.closing = None;
        self.keep_alive_at = None;
        self.is_wanted = false;
    }

    /// Takes what was said of keep-alives, and waits anew for the next one.
    fn set_keep_alive(&mut self, said: KeepAliveInterval, now: Instant) {
        match said {
            KeepAliveInterval::Unchanged => {}
            KeepAliveInterval::Off => self.keep_alive_secs = 0,
            KeepAliveInterval::Secs(secs) => self.keep_alive_secs = secs,
        }
        let secs = Duration::from_secs(u64::from(self.keep_alive_secs));
        self.keep_alive_at = (self.keep_alive_secs > 0).then(|| now + secs);
    }

    fn check_invariants(&self) {
        self.waiting.check_invariants();
        let carried = self.under_way.as_ref();
        debug_assert!(carried.is_none_or(|carried| carried.messages <= self.waiting.len()));
        debug_assert!(carried.is_none() || self.keep_alive_at.is_none());
        debug_assert!(self.life == Life::Open || self.closing.is_none());
        debug_assert!(self.end.is_none() || self.is_over());
        debug_assert!(
            !self.is_over()
                || (carried.is_none() && self.waiting.len() == 0 && self.deadline().is_none())
        );
    }
}
