//! How a fresh handler hears of the channels that a lost one had.

use std::sync::Arc;

use actix::prelude::*;

use super::HubLink;
use crate::{
    actors::tally::Tally,
    grip::channel::{ChannelName, ItemId},
};

/// Supervisor to a fresh Publisher: these hubs are to announce their subscriptions; publishes are held
/// until they have. Never refused.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Gather {
    /// Every hub: its worker, and where it hears of it.
    pub hubs: Vec<(u64, Recipient<Reannounce>)>,
}

/// Publisher to Hub: a share of the channels has another handler, and subscriptions to them are to be
/// announced to it. **Closed**: the worker is gone, and nobody waits for it.
#[derive(Clone, Copy, Debug, Message, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct Reannounce {
    /// Which share.
    pub share: usize,
    /// The first epoch of the new handler; whatever is older comes from the lost one.
    pub epoch: u64,
}

/// Hub to Publisher: some of its subscriptions, at most 1,024. Never refused.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Announce {
    /// Who.
    pub hub: HubLink,
    /// The epoch it was asked with.
    pub epoch: u64,
    /// The subscriptions.
    pub channels: Vec<Announced>,
    /// There are no more.
    pub is_last: bool,
}

/// One subscription of a hub.
#[derive(Debug)]
pub struct Announced {
    /// To what.
    pub channel: ChannelName,
    /// Which subscription.
    pub generation: u64,
    /// The id of the last item that the hub got in order.
    pub last: Option<ItemId>,
    /// Its sessions on the channel.
    pub tally: Arc<Tally>,
}
