//! `body-patch`: a published answer made of the held response's own body by a JSON Patch.
//!
//! RFC 6902, with one extra kept from Pushpin: the path `/` names the whole document where no member
//! has the empty name. Source: `docs/grip.md#response-hold`.

use bytes::Bytes;
use json_patch::{Patch, PatchOperation};
use serde_json::Value;

/// How much the operations of a patch may put into a document, roughly in bytes: a few copies of copies
/// would fill the memory.
pub const ADDED_BYTES_MAX: usize = 1_000_000;

/// How many elements of arrays the operations of a patch may push up or down: each insertion at the
/// beginning of a long array moves all of it.
const SHIFTED_MAX: usize = 10_000_000;

/// Why a patch could not be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The held body cannot be patched.
    #[error("the held body is not a JSON object or array, expected one for body-patch")]
    Body,
    /// The patch itself is malformed.
    #[error("body-patch is not a JSON Patch: {0}")]
    Syntax(String),
    /// An operation failed.
    #[error("body-patch cannot be applied: {0}")]
    Operation(String),
    /// It makes the document too large, or takes too long.
    #[error(
        "body-patch adds or shifts too much, expected at most 1000000 bytes, 10000000 elements"
    )]
    TooLarge,
}

impl PatchError {
    /// Returns the stable word for logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Body => "patch-held-body",
            Self::Syntax(_) => "bad-body-patch",
            Self::Operation(_) => "patch-failed",
            Self::TooLarge => "patch-too-large",
        }
    }
}

/// Applies a patch to a held body.
///
/// **Shape**: compact JSON with sorted keys; a line end after the held document is kept.
///
/// **Bounds**: operations may add [`ADDED_BYTES_MAX`], and shift 10,000,000 elements of arrays.
pub fn apply(held: &[u8], patch: &Value) -> Result<Bytes, PatchError> {
    let mut document: Value = serde_json::from_slice(held).map_err(|_| PatchError::Body)?;
    if !document.is_object() && !document.is_array() {
        return Err(PatchError::Body);
    }
    let patch: Patch = serde_json::from_value(whole_document(patch, &document))
        .map_err(|error| PatchError::Syntax(error.to_string()))?;
    let (mut added, mut shifted) = (0, 0);
    for operation in patch.iter() {
        added += added_bytes(operation, &document);
        shifted += shifted_elements(operation, &document);
        if added > ADDED_BYTES_MAX || shifted > SHIFTED_MAX {
            return Err(PatchError::TooLarge);
        }
        json_patch::patch(&mut document, std::slice::from_ref(operation))
            .map_err(|error| PatchError::Operation(error.to_string()))?;
    }
    let mut body = document.to_string().into_bytes();
    body.extend_from_slice(line_end(held));
    Ok(body.into())
}

/// Rewrites the path `/` to the RFC's empty one, unless the document has a member of the empty name.
fn whole_document(patch: &Value, document: &Value) -> Value {
    let mut patch = patch.clone();
    if document.get("").is_some() {
        return patch;
    }
    for operation in patch.as_array_mut().into_iter().flatten() {
        for key in ["path", "from"] {
            if let Some(path) = operation.get_mut(key).filter(|path| *path == "/") {
                *path = Value::from("");
            }
        }
    }
    patch
}

/// Estimates what an operation puts into a document.
fn added_bytes(operation: &PatchOperation, document: &Value) -> usize {
    match operation {
        PatchOperation::Add(add) => weight(&add.value),
        PatchOperation::Replace(replace) => weight(&replace.value),
        PatchOperation::Copy(copy) => document.pointer(copy.from.as_str()).map_or(0, weight),
        PatchOperation::Remove(_) | PatchOperation::Move(_) | PatchOperation::Test(_) => 0,
    }
}

/// Counts the elements that make room for an operation, or close up behind it.
fn shifted_elements(operation: &PatchOperation, document: &Value) -> usize {
    let behind = |path: &str| {
        let (array, place) = path.rsplit_once('/')?;
        let elements = document.pointer(array)?.as_array()?;
        Some(elements.len().saturating_sub(place.parse().ok()?))
    };
    let behind = |path: &str| behind(path).unwrap_or(0);
    match operation {
        PatchOperation::Add(add) => behind(add.path.as_str()),
        PatchOperation::Remove(remove) => behind(remove.path.as_str()),
        PatchOperation::Copy(copy) => behind(copy.path.as_str()),
        PatchOperation::Move(moved) => behind(moved.from.as_str()) + behind(moved.path.as_str()),
        PatchOperation::Replace(_) | PatchOperation::Test(_) => 0,
    }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 8,
        Value::Array(values) => 8 + values.iter().map(weight).sum::<usize>(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| name.len() + 8 + weight(value);
            8 + members.iter().map(member).sum::<usize>()
        }
    }
}

fn line_end(text: &[u8]) -> &[u8] {
    [&b"\r\n"[..], b"\n"]
        .into_iter()
        .find(|end| text.ends_with(end))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_follow_the_rfc() {
        for (held, patch, expected) in [
            ("{\"b\":1,\"a\":2}\n", json!([]), "{\"a\":2,\"b\":1}\n"),
            (
                "[1,3]\r\n",
                json!([{"op":"add","path":"/1","value":2}]),
                "[1,2,3]\r\n",
            ),
            ("[1]", json!([{"op":"add","path":"/-","value":2}]), "[1,2]"),
            ("[1]", json!([{"op":"add","path":"/1","value":2}]), "[1,2]"),
            (
                "{\"a\":1}",
                json!([{"op":"replace","path":"/a","value":"x"}]),
                "{\"a\":\"x\"}",
            ),
            ("{\"a\":1}", json!([{"op":"remove","path":"/a"}]), "{}"),
            (
                "{\"a\":1}",
                json!([{"op":"move","from":"/a","path":"/b"}]),
                "{\"b\":1}",
            ),
            (
                "{\"a\":1}",
                json!([{"op":"copy","from":"/a","path":"/b"}]),
                "{\"a\":1,\"b\":1}",
            ),
            (
                "{\"a\":1}",
                json!([{"op":"test","path":"/a","value":1}]),
                "{\"a\":1}",
            ),
            (
                "{\"a\":1}",
                json!([{"op":"replace","path":"/","value":{"n":1}}]),
                "{\"n\":1}",
            ),
            (
                "{\"a\":1}",
                json!([{"op":"replace","path":"","value":[1]}]),
                "[1]",
            ),
            (
                "{\"\":1}",
                json!([{"op":"replace","path":"/","value":2}]),
                "{\"\":2}",
            ),
        ] {
            let patched = apply(held.as_bytes(), &patch).unwrap();
            assert_eq!(patched, expected.as_bytes(), "{held} {patch}");
        }
    }

    #[test]
    fn copies_of_copies_are_stopped() {
        for (held, path, times) in [("[\"x\"]", "/-", 64), ("{}", "/a", 20_000)] {
            let copies = vec![json!({"op": "copy", "from": "", "path": path}); times];
            let error = apply(held.as_bytes(), &json!(copies)).unwrap_err();
            assert_eq!(error.code(), "patch-too-large", "wider or deeper");
        }
        let adds = vec![json!({"op": "add", "path": "/-", "value": "x"}); 10_000];
        assert!(apply(b"[]", &json!(adds)).is_ok());
    }

    #[test]
    fn endless_shifting_is_stopped() {
        let held = json!(vec![0; 40_000]).to_string();
        for operation in [
            json!({"op": "move", "from": "/0", "path": "/39999"}),
            json!({"op": "add", "path": "/0", "value": 0}),
            json!({"op": "remove", "path": "/0"}),
            json!({"op": "copy", "from": "/1", "path": "/0"}),
        ] {
            let error = apply(held.as_bytes(), &json!(vec![operation; 10_000])).unwrap_err();
            assert_eq!(error.code(), "patch-too-large");
        }
        let removals = vec![json!({"op": "remove", "path": "/39"}); 1_000];
        assert!(apply(held.as_bytes(), &json!(removals[..200])).is_ok());
    }

    #[test]
    fn what_cannot_be_done_is_an_error() {
        for (held, patch, code) in [
            ("plain text", json!([]), "patch-held-body"),
            ("\"text\"", json!([]), "patch-held-body"),
            (
                "{}",
                json!([{"op":"explode","path":"/a"}]),
                "bad-body-patch",
            ),
            ("{}", json!([{"op":"remove","path":"/a"}]), "patch-failed"),
            (
                "{\"a\":1.4}",
                json!([{"op":"test","path":"/a","value":1}]),
                "patch-failed",
            ),
        ] {
            let error = apply(held.as_bytes(), &patch).unwrap_err();
            assert_eq!(error.code(), code, "{held} {patch}: {error}");
        }
    }
}
