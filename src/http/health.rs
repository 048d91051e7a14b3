//! Starts what asks the targets' health pages, and how it reaches them.
//!
//! Its connections are of its own and not kept: whether a target can be connected is part of the check.

use std::{rc::Rc, time::Duration};

use actix::Addr;

use super::upstream::{Pool, PoolOptions};
use crate::actors::{
    broker::Broker,
    checker::Checker,
    ports::{BackendRequest, Fetch, FetchFailure, Fetching, Informational, Promise, Upgrade},
};

/// Watches the targets of a broker's routes that have a health page, from this thread.
pub fn watch(broker: &Broker) -> Addr<Checker> {
    let options = PoolOptions {
        idle_max: 0,
        ..PoolOptions::default()
    };
    let way = Way {
        broker: broker.clone(),
        pool: Pool::new(options),
    };
    Checker::start(broker, Rc::new(way))
}

/// The way to health pages, which trusts whom the options name as they are now.
struct Way {
    broker: Broker,
    pool: Pool,
}

impl Fetch for Way {
    fn connecting_within(&self, limit: Duration) -> Rc<dyn Fetch> {
        self.pool.connecting_within(limit)
    }

    fn fetch(&self, request: BackendRequest, informational: Option<Informational>) -> Fetching {
        self.pool.trust(self.broker.options().backend.ca.clone());
        self.pool.fetch(request, informational)
    }

    fn upgrade(&self, request: BackendRequest) -> Promise<Result<Upgrade, FetchFailure>> {
        self.pool.upgrade(request)
    }
}
