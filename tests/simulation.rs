//! Sessions, hubs and handlers in a simulated world: whatever happens, a session gets what is its own,
//! once and in order, and what it does not get is counted.
//!
//! The machines of `engine` are the real ones; the shells around them, the network, a backend that knows
//! the truth and clients that believe nothing are simulated, with virtual time. One seed is one world:
//! `P8_SIM_SEED` replays it. A world that breaks a rule runs once more to tell its last steps.

mod backend;
mod begin;
mod client;
mod handler;
mod hub;
mod seat;
mod shell;
mod world;

use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

use world::World;

const SEEDS: u64 = 160;

#[test]
fn whatever_happens_sessions_get_what_is_theirs_once_and_in_order() {
    let seeds = match std::env::var("P8_SIM_SEED") {
        Ok(text) => {
            let seed = text.parse().expect("P8_SIM_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    let mut total = world::Tally::default();
    for seed in seeds.clone() {
        match catch_unwind(|| World::new(seed).run()) {
            Ok(tally) => total.add(&tally),
            Err(_) => tell(seed),
        }
    }
    println!("{total:?}");
    if seeds.end - seeds.start > 1 {
        total.assert_nothing_is_zero();
    }
}

/// Runs a broken world again, and tells its end.
fn tell(seed: u64) {
    let mut world = World::new(seed);
    world.keep_trace();
    let again = catch_unwind(AssertUnwindSafe(|| world.run()));
    println!("{}\nP8_SIM_SEED={seed}", world.trace());
    if let Err(why) = again {
        resume_unwind(why);
    }
    panic!("P8_SIM_SEED={seed} broke a rule, and not when it was run again");
}
