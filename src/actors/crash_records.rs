//! The crash records of a broker's actors, one for each kind.

use std::sync::Arc;

use super::supervisor::CrashRecord;

/// The kinds of actors whose crashes a broker records.
#[derive(Clone, Debug)]
pub struct CrashRecords {
    /// Hubs.
    pub hub: Arc<CrashRecord>,
    /// Channels.
    pub channel: Arc<CrashRecord>,
    /// Publishers.
    pub publisher: Arc<CrashRecord>,
    /// Sessions.
    pub session: Arc<CrashRecord>,
    /// Upstreams.
    pub upstream: Arc<CrashRecord>,
    /// Meters.
    pub meter: Arc<CrashRecord>,
    /// Checkers.
    pub checker: Arc<CrashRecord>,
    /// Dealers of ZeroMQ backends.
    pub dealer: Arc<CrashRecord>,
    /// Sockets that items are pushed to.
    pub zmq_pull: Arc<CrashRecord>,
    /// Sockets that take published items.
    pub zmq_sub: Arc<CrashRecord>,
    /// Sockets that take commands.
    pub zmq_command: Arc<CrashRecord>,
    /// Sockets that statistics go out by.
    pub zmq_stats: Arc<CrashRecord>,
}

impl Default for CrashRecords {
    fn default() -> Self {
        Self {
            hub: CrashRecord::new("hub"),
            channel: CrashRecord::new("channel"),
            publisher: CrashRecord::new("publisher"),
            session: CrashRecord::new("session"),
            upstream: CrashRecord::new("upstream"),
            meter: CrashRecord::new("meter"),
            checker: CrashRecord::new("checker"),
            dealer: CrashRecord::new("dealer"),
            zmq_pull: CrashRecord::new("zmq-pull"),
            zmq_sub: CrashRecord::new("zmq-sub"),
            zmq_command: CrashRecord::new("zmq-command"),
            zmq_stats: CrashRecord::new("zmq-stats"),
        }
    }
}

impl CrashRecords {
    /// Returns every record.
    pub fn all(&self) -> [&CrashRecord; 12] {
        [
            &self.hub,
            &self.channel,
            &self.publisher,
            &self.session,
            &self.upstream,
            &self.meter,
            &self.checker,
            &self.dealer,
            &self.zmq_pull,
            &self.zmq_sub,
            &self.zmq_command,
            &self.zmq_stats,
        ]
    }
}
