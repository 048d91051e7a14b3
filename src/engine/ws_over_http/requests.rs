//! The request under way: what it carries, and when it is sent again.
//!
//! Keeps no body: it is made anew of the messages, which stay in their place until it is answered.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Closing, Life, OverHttp, Post};
use crate::engine::session::Moment;
use crate::grip::ws::events::{encode, Event, EventKind};

/// Failed requests are sent again so often.
const RETRIES_MAX: u8 = 5;

#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) phase: Phase,
    /// How many messages it carries.
    pub(super) messages: usize,
    pub(super) tail: Tail,
    /// Something waited that it could not carry.
    pub(super) leaves_some: bool,
    retries: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its answer is waited for.
    Sent,
    /// It failed and is sent again then.
    RetryAt(Instant),
    /// It is sent again now.
    Retry,
}

/// What a request carries beside messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    Nothing,
    Close,
    /// This, and no messages; no further request follows.
    Last(EventKind),
}

impl UnderWay {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::RetryAt(at) => Some(at),
            Phase::Sent | Phase::Retry => None,
        }
    }

    pub(super) fn on_timer(&mut self, now: Instant) {
        if self.deadline().is_some_and(|at| at <= now) {
            self.phase = Phase::Retry;
        }
    }

    /// Waits for another try; false if there were enough.
    pub(super) fn retry_at(&mut self, moment: Moment) -> bool {
        if self.retries >= RETRIES_MAX {
            return false;
        }
        let pause = Duration::from_secs(1 << self.retries);
        self.retries += 1;
        self.phase = Phase::RetryAt(moment.now + pause + moment.jitter);
        true
    }
}

impl OverHttp {
    /// Gives the request to send now, which is then under way.
    pub(super) fn next_post(&mut self) -> Option<Post> {
        match &mut self.under_way {
            Some(under_way) if under_way.phase == Phase::Retry => under_way.phase = Phase::Sent,
            Some(_) => return None,
            None => {
                let carried = self.begin()?;
                self.has_said_close |= carried.tail == Tail::Close;
                self.under_way = Some(Box::new(carried));
                self.keep_alive_at = None;
                self.is_wanted = false;
            }
        }
        self.under_way.as_ref().map(|carried| self.post(carried))
    }

    /// Decides what the next request carries, if one is to be sent.
    fn begin(&self) -> Option<UnderWay> {
        let (messages, tail) = match self.life {
            Life::Over => return None,
            Life::Last(event) => (0, Tail::Last(event)),
            Life::Open if self.has_reason() && !self.is_held() => self.batch(),
            Life::Open => return None,
        };
        let leaves_close = self.closing.is_some() && tail == Tail::Nothing;
        Some(UnderWay {
            phase: Phase::Sent,
            messages,
            tail,
            leaves_some: messages < self.waiting.len() || leaves_close,
            retries: 0,
        })
    }

    fn has_reason(&self) -> bool {
        let closing = self.closing.as_ref();
        self.is_wanted || self.waiting.has_new() || closing.is_some_and(|closing| !closing.is_told)
    }

    /// Whoever is not served any more holds nothing up.
    fn is_held(&self) -> bool {
        self.is_held_up && self.is_client_served()
    }

    /// All that waits, or one event of it; the close comes last.
    fn batch(&self) -> (usize, Tail) {
        let waiting = self.waiting.len();
        let messages = if self.has_one_event {
            waiting.min(1)
        } else {
            waiting
        };
        let has_close = self.closing.is_some() && !(self.has_one_event && messages > 0);
        let tail = if has_close {
            Tail::Close
        } else {
            Tail::Nothing
        };
        (messages, tail)
    }

    fn post(&self, carried: &UnderWay) -> Post {
        let mut events = self.waiting.events(carried.messages);
        match (carried.tail, &self.closing) {
            (Tail::Nothing, _) | (Tail::Close, None) => {}
            (Tail::Close, Some(closing)) => events.push(closing.event()),
            (Tail::Last(event), _) => events.push(Event::bare(event)),
        }
        Post {
            body: encode(&events),
            replayed: self.waiting.replayed_bytes(carried.messages),
        }
    }
}

impl Closing {
    fn event(&self) -> Event {
        Event::new(EventKind::Close, Bytes::clone(&self.content))
    }
}
