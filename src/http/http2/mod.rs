//! HTTP/2 towards clients: hyper's server, in front of the same service that HTTP/1.1 requests reach.
//!
//! ```text
//! preface ─▶ gate ─▶ connection ─▶ each stream: request ─▶ front ─▶ response ─▶ body ─▶ frames
//!                                                 │                    └▶ held: its outbox, by flow control
//!                                                 └▶ extended CONNECT ─▶ socket: a WebSocket
//! ```
//!
//! A stream has no socket to park: it is held through its response body. What ends it (RST_STREAM,
//! GOAWAY, the connection's end) drops that body or the request's future, and with it the session.
//! actix-web's own HTTP/2 keeps a held response until its next byte, so it is not used. Not its concern:
//! what a request's head may be (`engine::framing`), TLS. Source: RFC 9113, RFC 8441.

mod body;
mod connection;
mod cut;
mod goaway;
mod request;
mod socket;
mod stream;

pub use self::{
    connection::Http2,
    cut::Cut,
    socket::hold_socket,
    stream::{Again, Stream},
};
