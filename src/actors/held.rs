//! A held request or a WebSocket: its machine, its place in the worker's tables, and its way out.
//!
//! A plain stream's items go from the hub to its outbox, and only keep-alives pass here; every other
//! hold is `attentive`. WebSockets are `web_socket`.

use std::{collections::VecDeque, rc::Rc, sync::Arc, time::Duration};

use actix_rt::task::JoinHandle;
use bytes::Bytes;

use super::{
    attentive::{Attentive, Fate},
    edge::Membership,
    messages::{Encoded, SessionEvent},
    ports::Outlet,
    web_socket::Socket,
};
use crate::{
    engine::{
        session::{Beginning, Moment},
        stream_hold::{self, StreamHold},
    },
    stats::counters::{Dropped, Total},
};

/// The machine of a hold.
pub enum Machine {
    /// A stream whose items the hub puts in the outbox.
    Plain(StreamHold),
    /// A session that looks at each item itself.
    Attentive(Box<Attentive>),
    /// A WebSocket.
    Socket(Box<Socket>),
}

/// A held request.
pub struct Held {
    membership: Membership,
    outlet: Option<Rc<dyn Outlet>>,
    machine: Machine,
}

/// What is left of a hold.
pub struct Ended {
    /// Its way out.
    pub outlet: Option<Rc<dyn Outlet>>,
    /// The gone link is being told while the server stops: then that is waited for.
    pub farewell: Option<JoinHandle<()>>,
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

    /// Begins it.
    pub fn begin(&mut self, beginning: Beginning<Arc<Encoded>>) -> Option<Fate> {
        let counters = self.membership.edge().counters();
        let kind = match &mut self.machine {
            Machine::Plain(_) => Total::StreamHolds,
            Machine::Attentive(attentive) => {
                attentive.begin(beginning, moment());
                match attentive.is_stream() {
                    true => Total::StreamHolds,
                    false => Total::ResponseHolds,
                }
            }
            Machine::Socket(socket) => {
                socket.begin(beginning, &self.membership);
                counters.add(Total::WebSocketsCurrent, 1);
                Total::WebSockets
            }
        };
        counters.add(kind, 1);
        if let Machine::Plain(hold) = &self.machine {
            self.membership.wake_at(hold.deadline());
        }
        self.carry_out()
    }

    /// It is over: the gone link hears of it.
    pub fn end(self) -> Ended {
        let (told, left) = match self.machine {
            Machine::Plain(_) => (None, 0),
            Machine::Attentive(attentive) => attentive.end(),
            Machine::Socket(socket) => {
                let counters = self.membership.edge().counters();
                counters.subtract(Total::WebSocketsCurrent, 1);
                socket.end(&self.membership)
            }
        };
        let counters = self.membership.edge().counters();
        counters.drop_items(Dropped::ClientGone, left as u64);
        let is_draining = self.membership.is_draining();
        Ended {
            outlet: self.outlet,
            farewell: told.filter(|_| is_draining),
        }
    }

    /// Its request is asked again; what waits is given out too.
    pub fn into_parts(self) -> (Membership, Option<Rc<dyn Outlet>>, VecDeque<Arc<Encoded>>) {
        let waiting = match self.machine {
            Machine::Plain(_) | Machine::Socket(_) => VecDeque::new(),
            Machine::Attentive(attentive) => attentive.into_waiting(),
        };
        (self.membership, self.outlet, waiting)
    }

    /// Takes what happened; says if the hold is over by it.
    pub fn on_event(&mut self, event: SessionEvent) -> Option<Fate> {
        let moment = moment();
        match (&mut self.machine, event) {
            (_, SessionEvent::Drain) => self.on_drain(),
            (Machine::Socket(socket), event) => socket.on_event(event, &self.membership),
            (Machine::Plain(_), SessionEvent::Timer) => self.keep_alive(moment),
            (Machine::Plain(_), _) => {}
            (Machine::Attentive(attentive), event) => {
                attentive.on_event(event, &self.membership, moment);
            }
        }
        self.carry_out()
    }

    fn keep_alive(&mut self, moment: Moment) {
        let Machine::Plain(hold) = &mut self.machine else {
            return;
        };
        let last_sent = self.membership.last_sent().unwrap_or(moment.now);
        if let stream_hold::Output::Append(content) =
            hold.on_timer(moment.now, last_sent, moment.jitter)
        {
            self.membership.append_content(content);
        }
        self.membership.wake_at(hold.deadline());
    }

    fn on_drain(&mut self) {
        let _ = self.outlet.as_ref().map(|outlet| outlet.close_after());
        match &mut self.machine {
            Machine::Plain(_) => self.membership.finish(Bytes::new()),
            Machine::Attentive(attentive) => attentive.on_drain(),
            Machine::Socket(socket) => socket.on_event(SessionEvent::Drain, &self.membership),
        }
    }

    fn carry_out(&mut self) -> Option<Fate> {
        match &mut self.machine {
            Machine::Plain(_) => None,
            Machine::Attentive(attentive) => attentive.carry_out(&self.membership),
            Machine::Socket(socket) => {
                socket.carry_out(&self.membership);
                None
            }
        }
    }

    /// Tells how many of the client's bytes are wanted at once; none if it is no WebSocket.
    pub fn wants_client(&self) -> Option<usize> {
        match &self.machine {
            Machine::Socket(socket) => Some(socket.wants_client()),
            Machine::Plain(_) | Machine::Attentive(_) => None,
        }
    }

    /// Takes bytes of a WebSocket's client.
    pub fn on_client_bytes(&mut self, bytes: &mut [u8]) {
        if let Machine::Socket(socket) = &mut self.machine {
            socket.on_client_bytes(bytes);
            socket.carry_out(&self.membership);
        }
    }
}

/// Returns the moment it is, with a new chance.
pub fn moment() -> Moment {
    Moment {
        now: actix::clock::Instant::now().into_std(),
        jitter: jitter(),
    }
}

/// Shortens a keep-alive's delay, so that clients that came together are not served together.
pub fn jitter() -> Duration {
    Duration::from_millis(fastrand::u64(0..1_000))
}
