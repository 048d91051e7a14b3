//! The sessions whose clients poll, by name: their requests may reach any worker.
//!
//! A name is taken from the first poll on, and free again when the session has ended.

use std::{
    collections::{hash_map::Entry, HashMap},
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc, Mutex, PoisonError,
    },
};

use actix::Addr;

use super::{
    messages::{Depth, SessionEvent, ToSession},
    session::Session,
    web_socket::SocketEvent,
};
use crate::engine::sockjs::SessionId;

/// A session's name, within its route.
pub type Name = (usize, SessionId);

/// All sessions of a broker whose clients poll.
#[derive(Clone)]
pub struct PolledSessions(Arc<Shared>);

struct Shared {
    max: AtomicUsize,
    sessions: Mutex<HashMap<Name, Option<Reached>>>,
}

/// How a session is reached from any thread.
#[derive(Clone)]
pub struct Reached {
    /// Its address.
    pub session: Addr<Session>,
    /// Its hold.
    pub hold: u64,
}

impl Reached {
    /// Tells the session something; one that has ended hears nothing.
    #[expect(
        clippy::disallowed_methods,
        reason = "one for each request of the client, which waits for the answer"
    )]
    pub fn tell(&self, event: SocketEvent) {
        self.session.do_send(ToSession {
            hold: self.hold,
            event: SessionEvent::Socket(Box::new(event)),
            waiting: Depth::default().enter(),
        });
    }
}

/// What is known by a name.
pub enum Found {
    /// A session.
    Open(Reached),
    /// Its first poll waits for the backend.
    Opening,
    /// Nothing was: the name is taken now.
    New(Place),
    /// Nothing is, and there are too many others.
    TooMany,
}

impl PolledSessions {
    /// Makes room for so many.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Shared {
            max: AtomicUsize::new(max),
            sessions: Mutex::default(),
        }))
    }

    /// Makes room for so many from now on; those that are there stay.
    pub fn set_max(&self, max: usize) {
        self.0.max.store(max, Ordering::Relaxed);
    }

    /// Finds a session.
    pub fn find(&self, name: &Name) -> Option<Reached> {
        self.0.with(|sessions| sessions.get(name)?.clone())
    }

    /// Finds a session, or takes its name for a new one.
    pub fn find_or_take(&self, name: Name) -> Found {
        self.0.with(|sessions| {
            let is_full = sessions.len() >= self.0.max.load(Ordering::Relaxed);
            match sessions.entry(name.clone()) {
                Entry::Occupied(known) => match known.get() {
                    Some(reached) => Found::Open(reached.clone()),
                    None => Found::Opening,
                },
                Entry::Vacant(_) if is_full => Found::TooMany,
                Entry::Vacant(free) => {
                    free.insert(None);
                    let all = self.clone();
                    Found::New(Place { all, name })
                }
            }
        })
    }
}

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut HashMap<Name, Option<Reached>>) -> T) -> T {
        look(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A session's name; dropping it frees it.
pub struct Place {
    all: PolledSessions,
    name: Name,
}

impl Place {
    /// Lets requests reach the session.
    pub fn open(&self, reached: Reached) {
        let name = self.name.clone();
        self.all
            .0
            .with(|sessions| sessions.insert(name, Some(reached)));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.0.with(|sessions| sessions.remove(&self.name));
    }
}
