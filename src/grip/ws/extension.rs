//! The WebSocket extension `grip`: with it a backend speaks to P-8 between its messages.
//!
//! Offers nothing, reads no control message (`control`), and does not tell whom a message is for.

use bytes::Bytes;

use crate::grip::header_params::{split_list, Element};

/// What a message for the client begins with, if the backend says nothing else.
const DEFAULT_PREFIX: &[u8] = b"m:";

/// The extension as a backend has accepted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GripExtension {
    /// What a message for the client begins with; may be empty.
    pub prefix: Bytes,
}

/// Looks for `grip` in the values of all `Sec-WebSocket-Extensions` headers.
///
/// **Shape**: `grip`, `grip; message-prefix="m:"`, `grip; message-prefix=` for none; among others in
/// the list. The name is case-sensitive, the first one counts.
pub fn grip_extension<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<GripExtension> {
    let grip = Element::parse(grip_element(values)?)?;
    let prefix = grip.param("message-prefix");
    Some(GripExtension {
        prefix: prefix.map_or(Bytes::from_static(DEFAULT_PREFIX), Bytes::copy_from_slice),
    })
}

/// Looks for `grip` in the same way, and gives all that is said of it, as it is.
pub fn grip_element<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let is_grip = |element: &Element| element.first == b"grip";
    let mut elements = split_list(values).into_iter();
    elements.find(|element| Element::parse(element).as_ref().is_some_and(is_grip))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(values: &[&'static str]) -> Option<String> {
        let extension = grip_extension(values.iter().map(|value| value.as_bytes()))?;
        Some(String::from_utf8(extension.prefix.to_vec()).unwrap())
    }

    #[test]
    fn the_extension_is_found_with_its_prefix() {
        for (values, expected) in [
            (&["grip"][..], Some("m:")),
            (&["permessage-deflate, grip"], Some("m:")),
            (
                &["permessage-deflate; a=\"grip, x\"", "x, grip"],
                Some("m:"),
            ),
            (&["grip; message-prefix=\"\""], Some("")),
            (&["grip; message-prefix="], Some("")),
            (&["grip; message-prefix=; x=1"], Some("")),
            (&["grip; message-prefix"], Some("")),
            (&["grip; message-prefix=data:"], Some("data:")),
            (&["grip;Message-Prefix=\"a \\\"b\""], Some("a \"b")),
            (&["grip; other=1"], Some("m:")),
            (
                &["grip; message-prefix=1, grip; message-prefix=2"],
                Some("1"),
            ),
            (&["GRIP"], None),
            (&["x-grip, grip2"], None),
            (&["x; grip"], None),
            (&["grip; message-prefix=\"m:"], None),
            (&[""], None),
            (&[], None),
        ] {
            assert_eq!(prefix(values).as_deref(), expected, "{values:?}");
        }
    }
}
