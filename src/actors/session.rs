//! The session: one client connection from accept to close (embedded: one held response).
//!
//! While requests are proxied it only exists; while one is held it decides, by the hold's machine,
//! what its messages mean. Plain stream items never pass here: the hub puts them in the outbox.
//! The connection that owns the socket shares the [`SessionState`] and hands a hold over through it.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, sync::Arc};

use actix::prelude::*;

use super::{
    edge::Membership,
    held::Held,
    messages::{Encoded, SessionEvent, ToSession},
    ports::Outlet,
};
use crate::{
    engine::response_hold::Output,
    stats::counters::{Dropped, Total},
};

/// Items kept for a hold that is still being set up.
const EARLY_MAX: usize = 100;

/// Messages a session's mailbox takes before items are dropped, counted.
const MAILBOX: usize = 4_096;

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
        let hold = held.membership().hold();
        let counters = held.membership().edge().counters();
        let early = self.early.take().unwrap_or_default();
        counters.add(held.counter(), 1);
        counters.drop_items(Dropped::SessionBusy, early.lost);
        let is_draining = held.membership().is_draining();
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
        let _ = self.held.as_ref().map(|held| held.membership().writable());
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
            let counters = held.membership().edge().counters();
            counters.add(Total::ClientsGone, 1);
        }
    }

    /// Carries out what a message means; one of an ended hold means nothing any more.
    pub fn on_message(&mut self, ToSession { hold, event, .. }: ToSession) {
        let held = self.held.as_ref().map(|held| held.membership().hold());
        match event {
            SessionEvent::Item(encoded) if held != Some(hold) => self.keep_early(hold, encoded),
            _ if held != Some(hold) => {}
            SessionEvent::Item(encoded) => self.on_item(&encoded),
            SessionEvent::Timer => self.on_timer(),
            SessionEvent::Refresh => {}
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
        self.held.take().and_then(|held| held.into_parts().1)
    }

    fn on_item(&mut self, encoded: &Arc<Encoded>) {
        let output = self.held.as_mut().and_then(|held| held.on_item(encoded));
        self.apply(output);
    }

    fn on_timer(&mut self) {
        let now = actix::clock::Instant::now().into_std();
        let output = self.held.as_mut().and_then(|held| held.on_timer(now));
        self.apply(output);
    }

    fn on_drain(&mut self) {
        let output = self.held.as_mut().and_then(Held::on_drain);
        self.apply(output);
    }

    /// The only place where a long-poll is answered or asked again.
    fn apply(&mut self, output: Option<Output>) {
        match output {
            None => {}
            Some(Output::Retry) => self.retry(),
            Some(Output::Respond(response)) => {
                let is_over = self
                    .held
                    .as_mut()
                    .is_some_and(|held| held.respond(response));
                if is_over {
                    self.held = None;
                }
            }
            Some(Output::Unpatchable(error)) => {
                log::warn!(reason = error.code(), error:%; "body-patch: the backend is asked again");
                self.retry();
            }
        }
    }

    /// Asks the backend again; until it has answered, the session stays subscribed.
    fn retry(&mut self) {
        if !self.held.as_ref().is_some_and(Held::can_retry) {
            return;
        }
        let Some(held) = self.held.take() else { return };
        let (membership, outlet) = held.into_parts();
        membership.wake_at(None);
        self.retrying = Some(membership);
        let _ = outlet.map(|outlet| outlet.retry());
    }
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

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<ToSession> for Session {
    type Result = ();

    fn handle(&mut self, message: ToSession, _: &mut Self::Context) {
        self.state.borrow_mut().on_message(message);
    }
}
