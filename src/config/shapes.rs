//! Values of `p-8.toml` that may be written in more than one way.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};

/// `true`, `"true"`, `"proto-only"`, and what Pushpin takes for "off".
#[derive(Clone, Copy, Debug)]
pub(super) enum SetProto {
    Off,
    ProtoOnly,
    Both,
}

/// A text or a whole number, such as an address or a port.
#[derive(Clone, Debug)]
pub(super) struct One(pub(super) String);

/// A text or a whole number, or a list of them. Whether it was a list decides how errors in it
/// are located.
#[derive(Clone, Debug)]
pub(super) struct OneOrMore {
    pub(super) values: Vec<String>,
    pub(super) is_list: bool,
}

impl<'de> Deserialize<'de> for SetProto {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = SetProto;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("\"proto-only\", true (both headers) or false (none)")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<SetProto, E> {
                Ok(if value { SetProto::Both } else { SetProto::Off })
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<SetProto, E> {
                match value {
                    "proto-only" => Ok(SetProto::ProtoOnly),
                    "true" => Ok(SetProto::Both),
                    "" | "false" | "off" => Ok(SetProto::Off),
                    _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
                }
            }
        }
        deserializer.deserialize_any(Words)
    }
}

impl<'de> Deserialize<'de> for One {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Single;
        impl Visitor<'_> for Single {
            type Value = One;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a text or a port number")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<One, E> {
                Ok(One(value.to_owned()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<One, E> {
                Ok(One(value.to_string()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<One, E> {
                Ok(One(value.to_string()))
            }
        }
        deserializer.deserialize_any(Single)
    }
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Several;
        impl<'de> Visitor<'de> for Several {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore {
                    values: vec![value.to_owned()],
                    is_list: false,
                })
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<OneOrMore, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<OneOrMore, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
                let mut values = Vec::new();
                while let Some(One(value)) = list.next_element()? {
                    values.push(value);
                }
                Ok(OneOrMore {
                    values,
                    is_list: true,
                })
            }
        }
        deserializer.deserialize_any(Several)
    }
}
