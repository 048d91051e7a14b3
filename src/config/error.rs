//! What can be wrong with the configuration, and how it is told: place, key, found, expected.
//!
//! It finds nothing wrong by itself, see `layers`, `tables` and `routes`.

use std::fmt;

use crate::grip::error::Side;

/// Says why the configuration cannot be used.
///
/// **Shape**: `p-8.toml:12: [http] listen: unknown key, expected one of: ...`, or with the name of
/// an environment variable instead of file and line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file itself cannot be read.
    #[error("{file}: cannot be read: {reason}")]
    Unreadable {
        /// The path as given.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// The text is not TOML.
    #[error("{file}:{line}: not TOML: {reason}")]
    NotToml {
        /// The path as given.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// A table or key that does not exist.
    #[error("{place}: unknown {}, expected one of: {}", place.noun(), allowed.join(", "))]
    UnknownKey {
        /// Where it is.
        place: Place,
        /// What could stand there.
        allowed: Vec<&'static str>,
    },
    /// A value of the wrong type, or one that means nothing.
    #[error("{place}: found {found}, expected {expected}")]
    WrongValue {
        /// Where it is.
        place: Place,
        /// The value, cut to 100 bytes; of a secret only its type.
        found: String,
        /// What could stand there.
        expected: String,
    },
    /// A key that must be there is not.
    #[error("{place}: missing, expected {expected}")]
    Missing {
        /// Where it should be.
        place: Place,
        /// What should stand there.
        expected: String,
    },
    /// A file with a key or certificates that cannot be read, or does not hold them.
    #[error("{place}: cannot use the file {path}: {reason}")]
    KeyFile {
        /// The key that names the file.
        place: Place,
        /// The file.
        path: String,
        /// What the system or the parser says.
        reason: String,
    },
    /// A certificate or its key cannot be used.
    #[error("{place}: cannot use the certificate: {file}: {reason}")]
    Certificate {
        /// The key that names the file or its folder.
        place: Place,
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The control listener would be open to others, and nothing asks them who they are.
    #[error(
        "{place}: found {found}, which others can reach, expected [control] auth to say who they \
         may be, or a loopback address such as 127.0.0.1:5561 or [::1]:5561"
    )]
    OpenControl {
        /// Where it is set.
        place: Place,
        /// The address.
        found: String,
    },
    /// Two routes take exactly the same requests.
    #[error("{place}: same condition as {first}: {condition}, expected each condition once")]
    DuplicateRoute {
        /// The later route.
        place: Place,
        /// The earlier route.
        first: Place,
        /// What both say.
        condition: String,
    },
}

impl ConfigError {
    /// Says whose fault it is.
    pub fn side(&self) -> Side {
        Side::Operator
    }

    /// Names the cause in a stable word.
    pub fn code(&self) -> &'static str {
        match self {
            ConfigError::Unreadable { .. } => "config-unreadable",
            ConfigError::NotToml { .. } => "config-not-toml",
            ConfigError::UnknownKey { .. } => "config-unknown-key",
            ConfigError::WrongValue { .. } => "config-wrong-value",
            ConfigError::Missing { .. } => "config-missing-key",
            ConfigError::KeyFile { .. } => "config-key-file",
            ConfigError::Certificate { .. } => "config-certificate",
            ConfigError::OpenControl { .. } => "config-open-control",
            ConfigError::DuplicateRoute { .. } => "config-duplicate-route",
        }
    }
}

/// Names a place in the configuration.
///
/// Displays as `p-8.toml:12: [http] listen` or `P8_HTTP__LISTEN: [http] listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    source: String,
    path: Vec<String>,
}

impl Place {
    /// Joins the file and line, or the variable, and the path of keys and list indexes.
    pub(super) fn new(source: String, path: &[impl AsRef<str>]) -> Place {
        Place {
            source,
            path: path.iter().map(|step| step.as_ref().to_owned()).collect(),
        }
    }

    fn noun(&self) -> &'static str {
        if self.path.len() > 1 {
            "key"
        } else {
            "table"
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        let (table, keys) = match self.path.as_slice() {
            [] => return Ok(()),
            [table, index, keys @ ..] if table == "routes" && is_index(index) => {
                (format!(": [[{table}]]"), keys)
            }
            [table, keys @ ..] => (format!(": [{table}]"), keys),
        };
        f.write_str(&table)?;
        for (position, step) in keys.iter().enumerate() {
            match (position, is_index(step)) {
                (0, _) => write!(f, " {step}")?,
                (_, true) => write!(f, "[{step}]")?,
                (_, false) => write!(f, ".{step}")?,
            }
        }
        Ok(())
    }
}

fn is_index(step: &str) -> bool {
    !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit())
}
