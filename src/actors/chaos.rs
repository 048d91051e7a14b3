//! Fault injection for tests (cargo feature `chaos`): items whose meta makes a named actor panic.
//!
//! **Shape**: meta `p8-chaos` is `panic-publisher`, `panic-channel`, `panic-delivery` (a channel, once
//! an item that waited goes out), `panic-session` (one that looks at items itself, or whose WebSocket
//! is closed by the item), `panic-zmq` (the ZeroMQ socket it came by) or `panic-hub`; for the last, meta `p8-chaos-at` says at which session of the
//! fan-out, counted from 1.

use crate::grip::publish::Item;

/// Panics if the item asks for this one.
#[expect(clippy::panic, reason = "this is what the feature is for")]
pub fn maybe_panic(item: &Item, wish: &str) {
    if item.meta.get("p8-chaos").is_some_and(|meta| meta == wish) {
        panic!("chaos: {wish} on channel {}", item.channel.as_str());
    }
}

/// Panics if the item asks for it at this session of the fan-out.
pub fn maybe_panic_hub(item: &Item, served: u64) {
    if item.meta.is_empty() {
        return;
    }
    let at = item
        .meta
        .get("p8-chaos-at")
        .and_then(|at| at.parse().ok())
        .unwrap_or(1);
    if served == at {
        maybe_panic(item, "panic-hub");
    }
}
