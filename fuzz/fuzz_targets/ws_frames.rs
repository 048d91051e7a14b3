//! libFuzzer's way to the rules of `checks/ws_frames.rs`.

#![no_main]

#[path = "../checks/ws_frames.rs"]
mod ws_frames;

libfuzzer_sys::fuzz_target!(|input: &[u8]| ws_frames::check(input));
