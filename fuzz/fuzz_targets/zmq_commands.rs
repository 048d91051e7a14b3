//! libFuzzer's way to the rules of `checks/zmq_commands.rs`.

#![no_main]

#[path = "../checks/zmq_commands.rs"]
mod zmq_commands;

libfuzzer_sys::fuzz_target!(|input: (&str, &[u8], Vec<Vec<u8>>)| zmq_commands::check(input));
