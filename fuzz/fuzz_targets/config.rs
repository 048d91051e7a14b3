//! libFuzzer's way to the rules of `checks/config.rs`.

#![no_main]

#[path = "../checks/config.rs"]
mod config;

libfuzzer_sys::fuzz_target!(|input: &str| config::check(input));
