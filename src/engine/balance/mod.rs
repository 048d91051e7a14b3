//! Which target of a route is asked first, and which after it.
//!
//! ```text
//! candidates, as listed ─▶ Rotation::order ─▶ those in service, by the route's order
//!                                             those out of service behind them: never refused for that
//! request ─▶ Health::begin ─▶ on_answer | on_failure | on_undecided ─▶ ejected for a while, and back
//! ```
//!
//! It asks nobody and has no clock. Whether the next target may be asked after a failure is not its
//! concern: only what happened before a byte was sent allows it (`actors/upstream.rs`).
//!
//! Source: `docs/configuration.md#targets`.

mod check;
mod checks;
mod health;
#[cfg(test)]
mod tests;

pub use check::{Check, CheckState};
pub use checks::{Checks, Page};
pub use health::{EjectionLimits, Health, Standing, Trial};

/// Names how a route chooses among its targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The first in service, as they are listed.
    #[default]
    First,
    /// Each in service in its turn.
    RoundRobin,
    /// The one with the fewest requests under way; equal ones take turns.
    LeastRequests,
}

/// Says what is known of one target of a route when one is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Requests under way to it.
    pub under_way: u32,
    /// It is not asked as long as another one is in service.
    pub is_out: bool,
}

/// Takes the turns of a route's targets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rotation {
    next: usize,
}

impl Rotation {
    /// Returns each candidate's position once, in the order to be tried.
    pub fn order(&mut self, order: Order, candidates: &[Candidate]) -> Vec<usize> {
        let count = candidates.len();
        let start = match order {
            Order::First => 0,
            Order::RoundRobin | Order::LeastRequests => self.next.checked_rem(count).unwrap_or(0),
        };
        let mut tried: Vec<usize> = (start..count).chain(0..start).collect();
        tried.sort_by_key(|at| {
            let candidate = candidates.get(*at);
            let under_way = match order {
                Order::LeastRequests => candidate.map_or(0, |candidate| candidate.under_way),
                Order::First | Order::RoundRobin => 0,
            };
            (
                candidate.is_none_or(|candidate| candidate.is_out),
                under_way,
            )
        });
        self.next = tried.first().map_or(0, |first| first + 1);
        tried
    }
}
