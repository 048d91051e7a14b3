//! libFuzzer's way to the rules of `checks/pem.rs`.

#![no_main]

#[path = "../checks/pem.rs"]
mod pem;

libfuzzer_sys::fuzz_target!(|input: (&[u8], &[u8])| pem::check(input));
