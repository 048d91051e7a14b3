//! The moment between a request and its hold: clients that leave in it, and holds that are refused.
//!
//! Source: `docs/operations.md`, limits.

use crate::support::publish::{close_item, stream_item};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Config, P8};

/// How many clients come and go.
const CLIENTS: usize = 300;

/// P-8 on one worker with the built-in test target, which holds without a backend.
fn testing(config: Config) -> P8 {
    P8::start(
        &config
            .http("workers = 1")
            .handler("subscription_linger = 0")
            .route_to("host = \"*\"", "{ test = true }"),
    )
}

#[test]
fn clients_that_leave_while_they_join_leave_nothing_behind() {
    let p8 = testing(Config::new());
    for target in ["/stream?channel=a", "/response?channel=a"] {
        for _ in 0..CLIENTS {
            let mut client = p8.client();
            client.request("GET", target, &[], b"");
            client.finish_sending();
        }
        assert_eq!(p8.get("/").status(), 200, "the others were accepted before");
        wait_until(DEADLINE, "the sessions to end", || {
            let snapshot = p8.snapshot();
            let left = ["connections_current", "sessions_current"].map(|name| snapshot.total(name));
            left == [0, 0] && snapshot.subscribers("a") == 0 && snapshot.actors("channel") == 0
        });
    }
}

#[test]
fn holds_that_need_a_channel_past_channels_max_are_refused_and_counted() {
    let p8 = testing(Config::new().handler("channels_max = 2"));
    let mut on_a = p8.stream("/stream?channel=a");
    let on_b = p8.stream("/stream?channel=b");
    for target in [
        "/stream?channel=c",
        "/response?channel=c",
        "/stream?channel=a&channel=c",
    ] {
        let refused = p8.get(target);
        let head = &refused.head;
        assert_eq!(
            (
                head.status,
                head.header("p8-reason"),
                head.header("retry-after")
            ),
            (503, Some("channel-unavailable"), Some("1")),
            "{target}"
        );
    }
    assert_eq!(p8.snapshot().refused("channels-max"), 3);
    let both = p8.stream("/stream?channel=a&channel=b");
    wait_until(DEADLINE, "the refused ones to be forgotten", || {
        p8.snapshot().total("sessions_current") == 3
    });
    drop((on_b, both));
    wait_until(DEADLINE, "the channel b to end", || {
        p8.snapshot().actors("channel") == 1
    });
    let mut on_c = p8.stream("/stream?channel=c");
    p8.publish(&[stream_item("a", "to a"), stream_item("c", "to c")]);
    p8.publish(&[close_item("a"), close_item("c")]);
    for (client, text) in [(&mut on_a, "to a"), (&mut on_c, "to c")] {
        let body = client.read_to_end().expect("a proper end");
        let expected = format!("[stream opened]\n{text}");
        assert_eq!(String::from_utf8_lossy(&body), expected);
    }
}
