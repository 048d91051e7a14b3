//! libFuzzer's way to the rules of `checks/instruct_json.rs`.

#![no_main]

#[path = "../checks/instruct_json.rs"]
mod instruct_json;

libfuzzer_sys::fuzz_target!(|input: &[u8]| instruct_json::check(input));
