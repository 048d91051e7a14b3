//! The WebSockets of one worker by the id that their backends know them by; kept only if somebody may
//! ask.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use uuid::Uuid;

use crate::engine::fan_out::SessionKey;

/// A session's place: its name on the worker, and its hold.
type Place = (SessionKey, u64);

/// Places by id; clones are the same.
#[derive(Clone, Default)]
pub struct ConnectionIds(Option<Rc<RefCell<HashMap<Uuid, Place>>>>);

/// An id that leads to a session, until this is dropped.
pub struct NamedConnection {
    ids: Rc<RefCell<HashMap<Uuid, Place>>>,
    id: Uuid,
}

impl ConnectionIds {
    /// Makes a list; it stays empty unless it `is_kept`.
    pub fn new(is_kept: bool) -> Self {
        Self(is_kept.then(Rc::default))
    }

    /// Enters a session.
    pub fn enter(&self, id: Uuid, place: Place) -> Option<NamedConnection> {
        let ids = self.0.clone()?;
        ids.borrow_mut().insert(id, place);
        Some(NamedConnection { ids, id })
    }

    /// Finds a session.
    pub fn find(&self, id: &Uuid) -> Option<Place> {
        self.0.as_ref()?.borrow().get(id).copied()
    }
}

impl Drop for NamedConnection {
    fn drop(&mut self) {
        self.ids.borrow_mut().remove(&self.id);
    }
}
