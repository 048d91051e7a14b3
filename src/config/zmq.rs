//! The second stage of `[zmq]`: the sockets by which items, commands and statistics go.
//!
//! It binds nothing; see `server::surfaces`.

use super::check::Checker;
use super::error::ConfigError;
use super::file;
use crate::engine::zmq::{endpoint::Endpoint, options::ZmqOptions};

/// Addresses of `sub`.
const SUBS_MAX: usize = 100;

/// Turns the table into options.
pub(super) fn check(checker: &mut Checker, written: &file::Zmq) -> Result<ZmqOptions, ConfigError> {
    let mode = written.ipc_file_mode.as_deref();
    Ok(ZmqOptions {
        pull: endpoint(checker, "pull", &written.pull)?,
        command: endpoint(checker, "command", &written.command)?,
        stats: endpoint(checker, "stats", &written.stats)?,
        sub: subs(checker, written)?,
        sub_connect: written.sub_connect.unwrap_or(false),
        is_stats_json: is_json(checker, written.stats_format.as_deref())?,
        stats_report_interval: checker.secs(
            &["zmq", "stats_report_interval"],
            written.stats_report_interval,
            ZmqOptions::default().stats_report_interval,
            1..=86_400,
        )?,
        has_stats_connections: written.stats_connection_send.unwrap_or(true),
        stats_connection_ttl: checker.secs(
            &["zmq", "stats_connection_ttl"],
            written.stats_connection_ttl,
            ZmqOptions::default().stats_connection_ttl,
            4..=86_400,
        )?,
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

/// Reads the addresses that are bound for publishers, or connected to.
fn subs(checker: &mut Checker, written: &file::Zmq) -> Result<Vec<Endpoint>, ConfigError> {
    let mut subs = Vec::new();
    let is_remote = written.sub_connect.unwrap_or(false);
    for (place, spec) in checker.each(&["zmq", "sub"], &written.sub) {
        let (endpoint, expected) = match is_remote {
            true => (Endpoint::parse_remote(spec), "\"tcp://name:port\""),
            false => (Endpoint::parse(spec), "\"tcp://address:port\""),
        };
        let endpoint = endpoint.ok_or_else(|| {
            let expected = format!("{expected} or \"ipc:///path\"");
            checker.origin.wrong(&place, spec, &expected)
        })?;
        if !is_remote {
            let place: Vec<&str> = place.iter().map(String::as_str).collect();
            warn_if_open(checker, &place, &endpoint);
        }
        subs.push(endpoint);
    }
    if subs.len() > SUBS_MAX {
        let expected = "at most 100 addresses";
        let found = subs.len().to_string();
        return Err(checker.origin.wrong(&["zmq", "sub"], &found, expected));
    }
    if subs.is_empty() && is_remote {
        checker.no_effect(&["zmq", "sub_connect"], "there is no address in sub");
    }
    Ok(subs)
}

/// Reads how statistics are written.
fn is_json(checker: &Checker, written: Option<&str>) -> Result<bool, ConfigError> {
    match written {
        None | Some("tnetstring") => Ok(false),
        Some("json") => Ok(true),
        Some(other) => {
            let expected = "\"tnetstring\" or \"json\"";
            Err(checker
                .origin
                .wrong(&["zmq", "stats_format"], other, expected))
        }
    }
}

/// ZeroMQ asks nobody who they are.
fn warn_if_open(checker: &mut Checker, path: &[&str], endpoint: &Endpoint) {
    if matches!(endpoint, Endpoint::Tcp(address) if !address.ip().to_canonical().is_loopback()) {
        let why = "whoever can connect there is believed, for nobody is asked who they are";
        checker.warn(path, why);
    }
}
