//! What kind of items a session takes, which is how they reach its client.

use crate::stats::receipt::Transport;

/// What kind of items a session takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A long-poll: `http-response`.
    Response,
    /// A stream: `http-stream`.
    Stream,
    /// A WebSocket: `ws-message`.
    Socket {
        /// Its client takes compressed messages.
        has_deflate: bool,
    },
}

impl SessionKind {
    /// Returns the transport by its word.
    pub fn transport(self) -> Transport {
        match self {
            Self::Response => Transport::Response,
            Self::Stream => Transport::Stream,
            Self::Socket { .. } => Transport::Socket,
        }
    }
}
