//! What a client is told, in the form it reads, and what it says, as its backend reads it.

use std::time::Instant;

use bytes::Bytes;

use super::{framed::Framed, polled::Polled};
use crate::{
    actors::{edge::Membership, messages::Encoded},
    engine::{
        web_socket::ToClient,
        ws::{self, MessageKind, Opcode, Part, Received},
    },
    stats::receipt::Met,
};

/// How a session's client reads and writes.
pub enum Dialect {
    /// Frames of a WebSocket.
    Frames {
        /// It takes compressed messages.
        has_deflate: bool,
    },
    /// SockJS's frames in those of a WebSocket.
    Framed(Box<Framed>),
    /// Answers to polls.
    Polled(Box<Polled>),
}

impl Dialect {
    /// SockJS's frames in those of a WebSocket.
    pub fn framed() -> Self {
        Self::Framed(Box::new(Framed::new()))
    }

    /// The client is connected.
    pub(super) fn begin(&mut self, membership: &Membership, now: Instant) {
        match self {
            Self::Frames { .. } => {}
            Self::Framed(framed) => framed.begin(membership, now),
            Self::Polled(polled) => polled.begin(now),
        }
    }

    /// Puts what the client is told behind what waits for it.
    pub(super) fn say(&mut self, said: &ToClient, membership: &Membership, now: Instant) {
        match (self, said) {
            (Self::Framed(framed), said) => framed.say(said, membership, now),
            (Self::Polled(polled), said) => polled.say(said, membership, now),
            (Self::Frames { .. }, ToClient::Part(part)) => {
                if part.is_first && !part.is_last {
                    membership.begin_message();
                }
                membership.append_body(part_frame(part));
                if part.is_last && !part.is_first {
                    membership.end_message();
                }
            }
            (Self::Frames { .. }, other) => membership.append_body(frame(other)),
        }
    }

    /// Puts an item behind what waits, within the client's bounds.
    pub(super) fn say_item(
        &mut self,
        entry: &Encoded,
        content: Bytes,
        (membership, now): (&Membership, Instant),
    ) {
        let bytes = match self {
            Self::Frames { has_deflate } if entry.is_unedited_message(&content) => {
                entry.frame(*has_deflate)
            }
            Self::Frames { .. } => ws::frame(entry.opcode(), &content, true),
            // Pings are no messages of SockJS's.
            _ if !matches!(entry.opcode(), Opcode::Text | Opcode::Binary) => return,
            Self::Framed(framed) => framed.item(&content, now),
            Self::Polled(polled) => {
                entry.note(|sheet| sheet.met(Met::Queued));
                return polled.wait(&content, membership, now);
            }
        };
        membership.append_own_form(bytes, entry);
    }

    /// Keeps the client alive, unless it is not keeping up anyway.
    pub(super) fn keep_alive(&mut self, said: &ToClient, membership: &Membership, now: Instant) {
        match self {
            Self::Frames { .. } => membership.append_content(frame(said)),
            sockjs => sockjs.say(said, membership, now),
        }
    }

    /// Reads what the client has sent; none if it is nothing that it could say.
    pub(super) fn understand(&mut self, received: Received) -> Option<Vec<Received>> {
        match self {
            Self::Framed(framed) => framed.understand(received),
            Self::Frames { .. } | Self::Polled(_) => Some(vec![received]),
        }
    }

    /// Returns when [`Dialect::on_timer`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Frames { .. } => None,
            Self::Framed(framed) => framed.deadline(),
            Self::Polled(polled) => polled.deadline(),
        }
    }

    /// Looks at the clock.
    pub(super) fn on_timer(&mut self, membership: &Membership, now: Instant) {
        match self {
            Self::Frames { .. } => {}
            Self::Framed(framed) => framed.on_timer(membership, now),
            Self::Polled(polled) => polled.on_timer(now),
        }
    }

    /// Returns the client's side if it polls.
    pub(super) fn polled(&mut self) -> Option<&mut Polled> {
        match self {
            Self::Polled(polled) => Some(polled),
            Self::Frames { .. } | Self::Framed(_) => None,
        }
    }
}

fn part_frame(part: &Part) -> Bytes {
    let opcode = match part.is_first {
        true => Opcode::from(part.kind),
        false => Opcode::Continuation,
    };
    ws::frame(opcode, &part.content, part.is_last)
}

/// Makes the frame of what the client is told.
pub(super) fn frame(said: &ToClient) -> Bytes {
    match said {
        ToClient::Part(part) => part_frame(part),
        ToClient::Ping(content) => ws::frame(Opcode::Ping, content, true),
        ToClient::Pong(content) => ws::frame(Opcode::Pong, content, true),
        ToClient::Close(close) => ws::frame(Opcode::Close, &ws::close_payload(Some(close)), true),
    }
}

/// Makes a whole text message of the client's.
pub(super) fn text(message: String) -> Received {
    Received::Part(Part::whole(MessageKind::Text, Bytes::from(message)))
}
