//! What a client is told, in the form it reads: frames.

use bytes::Bytes;

use super::super::{edge::Membership, messages::Encoded};
use crate::engine::{
    web_socket::ToClient,
    ws::{self, Close, MessageKind, Opcode, Part, Received},
};

/// How a session's client reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Frames of a WebSocket.
    Frames {
        /// It takes compressed messages.
        has_deflate: bool,
    },
}

impl Dialect {
    /// Puts what the client is told behind what waits for it.
    pub(super) fn say(self, said: &ToClient, membership: &Membership) {
        match said {
            ToClient::Part(part) => {
                if part.is_first && !part.is_last {
                    membership.begin_message();
                }
                membership.append_body(part_frame(part));
                if part.is_last && !part.is_first {
                    membership.end_message();
                }
            }
            other => membership.append_body(frame(other)),
        }
    }

    /// Puts an item behind what waits, within the client's bounds.
    pub(super) fn say_item(self, entry: &Encoded, content: Bytes, membership: &Membership) {
        let Self::Frames { has_deflate } = self;
        let bytes = match entry.is_unedited_message(&content) {
            true => entry.frame(has_deflate),
            false => ws::frame(entry.opcode(), &content, true),
        };
        membership.append_own_form(bytes, entry);
    }

    /// Keeps the client alive, unless it is not keeping up anyway.
    pub(super) fn keep_alive(self, said: &ToClient, membership: &Membership) {
        membership.append_content(frame(said));
    }
}

fn frame(said: &ToClient) -> Bytes {
    match said {
        ToClient::Part(part) => part_frame(part),
        ToClient::Ping(content) => ws::frame(Opcode::Ping, content, true),
        ToClient::Pong(content) => ws::frame(Opcode::Pong, content, true),
        ToClient::Close(close) => close_frame(close),
    }
}

fn part_frame(part: &Part) -> Bytes {
    let opcode = match part.is_first {
        true => Opcode::from(part.kind),
        false => Opcode::Continuation,
    };
    ws::frame(opcode, &part.content, part.is_last)
}

fn close_frame(close: &Close) -> Bytes {
    ws::frame(Opcode::Close, &ws::close_payload(Some(close)), true)
}

/// Makes a whole text message of the client's.
pub(super) fn text(message: String) -> Received {
    Received::Part(Part {
        kind: MessageKind::Text,
        content: Bytes::from(message),
        is_first: true,
        is_last: true,
        key: [0; 4],
    })
}
