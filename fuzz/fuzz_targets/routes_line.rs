//! libFuzzer's way to the rules of `checks/routes_line.rs`.

#![no_main]

#[path = "../checks/routes_line.rs"]
mod routes_line;

libfuzzer_sys::fuzz_target!(|input: &str| routes_line::check(input));
