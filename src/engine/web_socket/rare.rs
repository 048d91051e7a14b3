//! What most sessions do not have: a keep-alive, a delayed message, filters, an answer that waits.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{items::Items, FromBackend, Moment, Output, ToClient, WebSocket};
use crate::{
    engine::{
        session::Published,
        stream_hold::{self, StreamHold},
        ws::{MessageKind, Part},
    },
    grip::{
        instruct::KeepAlive,
        publish::WsKind,
        ws::{WsKeepAlive, WsMessage},
    },
};

/// The rare parts of a session.
#[derive(Debug)]
pub(super) struct Rare<E> {
    /// What has come of the backend since a change of channels that is not acknowledged yet.
    pub(super) incoming: VecDeque<Incoming>,
    /// Items and their filters.
    pub(super) items: Items<E>,
    keep_alive: Option<(WsKind, StreamHold)>,
    delayed: Option<(WsMessage, Due)>,
}

/// When a delayed message is said.
#[derive(Clone, Copy, Debug)]
enum Due {
    At(Instant),
    /// As soon as the message that the client has a part of is whole.
    Next,
}

/// What waits for an acknowledgement.
#[derive(Debug)]
pub(super) enum Incoming {
    /// The backend has said this.
    Said(FromBackend),
    /// An answer with something to say has ended.
    AnswerEnded,
}

impl<E> Default for Rare<E> {
    fn default() -> Self {
        Self {
            incoming: VecDeque::new(),
            items: Items::default(),
            keep_alive: None,
            delayed: None,
        }
    }
}

impl<E> Rare<E> {
    /// Returns when something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let keep_alive = self.keep_alive.as_ref();
        let keep_alive = keep_alive.and_then(|(_, hold)| hold.deadline());
        let delayed = match self.delayed {
            Some((_, Due::At(due))) => Some(due),
            Some((_, Due::Next)) | None => None,
        };
        keep_alive.into_iter().chain(delayed).min()
    }
}

/// Tells whether such a message may not stand between the parts of another.
fn is_no_control_frame(kind: WsKind) -> bool {
    matches!(kind, WsKind::Text | WsKind::Binary)
}

/// Says a message to the client as what it is.
pub(super) fn said(message: WsMessage) -> ToClient {
    let WsMessage { kind, content } = message;
    let kind = match kind {
        WsKind::Text => MessageKind::Text,
        WsKind::Binary => MessageKind::Binary,
        WsKind::Ping => return ToClient::Ping(content),
        WsKind::Pong => return ToClient::Pong(content),
    };
    ToClient::Part(Part::whole(kind, content))
}

impl<E: Published> WebSocket<E> {
    /// Keeps the client alive from now on, in this way or not at all.
    pub(super) fn set_keep_alive(&mut self, keep_alive: Option<WsKeepAlive>, moment: Moment) {
        if keep_alive.is_none() && self.rare.is_none() {
            return;
        }
        self.rare().keep_alive = keep_alive.map(|keep_alive| {
            let WsKeepAlive {
                message,
                timeout_secs,
                mode,
            } = keep_alive;
            let content = message.content;
            let stream = KeepAlive {
                content,
                timeout_secs,
                mode,
            };
            let hold = StreamHold::new(Some(stream), moment.now, moment.jitter);
            (message.kind, hold)
        });
    }

    /// Says a message later; one that waits already is said now.
    pub(super) fn delay(&mut self, message: WsMessage, timeout_secs: u32, moment: Moment) {
        self.flush_delayed();
        let due = moment.now + Duration::from_secs(u64::from(timeout_secs));
        self.rare().delayed = Some((message, Due::At(due)));
    }

    /// Says the message that waits, or lets it wait for the end of the one that the client has a part of.
    pub(super) fn flush_delayed(&mut self) {
        let is_amid = self.is_amid_message;
        let Some(rare) = &mut self.rare else { return };
        match rare.delayed.take() {
            Some((message, _)) if is_amid && is_no_control_frame(message.kind) => {
                rare.delayed = Some((message, Due::Next));
            }
            Some((message, _)) => self.tell_client(said(message)),
            None => {}
        }
    }

    /// A message has come to its end: says the one that waits for that.
    pub(super) fn on_message_end(&mut self) {
        let delayed = self.rare.as_ref().and_then(|rare| rare.delayed.as_ref());
        if let Some((_, Due::Next)) = delayed {
            self.flush_delayed();
        }
    }

    pub(super) fn on_rare_timer(&mut self, last_sent: Instant, moment: Moment) {
        let (is_open, is_amid) = (self.is_open(), self.is_amid_message);
        let Some(rare) = &mut self.rare else { return };
        if !is_open {
            (rare.keep_alive, rare.delayed) = (None, None);
        }
        let is_due = |(_, due): &(WsMessage, Due)| matches!(due, Due::At(at) if *at <= moment.now);
        let is_delayed_due = rare.delayed.as_ref().is_some_and(is_due);
        if let Some((kind, hold)) = &mut rare.keep_alive {
            let due = hold.on_timer(moment.now, last_sent, moment.jitter);
            if let stream_hold::Output::Append(content) = due {
                let kind = *kind;
                // A client with a part of a message hears something anyway.
                if !(is_amid && is_no_control_frame(kind)) {
                    let keep_alive = Output::KeepAlive(said(WsMessage { kind, content }));
                    self.outputs.push_back(keep_alive);
                }
            }
        }
        if is_delayed_due {
            self.flush_delayed();
        }
    }
}
