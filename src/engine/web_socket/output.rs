//! What a WebSocket session wants done.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::{
    plan::Wanted,
    session::Skipped,
    ws::{Close, Part},
    ws_over_http::Post,
};
use crate::grip::{network_filter::Question, ws::ControlError};

/// What is done next.
#[derive(Debug)]
pub enum Output<E> {
    /// Say this to the client, behind everything that was said before.
    ToClient(ToClient),
    /// Say an item to the client, with this content.
    Item(E, Bytes),
    /// Say this to the client, unless it is not keeping up anyway.
    KeepAlive(ToClient),
    /// Send events to the backend over HTTP.
    Post(Post),
    /// Say this to the backend that is reached directly.
    ToBackend(ToBackend),
    /// End the backend's connection once it was told everything.
    EndBackend,
    /// Listen to these channels from now on; then `on_subscribed`.
    Subscribe(Vec<Wanted>),
    /// Ask the backend what a filter makes of an item; then `on_filtered`.
    Ask(Box<Question>),
    /// An item does not reach the client.
    Skip(E, Skipped),
    /// No item is for this client any more.
    Deafen,
    /// End the client's connection once it was told everything.
    Finish,
    /// End the client's connection now.
    Cut,
    /// Something to be counted or logged.
    Note(Note),
}

/// What is to be done, in order; an idle session keeps no storage for it.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "a session without any is smaller")]
pub(super) struct Outputs<E>(Option<Box<VecDeque<Output<E>>>>);

impl<E> Default for Outputs<E> {
    fn default() -> Self {
        Self(None)
    }
}

impl<E> Outputs<E> {
    pub(super) fn push_back(&mut self, output: Output<E>) {
        self.0.get_or_insert_default().push_back(output);
    }

    pub(super) fn pop_front(&mut self) -> Option<Output<E>> {
        let output = self.0.as_mut()?.pop_front();
        self.0.take_if(|queue| queue.is_empty());
        output
    }
}

/// What the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToClient {
    /// A message, or a part of one.
    Part(Part),
    /// A ping.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// A close.
    Close(Close),
}

/// What a backend that is reached directly is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToBackend {
    /// A message, or a part of one.
    Part(Part),
    /// A ping.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// A close; none has no code.
    Close(Option<Close>),
}

/// What nobody else would hear of.
#[derive(Debug)]
pub enum Note {
    /// A backend's message had no prefix and is for nobody.
    Unaddressed,
    /// A backend's control message is bad.
    BadControl(ControlError),
    /// A backend's control message is too long.
    LongControl,
    /// A backend asked for more channels than it may.
    ChannelRefused,
    /// A backend set more meta than a session may have.
    MetaRefused,
    /// A backend's ping or pong is longer than a frame of its may be.
    LongPing,
    /// The backend failed, for this reason.
    BackendFailed(&'static str),
    /// The client did not keep to the protocol, in this way.
    ClientError(&'static str),
}
