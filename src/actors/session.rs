//! The session: one client connection from accept to close (embedded: one held response).
//!
//! While requests are proxied it only exists; while one is held it decides, by the hold's machine,
//! what its messages mean. Plain stream items never pass here: the hub puts them in the outbox.
//! The connection that owns the socket shares the [`SessionState`] and hands a hold over through it.
//! Between the holds of one request, while its backend is asked again, items are kept here.

use std::{
    cell::RefCell,
    collections::{HashSet, VecDeque},
    rc::Rc,
    sync::Arc,
};

use actix::prelude::*;
use actix_rt::task::JoinHandle;

use super::{
    attentive::Fate,
    edge::{Edge, Membership},
    held::{Ended, Held},
    messages::{Encoded, SessionEvent, ToSession, Turn},
    ports::Outlet,
    session_context::{RunningSession, SessionContext},
    supervisor::start_temporary,
};
use crate::{
    engine::session::Beginning,
    grip::channel::{ChannelName, ItemId},
    stats::counters::{Dropped, Total},
};

/// What a session keeps between the holds of one request; rarely there.
#[derive(Default)]
struct Between {
    /// Items for the hold to come, each with the hold it was delivered to.
    items: VecDeque<(u64, Arc<Encoded>)>,
    /// How many more came than are kept.
    lost: u64,
    /// Keeps a long-poll subscribed while its request is asked again.
    retrying: Option<(Membership, Option<Turn>)>,
    /// What the backend is told when it is asked again: the last ids of all its holds.
    last: Vec<(ChannelName, ItemId)>,
    /// The server stops when the gone link was told.
    farewell: Option<JoinHandle<()>>,
}

/// What a session and its connection share.
#[derive(Default)]
pub struct SessionState {
    held: Option<Held>,
    between: Option<Box<Between>>,
    /// Most items kept between holds.
    early_max: u32,
    /// A hold is being set up: its items are kept.
    is_expecting: bool,
}

impl SessionState {
    /// Announces a hold: from now on so many of its items are kept until it begins.
    pub fn expect(&mut self, items_max: usize) {
        self.early_max = u32::try_from(items_max).unwrap_or(u32::MAX);
        self.is_expecting = true;
    }

    /// Begins a hold with the items that arrived while it was being set up.
    pub fn begin(&mut self, mut held: Held, conflicts: Vec<ChannelName>) {
        let hold = held.membership().hold();
        let edge = held.membership().edge().clone();
        let between = self.between.take().map(|between| *between);
        let Between {
            items,
            lost,
            retrying,
            last,
            farewell: _,
        } = between.unwrap_or_default();
        let earlier = retrying.as_ref().map(|(membership, _)| membership);
        let retried = earlier.map(Membership::hold);
        // What still waited for its turn came after what is here.
        let late = earlier.map(|earlier| held.membership().take_over(earlier));
        let mut seen = HashSet::new();
        let mut waiting: VecDeque<_> = items
            .into_iter()
            .filter(|(of, _)| *of == hold || Some(*of) == retried)
            .map(|(_, encoded)| encoded)
            .chain(late.into_iter().flatten())
            .filter(|encoded| seen.insert(Arc::as_ptr(encoded)))
            .collect();
        let over = waiting.len().saturating_sub(self.early_max as usize);
        waiting.truncate(self.early_max as usize);
        edge.counters()
            .drop_items(Dropped::SessionBusy, lost + over as u64);
        if !last.is_empty() {
            self.between_holds().last = last;
        }
        self.is_expecting = false;
        let is_draining = held.membership().is_draining();
        let fate = held.begin(Beginning {
            waiting,
            conflicts,
            told: retried.is_some().then(|| self.last().to_vec()),
        });
        self.held = Some(held);
        self.meet(fate);
        // Too much came while it was set up, and nobody was there to be told.
        if self
            .held
            .as_ref()
            .is_some_and(|held| held.membership().is_deaf())
        {
            self.on_event(SessionEvent::Overflow);
        }
        if is_draining {
            self.on_event(SessionEvent::Drain);
        }
    }

    /// Tells whether a request is held.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Tells whether a held request is being asked again.
    pub fn is_retried(&self) -> bool {
        let between = self.between.as_ref();
        between.is_some_and(|between| between.retrying.is_some())
    }

    /// The backend has answered a request that was asked again: the next one may be.
    pub fn on_backend_answered(&mut self) {
        let between = self.between.as_mut();
        if let Some((_, turn)) = between.and_then(|between| between.retrying.as_mut()) {
            *turn = None;
        }
    }

    /// Waits for the gone link to be told of the last hold, if the server is stopping.
    pub fn farewell(&mut self) -> Option<JoinHandle<()>> {
        self.between.as_mut()?.farewell.take()
    }

    /// Returns what the backend is told when the request is asked again.
    pub fn last(&self) -> &[(ChannelName, ItemId)] {
        self.between.as_ref().map_or(&[], |between| &between.last)
    }

    /// Ends the hold in good order, if there is one.
    pub fn drain(&mut self) {
        if self.held.is_some() {
            self.on_event(SessionEvent::Drain);
        }
    }

    /// The client takes bytes again.
    pub fn writable(&self) {
        let _ = self.held.as_ref().map(|held| held.membership().writable());
    }

    /// The request was answered without a hold: a retry, if it was one, is over.
    pub fn answered(&mut self) {
        self.is_expecting = false;
        let Some(between) = self.between.take() else {
            return;
        };
        // The answer stands for what came while it was made.
        if let Some((membership, _)) = &between.retrying {
            let superseded = between.items.len() as u64 + between.lost;
            let counters = membership.edge().counters();
            counters.add(Total::ItemsSuperseded, superseded);
        }
    }

    /// Ends the hold without a word: the client is gone, or its connection crashed.
    pub fn abandon(&mut self) {
        self.is_expecting = false;
        if let Some(between) = &mut self.between {
            if let Some((membership, _)) = between.retrying.take() {
                gone(membership.edge());
                let kept = std::mem::take(&mut between.items).len() as u64 + between.lost;
                let counters = membership.edge().counters();
                counters.drop_items(Dropped::ClientGone, kept);
            }
        }
        if let Some(held) = &self.held {
            gone(held.membership().edge());
            self.end();
        }
    }

    /// Carries out what a message means; one of an ended hold means nothing any more.
    pub fn on_message(&mut self, ToSession { hold, event, .. }: ToSession) {
        #[cfg(feature = "chaos")]
        if let SessionEvent::Item(encoded) = &event {
            super::chaos::maybe_fail(&encoded.item, "session");
        }
        let held = self.held.as_ref().map(|held| held.membership().hold());
        match event {
            SessionEvent::Item(encoded) if held != Some(hold) => self.keep_early(hold, encoded),
            _ if held != Some(hold) => {}
            SessionEvent::Finished => {
                let _ = self.end().map(|outlet| outlet.release());
            }
            // A WebSocket's client is told.
            event @ SessionEvent::Overflow if self.wants_client().is_some() => self.on_event(event),
            SessionEvent::Overflow | SessionEvent::Gone | SessionEvent::Cut => {
                let _ = self.end().map(|outlet| outlet.abort());
            }
            event => self.on_event(event),
        }
    }

    /// Tells how many of a WebSocket client's bytes are wanted at once; none if no WebSocket is held.
    pub fn wants_client(&self) -> Option<usize> {
        self.held.as_ref()?.wants_client()
    }

    /// Takes bytes of a WebSocket's client.
    pub fn on_client_bytes(&mut self, bytes: &mut [u8]) {
        if let Some(held) = &mut self.held {
            held.on_client_bytes(bytes);
        }
    }

    fn on_event(&mut self, event: SessionEvent) {
        let fate = self.held.as_mut().and_then(|held| held.on_event(event));
        self.meet(fate);
    }

    fn between_holds(&mut self) -> &mut Between {
        self.between.get_or_insert_default()
    }

    fn keep_early(&mut self, hold: u64, encoded: Arc<Encoded>) {
        if !self.is_expecting && !self.is_retried() {
            return;
        }
        let max = self.early_max as usize;
        let between = self.between_holds();
        if between.items.len() < max {
            between.items.push_back((hold, encoded));
        } else {
            between.lost += 1;
        }
    }

    /// The hold is over, and with it what was kept for its request.
    fn end(&mut self) -> Option<Rc<dyn Outlet>> {
        self.between = None;
        let Ended { outlet, farewell } = self.held.take()?.end();
        if farewell.is_some() {
            self.between_holds().farewell = farewell;
        }
        outlet
    }

    /// The only place where a hold is given up or asked again.
    fn meet(&mut self, fate: Option<Fate>) {
        match fate {
            None => {}
            Some(Fate::Over) => drop(self.end()),
            Some(Fate::Retry(last, turn)) => self.retry(last, turn),
        }
    }

    /// Asks the backend again; until it has answered, the session stays subscribed.
    fn retry(&mut self, last: Vec<(ChannelName, ItemId)>, turn: Option<Turn>) {
        let Some(held) = self.held.take() else { return };
        let (membership, outlet, waiting) = held.into_parts();
        membership.wake_at(None);
        membership.edge().counters().add(Total::Retries, 1);
        let hold = membership.hold();
        let between = self.between_holds();
        between.retrying = Some((membership, turn));
        let waiting = waiting.into_iter().map(|encoded| (hold, encoded));
        between.items.extend(waiting);
        between
            .last
            .retain(|(known, _)| !last.iter().any(|(name, _)| name == known));
        between.last.extend(last);
        let _ = outlet.map(|outlet| outlet.retry());
    }
}

fn gone(edge: &Edge) {
    edge.counters().add(Total::ClientsGone, 1);
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

    /// Starts a session that lives without a connection's task; it ends with its last address.
    pub fn start(state: Rc<RefCell<SessionState>>, edge: &Edge) -> Addr<Self> {
        let (running, address) = RunningSession::new(Self::new(state));
        start_temporary(edge.crashes().session.clone(), running);
        address
    }
}

impl Actor for Session {
    type Context = SessionContext;
}

impl Handler<ToSession> for Session {
    type Result = ();

    fn handle(&mut self, message: ToSession, _: &mut Self::Context) {
        self.state.borrow_mut().on_message(message);
    }
}
