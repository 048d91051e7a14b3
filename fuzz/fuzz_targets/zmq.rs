//! libFuzzer's way to the rules of `checks/zmq.rs`.

#![no_main]

#[path = "../checks/zmq.rs"]
mod zmq;

libfuzzer_sys::fuzz_target!(|input: (usize, &[u8])| zmq::check(input));
