//! A client that polls: what it is told waits here for its next poll, bounded.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{
    actors::{edge::Membership, polled_sessions::Place},
    engine::{
        sockjs::{
            encode::{element, SENT},
            polling::{Answer, End, Output, Polled as Poll, Polling, Sent},
            Close, SockJsError, WAITING_MAX,
        },
        web_socket::ToClient,
        ws::Assembly,
    },
    stats::counters::Dropped,
};

/// What a request of the client is answered: a frame, or why not.
pub type Reply = Result<Bytes, SockJsError>;

/// Where that goes.
pub type Asking = oneshot::Sender<Reply>;

/// The client's side of a session.
pub struct Polled {
    machine: Polling,
    /// Messages as elements of the next answer.
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    poll: Option<Asking>,
    /// A request whose messages wait for room.
    sending: Option<Asking>,
    said: Assembly,
    is_closed: bool,
    is_over: bool,
    place: Option<Place>,
}

impl Polled {
    /// Begins with the first poll.
    pub fn new(place: Place, poll: Asking) -> Box<Self> {
        Box::new(Self {
            machine: Polling::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            poll: Some(poll),
            sending: None,
            said: Assembly::default(),
            is_closed: false,
            is_over: false,
            place: Some(place),
        })
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.machine.on_open(now);
        self.answer();
    }

    pub(super) fn say(&mut self, said: &ToClient, membership: &Membership, now: Instant) {
        match said {
            ToClient::Part(part) => {
                if let Some((_, content)) = self.said.on_part(part.clone()) {
                    self.wait(&content, membership, now);
                }
            }
            ToClient::Close(close) => {
                self.is_closed = true;
                let close = Close::new(Some(close.code), &close.reason);
                self.machine.on_close(close, now);
                self.answer();
            }
            // No answer of a poll can carry them.
            ToClient::Ping(_) | ToClient::Pong(_) => {}
        }
    }

    /// Lets a message wait for the next poll.
    pub(super) fn wait(&mut self, content: &Bytes, membership: &Membership, now: Instant) {
        if self.is_closed || self.is_over {
            return;
        }
        let element = element(content);
        self.waiting_bytes += element.len();
        self.waiting.push_back(element);
        if self.waiting_bytes > WAITING_MAX {
            let lost = self.waiting.len() as u64;
            let counters = membership.edge().counters();
            counters.drop_items(Dropped::SlowClientClosed, lost);
            log::warn!(session = membership.key().0, lost;
                "too much waits for a client that polls: its session ends");
            self.take_waiting();
            self.machine.on_lost();
        } else {
            self.machine.on_messages(now);
        }
        self.answer();
    }

    pub(super) fn on_poll(&mut self, poll: Asking, now: Instant) {
        match self.machine.on_poll(!self.waiting.is_empty(), now) {
            Poll::Waits => self.poll = Some(poll),
            Poll::Answered(answer) => {
                let waiting = match answer {
                    Answer::Messages => self.take_waiting(),
                    _ => VecDeque::new(),
                };
                drop(poll.send(Ok(answer.frame(waiting))));
            }
            Poll::Over => drop(poll.send(Err(SockJsError::Terminated))),
        }
        self.answer();
    }

    pub(super) fn on_poll_gone(&mut self) {
        // A second poll's client may leave while the first one waits.
        if self.poll.as_ref().is_some_and(oneshot::Sender::is_closed) {
            self.machine.on_poll_gone();
            self.answer();
        }
    }

    /// A request with messages; true if they are taken.
    pub(super) fn on_send(&mut self, asking: Asking) -> bool {
        let answer = match self.machine.on_send() {
            Sent::Taken => {
                self.sending = Some(asking);
                return true;
            }
            Sent::Dropped => Ok(SENT),
            Sent::Busy => Err(SockJsError::AlreadySending),
            Sent::Answered(answer) => Ok(answer.frame([])),
            Sent::Over => Err(SockJsError::NotFound),
        };
        drop(asking.send(answer));
        false
    }

    /// The backend's side has room for what the client says.
    pub(super) fn on_room(&mut self) {
        if let Some(asking) = self.sending.take() {
            self.machine.on_sent();
            drop(asking.send(Ok(SENT)));
        }
    }

    /// The session has nothing more to say.
    pub(super) fn on_finish(&mut self) {
        if !self.is_closed {
            self.machine.on_lost();
            self.answer();
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.machine.deadline()
    }

    pub(super) fn on_timer(&mut self, now: Instant) {
        self.machine.on_timer(now);
        self.answer();
    }

    /// Tells whether the session is to be forgotten.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns how many messages go with it.
    pub(super) fn in_hand(&self) -> usize {
        self.waiting.len()
    }

    fn take_waiting(&mut self) -> VecDeque<Bytes> {
        self.waiting_bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    fn answer(&mut self) {
        while let Some(output) = self.machine.next_output() {
            match output {
                Output::Answer(answer) => {
                    let waiting = match answer {
                        Answer::Messages => self.take_waiting(),
                        _ => VecDeque::new(),
                    };
                    let poll = self.poll.take();
                    let _ = poll.map(|poll| poll.send(Ok(answer.frame(waiting))));
                }
                Output::Refuse => {
                    let poll = self.poll.take();
                    let _ = poll.map(|poll| poll.send(Err(SockJsError::Terminated)));
                }
                Output::End(End::Gone | End::Lost | End::Closed) => {
                    self.is_over = true;
                    self.place = None;
                }
            }
        }
    }
}
