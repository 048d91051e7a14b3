//! Where a route leads: a backend, or one of the built-in responders.

use std::{fmt, sync::Arc};

use super::server::Server;
use super::zhttpreq::Zhttpreq;
use crate::engine::balance::Check;
use crate::grip::channel::ChannelName;

/// Describes one place a route leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What it is and where.
    pub kind: TargetKind,
    /// The `Host` sent to it, whatever else would be sent.
    pub host: Option<String>,
    /// Its links may lead P-8 to addresses of the public network only.
    pub is_untrusted: bool,
    /// WebSocket clients are carried to it over HTTP requests.
    pub over_http: bool,
    /// Over HTTP, one event a request.
    pub one_event: bool,
    /// Its health page, which is asked now and then.
    pub health: Option<Arc<Check>>,
    /// Channels that every hold of it subscribes to, taken without the route's prefix.
    pub subs: Vec<ChannelName>,
}

impl Target {
    /// Makes a target of a kind, with every option off.
    pub fn new(kind: TargetKind) -> Target {
        Target {
            kind,
            host: None,
            is_untrusted: false,
            over_http: false,
            one_event: false,
            health: None,
            subs: Vec::new(),
        }
    }

    /// Makes a plain HTTP target.
    pub fn http(host: &str, port: u16) -> Target {
        Target::new(TargetKind::from(Server::new(host, port)))
    }
}

/// Tells the backends apart from the built-in responders.
///
/// Displays as its server, `zhttpreq/tcp://host:port`, `test` or `demo`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// A web server.
    Server(Arc<Server>),
    /// A ZeroMQ backend that connects to P-8.
    Zhttpreq(Arc<Zhttpreq>),
    /// The built-in test responder.
    Test,
    /// The built-in demo page.
    Demo,
}

impl From<Server> for TargetKind {
    fn from(server: Server) -> TargetKind {
        TargetKind::Server(Arc::new(server))
    }
}

impl From<Zhttpreq> for TargetKind {
    fn from(backend: Zhttpreq) -> TargetKind {
        TargetKind::Zhttpreq(Arc::new(backend))
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetKind::Server(server) => server.fmt(f),
            TargetKind::Zhttpreq(backend) => backend.fmt(f),
            TargetKind::Test => f.write_str("test"),
            TargetKind::Demo => f.write_str("demo"),
        }
    }
}
