//! What a next link was answered on its way into the stream: subscriptions first, then the body.
//!
//! A gathered body is appended by the session at once; the rest of a large one is appended here as the
//! client takes it.

use std::{future::poll_fn, rc::Rc};

use bytes::Bytes;
use http_body::Frame;

use super::{
    edge::Edge,
    messages::SessionEvent,
    ports::{BodyStream, Followed},
};
use crate::engine::{fan_out::SessionKey, session::LinkAnswer};

/// Bytes waiting for a client past which no more of a body is read, and no answer is taken.
const AHEAD_BYTES: usize = 65_536;

/// Subscribes as the answer says, relays what is too large to gather, and makes the event that the
/// session is told.
pub async fn settle(
    edge: &Rc<Edge>,
    place: (SessionKey, u64),
    followed: Option<Followed>,
) -> SessionEvent {
    let Some(followed) = followed else {
        return SessionEvent::LinkAnswered(None);
    };
    // A client that does not read is not written more to, however far its links lead.
    edge.written_below(place.0, AHEAD_BYTES).await;
    let conflicts = match edge.change_channels(place, true, followed.channels).await {
        Ok(conflicts) => conflicts,
        Err(error) => {
            log::warn!(session = place.0 .0, error:%; "a next link's channels cannot be subscribed");
            return SessionEvent::LinkAnswered(None);
        }
    };
    let mut body = followed.body;
    if let Some(rest) = followed.rest {
        edge.tell(place, SessionEvent::LinkBegun);
        if let Err(error) = relay(edge, place, std::mem::take(&mut body), rest).await {
            log::warn!(session = place.0 .0, error:%; "a next link's answer broke off");
            return SessionEvent::Cut;
        }
    }
    SessionEvent::LinkAnswered(Some(Box::new(LinkAnswer {
        is_hold: followed.is_hold,
        body,
        prev_ids: followed.prev_ids,
        filtering: followed.filtering,
        keep_alive: followed.keep_alive,
        next: followed.next,
        conflicts,
    })))
}

async fn relay(
    edge: &Rc<Edge>,
    place: (SessionKey, u64),
    first: Bytes,
    mut rest: BodyStream,
) -> std::io::Result<()> {
    edge.append_body(place.0, first);
    loop {
        edge.written_below(place.0, AHEAD_BYTES).await;
        let frame = poll_fn(|cx| rest.as_mut().poll_frame(cx)).await;
        let Some(frame) = frame.transpose()? else {
            return Ok(());
        };
        if let Ok(bytes) = Frame::into_data(frame) {
            edge.append_body(place.0, bytes);
        }
    }
}
