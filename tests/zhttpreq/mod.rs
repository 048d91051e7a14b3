//! ZeroMQ backends that take one packet a request: what they get, and what becomes of their answers.
//!
//! Source: `docs/zmq.md`. `packets`: requests and answers; `hostile`: backends that do not behave;
//! `sockets`: bound and unbound; `peers`: the backends.

use p8::engine::zmq::tnetstring::Value;

use crate::support::wait::DEADLINE;
use crate::support::zmtp::Raw;
use crate::support::{wait_until, Config, P8};

mod hostile;
mod packets;
mod peers;
mod sockets;

use peers::Fields;
pub use peers::Rep;

/// An answer of that status with that body.
pub fn answer(code: i64, body: &str) -> Fields {
    vec![
        ("code", Value::Int(code)),
        ("reason", Value::bytes("Reason")),
        ("headers", header("X-Backend", "zmq")),
        ("body", Value::bytes(body.to_owned())),
    ]
}

fn header(name: &'static str, value: &'static str) -> Value {
    Value::List(vec![Value::List(vec![
        Value::bytes(name),
        Value::bytes(value),
    ])])
}

fn condition(name: &'static str) -> Fields {
    vec![
        ("type", Value::bytes("error")),
        ("condition", Value::bytes(name)),
    ]
}

/// P-8 with one debugged route to that spec; more of the target, and other targets, as TOML.
fn served(spec: &str, more: &str) -> P8 {
    let target = format!("{{ zhttpreq = \"{spec}\"{more} }}");
    P8::start(&debugged(target).proxy("zmq_timeout_secs = 1"))
}

fn debugged(targets: impl std::fmt::Display) -> Config {
    Config::new().route_to("host = \"*\"\ndebug = true", targets)
}

/// Waits until that many backends are connected.
#[track_caller]
fn wait_for_backends(p8: &P8, n: u64) {
    wait_until(DEADLINE, "the backends", || {
        p8.snapshot().total("zmq_backends_current") == n
    });
}

/// The next packet that a backend gets.
#[track_caller]
fn request(raw: &mut Raw) -> Value {
    match &raw.message()[..] {
        [envelope, packet] if envelope.is_empty() => {
            Value::read(&packet.slice(1..)).expect("a packet")
        }
        other => panic!("an empty frame and a packet: {other:?}"),
    }
}
