//! Floods that cost their sender little: others are served meanwhile, and memory stays bounded.
//!
//! Measured at the real program, with a debug build's allocations; the bounds are far above noise.

use std::net::{SocketAddr, TcpStream};
use std::thread;

use crate::support::events::echo;
use crate::support::frames::Frame;
use crate::support::http2::{block, frame, RawHttp2, DATA, END_HEADERS, HEADERS};
use crate::support::programs::Program;
use crate::support::publish::{post_items, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::{gate, DEADLINE};
use crate::support::ws::{WsClient, PING};
use crate::support::{wait_until, Answer, Backend, Client, Config};

const MIB: u64 = 1 << 20;

/// The program has grown by no more than that since.
#[track_caller]
fn expect_growth_below(program: &Program, before: u64, mib: u64) {
    let grown = program.running.resident_bytes().saturating_sub(before);
    assert!(grown < mib * MIB, "grown by {} KiB", grown / 1024);
}

#[track_caller]
fn expect_served(clients: SocketAddr) {
    assert_eq!(Client::connect(clients).get("/").text(), "fine");
}

/// A POST whose body is a flood of empty frames, before a backend that does not read it.
#[test]
fn a_flood_of_empty_data_frames_costs_no_memory() {
    let (gate, wait) = gate();
    let backend = Backend::scripted(move |exchange| {
        if exchange.request().method == "POST" {
            wait();
        }
        exchange.answer(&Answer::ok("fine"));
    });
    let program = Program::start(&Config::to(backend.addr).toml(), &[]);
    expect_served(program.clients);
    let mut client = RawHttp2::connect(program.clients, &[]);
    let post = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "h"),
        (":path", "/"),
    ];
    client.send(frame(HEADERS, END_HEADERS, 1, &block(&post)));
    let before = program.running.resident_bytes();
    let flood = frame(DATA, 0, 1, &[]).repeat(10_000);
    // Whoever is not read on has no effect.
    client.patience(std::time::Duration::from_secs(1));
    let sent = (0..300).take_while(|_| client.try_send(&flood)).count();
    expect_served(program.clients);
    expect_growth_below(&program, before, 16);
    println!("{sent}0000 frames were taken");
    gate.open();
}

#[test]
fn a_client_that_sends_pings_and_reads_no_pongs_costs_no_memory() {
    let backend = echo();
    let config = Config::over_http_with("host = \"*\"\nauto_pong = true", &[backend.addr], "");
    let program = Program::start(&config.toml(), &[]);
    let connect = || WsClient::connect(program.clients, "/", &[]).expect("it is accepted");
    let mut witness = connect();
    let flooding = connect();
    let before = program.running.resident_bytes();
    let pings = Frame::new(PING, [7; 125]).encode(true).repeat(1_000);
    let mut sender = flooding.sender();
    let flood = thread::spawn(move || (0..300).for_each(|_| sender(&pings)));
    for n in 0..20 {
        let text = n.to_string();
        witness.send_text(&text);
        witness.expect_text(&text);
    }
    expect_growth_below(&program, before, 16);
    flooding.reset();
    let _ = flood.join();
}

/// Texts that hash alike where each byte is added to 31 times what was before, and in all hashes of that
/// kind.
fn alike(pairs: u32) -> Vec<String> {
    let text = |n: u32| (0..pairs).map(move |bit| if n >> bit & 1 == 0 { "Aa" } else { "BB" });
    (0..1 << pairs).map(|n| text(n).collect()).collect()
}

#[test]
fn names_that_were_chosen_to_hash_alike_are_names_as_others() {
    let backend = Backend::answering(|_| Answer::ok("fine"));
    let config = Config::to(backend.addr)
        .http("client_buffer_size = 65536")
        .handler("message_hwm = 100000");
    let program = Program::start(&config.toml(), &[]);
    let names = alike(13);
    for some in names.chunks(1_024) {
        let items: Vec<_> = some.iter().map(|name| stream_item(name, "x")).collect();
        assert_eq!(post_items(program.control, &items).status(), 200);
    }
    // As ids of one channel, as meta, and as parameters.
    let mut items: Vec<_> = names.iter().map(|_| stream_item("one", "x")).collect();
    for (item, name) in items.iter_mut().zip(&names) {
        item["id"] = name.as_str().into();
    }
    let mut meta = stream_item("one", "x");
    meta["meta"] = names.iter().map(|name| (name.clone(), "x")).collect();
    for items in items.chunks(1_024).chain([&[meta][..]]) {
        assert_eq!(post_items(program.control, items).status(), 200);
    }
    let query: Vec<String> = names
        .iter()
        .take(1_500)
        .map(|name| format!("{name}=x"))
        .collect();
    let reply = Client::connect(program.clients).get(&format!("/?{}", query.join("&")));
    assert_eq!(reply.text(), "fine");
    expect_served(program.clients);
}

/// Publishers wait for their turn, at most until the silent ones have had their time; clients do not.
#[test]
fn a_flood_of_silent_connections_to_the_control_port_ends_and_costs_clients_nothing() {
    let backend = Backend::answering(|_| Answer::ok("fine"));
    let program = Program::start(&Config::to(backend.addr).toml(), &[]);
    let silent: Vec<TcpStream> = (0..1_200)
        .map(|_| TcpStream::connect(program.control).expect("it waits at least"))
        .collect();
    expect_served(program.clients);
    let reply = post_items(program.control, &[stream_item("a", "x")]);
    assert_eq!(reply.status(), 200);
    drop(silent);
    wait_until(DEADLINE, "it to be as before", || {
        Snapshot::take(program.control).total("items_published_total") == 1
    });
}
