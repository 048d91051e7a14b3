//! libFuzzer's way to the rules of `checks/http2_head.rs`.

#![no_main]

#[path = "../checks/http2_head.rs"]
mod http2_head;

libfuzzer_sys::fuzz_target!(|input: (&str, &[u8], Option<&str>, bool, &[u8])| http2_head::check(input));
