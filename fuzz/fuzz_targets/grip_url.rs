//! libFuzzer's way to the rules of `checks/grip_url.rs`.

#![no_main]

#[path = "../checks/grip_url.rs"]
mod grip_url;

libfuzzer_sys::fuzz_target!(|input: (&str, &str)| grip_url::check(input));
