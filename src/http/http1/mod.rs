//! HTTP/1 clients of P-8's own listener: requests read, taken to the service, answered.
//!
//! ```text
//! socket ─▶ Reader ─▶ head ─▶ service ─▶ response ─▶ Writer ─▶ socket
//!              └────▶ body ──────┘ (Incoming, as far as it is taken)
//! ```
//!
//! | file | what |
//! |---|---|
//! | `serve` | one request after the other, and what ends that |
//! | `reader` | what a client has sent: heads, bodies, what it sends ahead, its silence |
//! | `request` | from a head to the request that the service takes |
//! | `payload` | a body between the connection's task and its taker |
//! | `writer` | a response on its way out |
//!
//! It does not judge what a request is (`engine::framing`) nor how an answer is framed (`engine::answer`).

mod payload;
mod reader;
mod request;
mod serve;
#[cfg(test)]
mod tests;
mod writer;

pub(super) use self::{
    payload::Incoming,
    reader::{Came, Input},
};
pub use self::{
    reader::{Reader, AHEAD_MAX},
    serve::Http1,
};
