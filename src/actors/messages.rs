//! Every message between actors: who sends it to whom, what comes back, and what a refusal means.
//!
//! ```text
//!  proxy ──Join, Leave, ChangeChannels──▶ Hub ──Subscribe, Unsubscribe, ForgetLast──▶ Publisher ──▶ Channel
//!  Session ◀──ToSession── Hub ◀──FromChannels (Subscribed, Deliver, Refresh)─────── Channel
//!  control ──Publish──▶ Publisher ──Accept──▶ Channel ──ChannelEmptied──▶ Publisher
//!  control ──Recover──▶ every Publisher, then every Hub
//!  Supervisor ──Gather──▶ a fresh Publisher ──Reannounce──▶ every Hub ──Announce──▶ that Publisher
//!  Meter ──TakeSnapshot──▶ Hub, Publisher        server ──Drain──▶ Hub ──ToSession──▶ Session
//! ```

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::sync::oneshot;

mod handover;
mod publishing;

pub use self::{handover::*, publishing::*};
pub use super::{
    connection_ids::FindConnections,
    encoded::Encoded,
    handler_state::HandlerOptions,
    ports::Turn,
    session_kind::SessionKind,
    waiting::{Depth, Ticket, Waiting},
    web_socket::SocketEvent,
};
use super::{session::Session, tally::Tally};
use crate::{
    engine::{
        delivery_rate::QueueIndex,
        fan_out::SessionKey,
        outbox::OutboxLimits,
        plan::Wanted,
        route::Route,
        session::{FilterAnswer, LinkAnswer},
        wire::BodyEnd,
    },
    grip::{
        channel::{ChannelName, ItemId},
        filter::FilterError,
    },
    stats::snapshot::{HandlerSnapshot, Snapshot, WorkerSnapshot},
};

/// Proxy to Hub: subscribes a session that is about to be held.
///
/// **Full, Closed**: the hold is refused with 503.
#[derive(Message)]
#[rtype(result = "Joined")]
pub struct Join {
    /// Who.
    pub session: Addr<Session>,
    /// What it takes.
    pub kind: SessionKind,
    /// How its stream is framed.
    pub body_end: BodyEnd,
    /// It looks at each item itself.
    pub is_attentive: bool,
    /// The bounds of its outbox.
    pub limits: OutboxLimits,
    /// Where its deliveries wait if a rate is set.
    pub queue: QueueIndex,
    /// To what; each name once.
    pub channels: Vec<Wanted>,
    /// Its route; none in another service.
    pub route: Option<Arc<Route>>,
}

/// Answer to [`Join`].
pub struct Joined {
    /// Takes the session out again if nobody takes this answer.
    pub leaving: Leaving,
    /// Names the hold, for ever.
    pub hold: u64,
    /// How far its channels have acknowledged.
    pub subscribed: Subscribed,
}

/// How far a session is subscribed.
#[derive(Debug, Default)]
pub struct Subscribed {
    /// Channels whose last item is another than the session's prev-id.
    pub conflicts: Vec<ChannelName>,
    /// Resolves when every channel has acknowledged, with the conflicts of those that had not; none if
    /// all had.
    pub ready: Option<oneshot::Receiver<Vec<ChannelName>>>,
}

/// Session to Hub: its backend has said so, and it listens to these channels from now on.
///
/// **Full, Closed**: the session ends.
#[derive(Message)]
#[rtype(result = "Subscribed")]
pub struct ChangeChannels {
    /// Who.
    pub key: SessionKey,
    /// The hold it concerns.
    pub hold: u64,
    /// It looks at each item itself from now on.
    pub is_attentive: bool,
    /// To what; each name once.
    pub channels: Vec<Wanted>,
}

/// Timer to Hub: subscriptions without sessions may have been kept long enough. Never refused.
#[derive(Message)]
#[rtype(result = "()")]
pub struct EndLingering;

/// Sends [`Leave`] when dropped, unless somebody else has promised to.
pub struct Leaving {
    hub: Option<Arc<Recipient<Leave>>>,
    key: SessionKey,
}

impl Leaving {
    /// Makes the guard of a session that has joined.
    pub fn new(hub: Arc<Recipient<Leave>>, key: SessionKey) -> Self {
        Self {
            hub: Some(hub),
            key,
        }
    }

    /// Takes the promise over: whoever calls this sends `Leave`.
    pub fn take_over(mut self) -> SessionKey {
        self.hub = None;
        self.key
    }
}

impl Drop for Leaving {
    #[expect(
        clippy::disallowed_methods,
        reason = "one for each session; losing it would leak it"
    )]
    fn drop(&mut self) {
        if let Some(hub) = self.hub.take() {
            hub.do_send(Leave(self.key));
        }
    }
}

/// Session to Hub: unsubscribes; sent once for each [`Join`]. Never refused.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Leave(pub SessionKey);

/// Session to Hub: its backend insists on another last item of this channel. Never refused.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Forget(pub ChannelName);

/// Hub, flusher and timer to a Session.
///
/// **Full**: an item is dropped and counted. **Closed**: the session has ended.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct ToSession {
    /// The hold it concerns; a session that has begun another one ignores it.
    pub hold: u64,
    /// What happened.
    pub event: SessionEvent,
    /// Counts as waiting until dropped.
    pub waiting: Waiting,
}

/// What a session is told.
#[derive(Debug)]
pub enum SessionEvent {
    /// An item that needs the session's logic.
    Item(Arc<Encoded>),
    /// The time it asked for has come.
    Timer,
    /// Its outbox is empty and its response complete.
    Finished,
    /// Its outbox is full and the policy is to close.
    Overflow,
    /// The client cannot be written to.
    Gone,
    /// It may have missed items: ask the backend again.
    Refresh,
    /// It may ask its backend again now.
    Turn(Turn),
    /// Its next link is being answered with more than can be gathered.
    LinkBegun,
    /// A part of its stream broke off.
    Cut,
    /// Its next link was answered; none if it could not be asked or the answer is of no use.
    LinkAnswered(Option<Box<LinkAnswer>>),
    /// The backend's word on an item whose filter asked it.
    Filtered(Box<Result<FilterAnswer, FilterError>>),
    /// Something that only a WebSocket hears.
    Socket(Box<SocketEvent>),
    /// The server is stopping: end in good order.
    Drain,
}

/// A hub as its channels see it.
#[derive(Clone)]
pub struct HubLink {
    /// Which worker.
    pub id: u64,
    /// Where deliveries go.
    pub recipient: Arc<Recipient<FromChannels>>,
    /// Messages sent and not yet handled.
    pub waiting: Depth,
    /// Its sessions that take compressed messages.
    pub deflating: Depth,
}

/// Hub to Publisher, which passes it on to the Channel: the first local session came. Never refused.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe {
    /// To what.
    pub channel: ChannelName,
    /// Who.
    pub hub: HubLink,
    /// Comes back in the acknowledgement.
    pub generation: u64,
    /// Its sessions on the channel.
    pub tally: Arc<Tally>,
    /// Counts as waiting at the channel until dropped.
    pub waiting: Option<Waiting>,
}

/// Hub to Publisher, on to the Channel: the last local session left. Never refused.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Unsubscribe {
    /// From what.
    pub channel: ChannelName,
    /// Which worker.
    pub hub_id: u64,
    /// The subscription that ends.
    pub generation: u64,
    /// Counts as waiting at the channel until dropped.
    pub waiting: Option<Waiting>,
}

/// Channels of one arbiter to Hub, in order. **Full**: the channels wait, and publishers with them.
/// **Closed**: the hub is forgotten.
#[derive(Message)]
#[rtype(result = "()")]
pub struct FromChannels(pub Vec<ToHub>);

/// One message of a channel.
pub struct ToHub {
    /// What it says.
    pub message: FromChannel,
    /// Counts as waiting until dropped.
    pub waiting: Waiting,
}

impl ToHub {
    /// Counts a message as waiting for its hub.
    pub fn new(link: &HubLink, message: FromChannel) -> Self {
        Self {
            message,
            waiting: link.waiting.enter(),
        }
    }
}

/// What a channel tells a hub.
pub enum FromChannel {
    /// The hub is subscribed; deliveries begin with this number.
    Subscribed {
        /// To what.
        channel: ChannelName,
        /// Which subscription.
        generation: u64,
        /// Incarnation of the channel.
        epoch: u64,
        /// Number of the next delivery.
        next: u64,
        /// The id of the last item that went out in order, if the channel remembers one.
        last: Option<ItemId>,
    },
    /// There are too many channels: the hub's waiting sessions are refused.
    Refused {
        /// To what.
        channel: ChannelName,
        /// Which subscription.
        generation: u64,
        /// The least epoch of the handler that says so.
        epoch: u64,
    },
    /// An item for the hub's members.
    Deliver {
        /// Where it was published.
        channel: ChannelName,
        /// Incarnation of the channel.
        epoch: u64,
        /// One more than the one before, for each hub.
        sequence: u64,
        /// The item.
        encoded: Arc<Encoded>,
    },
    /// The channel is new on this server: its sessions may have missed items before it was.
    Refresh {
        /// Which channel.
        channel: ChannelName,
        /// Incarnation of the channel.
        epoch: u64,
    },
}

/// Hub to Publisher: a backend knows another last id than the channel, which forgets its own. Never
/// refused; without effect if the channel has gone on meanwhile.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ForgetLast {
    /// Which channel.
    pub channel: ChannelName,
    /// The id to forget.
    pub last: ItemId,
}

/// Control to every Publisher and then to every Hub: items may have been lost before they came here.
///
/// Channels forget their last ids, and sessions ask their backends again.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Recover;

/// Control to Publisher: its bounds from now on. Never refused.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SetOptions(pub HandlerOptions);

/// Server to Hub: every held session ends in good order, each in its own moment of that time.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Drain(pub Duration);

/// Meter to Hub.
#[derive(Message)]
#[rtype(result = "WorkerSnapshot")]
pub struct TakeWorkerSnapshot;

/// Meter to Publisher.
#[derive(Message)]
#[rtype(result = "HandlerSnapshot")]
pub struct TakeHandlerSnapshot;

/// Admin to Meter.
#[derive(Message)]
#[rtype(result = "Snapshot")]
pub struct TakeSnapshot;
