//! More connections than `client_maxconn`.

use super::refusal;
use crate::support::grip::hold;
use crate::support::http2::Http2Client;
use crate::support::publish::stream_item;
use crate::support::wait::{gate, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

/// How many there may be.
const MAX: usize = 4;

const REFUSED: (u16, Option<&str>, Option<&str>) = (503, Some("too-many-connections"), Some("1"));

#[test]
fn a_crowd_is_refused_at_once_while_clients_that_are_here_are_served_and_then_comes_in() {
    let (gate, wait) = gate();
    let backend = Backend::answering(move |request| match request.target.as_str() {
        "/slow" => {
            wait();
            Answer::ok("at last")
        }
        "/stream" => hold("stream", "a", "open\n"),
        _ => Answer::ok("quick"),
    });
    let p8 = P8::start(&Config::to(backend.addr).http(&format!("client_maxconn = {MAX}")));
    let mut held = p8.stream("/stream");
    held.expect("open\n");
    let mut under_way = p8.client();
    under_way.request("GET", "/slow", &[], b"");
    let mut idle = p8.client();
    assert_eq!(idle.get("/").text(), "quick");
    let mut http2 = Http2Client::connect(p8.clients);
    wait_until(DEADLINE, "all of them", || {
        p8.snapshot().total("connections_current") == MAX as u64
    });
    for round in 0..50 {
        // Some ask before they read, others only come.
        let mut client = p8.client();
        if round % 2 == 0 {
            client.request("POST", "/", &[], &vec![b'x'; 50_000]);
        }
        assert_eq!(refusal(&client.head()), REFUSED);
    }
    // A stream counts too; its connection stays.
    let reply = http2.get("/");
    let found = (
        reply.status,
        reply.header("p8-reason"),
        reply.header("retry-after"),
    );
    assert_eq!(found, REFUSED);
    p8.publish(&[stream_item("a", "for those who are here\n")]);
    held.expect("for those who are here\n");
    assert_eq!(idle.get("/").text(), "quick");
    gate.open();
    assert_eq!(under_way.reply().text(), "at last");
    assert_eq!(p8.snapshot().refused("too-many-connections"), 51);
    drop((under_way, idle));
    // Nobody has to do anything.
    wait_until(DEADLINE, "room", || {
        let mut client: Client = p8.client();
        client.request("GET", "/", &[], b"");
        client.head().status == 200
    });
    assert_eq!(http2.get("/").text(), "quick");
}
