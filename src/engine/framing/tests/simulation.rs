//! Seeded random requests, cut and damaged at random. `P8_SIM_SEED` replays one run.

use actix_http::ServiceConfig;
use fastrand::Rng;

use super::super::FramingLimits;
use super::differential::{read_behind_guard, with_config};
use super::run_with;

const LINES: &[&str] = &[
    "Host: a",
    "Host: b:80",
    "A: b",
    "Content-Length: 0",
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    "Connection: close",
    "Connection: keep-alive, upgrade",
    "Upgrade: h2c",
    "Upgrade: websocket",
    "Upgrade: echo",
    "Connection: upgrade",
    "Expect: 100-continue",
    " folded",
    "X : y",
];
const BODIES: &[&str] = &[
    "",
    "hello",
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "1;x\r\na\r\n00\r\nT: u\r\n\r\n",
    "zz\r\n",
];
const STARTS: &[&str] = &[
    "GET / ",
    "POST /a?b ",
    "HEAD /` ",
    "OPTIONS * ",
    "GET http://a/b ",
    "\r\nPUT / ",
    "CONNECT a:1 ",
];

fn one_of<'a>(rng: &mut Rng, all: &[&'a str]) -> &'a str {
    all[rng.usize(..all.len())]
}

fn input(rng: &mut Rng) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..rng.usize(1..5) {
        text.push_str(one_of(rng, STARTS));
        text.push_str(if rng.u8(..5) == 0 {
            "HTTP/1.0\r\n"
        } else {
            "HTTP/1.1\r\n"
        });
        for _ in 0..rng.usize(..4) {
            text.push_str(one_of(rng, LINES));
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.push_str(one_of(rng, BODIES));
    }
    let mut bytes = text.into_bytes();
    for _ in 0..rng.usize(..3) {
        let place = rng.usize(..bytes.len());
        match rng.u8(..4) {
            0 => drop(bytes.remove(place)),
            1 => bytes.insert(place, b"\r\n \t,:;\0x0"[rng.usize(..10)]),
            2 => bytes[place] = rng.u8(..),
            _ => {}
        }
    }
    bytes
}

fn seed() -> u64 {
    match std::env::var("P8_SIM_SEED") {
        Ok(text) => text.parse().expect("P8_SIM_SEED is a number"),
        Err(_) => fastrand::u64(..),
    }
}

#[test]
fn the_verdict_does_not_depend_on_how_input_is_cut() {
    with_config(simulate);
}

fn simulate(config: &ServiceConfig) {
    let first = seed();
    let (mut requests, mut refused) = (0, 0);
    for seed in (0..4_000).map(|n| first.wrapping_add(n)) {
        let mut rng = Rng::with_seed(seed);
        let input = input(&mut rng);
        let shown = format!("P8_SIM_SEED={seed} {}", input.escape_ascii());
        let whole = run_with(FramingLimits::default(), &input, || usize::MAX);
        let cut = run_with(FramingLimits::default(), &input, || rng.usize(1..9));
        assert_eq!(whole, cut, "{shown}");
        requests += whole.requests;
        refused += usize::from(whole.refused.is_some());
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            read_behind_guard(config, &input, || rng.usize(1..30)).len()
        }));
        assert!(read.is_ok_and(|n| n <= whole.heads.len()), "{shown}");
    }
    assert!(
        requests > 500 && refused > 500,
        "{requests} {refused}: the mix is one-sided"
    );
}
