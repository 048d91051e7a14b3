//! ZeroMQ: backends that connect to sockets that P-8 binds, and requests through them; and the sockets
//! of `[zmq]`, by which items are published and commands given.
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
//! | `fetch` | a request as a packet and the answer back |
//! | `surfaces` | the sockets of `[zmq]`: started and ended |
//! | `surface` | their actor, whatever its role: `pull`, `sub`, `command`, `stats` |
//! | `connecting`, `ticking` | what P-8 does by itself: connections to publishers, statistics in time |
//! | `intake` | items that come in |
//! | `bound`, `peer`, `queue` | what all have: a socket that listens, its connections, what waits to be written |
//!
//! The protocol is spoken by `engine::zmq::zmtp`, which bounds what a peer may send. Source:
//! `docs/zmq.md`.

mod bound;
mod command;
mod connecting;
mod dealer;
mod fetch;
mod intake;
mod peer;
mod pull;
mod queue;
mod sockets;
mod stats;
mod sub;
mod surface;
mod surfaces;
mod ticking;

pub use bound::BoundListener;
pub use fetch::WithDealers;
pub use sockets::{BindError, Sockets};
pub use surfaces::{OpenedSurfaces, Surfaces};
