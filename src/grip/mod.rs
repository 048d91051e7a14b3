//! The GRIP protocol as values: what a backend instructs, what a publisher posts, and how P-8
//! signs its requests.
//!
//! Knows no clock, no socket and no actor. Everything that comes from a network is parsed here
//! once, into types that cannot hold nonsense; encoding for a transport is done elsewhere.
//!
//! ```text
//! backend response  --> instruct::parse  --> Instruct { hold, subscriptions, response, .. }
//! POST /publish     --> publish::parse_request --> Vec<Item { channel, id, formats, .. }>
//! a publisher       <-- publish::encode_request, grip_url::GripUrl
//! proxied request   <-- sig::sign, feature::header_value
//! WebSocket         <-> ws: events over HTTP, control messages
//! ```
//!
//! Source: the GRIP protocol, and the wire behaviour of Pushpin 2.

pub mod channel;
pub mod error;
pub mod feature;
pub mod filter;
pub mod grip_url;
pub mod header_params;
pub mod id_format;
pub mod instruct;
pub mod json_fields;
pub mod keep_alive;
pub mod last;
pub mod lenient;
pub mod link;
pub mod meta;
pub mod network_filter;
pub mod publish;
pub mod response;
pub mod sig;
pub mod status;
pub mod ws;

pub use channel::{ChannelName, ItemId};
pub use error::{InstructError, PublishError, Side, SigError};
pub use instruct::{Hold, HoldMode, Instruct, KeepAlive, KeepAliveMode, NextLink, Subscription};
pub use json_fields::FieldError;
pub use publish::{
    Formats, Item, ResponseBody, ResponseFormat, ResponseSend, StreamFormat, WsFormat, WsKind,
};
pub use response::Response;
pub use sig::SigKey;
