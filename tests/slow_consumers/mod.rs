//! Clients that stop reading, over what they are connected by: TLS and HTTP/2 one by one, and a thousand at
//! once of each kind. HTTP/1.1 in the plain and WebSockets one by one: `slow_client`, `websocket`.
//!
//! Source: `docs/operations.md`, slow clients; `docs/reliability.md#slow-clients`.

mod crowd;
mod policies;

/// An item that begins with its number and ends with a line end.
fn numbered(n: usize, bytes: usize) -> String {
    format!("{n:08}{}\n", "x".repeat(bytes - 9))
}
