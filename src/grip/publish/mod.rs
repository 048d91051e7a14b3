//! What publishers post: items, and the formats they carry for each transport.
//!
//! Orders, filters and delivers nothing, and encodes nothing for clients.

pub mod body_patch;
mod encode;
mod format;
mod item;
#[cfg(test)]
mod tests;

pub use encode::{encode_item, encode_request};
pub use format::{
    Formats, ResponseBody, ResponseFormat, ResponseSend, StreamFormat, WsFormat, WsKind,
};
pub use item::{parse_item, parse_items, parse_request, Item};
