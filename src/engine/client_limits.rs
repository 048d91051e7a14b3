//! What clients may do, and how long they may take: plain values with defaults.
//!
//! They are looked at when a connection or stream begins, so that a reload changes them for those that
//! come later.

use std::{sync::Arc, time::Duration};

use super::{framing::FramingLimits, proxy_header::Believed};

/// Bounds of clients.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientLimits {
    /// Requests of one connection.
    pub requests: RequestLimits,
    /// HTTP/2 connections.
    pub http2: Http2Limits,
    /// Connections and HTTP/2 streams at a time, over all workers; more are answered 503.
    pub connections_max: usize,
    /// New connections in a second; 0: as many as come.
    pub accept_rate: u32,
    /// Whose connections begin with a PROXY header.
    pub believed: Arc<Believed>,
}

/// Bounds of what a client may send, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Bounds of request heads.
    pub framing: FramingLimits,
    /// How long a client may be silent.
    pub patience: Patience,
    /// A client may begin with HTTP/2's preface.
    pub http2: bool,
}

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the first byte of its first request; then for a whole head, from its first byte.
    pub head: Duration,
    /// For the next byte of a body that is waited for.
    pub body: Duration,
    /// For another request.
    pub keep_alive: Duration,
}

/// Bounds of HTTP/2 connections.
#[derive(Clone, Copy, Debug)]
pub struct Http2Limits {
    /// Streams of one connection at a time; more are refused.
    pub streams_max: u32,
    /// Idle time after which a client is pinged; none: never.
    pub ping_after: Option<Duration>,
    /// How long it may take to answer.
    pub ping_timeout: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            requests: RequestLimits {
                framing: FramingLimits::default(),
                patience: Patience {
                    head: Duration::from_secs(30),
                    body: Duration::from_secs(60),
                    keep_alive: Duration::from_secs(60),
                },
                http2: true,
            },
            http2: Http2Limits {
                streams_max: 250,
                ping_after: Some(Duration::from_secs(60)),
                ping_timeout: Duration::from_secs(20),
            },
            connections_max: 50_000,
            accept_rate: 0,
            believed: Arc::default(),
        }
    }
}
