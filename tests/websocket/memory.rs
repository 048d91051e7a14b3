//! What clients make P-8 remember: never more than the bounds, whatever they announce.
//!
//! Measured at the real program, with a debug build's allocations; the bounds are far above noise.
//!
//! Source: `docs/operations.md#limits`, `docs/compatibility.md`, W42 and W95.

use crate::support::events::{
    accept_plain, all_events, answer, echo, opening_with, wait_for_bodies,
};
use crate::support::frames::{header, Deflate, RSV1};
use crate::support::programs::Program;
use crate::support::wait::gate;
use crate::support::ws::{Frame, WsClient, BINARY, CONTINUATION, OFFER, TEXT};
use crate::support::{Backend, Config};

use super::masked;

const MIB: u64 = 1 << 20;

/// The program before that backend, which has served a client already.
fn warm(config: &Config) -> Program {
    let program = Program::start(&config.toml(), &[]);
    let mut client = connect(&program);
    client.send_text("x");
    client.expect_text("x");
    client.close(1000, "");
    client.expect_closed(1000);
    program
}

#[track_caller]
fn connect(program: &Program) -> WsClient {
    WsClient::connect(program.clients, "/", &[]).expect("it is accepted")
}

/// The program has grown by no more than that since.
#[track_caller]
fn expect_growth_below(program: &Program, before: u64, mib: u64) {
    let grown = program.running.resident_bytes().saturating_sub(before);
    assert!(grown < mib * MIB, "grown by {} KiB", grown / 1024);
}

#[test]
fn an_announced_gibibyte_is_refused_at_its_header() {
    let backend = echo();
    let program = warm(&Config::over_http(backend.addr));
    let before = program.running.resident_bytes();
    for first in [0x82, 0x02] {
        for length in [200_001, 1 << 30, (1 << 63) - 1] {
            let mut client = connect(&program);
            client.send_raw(header(first, length, Some([1, 2, 3, 4])));
            client.expect_closed(1009);
        }
    }
    expect_growth_below(&program, before, 8);
}

#[test]
fn a_fragment_that_would_make_a_message_too_long_is_refused_at_its_header() {
    let backend = echo();
    let program = warm(&Config::over_http(backend.addr));
    let mut client = connect(&program);
    client.send(&Frame::new(BINARY, vec![0; 150_000]).unfinished());
    client.send_raw(header(0x80, 50_001, Some([1, 2, 3, 4])));
    client.expect_closed(1009);
}

#[test]
fn announced_bytes_cost_nothing_until_they_come() {
    let backend = echo();
    let program = warm(&Config::over_http(backend.addr));
    let mut clients: Vec<WsClient> = (0..400).map(|_| connect(&program)).collect();
    let before = program.running.resident_bytes();
    for client in &mut clients {
        client.send_raw(header(0x82, 200_000, Some([1, 2, 3, 4])));
        client.send_raw([0; 10]);
    }
    // Served behind them all.
    let mut witness = connect(&program);
    witness.send_text("x");
    witness.expect_text("x");
    expect_growth_below(&program, before, 20);
}

#[test]
fn a_million_empty_fragments_cost_nothing() {
    let backend = echo();
    let program = warm(&Config::over_http(backend.addr));
    let mut client = connect(&program);
    client.send(&Frame::new(TEXT, "x").unfinished());
    let before = program.running.resident_bytes();
    let thousand = masked(&vec![Frame::new(CONTINUATION, "").unfinished(); 1_000]);
    for _ in 0..1_000 {
        client.send_raw(&thousand);
    }
    client.send(&Frame::new(CONTINUATION, "y"));
    client.expect_text("xy");
    expect_growth_below(&program, before, 8);
}

#[test]
fn a_compressed_message_that_unpacks_beyond_the_limit_is_refused_with_1009() {
    let backend = echo();
    let config = Config::over_http(backend.addr).http("allow_compression = true");
    let program = warm(&config);
    let bomb = Deflate::new((false, false)).compress(&vec![0; 100_000_000]);
    assert!(bomb.len() < 200_000, "{} bytes announce it", bomb.len());
    let before = program.running.resident_bytes();
    for _ in 0..3 {
        let client = WsClient::connect(program.clients, "/", &[OFFER]);
        let mut client = client.expect("it is accepted");
        client.try_send_raw(&Frame::new(BINARY, &bomb).reserved(RSV1).encode(true));
        client.expect_closed(1009);
    }
    expect_growth_below(&program, before, 16);
    let mut kinds: Vec<String> = all_events(&backend).into_iter().map(|e| e.kind).collect();
    kinds.retain(|kind| kind == "BINARY");
    assert!(kinds.is_empty(), "nothing of it reached the backend");
}

#[test]
fn a_client_that_sends_more_than_its_backend_takes_is_not_read() {
    let (gate, wait) = gate();
    let backend: Backend = opening_with(accept_plain(&[]), move |events| {
        if events.iter().any(|event| event.kind == "BINARY") {
            wait();
        }
        answer(&crate::support::events::echoed(
            &events
                .iter()
                .filter(|event| event.kind != "BINARY")
                .cloned()
                .collect::<Vec<_>>(),
        ))
    });
    let program = warm(&Config::over_http(backend.addr));
    let mut client = connect(&program);
    let before = program.running.resident_bytes();
    let bytes = masked(&vec![Frame::new(BINARY, vec![7; 100_000]); 300]);
    let seen = backend.seen().len();
    let mut sender = client.sender();
    std::thread::scope(|scope| {
        scope.spawn(move || sender(&bytes));
        wait_for_bodies(&backend, seen + 1);
        let grown = program.running.resident_bytes().saturating_sub(before);
        assert!(grown < 8 * MIB, "grown by {} KiB", grown / 1024);
        gate.open();
    });
    client.send_text("behind it all");
    client.expect_text("behind it all");
    let events = all_events(&backend);
    let arrived = events.iter().filter(|event| event.kind == "BINARY");
    assert_eq!(arrived.count(), 300, "nothing was lost");
}
