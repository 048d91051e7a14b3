//! Whom a backend's message is for: the client, P-8 itself, or nobody.
//!
//! Without GRIP everything is for the client. A message that comes in parts is judged by its beginning,
//! however that is cut; its other parts then pass as they come, and none of a control message or of one
//! for nobody reaches the client.
//!
//! Source: `docs/websockets.md#control-messages`.

use bytes::{Bytes, BytesMut};

use crate::engine::ws::{MessageKind, Part};

/// What a text message begins with that is for P-8.
const CONTROL: &[u8] = b"c:";

/// Longest control message, in bytes; a longer one has no effect.
const CONTROL_MAX: usize = 1_000_000;

/// Whom a message, or a part of it, is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Addressed {
    /// The client.
    Client(Part),
    /// P-8: the text behind `c:`.
    Control(Bytes),
    /// Nobody; said once for each message.
    Nobody,
    /// P-8, but it is too long.
    TooLong,
}

/// How far the current message is.
#[derive(Debug, Default)]
pub(super) struct Addressing {
    prefix: Prefix,
    amid: Option<Box<Amid>>,
}

/// What messages for the client begin with.
#[derive(Debug, Default)]
enum Prefix {
    /// GRIP is not spoken.
    #[default]
    NoGrip,
    /// As it is if the backend says nothing else.
    Usual,
    /// This.
    Own(Box<Bytes>),
}

/// What the usual prefix is.
const USUAL: Bytes = Bytes::from_static(b"m:");

/// A message of which more is to come.
#[derive(Debug)]
enum Amid {
    /// Too little has come to tell.
    Beginning(BytesMut),
    /// It is for the client, who has had a part of it or not.
    Client { is_first: bool },
    /// It is for P-8.
    Control(BytesMut),
    /// It is for nobody.
    Nobody,
}

impl Addressing {
    pub(super) fn new(prefix: Option<Bytes>) -> Self {
        let prefix = match prefix {
            None => Prefix::NoGrip,
            Some(prefix) if prefix == USUAL => Prefix::Usual,
            Some(prefix) => Prefix::Own(Box::new(prefix)),
        };
        Self { prefix, amid: None }
    }

    /// Takes a part; says whom it is for, if anything is to be said.
    pub(super) fn on_part(&mut self, part: Part) -> Option<Addressed> {
        let prefix = match &self.prefix {
            Prefix::NoGrip => return Some(Addressed::Client(part)),
            Prefix::Usual => &USUAL,
            Prefix::Own(prefix) => &**prefix,
        };
        let amid = self.amid.take().map(|amid| *amid);
        let is_last = part.is_last;
        let (addressed, amid) = match amid {
            None => begin(prefix, part),
            Some(Amid::Beginning(mut beginning)) => {
                beginning.extend_from_slice(&part.content);
                let content = beginning.freeze();
                begin(prefix, Part { content, ..part })
            }
            Some(Amid::Client { is_first }) if is_first && part.content.is_empty() && !is_last => {
                (None, Amid::Client { is_first })
            }
            Some(Amid::Client { is_first }) => {
                let part = Part { is_first, ..part };
                (
                    Some(Addressed::Client(part)),
                    Amid::Client { is_first: false },
                )
            }
            Some(Amid::Control(text)) => more_of_control(text, &part),
            Some(Amid::Nobody) => (None, Amid::Nobody),
        };
        if !is_last {
            self.amid = Some(Box::new(amid));
        }
        addressed
    }
}

/// Judges the beginning of a message, as much of it as has come.
fn begin(prefix: &Bytes, part: Part) -> (Option<Addressed>, Amid) {
    let content = &part.content;
    let is_text = part.kind == MessageKind::Text;
    let could_be = |start: &[u8]| start.starts_with(content) && content.len() < start.len();
    if is_text && content.starts_with(CONTROL) {
        return more_of_control(BytesMut::new(), &part);
    }
    if !part.is_last && ((is_text && could_be(CONTROL)) || could_be(prefix)) {
        let beginning = BytesMut::from(&content[..]);
        return (None, Amid::Beginning(beginning));
    }
    if !content.starts_with(prefix) {
        return (Some(Addressed::Nobody), Amid::Nobody);
    }
    let part = Part {
        content: content.slice(prefix.len()..),
        is_first: true,
        ..part
    };
    if part.content.is_empty() && !part.is_last {
        return (None, Amid::Client { is_first: true });
    }
    (
        Some(Addressed::Client(part)),
        Amid::Client { is_first: false },
    )
}

fn more_of_control(mut text: BytesMut, part: &Part) -> (Option<Addressed>, Amid) {
    if text.len() + part.content.len() > CONTROL_MAX {
        return (Some(Addressed::TooLong), Amid::Nobody);
    }
    text.extend_from_slice(&part.content);
    if part.is_last {
        let text = text.freeze();
        return (
            Some(Addressed::Control(text.slice(CONTROL.len()..))),
            Amid::Nobody,
        );
    }
    (None, Amid::Control(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(content: &'static str, is_first: bool, is_last: bool) -> Part {
        Part {
            kind: MessageKind::Text,
            content: Bytes::from(content),
            is_first,
            is_last,
            key: [0; 4],
        }
    }

    /// Feeds a message cut into these parts; joins what is for the client.
    fn judge(prefix: Option<&'static str>, parts: &[&'static str]) -> (String, Vec<String>) {
        let mut addressing = Addressing::new(prefix.map(Bytes::from));
        let (mut client, mut others) = (String::new(), Vec::new());
        let mut has_begun = false;
        for (at, content) in parts.iter().enumerate() {
            let part = part(content, at == 0, at + 1 == parts.len());
            match addressing.on_part(part) {
                None => {}
                Some(Addressed::Client(part)) => {
                    assert_eq!(part.is_first, !has_begun, "{parts:?}");
                    has_begun = !part.is_last;
                    client.push_str(std::str::from_utf8(&part.content).unwrap());
                    client.push('|');
                }
                Some(Addressed::Control(text)) => {
                    others.push(String::from_utf8(text.to_vec()).unwrap());
                }
                Some(Addressed::Nobody) => others.push("nobody".to_owned()),
                Some(Addressed::TooLong) => others.push("too long".to_owned()),
            }
        }
        assert!(!has_begun && addressing.amid.is_none(), "{parts:?}");
        (client, others)
    }

    #[test]
    fn messages_are_judged_whole_however_they_are_cut() {
        let nobody = vec!["nobody".to_owned()];
        for (prefix, parts, client, others) in [
            (None, &["c:{}"][..], "c:{}|", vec![]),
            (None, &["a", "", "b"], "a||b|", vec![]),
            (Some("m:"), &["m:hello"], "hello|", vec![]),
            (Some("m:"), &["m", ":he", "llo"], "he|llo|", vec![]),
            (Some("m:"), &["m:", "", "he", "llo"], "he|llo|", vec![]),
            (Some("m:"), &["m:", ""], "|", vec![]),
            (Some("m:"), &["m:"], "|", vec![]),
            (Some("m:"), &["hello"], "", nobody.clone()),
            (Some("m:"), &["he", "m:llo"], "", nobody.clone()),
            (Some("m:"), &[""], "", nobody.clone()),
            (Some("m:"), &["", "m"], "", nobody),
            (Some("m:"), &["c:{1}"], "", vec!["{1}".to_owned()]),
            (Some("m:"), &["c", ":{", "1}"], "", vec!["{1}".to_owned()]),
            (Some(""), &["c:x"], "", vec!["x".to_owned()]),
            (Some(""), &["c", "x"], "cx|", vec![]),
            (Some(""), &["", "a"], "a|", vec![]),
            (Some("c:d:"), &["c:d:x"], "", vec!["d:x".to_owned()]),
        ] {
            assert_eq!(
                judge(prefix, parts),
                (client.to_owned(), others),
                "{prefix:?} {parts:?}"
            );
        }
    }

    #[test]
    fn binary_is_never_for_p8() {
        let mut addressing = Addressing::new(Some(Bytes::from("m:")));
        let binary = |content| Part {
            kind: MessageKind::Binary,
            ..part(content, true, true)
        };
        assert_eq!(addressing.on_part(binary("c:{}")), Some(Addressed::Nobody));
        let expected = Addressed::Client(binary("x"));
        assert_eq!(addressing.on_part(binary("m:x")), Some(expected));
    }

    #[test]
    fn a_control_message_without_end_is_not_kept() {
        let mut addressing = Addressing::new(Some(Bytes::from("m:")));
        assert_eq!(addressing.on_part(part("c:", true, false)), None);
        let large = Part {
            content: Bytes::from(vec![b'x'; CONTROL_MAX]),
            ..part("", false, false)
        };
        assert_eq!(addressing.on_part(large.clone()), Some(Addressed::TooLong));
        assert_eq!(addressing.on_part(large), None);
        assert_eq!(addressing.on_part(part("", false, true)), None);
        let next = addressing.on_part(part("m:y", true, true));
        assert!(matches!(next, Some(Addressed::Client(_))));
    }
}
