//! `p-8 check CONFIG`: the configuration read and checked, and nothing started.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use p8::{
    config::{ConfigError, Settings},
    server::{self, Server},
};

/// Reads a configuration and everything it names, and says what is wrong with it.
#[derive(clap::Args)]
#[command(name = "check")]
pub(crate) struct Arguments {
    /// The configuration file; P8_TABLE__KEY in the environment overrides its keys.
    config: PathBuf,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Server(#[from] server::Error),
}

/// Checks, and prints a summary.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let settings = Settings::load(&arguments.config)?;
    Server::check(&settings)?;
    // Whoever looks only at the exit code need not read it.
    let _ = print(&arguments.config, &settings, &mut io::stdout().lock());
    Ok(())
}

fn print(file: &Path, settings: &Settings, out: &mut impl Write) -> io::Result<()> {
    for warning in &settings.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    writeln!(out, "{}: ok", file.display())?;
    for (scheme, addresses) in [
        ("http", &settings.http.listen),
        ("https", &settings.http.tls_listen),
    ] {
        for address in addresses {
            writeln!(out, "  clients      {scheme}://{address}/")?;
        }
    }
    for unix in &settings.http.unix_listen {
        writeln!(out, "  clients      unix:{}", unix.path.display())?;
    }
    writeln!(out, "  control      {}", settings.control.listen)?;
    let routes = &settings.routes;
    let targets: usize = routes.iter().map(|route| route.targets.len()).sum();
    writeln!(out, "  routes       {}", routes.len())?;
    writeln!(out, "  targets      {targets}")?;
    out.flush()
}
