//! The WebSocket extension `grip`: with it a backend speaks to P-8 between its messages.
//!
//! Offers nothing and reads no control message; see `control`.
//!
//! ```text
//! "c:{..}"  text                 --> Control, for P-8
//! "m:hello" text or binary       --> Client, as "hello"
//! "hello"   text or binary       --> Nobody
//! ```

use bytes::Bytes;

use crate::grip::header_params::{split_list, Element};
use crate::grip::publish::WsKind;

/// What a text message for P-8 begins with, whatever the prefix.
const CONTROL_PREFIX: &[u8] = b"c:";

/// What a message for the client begins with, if the backend says nothing else.
const DEFAULT_PREFIX: &[u8] = b"m:";

/// The extension as a backend has accepted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GripExtension {
    /// What a message for the client begins with; may be empty.
    pub prefix: Bytes,
}

/// Says whom a backend's message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressed {
    /// For P-8: what follows `c:`.
    Control(Bytes),
    /// For the client: what follows the prefix.
    Client(Bytes),
    /// For nobody: it has no prefix.
    Nobody,
}

/// Looks for `grip` in the values of all `Sec-WebSocket-Extensions` headers.
///
/// **Shape**: `grip`, `grip; message-prefix="m:"`, `grip; message-prefix=` for none; among others in
/// the list. The name is case-sensitive, the first one counts.
pub fn grip_extension<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<GripExtension> {
    let elements = split_list(values);
    let mut elements = elements.into_iter().filter_map(Element::parse);
    let grip = elements.find(|element| element.first == b"grip")?;
    let prefix = grip.param("message-prefix");
    Some(GripExtension {
        prefix: prefix.map_or(Bytes::from_static(DEFAULT_PREFIX), Bytes::copy_from_slice),
    })
}

impl GripExtension {
    /// Says whom a whole message is for; what is given shares its memory.
    ///
    /// Pings and pongs have no prefix and are for the client.
    pub fn classify(&self, kind: WsKind, content: &Bytes) -> Addressed {
        if matches!(kind, WsKind::Ping | WsKind::Pong) {
            return Addressed::Client(content.clone());
        }
        if kind == WsKind::Text && content.starts_with(CONTROL_PREFIX) {
            return Addressed::Control(content.slice(CONTROL_PREFIX.len()..));
        }
        if content.starts_with(&self.prefix) {
            return Addressed::Client(content.slice(self.prefix.len()..));
        }
        Addressed::Nobody
    }
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

    #[test]
    fn messages_are_for_the_client_for_p8_or_for_nobody() {
        use WsKind::{Binary, Ping, Pong, Text};
        let client = |text| Addressed::Client(Bytes::from_static(text));
        let control = |text| Addressed::Control(Bytes::from_static(text));
        for (prefix, kind, content, expected) in [
            ("m:", Text, &b"m:hi"[..], client(b"hi")),
            ("m:", Binary, b"m:\x00", client(b"\x00")),
            ("m:", Text, b"m:", client(b"")),
            ("m:", Text, b"m:c:{}", client(b"c:{}")),
            ("m:", Text, b"hi", Addressed::Nobody),
            ("m:", Text, b"M:hi", Addressed::Nobody),
            ("m:", Text, b"", Addressed::Nobody),
            ("m:", Binary, b"m", Addressed::Nobody),
            ("m:", Text, b"c:{}", control(b"{}")),
            ("m:", Text, b"c:", control(b"")),
            ("m:", Binary, b"c:{}", Addressed::Nobody),
            ("", Text, b"c:{}", control(b"{}")),
            ("", Binary, b"c:{}", client(b"c:{}")),
            ("", Text, b"hi", client(b"hi")),
            ("", Text, b"", client(b"")),
            ("c:", Text, b"c:{}", control(b"{}")),
            ("c:", Binary, b"c:{}", client(b"{}")),
            ("m:", Ping, b"c:x", client(b"c:x")),
            ("m:", Pong, b"", client(b"")),
        ] {
            let extension = GripExtension {
                prefix: Bytes::from_static(prefix.as_bytes()),
            };
            let content = Bytes::from_static(content);
            let got = extension.classify(kind, &content);
            assert_eq!(got, expected, "{prefix:?} {kind:?} {content:?}");
        }
    }

    #[test]
    fn what_is_cut_shares_the_memory() {
        let extension = grip_extension([&b"grip"[..]].into_iter()).unwrap();
        let content = Bytes::from_static(b"m:hi");
        let Addressed::Client(cut) = extension.classify(WsKind::Text, &content) else {
            panic!("not for the client");
        };
        assert_eq!(cut.as_ptr(), content[2..].as_ptr());
    }
}
