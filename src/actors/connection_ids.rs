//! The WebSockets of one worker by the id that their backends know them by; kept only if somebody may
//! ask.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use actix::prelude::*;
use uuid::Uuid;

use super::{handlers::PATIENCE, hub::Hub};
use crate::engine::fan_out::SessionKey;

/// Command socket to every Hub: which of these WebSockets are there, by the ids that their backends know;
/// and if it `is_refresh`, their backends are asked.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Vec<Uuid>")]
pub struct FindConnections {
    /// Which.
    pub ids: Arc<[Uuid]>,
    /// Their backends are asked.
    pub is_refresh: bool,
}

/// Asks every hub, and puts what they find together.
pub(super) async fn find(hubs: &[Addr<Hub>], ids: Vec<Uuid>, is_refresh: bool) -> Vec<Uuid> {
    let ids = Arc::from(ids);
    let find = FindConnections { ids, is_refresh };
    let asked = hubs
        .iter()
        .map(|hub| hub.send(find.clone()).timeout(PATIENCE));
    let asked: Vec<_> = asked.collect();
    let mut found = Vec::new();
    for asked in asked {
        found.extend(asked.await.unwrap_or_default());
    }
    found
}

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
