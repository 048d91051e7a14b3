//! What the channels of one arbiter send to hubs: gathered while the channels have their turn, then one
//! message for each hub. Crossing threads costs more than what is sent.
//!
//! Its task is woken by the first message of a turn and runs behind the channels that were woken before
//! it. A publish counts as queued when its last message has left here.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use actix::dev::SendError;
use tokio::sync::Notify;

use super::{
    messages::{FromChannel, FromChannels, HubLink, ToHub},
    waiting::Ticket,
};
use crate::stats::counters::{Counters, Dropped};

/// Messages waiting for one hub past which its channels wait, and publishers with them.
pub const HUB_QUEUE_MAX: usize = 512;

/// What waits to leave an arbiter.
pub struct Outgoing {
    counters: Arc<Counters>,
    hubs: RefCell<Vec<Gathered>>,
    /// Hubs whose workers are gone.
    gone: RefCell<Vec<u64>>,
    bell: Notify,
}

struct Gathered {
    link: HubLink,
    messages: Vec<ToHub>,
    /// Publishes that are answered when this has left.
    tickets: Vec<Arc<Ticket>>,
}

/// Why a message cannot leave now.
pub enum Refused {
    /// Too much waits for the hub.
    Full(FromChannel),
    /// The worker is gone.
    Gone,
}

impl Outgoing {
    /// Makes the way out of an arbiter.
    pub fn new(counters: Arc<Counters>) -> Self {
        Self {
            counters,
            hubs: RefCell::default(),
            gone: RefCell::default(),
            bell: Notify::new(),
        }
    }

    /// Puts a message behind those that go to the same hub.
    pub fn push(
        &self,
        link: &HubLink,
        message: FromChannel,
        ticket: Option<&Arc<Ticket>>,
    ) -> Result<(), Refused> {
        if self.gone.borrow().contains(&link.id) {
            return Err(Refused::Gone);
        }
        // A mailbox's own bound is counted for each sender object; this one holds for all channels.
        if link.waiting.get() >= HUB_QUEUE_MAX {
            return Err(Refused::Full(message));
        }
        let to_hub = ToHub::new(link, message);
        let mut hubs = self.hubs.borrow_mut();
        let known = hubs.iter_mut().find(|known| known.link.id == link.id);
        match known {
            Some(known) => {
                known.messages.push(to_hub);
                known.tickets.extend(ticket.cloned());
            }
            None => hubs.push(Gathered {
                link: link.clone(),
                messages: vec![to_hub],
                tickets: ticket.cloned().into_iter().collect(),
            }),
        }
        drop(hubs);
        self.bell.notify_one();
        Ok(())
    }

    /// Sends everything that waits.
    pub fn send_all(&self) {
        for gathered in self.hubs.borrow_mut().iter_mut() {
            let messages = std::mem::take(&mut gathered.messages);
            if messages.is_empty() {
                continue;
            }
            let sent = gathered.link.recipient.try_send(FromChannels(messages));
            gathered.tickets.clear();
            match sent {
                Ok(()) => {}
                Err(SendError::Closed(FromChannels(lost))) => {
                    let lost = lost.len() as u64;
                    self.counters.drop_items(Dropped::WorkerGone, lost);
                    self.gone.borrow_mut().push(gathered.link.id);
                }
                Err(SendError::Full(messages)) => send_over(&gathered.link, messages),
            }
        }
        let gone = self.gone.borrow();
        let is_there = |gathered: &Gathered| !gone.contains(&gathered.link.id);
        self.hubs.borrow_mut().retain(is_there);
    }

    /// Sends what gathers, for as long as the arbiter lives.
    pub async fn carry(self: Rc<Self>) {
        loop {
            self.bell.notified().await;
            self.send_all();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "`HUB_QUEUE_MAX` bounds what waits for a hub; a mailbox that counts senders is no bound"
)]
fn send_over(link: &HubLink, messages: FromChannels) {
    link.recipient.do_send(messages);
}
