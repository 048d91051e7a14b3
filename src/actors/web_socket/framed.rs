//! SockJS's frames in those of a WebSocket: what its client is told, and what it says.

use std::time::Instant;

use bytes::Bytes;

use super::dialect::frame;
use crate::{
    actors::edge::Membership,
    engine::{
        sockjs::{
            decode,
            encode::{array, element, HEARTBEAT, OPEN},
            polling::HEARTBEAT_AFTER,
            Close,
        },
        web_socket::ToClient,
        ws::{self, Assembly, Opcode, Received},
    },
};

/// A client that reads SockJS's frames.
pub struct Framed {
    heard: Assembly,
    said: Assembly,
    heartbeat: Option<Instant>,
}

impl Framed {
    pub(super) fn new() -> Self {
        Self {
            heard: Assembly::default(),
            said: Assembly::default(),
            heartbeat: None,
        }
    }

    pub(super) fn begin(&mut self, membership: &Membership, now: Instant) {
        membership.append_body(text(&OPEN));
        self.heartbeat = Some(now + HEARTBEAT_AFTER);
    }

    pub(super) fn say(&mut self, said: &ToClient, membership: &Membership, now: Instant) {
        match said {
            ToClient::Part(part) => {
                if let Some((_, content)) = self.said.on_part(part.clone()) {
                    membership.append_body(message(&content));
                    self.heartbeat = Some(now + HEARTBEAT_AFTER);
                }
            }
            ToClient::Close(close) => {
                let told = Close::new(Some(close.code), &close.reason);
                membership.append_body(text(&told.frame()));
                membership.append_body(frame(said));
                self.heartbeat = None;
            }
            other => membership.append_body(frame(other)),
        }
    }

    /// Makes the frame of an item.
    pub(super) fn item(&mut self, content: &Bytes, now: Instant) -> Bytes {
        self.heartbeat = Some(now + HEARTBEAT_AFTER);
        message(content)
    }

    /// Reads what the client has sent; none if it is nothing of SockJS's.
    pub(super) fn understand(&mut self, received: Received) -> Option<Vec<Received>> {
        let Received::Part(part) = received else {
            return Some(vec![received]);
        };
        let Some((_, payload)) = self.heard.on_part(part) else {
            return Some(Vec::new());
        };
        let messages = decode::framed(&payload).ok()?;
        Some(messages.into_iter().map(super::dialect::text).collect())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.heartbeat
    }

    pub(super) fn on_timer(&mut self, membership: &Membership, now: Instant) {
        if self.heartbeat.is_some_and(|at| at <= now) {
            membership.append_content(text(&HEARTBEAT));
            self.heartbeat = Some(now + HEARTBEAT_AFTER);
        }
    }
}

fn message(content: &[u8]) -> Bytes {
    text(&array([element(content)]))
}

fn text(frame: &[u8]) -> Bytes {
    ws::frame(Opcode::Text, frame, true)
}
