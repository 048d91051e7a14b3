//! WebSockets in GRIP: what is carried over HTTP, and what a backend says between its messages.
//!
//! Knows no frames and opens nothing.
//!
//! ```text
//! client messages --events::encode--> request body
//! answer body --events::decode--> events; "c:{..}" among them --control::parse--> for P-8
//! answer headers --> GripExtension, BoundMeta, keep_alive_interval, bytes_accepted
//! ```

pub mod answer;
pub mod control;
pub mod events;
pub mod extension;
pub mod meta;

pub use answer::{bytes_accepted, keep_alive_interval, KeepAliveInterval};
pub use control::{Control, ControlError, WsKeepAlive, WsMessage};
pub use events::{Event, EventKind, EventsError};
pub use extension::{grip_element, grip_extension, GripExtension};
pub use meta::BoundMeta;
