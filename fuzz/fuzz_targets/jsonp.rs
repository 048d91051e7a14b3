//! libFuzzer's way to the rules of `checks/jsonp.rs`.

#![no_main]

#[path = "../checks/jsonp.rs"]
mod jsonp;

libfuzzer_sys::fuzz_target!(|input: (bool, &str, &str, Vec<u8>)| jsonp::check(input));
