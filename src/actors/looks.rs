//! What operators ask hubs and publishers for: pages of their rows, an end of sessions, items as they come.
//!
//! Each walks through its table in slices, and lets its other work go on in between.

use std::{
    sync::{atomic::AtomicU64, Arc},
    time::Instant,
};

use actix::prelude::*;
use tokio::sync::mpsc;

use crate::{
    grip::{channel::ChannelName, publish::Item},
    stats::{
        readings::Readings,
        receipt::Outcome,
        rows::{Top, Window},
        views::{ChannelRow, ChannelSort, SessionFilter, SessionRow, SessionSort},
    },
};

/// Rows looked at between two turns of other work.
pub const LOOK_SLICE: usize = 1_024;

/// Which sessions to list.
#[derive(Clone, Debug)]
pub struct SessionsQuery {
    /// Which.
    pub filter: SessionFilter,
    /// Sorted by what.
    pub sort: SessionSort,
    /// Which page.
    pub window: Window,
    /// Ages are told from here, so that they mean the same on every worker.
    pub since: Instant,
}

/// Which channels to list.
#[derive(Clone, Debug)]
pub struct ChannelsQuery {
    /// A part of their name, in lower case.
    pub search: Option<String>,
    /// Sorted by what.
    pub sort: ChannelSort,
    /// Which page.
    pub window: Window,
}

/// Broker to Hub. **Full, Closed**: the worker's rows are missing, and that is told.
#[derive(Message)]
#[rtype(result = "Top<SessionRow>")]
pub struct ListSessions(pub SessionsQuery);

/// Broker to Publisher. **Full, Closed**: its channels are missing, and that is told.
#[derive(Message)]
#[rtype(result = "Top<ChannelRow>")]
pub struct ListChannels(pub ChannelsQuery);

/// Broker to Hub: these sessions end in good order. Answers how many.
#[derive(Message)]
#[rtype(result = "u64")]
pub struct EndSessions(pub SessionFilter);

/// Meter to Hub and Publisher: their counters alone.
#[derive(Message)]
#[rtype(result = "Readings")]
pub struct TakeReadings;

/// Broker to the Publisher of a channel: items of it are told as they come.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Listen {
    /// Which channel.
    pub channel: ChannelName,
    /// To whom.
    pub tap: Tap,
}

/// Where the items of a tailed channel go.
#[derive(Clone, Debug)]
pub struct Tap {
    /// The way to the operator; bounded.
    pub sender: mpsc::Sender<Tapped>,
    /// Items that came while it was full.
    pub missed: Arc<AtomicU64>,
}

/// An item as its publisher saw it.
#[derive(Clone, Debug)]
pub struct Tapped {
    /// The item.
    pub item: Item,
    /// What happened to it: accepted, a duplicate, or nobody is subscribed.
    pub outcome: Outcome,
}
