//! Items, and publish requests that list them.
//!
//! ```text
//! { "items": [{ "channel": "a", "id": "2", "prev-id": "1", "formats": { ... },
//!               "meta": {}, "size": 100, "no-seq": false }] }
//! ```

use std::collections::BTreeMap;

use serde_json::Value;

use super::format::{self, Formats};
use crate::grip::channel::{ChannelName, ItemId};
use crate::grip::error::PublishError;
use crate::grip::json_fields::Fields;

/// One published item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The channel, with whatever prefix the publisher gave it.
    pub channel: ChannelName,
    /// Its id, for order, recovery and finding repeats.
    pub id: Option<ItemId>,
    /// The id of the item it follows.
    pub prev_id: Option<ItemId>,
    /// What it says to each transport.
    pub formats: Formats,
    /// What filters look at.
    pub meta: BTreeMap<String, String>,
    /// **Units**: bytes. Overrides the content's length when deliveries are counted in blocks.
    pub size: Option<u64>,
    /// Whether it bypasses sequencing.
    pub no_seq: bool,
}

impl Item {
    /// Returns how many bytes of content wait where it does.
    ///
    /// **Units**: bytes, its names and what cannot be measured cheaply left out.
    pub fn bytes(&self) -> usize {
        self.formats.bytes()
    }
}

/// Parses the body of a publish request; one bad item refuses them all.
///
/// **Shape**: `{"items": [item, ...]}`
///
/// **Bounds**: 127 nested objects and arrays; more are no valid JSON.
///
/// **Errors**: displayed with the exact texts that publishers know from Pushpin.
///
/// ```
/// use p8::grip::publish::parse_request;
///
/// let body = br#"{"items": [{"channel": "news", "formats": {"http-stream": {"content": "x"}}}]}"#;
/// assert_eq!(parse_request(body)?[0].channel.as_str(), "news");
///
/// let refusal = parse_request(b"{}").unwrap_err();
/// assert_eq!(refusal.to_string(), "Invalid format: object does not contain 'items'");
/// # Ok::<(), p8::grip::PublishError>(())
/// ```
pub fn parse_request(body: &[u8]) -> Result<Vec<Item>, PublishError> {
    parse_items(serde_json::from_slice(body).map_err(|_| PublishError::NotJson)?)
}

/// Parses the same, once it has been taken apart.
///
/// **Errors**: as `parse_request`.
pub fn parse_items(value: Value) -> Result<Vec<Item>, PublishError> {
    let mut request = match value {
        Value::Object(_) => Fields::new("object", value)?,
        Value::Array(_) => return Err(PublishError::NotObject),
        _ => return Err(PublishError::NotJson),
    };
    let items = request
        .array("items")?
        .ok_or_else(|| request.missing("'items'"))?;
    items.into_iter().map(parse_item).collect()
}

/// Parses one item.
///
/// **Errors**: as `parse_request`.
pub fn parse_item(value: Value) -> Result<Item, PublishError> {
    let mut fields = Fields::new("publish item object", value)?;
    let channel = ChannelName::from(fields.required_string("channel", "'channel'")?);
    let id = fields.string("id")?.map(ItemId::from);
    let prev_id = fields.string("prev-id")?.map(ItemId::from);
    let formats = format::parse(&mut fields)?;
    let meta = fields.string_map("meta", "'meta'")?.unwrap_or_default();
    let size = fields
        .int("size", 0..=i64::MAX)?
        .and_then(|size| u64::try_from(size).ok());
    let no_seq = fields.bool("no-seq")?.unwrap_or(false);
    Ok(Item {
        channel,
        id,
        prev_id,
        formats,
        meta,
        size,
        no_seq,
    })
}
