//! libFuzzer's way to the rules of `checks/import.rs`.

#![no_main]

#[path = "../checks/import.rs"]
mod import;

libfuzzer_sys::fuzz_target!(|input: (&str, Vec<&str>)| import::check(input));
