//! Names of channels and ids of items, as two types so that they are never swapped.
//!
//! Any text is a valid name or id, also the empty one. Cloning shares the text.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Names a channel.
///
/// **Shape**: any text, case-sensitive.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Arc<str>);

/// Identifies an item within its channel.
///
/// **Shape**: any text; ids have no order of their own.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(Arc<str>);

impl ChannelName {
    /// Makes a name of any text.
    pub fn new(name: impl AsRef<str>) -> ChannelName {
        ChannelName(Arc::from(name.as_ref()))
    }

    /// Gives the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the name with a route's prefix in front.
    pub fn prefixed(&self, prefix: &str) -> ChannelName {
        if prefix.is_empty() {
            return self.clone();
        }
        ChannelName(Arc::from([prefix, self.as_str()].concat()))
    }
}

impl ItemId {
    /// Makes an id of any text.
    pub fn new(id: impl AsRef<str>) -> ItemId {
        ItemId(Arc::from(id.as_ref()))
    }

    /// Gives the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_traits {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({:?})"), self.as_str())
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> $type {
                $type::new(text)
            }
        }

        impl From<String> for $type {
            fn from(text: String) -> $type {
                $type(Arc::from(text))
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        // Hash, Eq and Ord of the type are those of its text, so maps may be asked by `&str`.
        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }
    };
}

text_traits!(ChannelName);
text_traits!(ItemId);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn prefix_goes_in_front_of_the_name() {
        for (prefix, name, expected) in [
            ("", "a", "a"),
            ("p-", "a", "p-a"),
            ("p-", "", "p-"),
            ("ž", "☃", "ž☃"),
        ] {
            assert_eq!(ChannelName::new(name).prefixed(prefix).as_str(), expected);
        }
    }

    #[test]
    fn names_and_ids_print_as_their_text() {
        assert_eq!(ChannelName::new("a b").to_string(), "a b");
        assert_eq!(format!("{:?}", ItemId::new("1")), "ItemId(\"1\")");
    }

    #[test]
    fn maps_are_asked_by_text() {
        let map = HashMap::from([(ChannelName::new("a"), 1)]);
        assert_eq!(map.get("a"), Some(&1));
        assert_eq!(map.get("A"), None);
    }
}
