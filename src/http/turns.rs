//! How many requests of P-8's own a worker has with a route's backends at a time, by purpose.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use tokio::sync::Semaphore;

use crate::{actors::ports::Turn, engine::route::Route};

/// The turns of every route of a worker.
pub struct Turns {
    recovery_max: usize,
    filters_max: usize,
    routes: RefCell<HashMap<usize, Rc<RouteTurns>>>,
}

/// The turns of one route.
pub struct RouteTurns {
    /// To ask for missed items: next links and repeated requests.
    pub recovery: Arc<Semaphore>,
    /// To ask filters; apart, for items wait for them.
    pub filters: Arc<Semaphore>,
    /// To tell gone links.
    pub gone: Arc<Semaphore>,
}

impl Turns {
    /// Makes the turns of a worker.
    pub fn new(recovery_max: usize, filters_max: usize) -> Self {
        Self {
            recovery_max,
            filters_max,
            routes: RefCell::default(),
        }
    }

    /// Returns the turns of a route.
    pub fn of(&self, route: &Arc<Route>) -> Rc<RouteTurns> {
        let key = Arc::as_ptr(route) as usize;
        let mut routes = self.routes.borrow_mut();
        let new = || {
            let turns = |max| Arc::new(Semaphore::new(max));
            Rc::new(RouteTurns {
                recovery: turns(self.recovery_max),
                filters: turns(self.filters_max),
                gone: turns(self.recovery_max),
            })
        };
        routes.entry(key).or_insert_with(new).clone()
    }
}

/// Takes a turn, in the order of asking.
pub async fn taken(turns: Arc<Semaphore>) -> Turn {
    match turns.acquire_owned().await {
        Ok(turn) => turn,
        // These semaphores are never closed.
        Err(_) => std::future::pending().await,
    }
}
