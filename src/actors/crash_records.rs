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
        }
    }
}

impl CrashRecords {
    /// Returns every record.
    pub fn all(&self) -> [&CrashRecord; 8] {
        [
            &self.hub,
            &self.channel,
            &self.publisher,
            &self.session,
            &self.upstream,
            &self.meter,
            &self.checker,
            &self.dealer,
        ]
    }
}
