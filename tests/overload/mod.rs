//! More is asked for than can be done: connections, requests to backends, publishes.
//!
//! What is too much is refused at once with 503 and `Retry-After`; what P-8 has already goes on; and
//! when the load is over, nobody has to do anything.
//!
//! Source: `docs/reliability.md#overload`, `docs/operations.md#limits`.

mod backends;
mod connections;
mod publishes;

use crate::support::client::Head;

/// Status, reason, and when to try again.
fn refusal(head: &Head) -> (u16, Option<&str>, Option<&str>) {
    let (reason, again) = (head.header("p8-reason"), head.header("retry-after"));
    (head.status, reason, again)
}
