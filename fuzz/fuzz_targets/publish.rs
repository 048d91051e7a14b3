//! libFuzzer's way to the rules of `checks/publish.rs`.

#![no_main]

#[path = "../checks/publish.rs"]
mod publish;

libfuzzer_sys::fuzz_target!(|input: &[u8]| publish::check(input));
