//! libFuzzer's way to the rules of `checks/sockjs.rs`.

#![no_main]

#[path = "../checks/sockjs.rs"]
mod sockjs;

libfuzzer_sys::fuzz_target!(|input: (&str, &str, Vec<u8>, Vec<Vec<u8>>)| sockjs::check(input));
