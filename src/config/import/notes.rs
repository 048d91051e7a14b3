//! What an import has to say beside its result: one line each, with the place in Pushpin's files.

use std::fmt;

/// One remark about what has no equivalent, or is taken in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file and the line, and the key if there is one: `pushpin.conf:12: [proxy] share_all`.
    pub place: String,
    /// What becomes of it.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Gathers remarks.
#[derive(Debug, Default)]
pub(super) struct Notes(pub(super) Vec<Note>);

impl Notes {
    pub(super) fn add(&mut self, place: &str, text: impl Into<String>) {
        self.0.push(Note {
            place: place.to_owned(),
            text: text.into(),
        });
    }
}
