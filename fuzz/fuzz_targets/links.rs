//! libFuzzer's way to the rules of `checks/links.rs`.

#![no_main]

#[path = "../checks/links.rs"]
mod links;

libfuzzer_sys::fuzz_target!(|input: (bool, &str, &str, &str)| links::check(input));
