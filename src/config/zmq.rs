//! The second stage of `[zmq]`: the sockets by which items, commands and statistics go.
//!
//! It binds nothing; see `server::surfaces`.

use super::check::Checker;
use super::error::ConfigError;
use super::file;
use crate::engine::zmq::{endpoint::Endpoint, options::ZmqOptions};

/// Turns the table into options.
pub(super) fn check(checker: &mut Checker, written: &file::Zmq) -> Result<ZmqOptions, ConfigError> {
    let mode = written.ipc_file_mode.as_deref();
    Ok(ZmqOptions {
        pull: endpoint(checker, "pull", &written.pull)?,
        command: endpoint(checker, "command", &written.command)?,
        ipc_file_mode: checker.file_mode(&["zmq", "ipc_file_mode"], mode)?,
        ..ZmqOptions::default()
    })
}

/// Reads one address; empty means none.
fn endpoint(
    checker: &mut Checker,
    key: &str,
    written: &Option<String>,
) -> Result<Option<Endpoint>, ConfigError> {
    let Some(spec) = written.as_deref().filter(|spec| !spec.is_empty()) else {
        return Ok(None);
    };
    let path = ["zmq", key];
    let endpoint = Endpoint::parse(spec).ok_or_else(|| {
        let expected = "\"tcp://address:port\" or \"ipc:///path\"";
        checker.origin.wrong(&path, spec, expected)
    })?;
    warn_if_open(checker, &path, &endpoint);
    Ok(Some(endpoint))
}

/// ZeroMQ asks nobody who they are.
fn warn_if_open(checker: &mut Checker, path: &[&str], endpoint: &Endpoint) {
    if matches!(endpoint, Endpoint::Tcp(address) if !address.ip().to_canonical().is_loopback()) {
        let why = "whoever can connect there is believed, for nobody is asked who they are";
        checker.warn(path, why);
    }
}
