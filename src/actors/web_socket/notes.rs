//! What nobody else would hear of: counted and logged.

use crate::{
    actors::edge::Membership,
    engine::web_socket::Note,
    stats::counters::{Refused, Total},
};

/// Counts and logs what nobody else would hear of.
pub(super) fn take_note(note: &Note, membership: &Membership) {
    let (session, counters) = (membership.key().0, membership.edge().counters());
    match note {
        Note::Unaddressed => counters.add(Total::MessagesUnaddressed, 1),
        Note::BadControl(error) => {
            counters.refuse(Refused::Control, 1);
            log::debug!(session, error:%; "a control message has no effect");
        }
        Note::LongControl => {
            counters.refuse(Refused::Control, 1);
            log::warn!(session; "a control message is too long and has no effect");
        }
        Note::ChannelRefused => {
            counters.refuse(Refused::Channels, 1);
            log::warn!(session; "a WebSocket asked for too many channels: one is not subscribed");
        }
        Note::MetaRefused => {
            counters.refuse(Refused::Control, 1);
            log::warn!(session; "a backend set too much meta for a WebSocket: it is left out");
        }
        Note::LongPing => {
            counters.refuse(Refused::Control, 1);
            log::warn!(session; "a backend's ping or pong is over 125 bytes and is not sent");
        }
        Note::BackendFailed(reason) => {
            counters.refuse(Refused::Backend, 1);
            log::warn!(session, reason; "a WebSocket is closed: its backend failed");
        }
        Note::ClientError(reason) => {
            counters.refuse(Refused::Frame, 1);
            log::info!(session, reason; "a WebSocket is closed: its client broke the protocol");
        }
    }
}
