//! What a good answer changes: what is accepted leaves, and the close comes to its end.
//!
//! Content bytes are counted over the messages of the request in order and its close, last.

use std::time::Instant;

use super::requests::{Tail, UnderWay};
use super::{AnswerFacts, End, Ends, Failure, Life, OverHttp};

impl OverHttp {
    /// The request under way has a good answer: status 200, and a body of events.
    ///
    /// An answer that is none is a failure without a retry.
    pub fn on_answer(&mut self, answer: &AnswerFacts, now: Instant) {
        if self.sent().is_some() {
            if let Some(carried) = self.under_way.take() {
                self.set_keep_alive(answer.keep_alive, now);
                self.settle(&carried, answer);
            }
        }
        self.check_invariants();
    }

    fn settle(&mut self, carried: &UnderWay, answer: &AnswerFacts) {
        if answer.ends == Ends::Disconnect || matches!(carried.tail, Tail::Last(_)) {
            return self.finish(End::Over);
        }
        if matches!(self.life, Life::Last(_)) {
            // Whatever was not accepted has nowhere to go.
            return self.waiting.truncate(0);
        }
        if answer.ends == Ends::Close {
            self.has_backend_closed = true;
            if let Some(closing) = &mut self.closing {
                closing.needs_answer = false;
            }
        }
        match self.accept(carried, answer.accepted) {
            Err(failure) => self.fail(failure),
            Ok(()) => self.end_close(),
        }
    }

    /// Lets what is accepted leave.
    fn accept(&mut self, carried: &UnderWay, accepted: Option<u64>) -> Result<(), Failure> {
        let messages = self.waiting.content_bytes(carried.messages);
        let closing = self.closing.as_deref_mut();
        let mut closing = closing.filter(|_| carried.tail == Tail::Close);
        let content = closing.as_ref().map(|closing| closing.content.len() as u64);
        let all = messages + content.unwrap_or(0);
        let accepted = accepted.unwrap_or(all);
        if accepted > all {
            return Err(Failure::AcceptedTooMuch);
        }
        if accepted == 0 && all > 0 && carried.leaves_some {
            return Err(Failure::NothingAccepted);
        }
        if let Some(closing) = &mut closing {
            if accepted == all {
                closing.is_told = true;
            } else if accepted >= messages {
                return Err(Failure::CloseNotAccepted);
            } else if accepted == 0 && closing.was_put_off {
                return Err(Failure::NothingAccepted);
            } else {
                closing.was_put_off = true;
            }
        }
        self.waiting.accept(carried.messages, accepted);
        if accepted == 0 && all > 0 && !self.has_room() && self.keep_alive_secs == 0 {
            // The client is not read, so that nothing would ever be sent again.
            return Err(Failure::NothingAccepted);
        }
        Ok(())
    }

    /// A close that was told is the end, unless the client waits for the backend's own and a
    /// keep-alive will ask for it again.
    fn end_close(&mut self) {
        let Some(closing) = &self.closing else {
            return;
        };
        if closing.is_told && !(closing.needs_answer && self.keep_alive_secs > 0) {
            self.finish(End::Over);
        }
    }
}
