//! Fault injection for tests (cargo feature `chaos`): items whose meta makes a named actor panic or
//! wedge.
//!
//! **Shape**: meta `p8-chaos` is `panic-publisher`, `panic-channel`, `panic-delivery` (a channel, once
//! an item that waited goes out), `panic-session` (one that looks at items itself, or whose WebSocket
//! is closed by the item), `panic-zmq` (the ZeroMQ socket it came by) or `panic-hub`; for the last, meta
//! `p8-chaos-at` says at which session of the fan-out, counted from 1. With `wedge-` in place of `panic-`
//! the actor blocks its thread for `p8-chaos-ms` milliseconds, at most a minute, and goes on. The socket of
//! statistics sees no meta: it panics when it is to tell of an item on the channel `p8-chaos-stats`.

use std::time::Duration;

use crate::grip::{channel::ChannelName, publish::Item};

const WEDGE_MAX: Duration = Duration::from_secs(60);

/// Panics or wedges if the item asks this actor to.
pub fn maybe_fail(item: &Item, actor: &str) {
    let Some(wish) = item.meta.get("p8-chaos") else {
        return;
    };
    match wish.split_once('-') {
        Some(("panic", whose)) if whose == actor => panic_on(item, wish),
        Some(("wedge", whose)) if whose == actor => wedge(item),
        _ => {}
    }
}

/// As [`maybe_fail`], if the item asks for it at this session of the fan-out.
pub fn maybe_fail_hub(item: &Item, served: u64) {
    if item.meta.is_empty() {
        return;
    }
    let at = item.meta.get("p8-chaos-at");
    if served == at.and_then(|at| at.parse().ok()).unwrap_or(1) {
        maybe_fail(item, "hub");
    }
}

/// Panics if an item on this channel is told of.
pub fn maybe_fail_stats(channel: &ChannelName) {
    #[expect(clippy::panic, reason = "this is what the feature is for")]
    if channel.as_str() == "p8-chaos-stats" {
        panic!("chaos: statistics of channel {}", channel.as_str());
    }
}

#[expect(clippy::panic, reason = "this is what the feature is for")]
fn panic_on(item: &Item, wish: &str) {
    panic!("chaos: {wish} on channel {}", item.channel.as_str());
}

#[expect(
    clippy::disallowed_methods,
    reason = "to stop a thread is what this is for; it ends, so that tests can"
)]
fn wedge(item: &Item) {
    let time = item.meta.get("p8-chaos-ms");
    let time = time.and_then(|ms| ms.parse().ok()).unwrap_or(5_000);
    std::thread::sleep(Duration::from_millis(time).min(WEDGE_MAX));
}
