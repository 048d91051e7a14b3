//! The configuration: TOML and environment in, [`Settings`] or an error that names its place out.
//!
//! It opens no listener and starts nothing. Key files (`sig_key = "file:..."`) are read here,
//! and certificates to see whether they can be.
//!
//! ```text
//! p-8.toml ─┬─ spans (lines) ──────────────┐
//!           └─ layers (figment) ─ file ─ tables, proxy, routes, … ─ Settings
//! P8_X__Y ────┘       as written            checked
//! ```
//!
//! Source: `docs/configuration.md`.

use std::ffi::OsString;
use std::path::Path;

mod check;
mod choice;
mod control;
mod cross_origin;
mod diff;
mod error;
mod file;
pub mod import;
mod keys;
mod layers;
mod listeners;
mod origin;
mod proxy;
mod routes;
mod servers;
mod settings;
mod shapes;
mod sockjs;
mod spans;
mod tables;
mod targets;
mod tls;
mod unix;
mod zhttpreq;
mod zmq;

pub use diff::{Difference, KeyChange};
pub use error::{ConfigError, Place};
pub use settings::{
    ControlSettings, HandlerSettings, HttpSettings, LogFormat, LogSettings, MetricsSettings,
    Settings, UnixSocket,
};

/// Reads a file and an environment.
fn from_file(
    path: &Path,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Settings, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        file: path.display().to_string(),
        reason: error.to_string(),
    })?;
    Ok(Settings {
        source: Some(path.to_owned()),
        ..from_text(&text, path, environment)?
    })
}

/// Reads a text that counts as the content of `path`, and an environment.
fn from_text(
    text: &str,
    path: &Path,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Settings, ConfigError> {
    let (file, keys, origin) = layers::read(text, path, environment)?;
    Ok(Settings {
        keys,
        ..tables::check(file, &origin)?
    })
}

#[cfg(test)]
mod tests;
