//! libFuzzer's way to the rules of `checks/ws_events.rs`.

#![no_main]

#[path = "../checks/ws_events.rs"]
mod ws_events;

libfuzzer_sys::fuzz_target!(|input: &[u8]| ws_events::check(input));
