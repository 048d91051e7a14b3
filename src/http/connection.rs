//! The life of a client connection: serve requests; if one is held, wait for its end; serve again. What
//! a socket is left to for good is its last phase.
//!
//! It is the task of the connection's `Session` actor: the actor's context is polled here, beside the
//! requests being served or the parked socket, so a held client costs one small task. A panic in either
//! ends this client only.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    panic::{catch_unwind, AssertUnwindSafe},
    pin::Pin,
    rc::Rc,
    task::{ready, Context as TaskContext, Poll},
    time::Duration,
};

use actix::clock::{sleep, Sleep};
use futures_util::{future::join, FutureExt};

use super::{
    arrival::Place,
    client_socket::ClientSocket,
    http1::AHEAD_MAX,
    http2::Http2,
    parked::{Event, LINGER_BYTES},
    slot::{Owner, Slot},
};
use crate::{
    actors::{
        broker::Broker,
        edge::Edge,
        session::{Session, SessionState},
        session_context::RunningSession,
        supervisor::drop_quietly,
    },
    engine::client_limits::RequestLimits,
    stats::counters::Total,
};

/// Serves one client until that is done, or its socket was parked.
pub type Serving = Pin<Box<dyn Future<Output = ()>>>;

/// Starts to serve the client of a slot.
pub type Serve = Box<dyn Fn(Rc<Slot>) -> Serving>;

/// What every connection of a worker needs.
pub struct Worker {
    /// The broker.
    pub broker: Broker,
    /// Its part on this thread.
    pub edge: Rc<Edge>,
    /// Serves clients that speak HTTP/1.
    pub http1: Serve,
    /// Serves clients that speak HTTP/2.
    pub http2: Rc<Http2>,
    /// What clients send is read into this, one at a time.
    pub scratch: Rc<RefCell<Box<[u8]>>>,
    /// Clients that were told no and may still be sending.
    pub leaving: Cell<usize>,
}

impl Worker {
    /// Returns the bounds of requests as they are now.
    fn limits(&self) -> RequestLimits {
        self.broker.options().clients.requests
    }
}

/// How often it is looked whether a client that is not read is still there.
const UNREAD_LOOK: Duration = Duration::from_secs(1);

/// How much of what a WebSocket client sends is read at once.
pub const SCRATCH: usize = 32_768;

/// One client connection from accept to close.
pub struct Connection {
    session: RunningSession,
    slot: Rc<Slot>,
    worker: Place,
    /// None while a request is held, and at the end.
    serving: Option<Serving>,
    /// When to look again whether a WebSocket's client is still there, if it is not read.
    looking: Option<Pin<Box<Sleep>>>,
    /// No request follows: a gone link is told, or the socket was left to what is served.
    is_over: bool,
}

impl Connection {
    /// Takes over an accepted socket.
    pub fn new(socket: ClientSocket, worker: Place) -> Pin<Box<Self>> {
        let _ = socket.set_tcp_option(|socket| socket.set_tcp_nodelay(true));
        let state = Rc::<RefCell<SessionState>>::default();
        let (session, address) = RunningSession::new(Session::new(state.clone()));
        let slot = Slot::new(socket, worker.limits(), address.downgrade(), state);
        slot.probe_client(worker.broker.options().tcp);
        let serving = (worker.http1)(slot.clone());
        Box::pin(Self {
            session,
            slot,
            worker,
            serving: Some(serving),
            looking: None,
            is_over: false,
        })
    }

    fn poll_phases(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        loop {
            // That nobody has its address now is not its end: another hold may follow.
            let _ = Pin::new(&mut self.session).poll(task);
            if let Some(serving) = &mut self.serving {
                ready!(serving.as_mut().poll(task));
                self.serving = self.slot.take_successor().or_else(|| self.http2());
                if self.serving.is_some() {
                    self.slot.slim_down();
                    self.is_over = true;
                    continue;
                }
                if self.is_over || self.slot.owner() == Owner::Serving {
                    return Poll::Ready(());
                }
                self.begin_hold();
            }
            match ready!(self.poll_held(task)) {
                Event::Writable => self.slot.state.borrow().writable(),
                Event::Sent(_) => {}
                Event::Over if self.takes_another_request() => {
                    self.end_hold();
                    self.slot.serve_again(self.worker.limits());
                    self.serving = Some((self.worker.http1)(self.slot.clone()));
                }
                event @ (Event::Over | Event::Gone) => {
                    self.end_hold();
                    let Some(last) = self.last_phase(event) else {
                        return Poll::Ready(());
                    };
                    self.is_over = true;
                    self.serving = Some(last);
                }
            }
        }
    }

    /// Leaves the socket to HTTP/2, if the client begins with its preface.
    fn http2(&self) -> Option<Serving> {
        let peer = self.slot.peer();
        let (socket, ahead) = self.slot.take_http2()?;
        let client = (peer, socket.is_secure());
        Some(Box::pin(
            self.worker.http2.clone().serve(socket, ahead, client),
        ))
    }

    fn begin_hold(&self) {
        self.slot.slim_down();
        self.slot.bound_unsent();
        self.worker.edge.counters().add(Total::Parked, 1);
    }

    fn end_hold(&self) {
        self.worker.edge.counters().subtract(Total::Parked, 1);
    }

    /// A hold that is asked again goes on even if the client wants to close after its answer.
    fn takes_another_request(&self) -> bool {
        self.slot.owner() == Owner::Retried || self.slot.keep_alive()
    }

    /// Closes the socket; returns what is still to be waited for.
    fn last_phase(&self, event: Event) -> Option<Serving> {
        let mut state = self.slot.state.borrow_mut();
        let is_ended_socket = event == Event::Over && self.slot.is_web_socket();
        let lingering = is_ended_socket
            .then(|| self.slot.linger(LINGER_BYTES))
            .flatten();
        self.slot.close();
        state.abandon();
        let farewell = state.farewell();
        match (lingering, farewell) {
            (None, None) => None,
            (None, Some(farewell)) => Some(Box::pin(farewell.map(drop))),
            (Some(lingering), None) => Some(Box::pin(lingering)),
            (Some(lingering), Some(farewell)) => {
                Some(Box::pin(join(lingering, farewell).map(drop)))
            }
        }
    }

    /// Waits until the connection of a client that is not read has failed.
    fn poll_failure(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        loop {
            let looking = &mut self.looking;
            let looking = looking.get_or_insert_with(|| Box::pin(sleep(UNREAD_LOOK)));
            ready!(looking.as_mut().poll(task));
            self.looking = None;
            if self.slot.has_failed() {
                return Poll::Ready(());
            }
        }
    }

    /// Waits for a WebSocket's client, and takes what it sends.
    fn poll_socket(&mut self, wanted: usize, task: &mut TaskContext<'_>) -> Poll<Event> {
        match wanted {
            0 if self.poll_failure(task).is_ready() => return Poll::Ready(Event::Gone),
            0 => {}
            _ => self.looking = None,
        }
        let state = &self.slot.state;
        if let Some(ahead) = self.slot.take_ahead().filter(|ahead| !ahead.is_empty()) {
            state.borrow_mut().on_client_bytes(&mut ahead.to_vec());
            return Poll::Ready(Event::Sent(ahead.len()));
        }
        let mut scratch = self.worker.scratch.borrow_mut();
        let room = wanted.min(scratch.len());
        let into = scratch.get_mut(..room).unwrap_or_default();
        let event = ready!(self.slot.poll_event(task, into));
        if let Event::Sent(n) = event {
            let sent = into.get_mut(..n).unwrap_or_default();
            state.borrow_mut().on_client_bytes(sent);
        }
        Poll::Ready(event)
    }

    fn poll_held(&mut self, task: &mut TaskContext<'_>) -> Poll<Event> {
        let wanted = self.slot.state.borrow().wants_client();
        if let Some(wanted) = wanted {
            return self.poll_socket(wanted, task);
        }
        let mut ahead = [0; 512];
        let event = ready!(self.slot.poll_event(task, &mut ahead));
        if let Event::Sent(n) = event {
            let sent = ahead.get(..n).unwrap_or_default();
            if !self.slot.keep_ahead(sent, self.worker.limits()) {
                log::warn!(limit = AHEAD_MAX;
                    "a held client sent too much before its answer: closed");
                return Poll::Ready(Event::Gone);
            }
        }
        Poll::Ready(event)
    }
}

impl Future for Connection {
    type Output = Result<(), ()>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let connection = &mut *self;
        match catch_unwind(AssertUnwindSafe(|| connection.poll_phases(task))) {
            Ok(outcome) => outcome.map(Ok),
            Err(panic) => {
                let edge = &self.worker.edge;
                let consequence = "a session panicked: its client is cut off";
                edge.crashes().session.note(&*panic, consequence);
                edge.counters().add(Total::SessionPanics, 1);
                if self.serving.is_none() {
                    self.end_hold();
                }
                self.slot.say_crashed();
                drop_quietly(self.serving.take());
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A handshake that nobody waits for any more may still have the slot.
        self.slot.close();
        if let Ok(mut state) = self.slot.state.try_borrow_mut() {
            state.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a held client keeps: each of these is allocated once for a connection.
    #[test]
    fn a_connection_stays_small() {
        assert!(std::mem::size_of::<Connection>() <= 80);
        // Both behind two counts, the state in a `RefCell`.
        assert!(std::mem::size_of::<Slot>() <= 112);
        assert!(std::mem::size_of::<RefCell<SessionState>>() <= 80);
    }
}
