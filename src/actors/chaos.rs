//! Fault injection for tests (cargo feature `chaos`): items whose meta makes a named actor panic or
//! wedge.
//!
//! **Shape**: meta `p8-chaos` is `panic-publisher`, `panic-channel`, `panic-delivery` (a channel, once
//! an item that waited goes out), `panic-session` (one that looks at items itself, or whose WebSocket
//! is closed by the item), `panic-zmq` (the ZeroMQ socket it came by) or `panic-hub`; for the last, meta
//! `p8-chaos-at` says at which session of the fan-out, counted from 1. With `wedge-` in place of `panic-`
//! the actor blocks its thread for `p8-chaos-ms` milliseconds, at most a minute, and goes on. The socket of
//! statistics sees no meta: it panics when it is to tell of an item on the channel `p8-chaos-stats`.
//!
//! Actors that see no items are `meter`, `supervisor`, `checker` and `dealer`: the item's publisher writes
//! their names down, and the next one of that kind in the process fails. An upstream fails for a request
//! with the header `P8-Chaos: panic-upstream`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;

use crate::grip::{channel::ChannelName, publish::Item};

const WEDGE_MAX: Duration = Duration::from_secs(60);

/// Actors that see no items.
const BLIND: [&str; 4] = ["meter", "supervisor", "checker", "dealer"];

/// Items that are meant for them.
static MEANT: Mutex<Vec<Item>> = Mutex::new(Vec::new());

/// Returns what an item asks for, and of which actor.
fn wish(item: &Item) -> Option<(&str, &str)> {
    item.meta.get("p8-chaos")?.split_once('-')
}

/// Panics or wedges if the item asks this actor to.
pub fn maybe_fail(item: &Item, actor: &str) {
    match wish(item) {
        Some(("panic", whose)) if whose == actor => panic_on(item, whose),
        Some(("wedge", whose)) if whose == actor => wedge(item),
        _ => {}
    }
}

/// Writes down an item that asks an actor to fail that sees no items.
pub fn pass_on(item: &Item) {
    if wish(item).is_some_and(|(_, whose)| BLIND.contains(&whose)) {
        let mut meant = MEANT.lock().unwrap_or_else(PoisonError::into_inner);
        meant.push(item.clone());
    }
}

/// As [`maybe_fail`], for an actor that sees no items.
pub fn maybe_fail_blind(actor: &str) {
    let is_meant = |item: &Item| wish(item).is_some_and(|(_, whose)| whose == actor);
    let mut meant = MEANT.lock().unwrap_or_else(PoisonError::into_inner);
    let at = meant.iter().position(is_meant);
    let item = at.map(|at| meant.swap_remove(at));
    drop(meant);
    if let Some(item) = item {
        maybe_fail(&item, actor);
    }
}

/// Panics if the request asks its upstream to.
#[expect(clippy::panic, reason = "this is what the feature is for")]
pub fn maybe_fail_upstream(headers: &HeaderMap) {
    if headers
        .get("p8-chaos")
        .is_some_and(|wish| wish == "panic-upstream")
    {
        panic!("chaos: panic-upstream");
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
fn panic_on(item: &Item, actor: &str) {
    panic!("chaos: panic-{actor} on channel {}", item.channel.as_str());
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
