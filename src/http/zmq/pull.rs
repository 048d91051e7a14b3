//! The socket that publishers push items to: each message is one item.

use bytes::Bytes;

use super::{
    intake::Intake,
    queue::Queue,
    surface::{Role, Work},
};
use crate::engine::zmq::{dealing::PeerId, item, zmtp::SocketKind};

/// What a PULL socket does.
pub(super) struct Pull(pub(super) Intake);

impl Role for Pull {
    const KIND: SocketKind = SocketKind::Pull;

    fn on_message(&mut self, _: (PeerId, &Queue), frames: Vec<Bytes>) -> Option<Work> {
        self.0.take(item::read_pushed(&frames))
    }
}
