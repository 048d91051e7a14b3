//! `p-8 import`: Pushpin's configuration in, p-8.toml on standard output, remarks on standard error.
//!
//! Source: `docs/migrating-from-pushpin.md`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use p8::config::import::{import, ImportError};

/// Turn Pushpin's configuration and routes into a p-8.toml.
///
/// It is written to standard output. What has no equivalent is named on standard error, with its file
/// and line.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Pushpin's configuration, such as /etc/pushpin/pushpin.conf
    config: PathBuf,
    /// A line of routes in place of the routes file; may be given again
    #[arg(long = "route", value_name = "LINE")]
    routes: Vec<String>,
}

/// Why an import came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportFailed {
    /// There is no result.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The result cannot be written.
    #[error("cannot write the result: {0}")]
    Write(#[from] std::io::Error),
}

/// Prints what an import comes to.
pub(crate) fn run(arguments: &Arguments) -> Result<(), ImportFailed> {
    let imported = import(&arguments.config, &arguments.routes)?;
    let mut notes = std::io::stderr().lock();
    for note in &imported.notes {
        let _ = writeln!(notes, "{note}");
    }
    let mut out = std::io::stdout().lock();
    out.write_all(imported.toml.as_bytes())?;
    out.flush()?;
    Ok(())
}
