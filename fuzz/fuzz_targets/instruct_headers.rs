//! libFuzzer's way to the rules of `checks/instruct_headers.rs`.

#![no_main]

#[path = "../header_lines.rs"]
mod header_lines;
#[path = "../checks/instruct_headers.rs"]
mod instruct_headers;

libfuzzer_sys::fuzz_target!(|input: &[u8]| instruct_headers::check(input));
