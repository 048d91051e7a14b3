//! A hint makes P-8 ask a long-poll's backend again; what is published meanwhile waits for the answer.
//!
//! Source: `docs/control-api.md`, http-response.

use crate::support::grip::hold;
use crate::support::publish::{hint_item, mute_item, response_item};
use crate::support::wait::{gate, Gate, DEADLINE};
use crate::support::{wait_until, Backend, Client, Config, P8};

/// Items that P-8 keeps for a request that is being asked again.
const KEPT: usize = 100;

/// A long-poll whose backend has been asked again, and does not answer until told.
struct Asked {
    backend: Backend,
    p8: P8,
    client: Client,
    answer: Gate,
}

impl Asked {
    fn again() -> Asked {
        let (answer, wait) = gate();
        let backend = Backend::scripted(move |exchange| {
            if exchange.index() == 1 {
                wait();
            }
            exchange.answer(&hold("response", "a", ""));
        });
        let config = Config::to(backend.addr);
        let p8 = P8::start(&config.handler(&format!("session_queue_items_max = {KEPT}")));
        let client = p8.long_poll("/", "a", 1);
        p8.publish(&[hint_item("a")]);
        let asked = Asked {
            backend,
            p8,
            client,
            answer,
        };
        asked.wait_for_requests(2);
        asked
    }

    fn wait_for_requests(&self, count: usize) {
        wait_until(DEADLINE, "the backend to be asked again", || {
            self.backend.seen().len() == count
        });
    }

    /// Publishes and waits until the session has heard of it.
    #[track_caller]
    fn publish(&self, items: &[serde_json::Value]) {
        self.p8.publish(items);
        wait_until(DEADLINE, "the session to take the items", || {
            self.p8.snapshot().waiting("session") == 0
        });
    }
}

#[test]
fn a_hint_asks_the_backend_again_with_the_same_request() {
    let mut asked = Asked::again();
    asked.answer.open();
    let seen = asked.backend.seen();
    assert_eq!(
        (&seen[0].method, &seen[0].target),
        (&seen[1].method, &seen[1].target)
    );
    asked.p8.publish(&[response_item("a", "later")]);
    assert_eq!(asked.client.reply().text(), "later");
}

#[test]
fn an_item_published_while_the_backend_is_asked_again_is_not_lost() {
    let mut asked = Asked::again();
    asked.publish(&[response_item("a", "the item")]);
    asked.answer.open();
    assert_eq!(asked.client.reply().text(), "the item");
}

#[test]
fn an_item_behind_a_hint_is_not_lost_while_the_backend_is_asked_again() {
    let mut asked = Asked::again();
    asked.publish(&[hint_item("a"), response_item("a", "the item")]);
    asked.answer.open();
    assert_eq!(asked.client.reply().text(), "the item");
    asked.wait_for_requests(3);
    let dropped = asked.p8.snapshot().json()["dropped"].clone();
    let counts = dropped.as_object().expect("an object").values();
    assert!(counts.into_iter().all(|count| count == 0), "{dropped}");
}

#[test]
fn items_past_those_kept_for_a_request_that_is_asked_again_are_counted() {
    let mut asked = Asked::again();
    for _ in 0..KEPT / 10 + 2 {
        asked.publish(&vec![mute_item("a"); 10]);
    }
    asked.answer.open();
    wait_until(DEADLINE, "the loss to be counted", || {
        asked.p8.snapshot().dropped("session-busy") == 20
    });
    asked.p8.publish(&[response_item("a", "later")]);
    assert_eq!(asked.client.reply().text(), "later");
}
