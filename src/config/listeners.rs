//! The second stage of `[http]`: where clients are served, and the bounds of their connections.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::check::Checker;
use super::error::ConfigError;
use super::file::{self, OneOrMore};
use super::{tls, unix, HttpSettings};
use crate::engine::proxy_header::Believed;

/// Turns the table into settings.
pub(super) fn check(
    checker: &mut Checker,
    written: file::Http,
    default: HttpSettings,
) -> Result<HttpSettings, ConfigError> {
    let key = |key| ["http", key];
    let default = places(checker, &written, default)?;
    let default = http2(checker, &written, default)?;
    let default = patience(checker, &written, default)?;
    let workers = checker.number(&key("workers"), written.workers, 0, 0..=1024)?;
    Ok(HttpSettings {
        accept_rate: checker.number(&key("accept_rate"), written.accept_rate, 0, 0..=1_000_000)?
            as u32,
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
        ..default
    })
}

/// How long a client may take, and be kept.
fn patience(
    checker: &Checker,
    written: &file::Http,
    default: HttpSettings,
) -> Result<HttpSettings, ConfigError> {
    let key = |key| ["http", key];
    Ok(HttpSettings {
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
        body_timeout: checker.secs(
            &key("body_timeout_secs"),
            written.body_timeout_secs,
            default.body_timeout,
            1..=3_600,
        )?,
        ..default
    })
}

fn http2(
    checker: &Checker,
    written: &file::Http,
    default: HttpSettings,
) -> Result<HttpSettings, ConfigError> {
    let key = |key| ["http", key];
    Ok(HttpSettings {
        http2: written.http2.unwrap_or(default.http2),
        http2_streams_max: checker.number(
            &key("http2_streams_max"),
            written.http2_streams_max,
            default.http2_streams_max,
            1..=10_000,
        )?,
        http2_ping: checker.secs(
            &key("http2_ping_secs"),
            written.http2_ping_secs,
            default.http2_ping,
            0..=86_400,
        )?,
        http2_ping_timeout: checker.secs(
            &key("http2_ping_timeout_secs"),
            written.http2_ping_timeout_secs,
            default.http2_ping_timeout,
            1..=3_600,
        )?,
        ..default
    })
}

/// Checks where clients are served.
fn places(
    checker: &mut Checker,
    written: &file::Http,
    default: HttpSettings,
) -> Result<HttpSettings, ConfigError> {
    let tls_listen = addresses(checker, "tls_listen", &written.tls_listen)?;
    let unix_listen = unix::check(checker, &written.unix_listen)?;
    let is_elsewhere = !tls_listen.is_empty() || !unix_listen.is_empty();
    Ok(HttpSettings {
        listen: match &written.listen {
            Some(listen) if listen.values.is_empty() && is_elsewhere => Vec::new(),
            Some(listen) => checker.addresses(&["http", "listen"], listen)?,
            None => default.listen,
        },
        tls: tls::check(checker, written, !tls_listen.is_empty())?,
        tls_listen,
        unix_listen,
        proxy_protocol_from: believed(checker, &written.proxy_protocol_from)?,
        ..default
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

/// Checks whose connections begin with a PROXY header.
fn believed(checker: &Checker, written: &Option<OneOrMore>) -> Result<Believed, ConfigError> {
    let mut believed = Believed::default();
    for (place, text) in checker.each(&["http", "proxy_protocol_from"], written) {
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        match text.parse().ok().or_else(address) {
            _ if text == "unix" => believed.unix = true,
            Some(network) => believed.networks.push(network),
            None => {
                let expected = "a network such as \"10.0.0.0/8\", an address, or \"unix\"";
                return Err(checker.origin.wrong(&place, text, expected));
            }
        }
    }
    Ok(believed)
}
