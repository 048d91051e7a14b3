//! What publishers post: items, and the formats they carry for each transport.
//!
//! Orders, filters and delivers nothing, and encodes nothing for the wire.

pub mod body_patch;
mod format;
mod item;
#[cfg(test)]
mod tests;

pub use format::{
    Formats, ResponseBody, ResponseFormat, ResponseSend, StreamFormat, WsFormat, WsKind,
};
pub use item::{parse_item, parse_request, Item};
