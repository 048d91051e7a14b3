//! Routes with several targets: which is asked, which is left alone, and how long an answer may take.
//!
//! Source: `docs/configuration.md#targets`.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::{Answer, Backend, Config, P8};

mod balancing;
mod checks;
mod ejection;
mod timeouts;

/// A route to these backends, by one worker, so that its turns are known.
fn route(lines: &str, targets: &[SocketAddr]) -> Config {
    let lines = format!("host = \"*\"\n{lines}");
    Config::new().http("workers = 1").route(&lines, targets)
}

/// A backend that answers with its name.
fn named(name: &'static str) -> Backend {
    Backend::answering(move |_| Answer::ok(name))
}

/// Who answered one GET after another, each on a connection of its own.
fn answers(p8: &P8, count: usize) -> Vec<String> {
    (0..count).map(|_| p8.get("/").text()).collect()
}

/// What `/admin` tells of a target.
#[track_caller]
fn told(p8: &P8, target: SocketAddr) -> Value {
    let snapshot = p8.snapshot();
    let targets = snapshot.json()["targets"].as_array().expect("targets");
    let of = |told: &&Value| told["target"] == target.to_string();
    targets.iter().find(of).expect("this target").clone()
}
