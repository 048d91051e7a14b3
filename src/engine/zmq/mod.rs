//! ZeroMQ: the protocol of its connections; backends, their packets, and which one gets which; what is
//! published that way.
//!
//! ```text
//! request ─▶ zhttp (a packet) ─▶ dealing (which backend) ─▶ zmtp (frames) ─▶ socket
//! answer  ◀─ zhttp ◀──────────── dealing (whose it is) ◀─── zmtp ◀────────── socket
//! ```
//!
//! | module | content |
//! |---|---|
//! | [`endpoint`] | where backends connect to: `tcp://host:port`, `ipc:///path` |
//! | [`zmtp`] | ZMTP 3.0 without security: greeting, handshake, messages |
//! | [`tnetstring`] | the encoding of packets |
//! | [`zhttp`] | a request as a packet, an answer out of one |
//! | [`dealing`] | the machine of a socket that deals requests out to backends |
//! | [`command`] | commands and their answers |
//! | [`connections`] | which held clients are told of, and when |
//! | [`item`] | published items in messages |
//! | [`local_channels`] | which channels there are on this server |
//! | [`stats`] | statistics in messages, and when they are sent |
//! | [`topics`] | what a subscriber has asked for |
//! | [`options`] | the sockets of `[zmq]` |
//!
//! All of it is bounded, for it reads what a peer sends. Source: `docs/zmq.md`.

pub mod command;
pub mod connections;
pub mod dealing;
pub mod endpoint;
pub mod item;
pub mod local_channels;
pub mod options;
pub mod stats;
pub mod tnetstring;
pub mod topics;
pub mod zhttp;
pub mod zmtp;
