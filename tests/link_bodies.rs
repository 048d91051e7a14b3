//! Large bodies of chains and next links: whole, visibly cut, and no faster than the client reads.
//!
//! Source: `docs/grip.md`, links.

use serde_json::json;

use crate::support::grip::hold;
use crate::support::links::{by_path, checked, seen_at, wait_for_requests};
use crate::support::programs::Program;
use crate::support::publish::{close_item, publish, stream_item, stream_with};
use crate::support::snapshot::Snapshot;
use crate::support::wait::{gate, slowness, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

/// More than an answer may have to be gathered.
const LARGE: usize = 300_000;

fn large() -> Vec<u8> {
    (0..LARGE).map(|n| b'a' + (n % 26) as u8).collect()
}

fn is_large(body: &[u8]) -> bool {
    body == large()
}

fn before(backend: &Backend) -> P8 {
    P8::start(&Config::to(backend.addr))
}

#[test]
fn a_large_first_body_is_relayed_before_its_link_is() {
    let backend = by_path(|path, _| match path {
        "/" => Answer::ok(large()).next("/2"),
        "/held" => hold("stream", "a", "").body(large()).next("/2"),
        _ => Answer::ok("then this"),
    });
    let p8 = before(&backend);
    let mut chain = p8.stream("/");
    assert!(is_large(&chain.read_exact(LARGE)));
    assert_eq!(chain.read_to_end(), Ok(b"then this".to_vec()));
    let mut held = p8.stream("/held");
    assert!(is_large(&held.read_exact(LARGE)));
    p8.publish(&[
        stream_item("a", "live "),
        stream_with("a", json!({"action": "hint"})),
    ]);
    assert_eq!(held.read_to_end(), Ok(b"live then this".to_vec()));
}

#[test]
fn a_large_answer_of_a_link_comes_whole_and_the_hold_after_it() {
    let backend = by_path(|path, _| match path {
        "/" => Answer::ok("open ").next("/2"),
        _ => hold("stream", "a", "").body(large()),
    });
    let p8 = before(&backend);
    let mut client = p8.stream("/");
    client.expect("open ");
    assert!(is_large(&client.read_exact(LARGE)));
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    p8.publish(&[stream_item("a", "live"), close_item("a")]);
    assert_eq!(client.read_to_end(), Ok(b"live".to_vec()));
}

#[test]
fn items_wait_while_a_large_answer_is_relayed() {
    let (more, wait) = gate();
    let backend = Backend::scripted(move |exchange| {
        if exchange.request().target == "/" {
            return exchange.answer(&hold("stream", "a", "open ").next("/n"));
        }
        let body = large();
        let head = "HTTP/1.1 200 OK\r\nGrip-Hold: stream\r\nGrip-Channel: a\r\n";
        exchange.raw(format!("{head}Content-Length: {LARGE}\r\n\r\n"));
        exchange.raw(&body[..200_000]);
        wait();
        exchange.raw(&body[200_000..]);
    });
    let p8 = before(&backend);
    let mut client = p8.stream("/");
    p8.publish(&[stream_with("a", json!({"action": "hint"}))]);
    client.expect("open ");
    let mut body = client.read_exact(150_000);
    p8.publish(&[stream_item("a", "live"), close_item("a")]);
    more.open();
    body.extend(client.read_exact(LARGE - 150_000));
    assert!(is_large(&body));
    assert_eq!(client.read_to_end(), Ok(b"live".to_vec()));
}

#[test]
fn a_large_answer_that_breaks_off_cuts_the_stream() {
    let backend = Backend::scripted(|exchange| {
        if exchange.request().target == "/" {
            return exchange.answer(&Answer::ok("open ").next("/n"));
        }
        exchange.raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"
        ));
        exchange.raw(&large()[..200_000]);
        exchange.close();
    });
    let p8 = before(&backend);
    let mut client = p8.stream("/");
    assert_eq!(client.read_to_end(), Err(crate::support::client::CutShort));
    wait_until(DEADLINE, "the session to end", || {
        p8.snapshot().total("sessions_current") == 0
    });
    assert_eq!(seen_at(&backend, "/n").len(), 1);
}

#[test]
fn a_large_answer_with_a_filter_that_edits_bodies_ends_the_stream() {
    let backend = by_path(|path, _| match path {
        "/" => Answer::ok("open ").next("/2"),
        _ => checked("stream", "1", "")
            .header("Grip-Channel", "a; filter=build-id")
            .body(large()),
    });
    let p8 = before(&backend);
    assert_eq!(p8.get("/").text(), "open ");
}

/// A program, so that its memory can be told apart, and a client that does not read.
fn unread(backend: &Backend) -> (Program, Client) {
    let config = Config::to(backend.addr).http("workers = 1");
    let p8 = Program::start(&config.toml(), &[]);
    let mut client = Client::connect_with_small_window(p8.clients);
    client.request("GET", "/", &[], b"");
    (p8, client)
}

#[test]
fn a_large_answer_waits_for_a_slow_client_and_holds_up_nobody_else() {
    const SIZE: usize = 100_000_000;
    let backend = Backend::scripted(|exchange| {
        if exchange.request().target == "/" {
            return exchange.answer(&checked("stream", "1", "open ").next("/n"));
        }
        if exchange.request().target == "/quick" {
            return exchange.answer(&Answer::ok("quick"));
        }
        if exchange.request().target == "/other" {
            return exchange.answer(&checked("stream", "1", "open ").next("/quick"));
        }
        exchange.raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
        exchange.write_until_stuck(&vec![b'x'; SIZE]);
        exchange.close();
    });
    let config = Config::to(backend.addr).http("workers = 1");
    let config = config.proxy("recovery_requests_max = 1");
    let p8 = Program::start(&config.toml(), &[]);
    let before = p8.running.resident_bytes();
    let mut slow = Client::connect_with_small_window(p8.clients);
    slow.request("GET", "/", &[], b"");
    slow.final_head();
    slow.expect("open ");
    publish(p8.control, &[stream_with("a", json!({"action": "hint"}))]);
    wait_for_requests(&backend, "/n", 1);
    let mut quick = Client::connect(p8.clients);
    quick.request("GET", "/other", &[], b"");
    quick.final_head();
    quick.expect("open ");
    publish(p8.control, &[stream_with("a", json!({"action": "hint"}))]);
    assert_eq!(
        quick.read_to_end(),
        Ok(b"quick".to_vec()),
        "another stream had its turn"
    );
    let grown = p8.running.resident_bytes().saturating_sub(before);
    assert!(grown < 20_000_000, "{grown} bytes more");
}

#[test]
fn a_chain_goes_on_no_faster_than_its_client_reads() {
    let backend = by_path(|_, _| Answer::ok(vec![b'x'; 90_000]).next("/n"));
    let (_p8, mut client) = unread(&backend);
    client.final_head();
    // What a slow client is given at most: some buffers of the kernel's, and P-8's.
    wait_until(DEADLINE, "the chain to wait", || {
        let before = backend.seen().len();
        let mut looks = 0;
        wait_until(DEADLINE, "a while", || {
            looks += 1;
            looks > 100
        });
        before > 0 && backend.seen().len() == before
    });
    let asked = backend.seen().len();
    assert!(
        asked < 100,
        "{asked} links were asked for a client that reads nothing"
    );
    client.read_exact(20_000_000);
    assert!(
        backend.seen().len() > 200,
        "it goes on when the client reads"
    );
}

#[test]
fn no_keep_alive_comes_in_the_middle_of_an_answer() {
    let backend = Backend::scripted(|exchange| {
        if exchange.request().target == "/" {
            let held = hold("stream", "a", "").next("/n");
            let held = held.header("Grip-Keep-Alive", "alive; timeout=1; mode=interval");
            return exchange.answer(&held);
        }
        let body = large();
        let head = "HTTP/1.1 200 OK\r\nGrip-Hold: stream\r\nGrip-Channel: a\r\n";
        exchange.raw(format!("{head}Content-Length: {LARGE}\r\n\r\n"));
        exchange.raw(&body[..200_000]);
        slowness(std::time::Duration::from_millis(2_500));
        exchange.raw(&body[200_000..]);
    });
    let p8 = before(&backend);
    let mut client = p8.stream("/");
    p8.publish(&[stream_with("a", json!({"action": "hint"}))]);
    assert!(is_large(&client.read_exact(LARGE)));
}
