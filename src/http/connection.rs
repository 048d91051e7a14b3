//! The life of a client connection: serve requests; if one is held, wait for its end; serve again.
//!
//! It is the task of the connection's `Session` actor: the actor's context is polled here, beside the
//! HTTP/1 dispatcher or the parked socket, so a held client costs one small task. A panic in either
//! ends this client only.

use std::{
    cell::RefCell,
    future::Future,
    panic::{catch_unwind, AssertUnwindSafe},
    pin::Pin,
    rc::Rc,
    sync::atomic::Ordering,
    task::{Context as TaskContext, Poll},
};

use actix::{dev::ContextFut, Context};
use actix_rt::net::TcpStream;
use socket2::SockRef;

use super::{
    detach::Slot,
    gate::AHEAD_MAX,
    parked::{Event, ParkedSocket},
};
use crate::{
    actors::{
        broker::Broker,
        edge::Edge,
        session::{Session, SessionState},
        supervisor::drop_quietly,
    },
    engine::framing::FramingLimits,
    stats::counters::Total,
};

/// A dispatcher serving one client until it is done, or its socket was parked.
pub type Serving = Pin<Box<dyn Future<Output = ()>>>;

/// Starts a dispatcher on a connection's slot.
pub type Serve = Rc<dyn Fn(Rc<Slot>) -> Serving>;

/// What every connection of a worker needs.
pub struct Worker {
    /// The broker.
    pub broker: Broker,
    /// Its part on this thread.
    pub edge: Rc<Edge>,
    /// Bounds of request heads.
    pub limits: FramingLimits,
    /// Starts a dispatcher.
    pub serve: Serve,
}

enum Phase {
    Serving(Serving),
    Held(Rc<ParkedSocket>),
    Over,
}

/// One client connection from accept to close.
pub struct Connection {
    session: Option<ContextFut<Session, Context<Session>>>,
    slot: Rc<Slot>,
    worker: Rc<Worker>,
    phase: Phase,
}

impl Connection {
    /// Takes over an accepted socket.
    pub fn new(socket: TcpStream, worker: Rc<Worker>) -> Pin<Box<Self>> {
        let _ = socket.set_nodelay(true);
        let context = Context::new();
        let state = Rc::<RefCell<SessionState>>::default();
        let address = actix::AsyncContext::address(&context);
        let slot = Slot::new(socket, worker.limits, address, state.clone());
        let session = Session::new(state, worker.edge.session_mailbox().clone());
        let serving = (worker.serve)(slot.clone());
        worker.edge.counters().add(Total::Connections, 1);
        Box::pin(Self {
            session: Some(context.into_future(session)),
            slot,
            worker,
            phase: Phase::Serving(serving),
        })
    }

    fn poll_phases(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        loop {
            if let Some(session) = &mut self.session {
                let _ = Pin::new(&mut *session).poll(task);
                if matches!(self.phase, Phase::Serving(_)) {
                    self.slot.give_session(|| session.address());
                }
            }
            match &mut self.phase {
                Phase::Serving(serving) => {
                    if serving.as_mut().poll(task).is_pending() {
                        return Poll::Pending;
                    }
                    self.phase = match self.slot.take_parked() {
                        Some(parked) => {
                            parked.tune(self.worker.broker.options().tcp);
                            self.worker.edge.counters().add(Total::Parked, 1);
                            Phase::Held(parked)
                        }
                        None => Phase::Over,
                    };
                }
                Phase::Held(parked) => {
                    let parked = parked.clone();
                    match self.poll_held(&parked, task) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(None) => {}
                        Poll::Ready(Some(next)) => {
                            self.worker.edge.counters().subtract(Total::Parked, 1);
                            self.phase = next;
                        }
                    }
                }
                Phase::Over => return Poll::Ready(()),
            }
        }
    }

    /// Returns the next phase once the hold is over.
    fn poll_held(&self, parked: &ParkedSocket, task: &mut TaskContext<'_>) -> Poll<Option<Phase>> {
        let mut ahead = [0; 512];
        let event = match parked.poll_event(task, &mut ahead) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(event) => event,
        };
        Poll::Ready(match event {
            Event::Sent(n) if self.slot.keep_ahead(ahead.get(..n).unwrap_or_default()) => None,
            Event::Sent(_) => {
                log::warn!(limit = AHEAD_MAX;
                    "a held client sent too much before its answer: closed");
                self.slot.state.borrow_mut().abandon();
                Some(Phase::Over)
            }
            Event::Writable => {
                self.slot.state.borrow().writable();
                None
            }
            Event::Gone => {
                self.slot.state.borrow_mut().abandon();
                Some(Phase::Over)
            }
            Event::Released(socket) => Some(self.after_hold(socket, parked.keep_alive())),
            Event::Retried(socket) => {
                self.slot.replay(socket, parked.request());
                Some(Phase::Serving((self.worker.serve)(self.slot.clone())))
            }
        })
    }

    fn after_hold(&self, socket: TcpStream, keep_alive: bool) -> Phase {
        if !keep_alive {
            let _ = SockRef::from(&socket).shutdown(std::net::Shutdown::Write);
            return Phase::Over;
        }
        self.slot.unpark(socket);
        Phase::Serving((self.worker.serve)(self.slot.clone()))
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
                edge.crashes()
                    .session
                    .note(&*panic, "a session panicked: its client is cut off");
                edge.counters().add(Total::SessionPanics, 1);
                self.slot.say_crashed();
                let phase = std::mem::replace(&mut self.phase, Phase::Over);
                drop_quietly(phase);
                drop_quietly(self.session.take());
                if let Ok(mut state) = self.slot.state.try_borrow_mut() {
                    state.abandon();
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.worker.edge.counters().subtract(Total::Connections, 1);
        self.worker
            .broker
            .connections()
            .fetch_sub(1, Ordering::Relaxed);
        if let Ok(mut state) = self.slot.state.try_borrow_mut() {
            state.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes() {
        eprintln!("Connection {}", std::mem::size_of::<super::Connection>());
        eprintln!(
            "ContextFut {}",
            std::mem::size_of::<
                actix::dev::ContextFut<super::Session, actix::Context<super::Session>>,
            >()
        );
        eprintln!("Slot {}", std::mem::size_of::<super::Slot>());
        eprintln!("Parked {}", std::mem::size_of::<super::ParkedSocket>());
        eprintln!("TcpStream {}", std::mem::size_of::<super::TcpStream>());
        eprintln!(
            "Framing {}",
            std::mem::size_of::<crate::engine::framing::Framing>()
        );
        eprintln!(
            "Held {}",
            std::mem::size_of::<crate::actors::session::Held>()
        );
        eprintln!(
            "StreamHold {}",
            std::mem::size_of::<crate::engine::stream_hold::StreamHold>()
        );
        eprintln!(
            "ResponseHold {}",
            std::mem::size_of::<crate::engine::response_hold::ResponseHold>()
        );
        eprintln!("State {}", std::mem::size_of::<super::SessionState>());
    }
}
