//! libFuzzer's way to the rules of `checks/ws_control.rs`.

#![no_main]

#[path = "../header_lines.rs"]
mod header_lines;
#[path = "../checks/ws_control.rs"]
mod ws_control;

libfuzzer_sys::fuzz_target!(|input: &[u8]| ws_control::check(input));
