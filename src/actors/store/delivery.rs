//! The fan-out of one item over a worker's sessions, in slices.

use std::sync::Arc;

use actix::dev::SendError;
use bytes::Bytes;

use super::{outlets::framed, HubStore, InFlight};
use crate::{
    actors::messages::{Encoded, FromChannel, SessionEvent, SessionKind, ToHub, ToSession},
    engine::{fan_out::SessionKey, outbox::Pushed, subscription::Receipt, wire::BodyEnd},
    grip::{
        channel::ChannelName,
        publish::{StreamFormat, WsFormat},
    },
    stats::{
        counters::{Dropped, Total},
        receipt::Met,
    },
};

/// Sessions served between two looks at the rest of the worker's work.
pub(super) const FAN_OUT_SLICE: usize = 1_024;

/// Messages of channels for which room is kept when none waits.
const INCOMING_KEPT: usize = 64;

/// What becomes of an item at a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The session applies its own logic.
    Tell,
    /// The outbox takes the bytes that all sessions share.
    Append,
    /// The response ends.
    Finish,
    /// The WebSocket ends, and what comes behind is not for it any more.
    Close,
    /// It is for sessions with other content filters.
    OtherFilters,
}

impl HubStore {
    /// Takes what channels sent; it is worked on in slices.
    pub fn take_in(&mut self, messages: Vec<ToHub>) {
        self.incoming.extend(messages);
    }

    /// Takes messages in their order and serves at most `FAN_OUT_SLICE` members; true if more is waiting.
    ///
    /// A member counts as served before it is touched, so a crash on it costs the others nothing.
    pub fn work_slice(&mut self) -> bool {
        for _ in 0..FAN_OUT_SLICE {
            if self.in_flight.is_some() {
                self.serve_next();
            } else if let Some(ToHub { message, waiting }) = self.incoming.pop_front() {
                drop(waiting);
                self.on_message(message);
            } else {
                self.incoming.shrink_to(INCOMING_KEPT);
                return false;
            }
        }
        true
    }

    fn on_message(&mut self, message: FromChannel) {
        match message {
            FromChannel::Subscribed {
                channel,
                generation,
                epoch,
                next,
                last,
            } => self.acknowledge(&channel, generation, (epoch, next), last),
            FromChannel::Refused {
                channel,
                generation,
                epoch,
            } => self.refuse(&channel, generation, epoch),
            FromChannel::Refresh { channel, epoch } => self.refresh(&channel, epoch),
            FromChannel::Deliver {
                channel,
                epoch,
                sequence,
                encoded,
            } => self.begin_delivery(&channel, (epoch, sequence), encoded),
        }
    }

    /// Puts an item in flight to the members of its channel.
    fn begin_delivery(
        &mut self,
        name: &ChannelName,
        (epoch, sequence): (u64, u64),
        encoded: Arc<Encoded>,
    ) {
        let index = self.names.get(name).copied();
        let Some((index, channel)) =
            index.and_then(|index| Some((index, self.channels.get_mut(index as usize)?)))
        else {
            return self.counters.add(Total::DeliveriesStale, 1);
        };
        match channel.subscription.on_delivery(epoch, sequence) {
            Receipt::Stale => return self.counters.add(Total::DeliveriesStale, 1),
            Receipt::AfterGap(missed) => {
                self.counters.add(Total::DeliveriesMissed, missed);
                log::warn!(channel:? = name.as_str(), missed; "deliveries from a channel were lost");
            }
            Receipt::InOrder => {}
        }
        if !encoded.item.no_seq {
            channel.last.clone_from(&encoded.item.id);
        }
        let generation = channel.subscription.generation();
        if self
            .reannounced
            .is_repeat(generation, encoded.item.id.as_ref())
        {
            return self.counters.add(Total::ItemsRepeated, 1);
        }
        if channel.members.is_empty() {
            return;
        }
        channel.members.begin();
        self.in_flight = Some(InFlight {
            channel: index,
            encoded,
            #[cfg(feature = "chaos")]
            served: 0,
        });
    }

    /// Returns the item in flight.
    pub fn item_in_flight(&self) -> Option<&Arc<Encoded>> {
        self.in_flight.as_ref().map(|in_flight| &in_flight.encoded)
    }

    fn serve_next(&mut self) {
        let Some(in_flight) = &mut self.in_flight else {
            return;
        };
        let channel = self.channels.get_mut(in_flight.channel as usize);
        let Some(key) = channel.and_then(|channel| channel.members.next_to_serve()) else {
            self.note_delivered();
            self.note_to_write();
            self.in_flight = None;
            return;
        };
        #[cfg(feature = "chaos")]
        {
            in_flight.served += 1;
            crate::actors::chaos::maybe_fail_hub(&in_flight.encoded.item, in_flight.served);
        }
        let encoded = in_flight.encoded.clone();
        self.served += 1;
        self.serve(key, &encoded);
    }

    /// Tells whether so much was served, by whatever items, that the worker's other work is due.
    pub fn is_pause_due(&mut self) -> bool {
        let is_due = self.served >= FAN_OUT_SLICE;
        if is_due {
            self.served = 0;
        }
        is_due
    }

    fn serve(&mut self, key: SessionKey, encoded: &Arc<Encoded>) {
        if encoded.slip.is_some() {
            self.note_meeting(key, encoded);
        }
        let Some(way) = self.way(key, encoded) else {
            return;
        };
        if way != Way::OtherFilters {
            self.note_receiver(key);
        }
        let is_rated = self.rated.is_in_force() && way != Way::OtherFilters;
        if !is_rated || self.may_leave(key, encoded) {
            self.carry_out(way, key, encoded);
        }
    }

    /// Notes what an item whose publisher wants a receipt is to a session of its channel.
    fn note_meeting(&self, key: SessionKey, encoded: &Encoded) {
        let Some(entry) = self.sessions.get(key.0 as usize) else {
            return;
        };
        let is_ending = entry.is_closing || entry.is_deaf;
        let is_for_it = self.way(key, encoded).is_some();
        let transport = entry.kind.transport();
        encoded.note(|sheet| match (is_ending, is_for_it) {
            (true, _) => sheet.met(Met::Ending),
            (false, true) => sheet.matched(transport),
            (false, false) => sheet.met(Met::OtherFormat),
        });
    }

    /// Delivers an item that has waited, if its session still takes it.
    pub(super) fn deliver(&mut self, key: SessionKey, encoded: &Arc<Encoded>) {
        if let Some(way) = self.way(key, encoded) {
            self.carry_out(way, key, encoded);
        }
    }

    /// Tells what becomes of an item at a session; none if it means nothing to it.
    fn way(&self, key: SessionKey, encoded: &Encoded) -> Option<Way> {
        let entry = self.sessions.get(key.0 as usize)?;
        if entry.is_closing || entry.is_deaf {
            return None;
        }
        let formats = &encoded.item.formats;
        if let SessionKind::Socket { .. } = entry.kind {
            return socket_way(formats.ws.as_ref()?, entry.is_attentive);
        }
        match (entry.kind, &formats.stream) {
            (SessionKind::Response, _) if formats.response.is_some() => Some(Way::Tell),
            (SessionKind::Stream, Some(_)) if entry.is_attentive => Some(Way::Tell),
            (SessionKind::Stream, Some(StreamFormat::Send { .. })) if encoded.is_for_filters => {
                Some(Way::OtherFilters)
            }
            (SessionKind::Stream, Some(StreamFormat::Send { .. })) => Some(Way::Append),
            (SessionKind::Stream, Some(StreamFormat::Close)) => Some(Way::Finish),
            _ => None,
        }
    }

    fn carry_out(&mut self, way: Way, key: SessionKey, encoded: &Arc<Encoded>) {
        match way {
            Way::Tell => self.tell_item(key, encoded),
            Way::Append => self.append_item(key, encoded),
            Way::Finish => {
                encoded.note(|sheet| sheet.met(Met::Queued));
                self.finish(key, Bytes::new());
            }
            Way::Close => {
                encoded.note(|sheet| sheet.met(Met::Queued));
                self.tell(key, SessionEvent::Item(encoded.clone()));
                self.deafen(key);
            }
            Way::OtherFilters => {
                encoded.note(|sheet| sheet.dropped(Dropped::ContentFilters));
                self.counters.drop_items(Dropped::ContentFilters, 1);
            }
        }
    }

    /// Puts an item in an outbox in the wire form that all sessions share.
    fn append_item(&mut self, key: SessionKey, encoded: &Encoded) {
        let Some(entry) = self.sessions.get(key.0 as usize) else {
            return;
        };
        let bytes = match (entry.kind, entry.body_end) {
            (SessionKind::Socket { has_deflate }, _) => encoded.frame(has_deflate),
            (_, BodyEnd::Chunked) => encoded.chunk.clone(),
            (_, BodyEnd::Close | BodyEnd::Outside) => encoded.content.clone(),
        };
        self.push(key, bytes, encoded);
    }

    /// Puts an item in an outbox in a form of its session's own.
    pub fn append_own_form(&mut self, key: SessionKey, bytes: Bytes, encoded: &Encoded) {
        self.push(key, bytes, encoded);
    }

    /// Tells whether no item is for a session any more.
    pub fn is_deaf(&self, key: SessionKey) -> bool {
        let entry = self.sessions.get(key.0 as usize);
        entry.is_some_and(|entry| entry.is_deaf)
    }

    /// No item is for this session any more.
    pub fn deafen(&mut self, key: SessionKey) {
        if let Some(entry) = self.sessions.get_mut(key.0 as usize) {
            entry.is_deaf = true;
        }
    }

    /// Puts an item in an outbox as its session makes it; most do not edit.
    pub fn append_edited(&mut self, key: SessionKey, content: Bytes, encoded: &Encoded) {
        if encoded.is_unedited(&content) {
            return self.append_item(key, encoded);
        }
        let Some(entry) = self.sessions.get(key.0 as usize) else {
            return;
        };
        let bytes = framed(entry.body_end, content);
        self.push(key, bytes, encoded);
    }

    fn push(&mut self, key: SessionKey, bytes: Bytes, encoded: &Encoded) {
        let Some(entry) = self.sessions.get_mut(key.0 as usize) else {
            return;
        };
        if entry.is_closing || entry.is_deaf {
            encoded.note(|sheet| sheet.dropped(Dropped::ClientGone));
            return self.counters.drop_items(Dropped::ClientGone, 1);
        }
        let limits = self
            .limits
            .get(usize::from(entry.limits))
            .copied()
            .unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        match entry.outbox.push(bytes, &limits) {
            Pushed::Queued => {
                encoded.note(|sheet| sheet.met(Met::Queued));
                self.counters.add(Total::ItemsDelivered, 1);
            }
            Pushed::DroppedOldest(n) => {
                encoded.note(|sheet| sheet.met(Met::Queued));
                self.counters.add(Total::ItemsDelivered, 1);
                self.note_loss(key, encoded, n as u64, Dropped::SlowClient);
            }
            Pushed::DroppedNewest => {
                encoded.note(|sheet| sheet.dropped(Dropped::SlowClient));
                self.note_loss(key, encoded, 1, Dropped::SlowClient);
            }
            Pushed::Overflow => {
                let is_socket = matches!(entry.kind, SessionKind::Socket { .. });
                let lost = match is_socket {
                    // What is partly written is brought to its end, so that the client can be told.
                    true => entry.outbox.drop_items(),
                    false => entry.outbox.clear(),
                };
                let lost = lost as u64 + 1;
                encoded.note(|sheet| sheet.dropped(Dropped::SlowClientClosed));
                entry.is_closing |= !is_socket;
                entry.is_deaf = true;
                self.note_loss(key, encoded, lost, Dropped::SlowClientClosed);
                self.tell(key, SessionEvent::Overflow);
                return;
            }
        }
        self.mark_dirty(key);
    }

    /// Counts items that a slow client lost; the log hears of them once a second, with an example.
    fn note_loss(&mut self, key: SessionKey, encoded: &Encoded, items: u64, reason: Dropped) {
        self.counters.drop_items(reason, items);
        self.tally(&encoded.item.channel).drop_items(items);
        let now_ms = self.now_ms();
        let Some(items) = self.losses.add(items, now_ms) else {
            return;
        };
        log::warn!(items, reason = reason.as_str(), session = key.0,
            channel:? = encoded.item.channel.as_str();
            "slow clients lost items; the last one of them is named");
    }

    /// Sends an item to a session that applies its own logic; a full mailbox loses it, counted.
    fn tell_item(&mut self, key: SessionKey, encoded: &Arc<Encoded>) {
        let Some(entry) = self.sessions.get(key.0 as usize) else {
            return;
        };
        let message = ToSession {
            hold: entry.hold,
            event: SessionEvent::Item(encoded.clone()),
            waiting: self.session_mailbox.enter(),
        };
        match entry.session.try_send(message) {
            Ok(()) => {}
            Err(SendError::Full(_)) => {
                encoded.note(|sheet| sheet.dropped(Dropped::SessionBusy));
                self.note_loss(key, encoded, 1, Dropped::SessionBusy);
            }
            Err(SendError::Closed(_)) => {
                encoded.note(|sheet| sheet.dropped(Dropped::ClientGone));
                self.counters.drop_items(Dropped::ClientGone, 1);
            }
        }
    }
}

/// Tells what becomes of an item at a WebSocket.
fn socket_way(format: &WsFormat, is_attentive: bool) -> Option<Way> {
    match format {
        WsFormat::Send { .. } if is_attentive => Some(Way::Tell),
        WsFormat::Send {
            content_filters, ..
        } if content_filters.as_ref().is_some_and(|f| !f.is_empty()) => Some(Way::OtherFilters),
        WsFormat::Send { .. } => Some(Way::Append),
        WsFormat::Close { .. } => Some(Way::Close),
        WsFormat::Refresh => Some(Way::Tell),
        WsFormat::Hint => None,
    }
}
