//! libFuzzer's way to the rules of `checks/forwarded.rs`.

#![no_main]

#[path = "../header_lines.rs"]
mod header_lines;
#[path = "../checks/forwarded.rs"]
mod forwarded;

libfuzzer_sys::fuzz_target!(|input: (u8, &str, &[u8])| forwarded::check(input));
