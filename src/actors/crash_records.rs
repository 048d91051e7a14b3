//! The crash records of a broker's actors, one for each kind, and the items that crashed them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use super::supervisor::CrashRecord;
use crate::{
    grip::channel::{ChannelName, ItemId},
    stats::snapshot::LostItemSnapshot,
};

/// Most items named; past it the oldest is forgotten.
const ITEMS_MAX: usize = 20;

/// The latest items that crashed an actor, or that one never got through.
#[derive(Clone, Debug, Default)]
pub struct LostItems(Arc<Mutex<VecDeque<LostItemSnapshot>>>);

impl LostItems {
    /// Names an item, here and in the log.
    pub fn note(&self, channel: &ChannelName, id: Option<&ItemId>, consequence: &'static str) {
        let id = id.map(ItemId::as_str);
        log::error!(target: "p8::supervisor", channel:? = channel.as_str(), id:? = id.unwrap_or_default();
            "{consequence}");
        let Ok(mut items) = self.0.lock() else {
            return;
        };
        if items.len() == ITEMS_MAX {
            items.pop_front();
        }
        items.push_back(LostItemSnapshot {
            channel: channel.as_str().to_owned(),
            id: id.map(str::to_owned),
            consequence,
        });
    }

    /// Returns them, the oldest first.
    pub fn all(&self) -> Vec<LostItemSnapshot> {
        let items = self.0.lock();
        items.map_or_else(|_| Vec::new(), |items| items.iter().cloned().collect())
    }
}

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
    /// Supervisors.
    pub supervisor: Arc<CrashRecord>,
    /// Items that crashed one of them.
    pub lost_items: LostItems,
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
            supervisor: CrashRecord::new("supervisor"),
            lost_items: LostItems::default(),
        }
    }
}

impl CrashRecords {
    /// Returns every record.
    pub fn all(&self) -> [&CrashRecord; 13] {
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
            &self.supervisor,
        ]
    }
}
