//! What P-8 does over ZeroMQ besides asking backends: plain values with defaults.

use std::time::Duration;

use super::endpoint::Endpoint;

/// The sockets of `[zmq]`; none is there until it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ZmqOptions {
    /// Where publishers connect to and push items.
    pub pull: Option<Endpoint>,
    /// Where publishers connect to and publish items, or where P-8 connects to them.
    pub sub: Vec<Endpoint>,
    /// P-8 connects to the addresses of `sub`.
    pub sub_connect: bool,
    /// Where commands come in.
    pub command: Option<Endpoint>,
    /// Where statistics go out.
    pub stats: Option<Endpoint>,
    /// Statistics are JSON instead of tnetstrings.
    pub is_stats_json: bool,
    /// How often reports are sent.
    pub stats_report_interval: Duration,
    /// Statistics tell of each held client.
    pub has_stats_connections: bool,
    /// How long what is told of one holds.
    pub stats_connection_ttl: Duration,
    /// Who may connect to unix sockets, as in `chmod`; `None`: as the process's umask says.
    pub ipc_file_mode: Option<u32>,
}

impl Default for ZmqOptions {
    fn default() -> Self {
        Self {
            pull: None,
            sub: Vec::new(),
            sub_connect: false,
            command: None,
            stats: None,
            is_stats_json: false,
            stats_report_interval: Duration::from_secs(10),
            has_stats_connections: true,
            stats_connection_ttl: Duration::from_secs(120),
            ipc_file_mode: None,
        }
    }
}
