//! What the tests are made with: P-8 on ports of its own, clients, backends and publishers.
//!
//! Everything here speaks bytes over blocking sockets; only `server` knows the crate `p8`. Nothing
//! here sleeps for a fixed time: waits end when what is waited for happens, or fail at a deadline.

pub mod backend;
pub mod browser;
pub mod client;
pub mod config;
pub mod events;
pub mod frames;
pub mod grip;
pub mod http2;
pub mod links;
pub mod nginx;
pub mod programs;
pub mod publish;
pub mod server;
pub mod snapshot;
pub mod socket;
pub mod tls;
pub mod wait;
pub mod ws;
pub mod zmtp;

pub use backend::{Answer, Backend};
pub use client::Client;
pub use config::Config;
pub use server::P8;
pub use wait::wait_until;
