//! How requests reach backends: header edits, times and bounds. Plain values with defaults.

use std::time::Duration;

use super::{balance::EjectionLimits, forward::ForwardOptions, route::Pem};

/// How requests reach backends.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackendOptions {
    /// Header edits and signing.
    pub forward: ForwardOptions,
    /// Error bodies explain themselves on every route.
    pub debug: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Certificates of authorities that backends with TLS may have theirs from, besides those that
    /// the machine trusts.
    pub ca: Option<Pem>,
    /// Longest wait for a response head.
    pub response_timeout: Duration,
    /// Requests that may wait for one target's answer, of all workers together; past it new clients are
    /// refused.
    pub requests_max: usize,
    /// When targets that give no answer are left alone, and for how long.
    pub ejection: EjectionLimits,
    /// Idle connections kept by one worker.
    pub pool_idle_max: usize,
    /// How long a connection may be idle.
    pub pool_idle: Duration,
    /// How long a connection is used at most.
    pub pool_age: Duration,
    /// How long nothing may pass through a tunnel before it is closed.
    pub tunnel_idle: Duration,
    /// How long a backend may take to answer when it is asked again.
    pub recovery_timeout: Duration,
    /// Requests at a time to ask a route's backends again, for one worker.
    pub recovery_requests_max: usize,
    /// Requests at a time to ask a route's backends for filters, for one worker.
    pub filter_requests_max: usize,
    /// How long a ZeroMQ backend may take to answer.
    pub zmq_timeout: Duration,
    /// Requests at a time to the backends of one ZeroMQ socket, those that wait for one included.
    pub zmq_requests_max: usize,
    /// Longest message of a WebSocket client that is carried over HTTP, in bytes; as many may wait
    /// for its backend.
    pub ws_message_max: usize,
    /// Longest answer of a backend to events, in bytes.
    pub ws_answer_max: usize,
    /// Requests with events of WebSocket clients at a time to a route's backends, for one worker.
    pub ws_requests_max: usize,
    /// `DISCONNECT` events under way at a time, of one worker; past it they are skipped.
    pub ws_disconnects_max: usize,
    /// The script that SockJS's iframe page loads; `None`: there is no such page.
    pub sockjs_url: Option<String>,
}

impl Default for BackendOptions {
    fn default() -> Self {
        Self {
            forward: ForwardOptions::default(),
            debug: false,
            connect_timeout: Duration::from_secs(10),
            ca: None,
            response_timeout: Duration::from_secs(1_800),
            requests_max: 5_000,
            ejection: EjectionLimits::default(),
            pool_idle_max: 128,
            pool_idle: Duration::from_secs(55),
            pool_age: Duration::from_secs(3_600),
            tunnel_idle: Duration::from_secs(3_600),
            recovery_timeout: Duration::from_secs(60),
            recovery_requests_max: 32,
            filter_requests_max: 64,
            zmq_timeout: Duration::from_secs(60),
            zmq_requests_max: 1_000,
            ws_message_max: 200_000,
            ws_answer_max: 1_000_000,
            ws_requests_max: 1_000,
            ws_disconnects_max: 1_000,
            sockjs_url: None,
        }
    }
}
