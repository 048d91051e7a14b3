//! The second stage of `[http]`: where clients are served, and the bounds of their connections.

use std::net::SocketAddr;

use super::check::Checker;
use super::error::ConfigError;
use super::file::{self, OneOrMore};
use super::tables::any;
use super::{tls, HttpSettings};

/// Turns the table into settings.
pub(super) fn check(
    checker: &mut Checker,
    written: file::Http,
    default: HttpSettings,
) -> Result<HttpSettings, ConfigError> {
    let unix = "clients are not served over unix sockets";
    checker.not_built(&["http", "unix_listen"], any(&written.unix_listen), unix);
    let key = |key| ["http", key];
    let tls_listen = addresses(checker, "tls_listen", &written.tls_listen)?;
    let tls = tls::check(checker, &written, !tls_listen.is_empty())?;
    let workers = checker.number(&key("workers"), written.workers, 0, 0..=1024)?;
    Ok(HttpSettings {
        listen: match &written.listen {
            Some(listen) => checker.addresses(&key("listen"), listen)?,
            None => default.listen,
        },
        tls_listen,
        tls,
        client_buffer_size: checker.number(
            &key("client_buffer_size"),
            written.client_buffer_size,
            default.client_buffer_size,
            1024..=65_536,
        )?,
        client_maxconn: checker.number(
            &key("client_maxconn"),
            written.client_maxconn,
            default.client_maxconn,
            1..=10_000_000,
        )?,
        allow_compression: written
            .allow_compression
            .unwrap_or(default.allow_compression),
        workers: Some(workers).filter(|workers| *workers > 0),
        keep_alive: checker.secs(
            &key("keep_alive_secs"),
            written.keep_alive_secs,
            default.keep_alive,
            1..=86_400,
        )?,
        header_timeout: checker.secs(
            &key("header_timeout_secs"),
            written.header_timeout_secs,
            default.header_timeout,
            1..=3_600,
        )?,
        tcp_keepalive: checker.secs(
            &key("tcp_keepalive_secs"),
            written.tcp_keepalive_secs,
            default.tcp_keepalive,
            1..=32_767,
        )?,
        tcp_user_timeout: checker.secs(
            &key("tcp_user_timeout_secs"),
            written.tcp_user_timeout_secs,
            default.tcp_user_timeout,
            1..=86_400,
        )?,
        drain: checker.secs(
            &key("drain_secs"),
            written.drain_secs,
            default.drain,
            0..=3600,
        )?,
    })
}

/// Checks a list of addresses that may be empty.
fn addresses(
    checker: &Checker,
    key: &str,
    written: &Option<OneOrMore>,
) -> Result<Vec<SocketAddr>, ConfigError> {
    match written
        .as_ref()
        .filter(|written| !written.values.is_empty())
    {
        Some(written) => checker.addresses(&["http", key], written),
        None => Ok(Vec::new()),
    }
}
