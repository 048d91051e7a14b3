//! The data path to backends: HTTP/1.1 and HTTP/2 over pooled connections, over TCP, TLS or unix
//! sockets.
//!
//! Not its concern: which target is asked, the next target after a failure, deadlines of an answer,
//! and header rules of a proxy; its caller decides those.
//!
//! ```text
//! fetch ── message (head and framing) ── pool.checkout ─┬─ exchange ── answer (body) ── pool.check_in
//!                               dial ── connect ───────┘      └─ once more, on a fresh connection
//!      └─ http2 (a target that has it) ── pool.lease ── a stream ── answer
//! upgrade ─ message ─────────── dial ── connect ────── the socket, or an answer after all
//! ```
//!
//! Each worker thread has a pool of its own; nothing here crosses threads. A connection is driven by
//! a task of its own on the thread's `LocalSet`, which an actix arbiter provides.
//!
//! Source: RFC 9110, RFC 9112, `docs/life-of-a-request.md`.

mod answer;
mod connect;
mod dial;
mod fetch;
mod http2;
mod idle;
mod key;
mod message;
mod open;
mod pool;
mod shared;
mod stream;
mod tls;
mod upgrade;
mod wire;

#[cfg(test)]
mod tests;

pub use pool::{Pool, PoolCounts, PoolOptions};
