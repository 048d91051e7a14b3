//! The machine of one polling session: which request is answered what, and when the session is over.
//!
//! It holds no messages: it is told whether some wait, and says when they are to go. Not its concern:
//! sockets, the backend, the clock.
//!
//! ```text
//! Opening ─on_open─▶ Idle ⇄ Polled          a poll waits in Opening and Polled
//!                     │        │
//!                  on_close  on_close        Closing: messages first, then the close
//!                     ▼        ▼
//!                  Closing ─▶ Closed ─▶ Over Closed: every request is told of the close
//! ```

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::encode::{array, Close, HEARTBEAT, OPEN};

/// How long a poll waits for messages before it is answered with a heartbeat.
pub const HEARTBEAT_AFTER: Duration = Duration::from_secs(25);

/// How long a session lives without a poll.
pub const UNPOLLED_MAX: Duration = Duration::from_secs(5);

/// How long a close is repeated to whoever asks, from when it was first told.
pub const CLOSE_KEPT: Duration = Duration::from_secs(5);

/// What a poll is answered with, always status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The session is open.
    Open,
    /// All messages that wait.
    Messages,
    /// None came.
    Heartbeat,
    /// The session is closed, or the poll is a second one.
    Close(Close),
}

impl Answer {
    /// Makes the frame; `waiting` are the elements of all messages that wait, taken for
    /// [`Answer::Messages`] alone.
    pub fn frame(&self, waiting: impl IntoIterator<Item = Bytes>) -> Bytes {
        match self {
            Answer::Open => OPEN,
            Answer::Messages => array(waiting),
            Answer::Heartbeat => HEARTBEAT,
            Answer::Close(close) => close.frame(),
        }
    }
}

/// What becomes of a poll that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// It waits; an [`Output`] will answer it.
    Waits,
    /// It is answered at once; a poll that waits goes on.
    Answered(Answer),
    /// The session is over: the poll is as the first one of a new session.
    Over,
}

/// What becomes of a request with messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// They go to the backend; the request is answered when all have, and then [`Polling::on_sent`]
    /// is called.
    Taken,
    /// The backend closed already: they are dropped, and the request is answered `ok`.
    Dropped,
    /// The messages of another request still wait: `Already sending`.
    Busy,
    /// The request is told of the close.
    Answered(Answer),
    /// The session is over: the request is answered 404.
    Over,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The poll that waits is answered.
    Answer(Answer),
    /// The poll that waits is refused: 410, `Session terminated`.
    Refuse,
    /// The session is forgotten. Always last.
    End(End),
}

/// Why a session is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its client left: the backend, unless it has closed, is told by `DISCONNECT`.
    Gone,
    /// Its backend was lost, or too much waited.
    Lost,
    /// It was closed, and the close was repeated for long enough.
    Closed,
}

#[derive(Debug)]
enum State {
    /// The first poll waits for the backend to accept.
    Opening,
    /// No poll waits.
    Idle { until: Instant },
    /// A poll waits.
    Polled { heartbeat: Instant },
    /// The backend closed, and no poll has been told yet.
    Closing { close: Close, until: Instant },
    /// A poll was told of the close.
    Closed { close: Close, until: Instant },
    /// Nothing more happens.
    Over,
}

/// A session whose client polls.
#[derive(Debug)]
pub struct Polling {
    state: State,
    is_sending: bool,
    outputs: VecDeque<Output>,
}

impl Default for Polling {
    fn default() -> Self {
        Self::new()
    }
}

impl Polling {
    /// Begins with the first poll, which waits for the backend.
    ///
    /// A backend's refusal is no matter of this machine: it answers that poll, and the session is
    /// dropped.
    pub fn new() -> Polling {
        Polling {
            state: State::Opening,
            is_sending: false,
            outputs: VecDeque::new(),
        }
    }

    /// The backend accepted.
    pub fn on_open(&mut self, now: Instant) {
        if matches!(self.state, State::Opening) {
            self.answer(Answer::Open, now);
        }
    }

    /// A poll came; `has_waiting` if messages wait.
    ///
    /// It is never late: what is over, [`Polling::on_timer`] decides alone.
    pub fn on_poll(&mut self, has_waiting: bool, now: Instant) -> Polled {
        match &mut self.state {
            State::Opening | State::Polled { .. } => {
                Polled::Answered(Answer::Close(Close::still_open()))
            }
            State::Idle { until } | State::Closing { until, .. } if has_waiting => {
                *until = now + UNPOLLED_MAX;
                Polled::Answered(Answer::Messages)
            }
            State::Idle { .. } => {
                let heartbeat = now + HEARTBEAT_AFTER;
                self.state = State::Polled { heartbeat };
                Polled::Waits
            }
            State::Closing { close, .. } => {
                let close = close.clone();
                self.closed(close.clone(), now);
                Polled::Answered(Answer::Close(close))
            }
            State::Closed { close, .. } => Polled::Answered(Answer::Close(close.clone())),
            State::Over => Polled::Over,
        }
    }

    /// The client of the poll that waits has gone away.
    pub fn on_poll_gone(&mut self) {
        if self.has_poll() {
            self.end(End::Gone);
        }
    }

    /// Messages wait where none did.
    pub fn on_messages(&mut self, now: Instant) {
        if matches!(self.state, State::Polled { .. }) {
            self.answer(Answer::Messages, now);
        }
    }

    /// A request with messages came.
    pub fn on_send(&mut self) -> Sent {
        match &self.state {
            State::Over => Sent::Over,
            State::Closed { close, .. } => Sent::Answered(Answer::Close(close.clone())),
            State::Closing { .. } => Sent::Dropped,
            _ if self.is_sending => Sent::Busy,
            _ => {
                self.is_sending = true;
                Sent::Taken
            }
        }
    }

    /// The messages that were taken have all gone to the backend, or their request has gone away.
    pub fn on_sent(&mut self) {
        self.is_sending = false;
    }

    /// The backend closed, or P-8 does; messages that wait go first.
    pub fn on_close(&mut self, close: Close, now: Instant) {
        match self.state {
            State::Opening | State::Polled { .. } => {
                let answer = Answer::Close(close.clone());
                self.outputs.push_back(Output::Answer(answer));
                self.closed(close, now);
            }
            State::Idle { until } => self.state = State::Closing { close, until },
            State::Closing { .. } | State::Closed { .. } | State::Over => {}
        }
    }

    /// The backend was lost without a close, or too much waited.
    pub fn on_lost(&mut self) {
        if self.has_poll() {
            self.outputs.push_back(Output::Refuse);
        }
        if !matches!(self.state, State::Closed { .. }) {
            self.end(End::Lost);
        }
    }

    /// Looks at the clock.
    pub fn on_timer(&mut self, now: Instant) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.state {
            State::Polled { .. } => self.answer(Answer::Heartbeat, now),
            State::Idle { .. } | State::Closing { .. } => self.end(End::Gone),
            State::Closed { .. } => self.end(End::Closed),
            State::Opening | State::Over => {}
        }
    }

    /// Returns when [`Polling::on_timer`] is due; while the session opens the backend's own limits
    /// hold.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Polled { heartbeat } => Some(heartbeat),
            State::Idle { until } | State::Closing { until, .. } | State::Closed { until, .. } => {
                Some(until)
            }
            State::Opening | State::Over => None,
        }
    }

    /// Takes the next thing to do.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Tells whether a poll waits.
    pub fn has_poll(&self) -> bool {
        matches!(self.state, State::Opening | State::Polled { .. })
    }

    /// Answers the poll that waits; the next one is due.
    fn answer(&mut self, answer: Answer, now: Instant) {
        self.outputs.push_back(Output::Answer(answer));
        let until = now + UNPOLLED_MAX;
        self.state = State::Idle { until };
    }

    fn closed(&mut self, close: Close, now: Instant) {
        let until = now + CLOSE_KEPT;
        self.state = State::Closed { close, until };
    }

    fn end(&mut self, end: End) {
        if !matches!(self.state, State::Over) {
            self.state = State::Over;
            self.outputs.push_back(Output::End(end));
        }
    }
}

#[cfg(test)]
mod tests;
