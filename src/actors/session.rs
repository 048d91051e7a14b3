//! The session: one client connection from accept to close (embedded: one held response).
//!
//! While requests are proxied it only exists; while one is held it decides, by the hold's machine,
//! what its messages mean. Plain stream items never pass here: the hub puts them in the outbox.
//! The connection that owns the socket shares the [`SessionState`] and hands a hold over through it.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    edge::Membership,
    messages::{Encoded, SessionEvent, ToSession},
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
    Response(Box<LongPoll>),
    /// A stream.
    Stream(StreamHold),
}

/// A long-poll's machine, and how its answer leaves.
pub struct LongPoll {
    hold: ResponseHold,
    answer: Answer,
}

impl Machine {
    /// Makes the machine of a long-poll.
    pub fn response(hold: ResponseHold, answer: Answer) -> Self {
        Self::Response(Box::new(LongPoll { hold, answer }))
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Response(poll) => poll.hold.deadline(),
            Self::Stream(hold) => hold.deadline(),
        }
    }

    fn counter(&self) -> Total {
        match self {
            Self::Response(_) => Total::ResponseHolds,
            Self::Stream(_) => Total::StreamHolds,
        }
    }
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

    fn wake_when_due(&self) {
        self.membership.wake_at(self.machine.deadline());
    }

    fn on_stream_timer(&mut self, now: Instant) {
        let Machine::Stream(hold) = &mut self.machine else {
            return;
        };
        let last_sent = self.membership.last_sent().unwrap_or(now);
        if let stream_hold::Output::Append(content) = hold.on_timer(now, last_sent, jitter()) {
            self.membership.append_content(content);
        }
        self.wake_when_due();
    }
}

/// Items that came before their hold.
#[derive(Default)]
struct Early {
    /// Each with the hold it was delivered to.
    items: VecDeque<(u64, Arc<Encoded>)>,
    /// How many more came than are kept.
    lost: u64,
}

/// What a session and its connection share.
#[derive(Default)]
pub struct SessionState {
    held: Option<Held>,
    /// Items for a hold that is being set up, or whose request is asked again; rarely there.
    early: Option<Box<Early>>,
    /// Keeps a long-poll subscribed while its request is asked again.
    retrying: Option<Membership>,
    /// A hold is being set up: its items are kept.
    is_expecting: bool,
}

impl SessionState {
    /// Announces a hold: from now on its items are kept until it begins.
    pub fn expect(&mut self) {
        self.is_expecting = true;
    }

    /// Begins a hold, and gives it the items that arrived while it was being set up.
    pub fn begin(&mut self, held: Held) {
        let (counters, hold) = (held.membership.edge().counters(), held.membership.hold());
        let early = self.early.take().unwrap_or_default();
        counters.add(held.machine.counter(), 1);
        counters.drop_items(Dropped::SessionBusy, early.lost);
        let is_draining = held.membership.is_draining();
        held.wake_when_due();
        self.held = Some(held);
        self.is_expecting = false;
        let retried = self.retrying.take().map(|membership| membership.hold());
        let mut seen: Vec<Arc<Encoded>> = Vec::new();
        for (of, encoded) in early.items {
            let is_new = !seen.iter().any(|known| Arc::ptr_eq(known, &encoded));
            if !is_new || (of != hold && Some(of) != retried) {
                continue;
            }
            seen.push(encoded.clone());
            match self.held {
                Some(_) => self.on_item(&encoded),
                // An early hint asks the backend again; what came behind it waits once more.
                None => self.keep_early(hold, encoded),
            }
        }
        if is_draining {
            self.on_drain();
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

    /// The request was answered without a hold: a retry, if it was one, is over.
    pub fn answered(&mut self) {
        self.retrying = None;
        self.early = None;
        self.is_expecting = false;
    }

    /// Ends the hold without a word: the client is gone, or its connection crashed.
    pub fn abandon(&mut self) {
        self.answered();
        if let Some(held) = self.held.take() {
            let counters = held.membership.edge().counters();
            counters.add(Total::ClientsGone, 1);
        }
    }

    /// Carries out what a message means; one of an ended hold means nothing any more.
    pub fn on_message(&mut self, ToSession { hold, event, .. }: ToSession) {
        let held = self.held.as_ref().map(|held| held.membership.hold());
        match event {
            SessionEvent::Item(encoded) if held != Some(hold) => self.keep_early(hold, encoded),
            _ if held != Some(hold) => {}
            SessionEvent::Item(encoded) => self.on_item(&encoded),
            SessionEvent::Timer => self.on_timer(),
            SessionEvent::Drain => self.on_drain(),
            SessionEvent::Finished => {
                let _ = self.end().map(|outlet| outlet.release());
            }
            SessionEvent::Overflow | SessionEvent::Gone => {
                let _ = self.end().map(|outlet| outlet.abort());
            }
        }
    }

    fn keep_early(&mut self, hold: u64, encoded: Arc<Encoded>) {
        let retried = self.retrying.as_ref().map(Membership::hold);
        if !self.is_expecting && retried != Some(hold) {
            return;
        }
        let early = self.early.get_or_insert_default();
        if early.items.len() < EARLY_MAX {
            early.items.push_back((hold, encoded));
        } else {
            early.lost += 1;
        }
    }

    fn end(&mut self) -> Option<Rc<dyn Outlet>> {
        self.held.take().and_then(|held| held.outlet)
    }

    fn poll(&mut self) -> Option<&mut ResponseHold> {
        match &mut self.held.as_mut()?.machine {
            Machine::Response(poll) => Some(&mut poll.hold),
            Machine::Stream(_) => None,
        }
    }

    fn on_item(&mut self, encoded: &Arc<Encoded>) {
        let format = encoded.item.formats.response.as_ref();
        let output = self
            .poll()
            .zip(format)
            .and_then(|(hold, format)| hold.on_item(format));
        self.apply(output);
    }

    fn on_timer(&mut self) {
        let now = actix::clock::Instant::now().into_std();
        match self.poll() {
            Some(hold) => {
                let output = hold.on_timer(now);
                self.apply(output);
            }
            None => {
                let _ = self.held.as_mut().map(|held| held.on_stream_timer(now));
            }
        }
    }

    fn on_drain(&mut self) {
        let outlet = self.held.as_ref().and_then(|held| held.outlet.as_ref());
        let _ = outlet.map(|outlet| outlet.close_after());
        if let Some(Held {
            machine: Machine::Response(poll),
            ..
        }) = &mut self.held
        {
            if let Answer::Wire(reply) = &mut poll.answer {
                reply.keep_alive = false;
            }
        }
        match self.poll() {
            Some(hold) => {
                let output = hold.on_end();
                self.apply(output);
            }
            None => {
                let held = self.held.as_ref();
                let _ = held.map(|held| held.membership.finish(Bytes::new()));
            }
        }
    }

    /// The only place where a long-poll is answered or asked again.
    fn apply(&mut self, output: Option<response_hold::Output>) {
        match output {
            None => {}
            Some(response_hold::Output::Respond(response)) => self.respond(response),
            Some(response_hold::Output::Retry) => self.retry(),
            Some(response_hold::Output::Skip(reason)) => {
                let Some(held) = &self.held else { return };
                let counters = held.membership.edge().counters();
                counters.drop_items(Dropped::Unsupported, 1);
                log::warn!(session = held.membership.key().0, reason; "item skipped");
            }
        }
    }

    fn respond(&mut self, response: Response) {
        let Some(held) = &mut self.held else { return };
        let Machine::Response(poll) = &mut held.machine else {
            return;
        };
        held.membership
            .edge()
            .counters()
            .add(Total::ResponsesSent, 1);
        match std::mem::replace(&mut poll.answer, Answer::Wire(Reply::CLOSING)) {
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

    /// Asks the backend again; until it has answered, the session stays subscribed.
    fn retry(&mut self) {
        let can_retry = self
            .held
            .as_ref()
            .and_then(|held| held.outlet.as_ref())
            .is_some_and(|outlet| outlet.can_retry());
        if !can_retry {
            return;
        }
        let Some(held) = self.held.take() else { return };
        let Held {
            membership, outlet, ..
        } = held;
        membership.wake_at(None);
        self.retrying = Some(membership);
        let _ = outlet.map(|outlet| outlet.retry());
    }
}

/// Shortens a keep-alive's delay, so that clients that came together are not served together.
pub fn jitter() -> Duration {
    Duration::from_millis(fastrand::u64(0..1_000))
}

/// The actor of one session.
pub struct Session {
    state: Rc<RefCell<SessionState>>,
}

impl Session {
    /// Makes a session around shared state.
    pub fn new(state: Rc<RefCell<SessionState>>) -> Self {
        Self { state }
    }
}

impl Actor for Session {
    type Context = Context<Self>;
}

impl Handler<ToSession> for Session {
    type Result = ();

    fn handle(&mut self, message: ToSession, _: &mut Self::Context) {
        self.state.borrow_mut().on_message(message);
    }
}
