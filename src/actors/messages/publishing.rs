//! What is published, on its way from the control port to a channel.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;

use super::{
    super::{slip::Slip, waiting::WaitingBytes},
    Ticket, Waiting,
};
use crate::grip::{channel::ChannelName, publish::Item};

/// Control to Publisher: items of one request for this publisher's channels, already validated.
///
/// Answered when the last delivery is queued.
#[derive(Message)]
#[rtype(result = "Result<(), PublishFailure>")]
pub struct Publish {
    /// The items, in order.
    pub items: Vec<Item>,
    /// A slip for each of them if receipts are wanted, else none.
    pub slips: Vec<Slip>,
    /// Counts as waiting until dropped.
    pub waiting: Waiting,
}

/// Why accepted items were not all queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishFailure {
    /// A bound is reached; nothing of the request was taken.
    #[error("channel queue is full, expected fewer than {0} items waiting")]
    Full(usize),
    /// The same, of what waits in all channels of a handler.
    #[error("too much waits for delivery, expected fewer than {0} bytes")]
    FullBytes(usize),
    /// A channel is so far behind that its publishers would wait too long; nothing of the request was
    /// taken.
    #[error("channel is behind with its deliveries, expected less than {0} ms")]
    Behind(u64),
    /// Its handler did not turn any more and was replaced; what of the request has gone out is not known.
    #[error("the handler was replaced while it had the items, and some of them may have gone out")]
    HandlerLost,
    /// A bound is reached at one of several publishers; the items of the others were taken.
    #[error("a channel queue is full and other items of the request were taken")]
    Partly,
    /// An actor crashed on it.
    #[error("an item could not be delivered because its handler crashed")]
    Crashed,
}

impl PublishFailure {
    /// Tells whether too much waits already, so that the same can be published again soon.
    pub fn is_for_now(&self) -> bool {
        matches!(self, Self::Full(_) | Self::FullBytes(_) | Self::Behind(_))
    }
}

/// Publisher to Channel: one item. Never refused: the publisher has looked at the queue before.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Accept {
    /// The item.
    pub item: Item,
    /// Where to note what becomes of it.
    pub slip: Option<Slip>,
    /// Tells the publisher when the deliveries are queued.
    pub ticket: Arc<Ticket>,
    /// When it was queued.
    pub since: Instant,
    /// Counts as waiting until dropped, and its bytes too.
    pub waiting: (Waiting, WaitingBytes),
}

/// Channel to Publisher: no hub is subscribed any more. Never refused.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ChannelEmptied(pub ChannelName);
