//! Connections between two requests: kept for a while, then closed without a word.
//!
//! Source: `docs/configuration.md`, `keep_alive_secs`.

use crate::support::grip::hold;
use crate::support::publish::{close_item, response_item};
use crate::support::{Answer, Backend, Client, Config, P8};

/// P-8, and connections that have had an answer of each kind: plain, to a long-poll, to a stream.
fn answered(keep_alive_secs: u64) -> (Backend, P8, [Client; 3]) {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/poll" => hold("response", "a", ""),
        "/stream" => hold("stream", "a", ""),
        _ => Answer::ok("plain"),
    });
    let config = Config::to(backend.addr).http(&format!("keep_alive_secs = {keep_alive_secs}"));
    let p8 = P8::start(&config);
    let mut polled = p8.long_poll("/poll", "a", 1);
    let mut streamed = p8.stream("/stream");
    p8.publish(&[response_item("a", "an answer"), close_item("a")]);
    assert_eq!(polled.reply().text(), "an answer");
    assert_eq!(streamed.read_to_end(), Ok(Vec::new()));
    let mut plain = p8.client();
    assert_eq!(plain.get("/").text(), "plain");
    (backend, p8, [plain, polled, streamed])
}

#[test]
fn a_connection_takes_another_request_whatever_came_before() {
    let (_backend, _p8, clients) = answered(60);
    for mut client in clients {
        assert_eq!(client.get("/").text(), "plain");
        client.expect_nothing_unread();
    }
}

#[test]
fn an_idle_connection_is_closed_without_an_answer_that_nobody_asked_for() {
    let (_backend, _p8, clients) = answered(1);
    for mut client in clients {
        client.expect_end();
    }
}
