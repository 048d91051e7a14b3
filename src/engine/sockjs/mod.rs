//! SockJS: what its clients ask, how sessions answer their polls, and what is in the bytes.
//!
//! A SockJS session is a WebSocket towards its backend, whose client side is polling requests or a
//! framed WebSocket. Not its concern: sockets, the table of sessions, what waits for a session, and
//! what its backend is told.
//!
//! ```text
//! path ─▶ Endpoint ─┬▶ Xhr, Jsonp ─▶ Polling ─▶ Answer ─▶ encode ─▶ body
//!                   ├▶ XhrSend, JsonpSend ─▶ decode ─▶ messages
//!                   └▶ Info, Iframe ─▶ pages
//! ```
//!
//! Source: SockJS-protocol 0.3; paths, texts and times are Pushpin's.

pub mod decode;
pub mod encode;
pub mod error;
pub mod pages;
pub mod path;
pub mod polling;

pub use encode::{Callback, Close, Wrapping};
pub use error::SockJsError;
pub use path::{Endpoint, SessionId, SocketEndpoint};
pub use polling::{Answer, Polling};

/// Longest request body, in bytes.
pub const REQUEST_MAX: usize = 100_000;

/// Longest message of a client, in bytes of UTF-8.
pub const MESSAGE_MAX: usize = 200_000;

/// Longest WebSocket message of a framed client, in bytes: escapes make it longer than what is in it.
pub const FRAME_MAX: usize = 2 * MESSAGE_MAX;

/// Most bytes that wait for a session's next poll; past it the session ends.
pub const WAITING_MAX: usize = 200_000;
