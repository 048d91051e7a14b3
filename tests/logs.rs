//! What the program logs, as an operator reads it. Source: `docs/operations.md`, logs.

use crate::support::programs::Program;
use crate::support::publish::{publish, stream_item};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Client, Config};

/// A channel whose name would be a line of its own, in red.
const CHANNEL: &str = "a\n[FORGED] line\u{1b}[31m\r";
const TARGET: &str = "/stream?channel=a%0a[FORGED]%20line%1b[31m%0d";

#[test]
fn names_of_channels_forge_no_lines() {
    let config = Config::new()
        .handler("slow_client = \"drop-newest\"")
        .handler("session_queue_items_max = 1")
        .route_to("host = \"*\"", "{ test = true }");
    let p8 = Program::start(&config.toml(), &[("RUST_LOG", "debug")]);
    let mut slow = Client::connect_with_small_window(p8.clients);
    slow.request("GET", TARGET, &[], b"");
    assert_eq!(slow.final_head().status, 200);
    let large = stream_item(CHANNEL, &"x".repeat(700_000));
    for _ in 0..5 {
        publish(p8.control, std::slice::from_ref(&large));
    }
    wait_until(DEADLINE, "the losses to be logged", || {
        p8.log().contains("slow clients lost items")
    });
    let log = p8.log();
    assert!(log.contains("FORGED"), "the channel is named:\n{log}");
    assert!(!log.contains(['\u{1b}', '\r']), "controls are escaped");
    for line in log.lines() {
        assert!(!line.starts_with("[FORGED"), "{line}");
    }
}
