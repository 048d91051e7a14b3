//! Starts what asks the targets' health pages.
//!
//! Its connections are of its own and not kept: whether a target can be connected is part of the check.

use std::rc::Rc;

use actix::Addr;

use super::upstream::{Pool, PoolOptions};
use crate::actors::{broker::Broker, checker::Checker};

/// Watches the targets of a broker's routes that have a health page, from this thread.
pub fn watch(broker: &Broker) -> Addr<Checker> {
    let options = PoolOptions {
        idle_max: 0,
        ..PoolOptions::default()
    };
    Checker::start(broker, Rc::new(Pool::new(options)))
}
