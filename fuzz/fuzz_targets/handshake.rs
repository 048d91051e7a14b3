//! libFuzzer's way to the rules of `checks/handshake.rs`.

#![no_main]

#[path = "../checks/handshake.rs"]
mod handshake;

libfuzzer_sys::fuzz_target!(|input: handshake::Input| handshake::check(input));
