//! libFuzzer's way to the rules of `checks/access.rs`.

#![no_main]

#[path = "../checks/access.rs"]
mod access;

libfuzzer_sys::fuzz_target!(|input: (bool, &str, &str, &str, &str)| access::check(input));
