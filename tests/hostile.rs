//! Input that means harm, from publishers, backends and clients: each gets a clear answer, and what
//! comes next is served as if nothing had been.
//!
//! Source: `docs/control-api.md#errors`, `docs/operations.md#limits`.

use crate::support::publish::stream_item;
use crate::support::P8;

mod contents;
mod floods;
mod instructions;
mod publishes;
mod requests;

/// Nothing panicked, nothing was restarted, and a publish is still taken.
#[track_caller]
pub fn assert_sound(p8: &P8) {
    p8.publish(&[stream_item("nobody", "x")]);
    let snapshot = p8.snapshot();
    let actors = snapshot.json()["actors"].as_object().expect("actors");
    for (kind, actor) in actors {
        assert_eq!(actor["restarts"], 0, "{kind} was restarted");
    }
    assert_eq!(snapshot.total("session_panics_total"), 0);
}
