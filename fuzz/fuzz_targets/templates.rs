//! libFuzzer's way to the rules of `checks/templates.rs`.

#![no_main]

#[path = "../checks/templates.rs"]
mod templates;

libfuzzer_sys::fuzz_target!(|input: (&str, &str, Vec<u8>)| templates::check(input));
