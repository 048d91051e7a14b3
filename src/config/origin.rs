//! Where each value came from: a line of the file or a variable of the environment.
//!
//! It turns the path of a value into the [`Place`] that messages name, and figment's errors, which
//! know paths but no lines, into ours.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use figment::error::{Actual, Kind};

use super::error::{ConfigError, Place};
use super::spans::Spans;

/// Keys whose values never appear in a message.
pub(super) const SECRETS: [&str; 6] = [
    "auth",
    "bearer",
    "key",
    "password",
    "sig_key",
    "upstream_key",
];

/// Longest piece of a value that a message shows.
const SHOWN_BYTES_MAX: usize = 100;

/// Knows the origin of every value.
#[derive(Debug)]
pub(super) struct Origin<'a> {
    file: &'a Path,
    spans: Spans<'a>,
    variables: HashMap<(String, String), String>,
    environment: HashMap<OsString, OsString>,
}

impl<'a> Origin<'a> {
    pub(super) fn new(
        file: &'a Path,
        spans: Spans<'a>,
        variables: HashMap<(String, String), String>,
        environment: HashMap<OsString, OsString>,
    ) -> Origin<'a> {
        Origin {
            file,
            spans,
            variables,
            environment,
        }
    }

    /// Makes the path of a file named in the configuration; relative to the configuration's folder.
    pub(super) fn beside(&self, named: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(named)
    }

    /// Returns the value of a variable that the configuration names.
    pub(super) fn variable_value(&self, name: &str) -> Option<String> {
        let value = self.environment.get(OsStr::new(name))?;
        value.to_str().map(str::to_owned)
    }

    /// Names the place of a value.
    pub(super) fn place(&self, path: &[impl AsRef<str>]) -> Place {
        let file = self.file.display();
        let source = match (self.variable(path), self.spans.line(path)) {
            (Some(variable), _) => variable.to_owned(),
            (None, Some(line)) => format!("{file}:{line}"),
            (None, None) => file.to_string(),
        };
        Place::new(source, path)
    }

    /// Names the variable that set a key, or one that made a table the file does not have.
    fn variable(&self, path: &[impl AsRef<str>]) -> Option<&str> {
        let (table, key) = (path.first()?.as_ref(), path.get(1).map(AsRef::as_ref));
        if key.is_none() && self.spans.line(path).is_some() {
            return None;
        }
        let mut variables = self.variables.iter();
        let sets = |name: &(String, String)| name.0 == table && key.is_none_or(|key| name.1 == key);
        variables
            .find(|(name, _)| sets(name))
            .map(|(_, variable)| variable.as_str())
    }

    /// Makes the error of a value that means nothing.
    pub(super) fn wrong(
        &self,
        path: &[impl AsRef<str>],
        found: &str,
        expected: impl Into<String>,
    ) -> ConfigError {
        ConfigError::WrongValue {
            place: self.place(path),
            found: format!("\"{}\"", shown(found)),
            expected: expected.into(),
        }
    }

    /// Translates figment's first error.
    pub(super) fn error(&self, error: figment::Error) -> ConfigError {
        let path = error.path.as_slice();
        let place = self.place(path);
        let secret = path.iter().any(|key| SECRETS.contains(&key.as_str()));
        let (found, expected) = match error.kind {
            Kind::UnknownField(_, allowed) => {
                return ConfigError::UnknownKey {
                    place,
                    allowed: allowed.to_vec(),
                };
            }
            Kind::MissingField(name) => {
                return ConfigError::Missing {
                    place,
                    expected: format!("the key {name}"),
                };
            }
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                (in_words(&found, secret), plain_words(&expected))
            }
            Kind::UnknownVariant(found, allowed) => (
                format!("\"{}\"", shown(&found)),
                format!("one of: {}", allowed.join(", ")),
            ),
            other => (
                other.to_string(),
                "what docs/configuration.md says".to_owned(),
            ),
        };
        ConfigError::WrongValue {
            place,
            found,
            expected,
        }
    }
}

/// Cuts a value to what a message shows.
fn shown(value: &str) -> String {
    let mut text: String = value.escape_debug().collect();
    if text.len() > SHOWN_BYTES_MAX {
        let end = (0..=SHOWN_BYTES_MAX)
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text += "...";
    }
    text
}

fn in_words(found: &Actual, secret: bool) -> String {
    match found {
        Actual::Bool(_) | Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) if secret => {
            "no text".to_owned()
        }
        Actual::Str(_) | Actual::Char(_) if secret => "a text".to_owned(),
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(value) => format!("the number {value}"),
        Actual::Signed(value) => format!("the number {value}"),
        Actual::Float(value) => format!("the number {value:?}"),
        Actual::Char(value) => format!("\"{}\"", value.escape_debug()),
        Actual::Str(value) => format!("\"{}\"", shown(value)),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

fn plain_words(expected: &str) -> String {
    match expected {
        "a string" => "a text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "u64" => "a whole number, 0 or more",
        "struct Target" => "a table such as { url = \"http://localhost:80\" }",
        "struct Route" => "a table, written below [[routes]]",
        expected if expected.starts_with("struct ") => "a table",
        expected => expected,
    }
    .to_owned()
}
