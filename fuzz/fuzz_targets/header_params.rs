//! libFuzzer's way to the rules of `checks/header_params.rs`.

#![no_main]

#[path = "../checks/header_params.rs"]
mod header_params;

libfuzzer_sys::fuzz_target!(|input: &[u8]| header_params::check(input));
