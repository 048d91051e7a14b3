//! What a session is begun with.

use std::collections::VecDeque;

use super::super::{filtering::Filtering, prev_ids::PrevIds};
use crate::grip::channel::{ChannelName, ItemId};

/// What a session listens to, and how.
#[derive(Debug, Default)]
pub struct Terms {
    /// Its channels.
    pub prev_ids: PrevIds,
    /// Its filters.
    pub filtering: Filtering,
    /// Most items that wait for the backend's word.
    pub waiting_max: usize,
}

/// How a session begins.
#[derive(Debug)]
pub struct Beginning<E> {
    /// Items that came since it was subscribed.
    pub waiting: VecDeque<E>,
    /// Channels whose last item is another than the backend knows.
    pub conflicts: Vec<ChannelName>,
    /// The backend was asked again, told these ids by their bare names, and has just said this; none if
    /// it was asked for the first time.
    pub told: Option<Vec<(ChannelName, ItemId)>>,
}
