//! What a session's machine wants done, and what it is told of the backend.

use bytes::Bytes;
use http::HeaderMap;

use super::super::{filtering::Filtering, prev_ids::PrevIds};
use crate::grip::{
    channel::{ChannelName, ItemId},
    filter::{Filter, FilterError, Verdict},
    instruct::{KeepAlive, NextLink},
    network_filter::{self, Question},
    publish::{body_patch::PatchError, Item},
    response::Response,
};

/// Something that carries an item and is passed around instead of it.
pub trait Published {
    /// Returns the item.
    fn item(&self) -> &Item;
}

/// What a session does next.
#[derive(Debug, PartialEq)]
pub enum Output<E> {
    /// Append the content of an item to the stream.
    Append(Bytes, E),
    /// Append a part of the stream that no item brought: what the next link said.
    AppendBody(Bytes),
    /// Append a keep-alive, unless the client is not keeping up anyway.
    KeepAlive(Bytes),
    /// Answer the long-poll, with the item that brought the answer, if one did; the hold is over.
    Respond(Response, Option<E>),
    /// End the stream in good order.
    Finish(End),
    /// Ask the backend what a filter makes of an item.
    Filter(Box<Question>),
    /// Take a turn among those who want to ask their backend again; then `on_turn`.
    TakeTurn,
    /// Ask the backend: of a long-poll the request again, of a stream its next link.
    Ask(Asked),
    /// An item does not reach the client.
    Skip(E, Skipped),
    /// So many items are covered by what the backend said.
    Supersede(usize),
    /// The backend insists on another last item than the channel remembers, which is to forget it.
    Forget(ChannelName),
}

/// Why a stream ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to, or the chain of links came to its end.
    Told,
    /// In the middle of what a link is answered: its client must see that something is missing.
    Cut,
    /// A channel is checked, and there is no next link to ask when something was missed.
    NoNextLink,
    /// The next link failed too often.
    LinkFailed,
}

/// What the backend is asked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The next link of a stream.
    pub link: Option<String>,
    /// The ids of the checked channels.
    pub last: Vec<(ChannelName, ItemId)>,
}

/// Why an item does not reach a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Skipped {
    /// A filter keeps it away, as it should.
    Filtered,
    /// Its `content-filters` are not this session's.
    ContentFilters,
    /// A filter could not be applied.
    FilterError(FilterError),
    /// Its patch does not fit the held body.
    Unpatchable(PatchError),
    /// A filter made of it what its kind of message cannot be.
    Unsendable,
    /// Too many items wait for the backend's word.
    QueueFull,
}

/// What a filter's question was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterAnswer {
    /// Status of the answer.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl FilterAnswer {
    /// Tells what the filter that asked makes of this content.
    ///
    /// **Errors**: those of [`network_filter::judge`].
    pub fn judge(self, filter: Filter, content: Bytes) -> Result<Verdict, FilterError> {
        network_filter::judge(filter, content, (self.status, &self.headers, self.body))
    }
}

/// What a next link was answered.
#[derive(Debug)]
pub struct LinkAnswer {
    /// It asks for a stream hold; else the chain goes on, or ends.
    pub is_hold: bool,
    /// What to append, as filters have edited it; a large body that was appended while it came is not in
    /// here.
    pub body: Bytes,
    /// The channels from now on.
    pub prev_ids: PrevIds,
    /// The filters from now on.
    pub filtering: Filtering,
    /// The keep-alive from now on.
    pub keep_alive: Option<KeepAlive>,
    /// The next link from now on.
    pub next: Option<NextLink>,
    /// New channels whose last item is another than the backend knows.
    pub conflicts: Vec<ChannelName>,
}

/// A moment of the clock, with the chance that spreads sessions: 0 to 999 ms.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Now.
    pub now: std::time::Instant,
    /// A random delay.
    pub jitter: std::time::Duration,
}
