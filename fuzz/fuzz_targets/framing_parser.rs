//! libFuzzer's way to the rules of `checks/framing_parser.rs`.

#![no_main]

#[path = "../checks/framing_parser.rs"]
mod framing_parser;

libfuzzer_sys::fuzz_target!(|input: &[u8]| framing_parser::check(input));
