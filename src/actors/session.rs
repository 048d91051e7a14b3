//! The session: one client connection from accept to close (embedded: one held response).
//!
//! While requests are proxied it only exists; while one is held it decides, by the hold's machine,
//! what its messages mean. Plain stream items never pass here: the hub puts them in the outbox.
//! The connection that owns the socket shares the [`SessionState`] and hands a hold over through it.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{
    edge::Membership,
    messages::{Depth, Encoded, ToSession},
    ports::Outlet,
};
use crate::{
    engine::{
        response_hold::{self, ResponseHold},
        stream_hold::{self, StreamHold},
        wire::{self, Reply},
    },
    grip::response::Response,
    stats::counters::{Dropped, Total},
};

/// Items kept for a hold that is still being set up.
const EARLY_MAX: usize = 100;

/// How a held request is answered.
pub enum Answer {
    /// P-8 writes the response on the parked socket itself.
    Wire(Reply),
    /// Whoever waits for it sends the response.
    Handed(oneshot::Sender<Response>),
}

/// The machine of a hold.
pub enum Machine {
    /// A long-poll.
    Response(ResponseHold, Answer),
    /// A stream.
    Stream(StreamHold),
}

/// A held request.
pub struct Held {
    membership: Membership,
    outlet: Option<Rc<dyn Outlet>>,
    machine: Machine,
}

impl Held {
    /// Binds what a hold consists of.
    pub fn new(membership: Membership, outlet: Option<Rc<dyn Outlet>>, machine: Machine) -> Self {
        Self {
            membership,
            outlet,
            machine,
        }
    }

    /// Returns its place in the worker's tables.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    fn deadline(&self) -> Option<std::time::Instant> {
        match &self.machine {
            Machine::Response(hold, _) => hold.deadline(),
            Machine::Stream(hold) => hold.deadline(),
        }
    }
}

/// What a session and its connection share.
#[derive(Default)]
pub struct SessionState {
    held: Option<Box<Held>>,
    early: VecDeque<Arc<Encoded>>,
}

impl SessionState {
    /// Begins a hold, and gives it the items that arrived while it was being set up.
    pub fn begin(&mut self, held: Held) {
        let counters = held.membership.edge().counters();
        counters.add(
            match held.machine {
                Machine::Response(..) => Total::ResponseHolds,
                Machine::Stream(_) => Total::StreamHolds,
            },
            1,
        );
        held.membership.wake_at(held.deadline());
        self.held = Some(Box::new(held));
        for encoded in std::mem::take(&mut self.early) {
            self.on_item(&encoded);
        }
    }

    /// Tells whether a request is held.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The client takes bytes again.
    pub fn writable(&self) {
        let _ = self.held.as_ref().map(|held| held.membership.writable());
    }

    /// Ends the hold without a word: the client is gone, or its connection crashed.
    pub fn abandon(&mut self) {
        self.early.clear();
        if let Some(held) = self.held.take() {
            held.membership.edge().counters().add(Total::ClientsGone, 1);
        }
    }

    /// Carries out what a message means.
    pub fn on_message(&mut self, message: ToSession) {
        match message {
            ToSession::Item(encoded) => self.on_item(&encoded),
            ToSession::Timer => self.on_timer(),
            ToSession::Drain => self.on_drain(),
            ToSession::Finished => {
                let outlet = self.held.take().and_then(|held| held.outlet);
                let _ = outlet.map(|outlet| outlet.release());
            }
            ToSession::Overflow | ToSession::Gone => {
                let outlet = self.held.take().and_then(|held| held.outlet);
                let _ = outlet.map(|outlet| outlet.abort());
            }
        }
    }

    fn on_item(&mut self, encoded: &Arc<Encoded>) {
        let Some(held) = &mut self.held else {
            if self.early.len() < EARLY_MAX {
                self.early.push_back(encoded.clone());
            }
            return;
        };
        let Machine::Response(hold, _) = &mut held.machine else {
            return;
        };
        let output = encoded
            .item
            .formats
            .response
            .as_ref()
            .and_then(|item| hold.on_item(item));
        self.apply(output);
    }

    fn on_timer(&mut self) {
        let now = actix::clock::Instant::now().into_std();
        let Some(held) = &mut self.held else { return };
        match &mut held.machine {
            Machine::Response(hold, _) => {
                let output = hold.on_timer(now);
                self.apply(output);
            }
            Machine::Stream(hold) => {
                let last_sent = held.membership.last_sent().unwrap_or(now);
                if let stream_hold::Output::Append(content) =
                    hold.on_timer(now, last_sent, jitter())
                {
                    held.membership.append_content(content);
                }
            }
        }
        let _ = self
            .held
            .as_ref()
            .map(|held| held.membership.wake_at(held.deadline()));
    }

    fn on_drain(&mut self) {
        let Some(held) = &mut self.held else { return };
        match &mut held.machine {
            Machine::Response(hold, _) => {
                let output = hold.on_end();
                self.apply(output);
            }
            Machine::Stream(_) => held.membership.finish(bytes::Bytes::new()),
        }
    }

    /// The only place where a long-poll is answered.
    fn apply(&mut self, output: Option<response_hold::Output>) {
        let Some(held) = &mut self.held else { return };
        let Machine::Response(_, answer) = &mut held.machine else {
            return;
        };
        let counters = held.membership.edge().counters().clone();
        match output {
            None => {}
            Some(response_hold::Output::Skip(reason)) => {
                counters.drop_items(Dropped::Unsupported, 1);
                log::warn!(session = held.membership.key().0, reason; "item skipped");
            }
            Some(response_hold::Output::Respond(response)) => {
                counters.add(Total::ItemsDelivered, 1);
                match std::mem::replace(answer, Answer::Wire(Reply::CLOSING)) {
                    Answer::Wire(reply) => {
                        held.membership
                            .finish(wire::whole_response(&response, reply));
                    }
                    Answer::Handed(way) => {
                        let _ = way.send(response);
                        self.held = None;
                    }
                }
            }
        }
    }
}

/// Shortens a keep-alive's delay, so that clients that came together are not served together.
pub fn jitter() -> Duration {
    Duration::from_millis(fastrand::u64(0..1_000))
}

/// The actor of one session.
pub struct Session {
    state: Rc<RefCell<SessionState>>,
    mailbox: Depth,
}

impl Session {
    /// Makes a session around shared state; `mailbox` counts its worker's waiting messages.
    pub fn new(state: Rc<RefCell<SessionState>>, mailbox: Depth) -> Self {
        Self { state, mailbox }
    }
}

impl Actor for Session {
    type Context = Context<Self>;
}

impl Handler<ToSession> for Session {
    type Result = ();

    fn handle(&mut self, message: ToSession, _: &mut Self::Context) {
        self.mailbox.subtract();
        self.state.borrow_mut().on_message(message);
    }
}
