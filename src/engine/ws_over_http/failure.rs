//! Why a WebSocket over HTTP fails, and what follows.
//!
//! Says nothing of how a request failed; whoever sent it knows.

use super::requests::Tail;
use super::{End, Life, OverHttp};
use crate::grip::error::Side;

/// The close code that the client of a failed session gets.
pub const CLOSE_CODE: u16 = 1011;

/// Says why no further request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The backend accepted more than it got.
    #[error("Content-Bytes-Accepted must not be more than the content that was sent")]
    AcceptedTooMuch,
    /// The backend accepted what precedes a close, and not the close.
    #[error("Content-Bytes-Accepted must cover the content of CLOSE if it covers all before it")]
    CloseNotAccepted,
    /// The backend accepted nothing, and it cannot be sent more at a time.
    #[error("Content-Bytes-Accepted must be more than 0 while further events wait")]
    NothingAccepted,
    /// A request failed in a way that may have had an effect, or its answer was bad.
    #[error("a request failed and must not be repeated")]
    Request,
    /// A request failed again and again.
    #[error("a request failed and so did all its repeats")]
    Unreachable,
}

impl Failure {
    /// Says whose fault it is.
    pub fn side(&self) -> Side {
        Side::Backend
    }

    /// Gives the stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Failure::AcceptedTooMuch => "accepted-too-much",
            Failure::CloseNotAccepted => "close-not-accepted",
            Failure::NothingAccepted => "nothing-accepted",
            Failure::Request => "ws-request-failed",
            Failure::Unreachable => "ws-backend-unreachable",
        }
    }
}

impl OverHttp {
    /// A request has failed for good. If it was not to be the last one, the backend hears the last word all
    /// the same.
    pub(super) fn fail(&mut self, failure: Failure) {
        let under_way = self.under_way.as_ref();
        let is_last = under_way.is_none_or(|under_way| matches!(under_way.tail, Tail::Last(_)));
        if failure == Failure::Request && matches!(self.life, Life::Last(_)) && !is_last {
            self.under_way = None;
            return self.waiting.truncate(0);
        }
        self.finish(match self.is_client_served() {
            true => End::Failed(failure),
            false => End::Missed(failure),
        });
    }
}
