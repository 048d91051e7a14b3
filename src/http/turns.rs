//! How many requests of P-8's own a worker has with a route's backends at a time, by purpose.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::Future,
    rc::Rc,
    sync::{Arc, Weak},
};

use tokio::sync::Semaphore;

use crate::{actors::ports::Turn, engine::route::Route};

/// Most gone links of a route that wait to be told, or are.
const GONE_MAX: usize = 10_000;

/// The turns of every route of a worker.
pub struct Turns {
    max: Cell<TurnsMax>,
    /// By the route's address, which no other route has while it is referred to.
    routes: RefCell<HashMap<usize, OfRoute>>,
}

/// The turns of a route, and what keeps its address its own.
type OfRoute = (Weak<Route>, Rc<RouteTurns>);

/// How many turns a route has at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnsMax {
    /// To ask for missed items.
    pub recovery: usize,
    /// To ask filters.
    pub filters: usize,
    /// To tell events of WebSockets.
    pub events: usize,
}

/// The turns of one route.
pub struct RouteTurns {
    /// To ask for missed items: next links and repeated requests.
    pub recovery: Arc<Semaphore>,
    /// To ask filters; apart, for items wait for them.
    pub filters: Arc<Semaphore>,
    /// To tell events of WebSockets.
    pub events: Arc<Semaphore>,
    gone: Arc<Semaphore>,
    gone_links: Cell<usize>,
}

impl RouteTurns {
    /// Takes a turn to tell a gone link, for as long as `tell` takes; none if too many wait for theirs.
    pub async fn tell_gone<T>(&self, tell: impl Future<Output = T>) -> Option<T> {
        let counted = Counted::new(&self.gone_links)?;
        let turn = taken(self.gone.clone()).await;
        let told = tell.await;
        drop((turn, counted));
        Some(told)
    }
}

/// One of a bounded number, until dropped.
struct Counted<'a>(&'a Cell<usize>);

impl<'a> Counted<'a> {
    fn new(count: &'a Cell<usize>) -> Option<Self> {
        let before = count.get();
        count.set(before + 1);
        let counted = Self(count);
        (before < GONE_MAX).then_some(counted)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Turns {
    /// Makes the turns of a worker.
    pub fn new(max: TurnsMax) -> Self {
        Self {
            max: Cell::new(max),
            routes: RefCell::default(),
        }
    }

    /// Returns the turns of a route.
    pub fn of(&self, route: &Arc<Route>) -> Rc<RouteTurns> {
        let key = Arc::as_ptr(route) as usize;
        let mut routes = self.routes.borrow_mut();
        let new = || {
            let turns = |max| Arc::new(Semaphore::new(max));
            let max = self.max.get();
            let turns = RouteTurns {
                recovery: turns(max.recovery),
                filters: turns(max.filters),
                events: turns(max.events),
                gone: turns(max.recovery),
                gone_links: Cell::default(),
            };
            (Arc::downgrade(route), Rc::new(turns))
        };
        routes.entry(key).or_insert_with(new).1.clone()
    }

    /// Changes how many there are from now on, and forgets routes that nobody has any more.
    ///
    /// Turns that are taken or waited for count on by the earlier bound.
    pub fn set_max(&self, max: TurnsMax) {
        let is_same = self.max.replace(max) == max;
        let mut routes = self.routes.borrow_mut();
        routes.retain(|_, (route, _)| is_same && route.strong_count() > 0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{
        future::{pending, ready},
        FutureExt,
    };
    use std::task::{Context, Waker};

    #[test]
    fn gone_links_past_their_bound_are_not_told() {
        let max = TurnsMax {
            recovery: 1,
            filters: 1,
            events: 1,
        };
        let turns = Turns::new(max).of(&Arc::new(Route::new("*")));
        let mut waiting: Vec<_> = (0..GONE_MAX)
            .map(|_| Box::pin(turns.tell_gone(pending::<()>())))
            .collect();
        let mut context = Context::from_waker(Waker::noop());
        for told in &mut waiting {
            assert!(told.poll_unpin(&mut context).is_pending());
        }
        let one_more = || turns.tell_gone(ready(())).now_or_never();
        assert_eq!(one_more(), Some(None), "too many wait");
        waiting.pop();
        assert_eq!(one_more(), None, "it waits with the others");
        waiting.clear();
        assert_eq!(one_more(), Some(Some(())));
    }
}
