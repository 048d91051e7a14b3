//! ZeroMQ backends: sockets that P-8 binds and backends connect to, and requests through them.
//!
//! ```text
//! worker: fetch ──Ask──▶ Dealer (one for each socket, on a thread of their own) ─▶ peer ─▶ backend
//!         answer ◀─reply──┘        ▲──PeerReady, PeerSent, PeerGone──────────────── peer ◀─
//! ```
//!
//! | file | what |
//! |---|---|
//! | `sockets` | binds what the routes name, and unbinds what they do not name any more |
//! | `dealer` | the actor around [`engine::zmq::dealing`](crate::engine::zmq::dealing) |
//! | `peer` | one backend's connection |
//! | `fetch` | a request as a packet and the answer back |
//!
//! The protocol is spoken by `engine::zmq::zmtp`, which bounds what a peer may send. Source:
//! `docs/zmq.md`.

mod dealer;
mod fetch;
mod peer;
mod sockets;

pub use fetch::WithDealers;
pub use sockets::{BindError, Sockets};
