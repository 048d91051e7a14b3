//! The `Grip-Last` request header: the last item of a channel that a session has seen.
//!
//! Source: the GRIP protocol.

use http::header::{HeaderName, HeaderValue};

use super::channel::{ChannelName, ItemId};
use super::header_params::{split_list, Element};

/// The header's name.
pub const NAME: HeaderName = HeaderName::from_static("grip-last");

/// Gives the header's value for one channel; `None` for a name or id that no header can carry, or that
/// would be read as something else: a name with a `;`, or with a `,` and without quotes of its own.
///
/// **Shape**: `channel; last-id=id`; an id with characters of its own meaning is quoted.
pub fn value(channel: &ChannelName, id: &ItemId) -> Option<HeaderValue> {
    let is_plain = |byte: u8| !byte.is_ascii_whitespace() && !b"\",;\\".contains(&byte);
    let id = id.as_str();
    let mut text = format!("{channel}; last-id=");
    if !id.is_empty() && id.bytes().all(is_plain) {
        text.push_str(id);
    } else {
        text.push('"');
        for char in id.chars() {
            if matches!(char, '"' | '\\') {
                text.push('\\');
            }
            text.push(char);
        }
        text.push('"');
    }
    let value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
    let read = match split_list([value.as_bytes()]).as_slice() {
        [one] => Element::parse(one)?,
        _ => return None,
    };
    let is_same =
        read.first == channel.as_str().as_bytes() && read.param("last-id") == Some(id.as_bytes());
    is_same.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_as_they_were() {
        for id in ["3", "", "a b", "x,y;z", "quo\"te\\", "ž", " 1 "] {
            let value = value(&ChannelName::new("news"), &ItemId::new(id)).unwrap();
            let element = Element::parse(value.as_bytes()).unwrap();
            assert_eq!(element.first, b"news");
            assert_eq!(element.param("last-id"), Some(id.as_bytes()), "{value:?}");
        }
        assert_eq!(
            value(&ChannelName::new("a"), &ItemId::new("3")).unwrap(),
            "a; last-id=3"
        );
    }

    #[test]
    fn what_no_header_can_carry_is_left_out() {
        assert_eq!(value(&ChannelName::new("a\r\nb"), &ItemId::new("1")), None);
        assert_eq!(value(&ChannelName::new("a"), &ItemId::new("1\n")), None);
        for name in ["a, b", "a; last-id=2", " a", "\"a"] {
            assert_eq!(value(&ChannelName::new(name), &ItemId::new("1")), None);
        }
        let quoted = value(&ChannelName::new("\"a, b\""), &ItemId::new("1"));
        assert_eq!(quoted.unwrap(), "\"a, b\"; last-id=1");
    }
}
