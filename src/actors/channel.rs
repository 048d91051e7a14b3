//! The channel: one for each name somebody is subscribed to. It keeps the order of its items, encodes
//! each once, and sends it to every worker with subscribers.
//!
//! Its hub set and numbers live beside it in the handler's [`Directory`](super::publisher::Directory),
//! so a restart re-announces nothing. A full hub makes the channel wait, and publishers with it.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use actix::prelude::*;

use super::{
    messages::{Accept, ChannelEmptied, Encoded, FromChannel, HubLink, Subscribe, Unsubscribe},
    supervisor::note_lost_item,
};
use crate::{
    grip::channel::{ChannelName, ItemId},
    stats::counters::{Counters, Dropped},
};

/// Messages waiting for one hub past which its channels wait, and publishers with them.
const HUB_QUEUE_MAX: usize = 64;

/// What outlives a crash of a channel.
#[derive(Default)]
pub struct ChannelState {
    hubs: Vec<Subscriber>,
    /// The id of the last item that went out in order.
    last: Option<ItemId>,
    /// The id of the item being handled, if it has one.
    in_hand: Option<Option<ItemId>>,
}

struct Subscriber {
    link: HubLink,
    generation: u64,
    next: u64,
}

impl ChannelState {
    /// Tells whether no worker is subscribed.
    pub fn is_empty(&self) -> bool {
        self.hubs.is_empty()
    }

    /// Forgets the last id: this one if it still is, or whatever it is.
    pub fn forget_last(&mut self, only: Option<&ItemId>) {
        if only.is_none() || self.last.as_ref() == only {
            self.last = None;
        }
    }
}

/// The actor of one channel.
pub struct Channel {
    name: ChannelName,
    epoch: u64,
    state: Rc<RefCell<ChannelState>>,
    publisher: Recipient<ChannelEmptied>,
    counters: Rc<Counters>,
}

impl Channel {
    /// Makes the channel of a name around its state.
    pub fn new(
        (name, epoch): (ChannelName, u64),
        state: Rc<RefCell<ChannelState>>,
        publisher: Recipient<ChannelEmptied>,
        counters: Rc<Counters>,
    ) -> Self {
        Self {
            name,
            epoch,
            state,
            publisher,
            counters,
        }
    }

    /// Addresses a message to every subscribed hub, each with its own number.
    fn deliveries(&self, encoded: &Arc<Encoded>) -> Vec<(HubLink, FromChannel)> {
        let mut state = self.state.borrow_mut();
        let deliver = |subscriber: &mut Subscriber| {
            let sequence = subscriber.next;
            subscriber.next += 1;
            let message = FromChannel::Deliver {
                channel: self.name.clone(),
                epoch: self.epoch,
                sequence,
                encoded: encoded.clone(),
            };
            (subscriber.link.clone(), message)
        };
        state.hubs.iter_mut().map(deliver).collect()
    }

    /// Sends what can be sent now and returns what a full hub refused.
    fn send(&self, messages: Vec<(HubLink, FromChannel)>) -> Vec<(HubLink, FromChannel)> {
        let mut refused = Vec::new();
        for (link, message) in messages {
            // A mailbox's own bound is counted for each sender object; this one holds for all channels.
            if link.waiting.get() >= HUB_QUEUE_MAX {
                refused.push((link, message));
                continue;
            }
            link.waiting.add();
            match link.recipient.try_send(message) {
                Ok(()) => {}
                Err(SendError::Full(message)) => {
                    link.waiting.subtract();
                    refused.push((link, message));
                }
                Err(SendError::Closed(_)) => self.forget(link.id),
            }
        }
        refused
    }

    /// A worker is gone, and its sessions with it.
    fn forget(&self, hub_id: u64) {
        self.counters.drop_items(Dropped::WorkerGone, 1);
        log::warn!(channel:? = self.name.as_str(), worker = hub_id; "a worker with subscribers is gone");
        self.state
            .borrow_mut()
            .hubs
            .retain(|subscriber| subscriber.link.id != hub_id);
        self.leave_if_empty();
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "one for each time a channel empties"
    )]
    fn leave_if_empty(&self) {
        if self.state.borrow().is_empty() {
            self.publisher.do_send(ChannelEmptied(self.name.clone()));
        }
    }

    /// Waits for full hubs; meanwhile this channel takes no further message.
    fn send_or_wait(
        &self,
        messages: Vec<(HubLink, FromChannel)>,
        done: impl FnOnce() + 'static,
        context: &mut Context<Self>,
    ) {
        let refused = self.send(messages);
        if refused.is_empty() {
            return done();
        }
        let wait = async move {
            let mut gone = Vec::new();
            for (link, message) in refused {
                link.waiting.add();
                if link.recipient.send(message).await.is_err() {
                    link.waiting.subtract();
                    gone.push(link.id);
                }
            }
            done();
            gone
        };
        let wait = wait.into_actor(self).map(|gone, channel, _| {
            gone.into_iter().for_each(|hub_id| channel.forget(hub_id));
        });
        context.wait(wait);
    }
}

impl Actor for Channel {
    type Context = Context<Self>;
}

impl Supervised for Channel {
    /// Names the item that crashed the channel; it is not tried again.
    fn restarting(&mut self, _: &mut Self::Context) {
        let Some(id) = self.state.borrow_mut().in_hand.take() else {
            return;
        };
        let consequence = "this item crashed its channel and is lost";
        note_lost_item(&self.counters, &self.name, id.as_ref(), consequence);
    }
}

impl Handler<Accept> for Channel {
    type Result = ();

    fn handle(&mut self, accept: Accept, context: &mut Self::Context) {
        let Accept {
            item,
            ticket,
            waiting,
        } = accept;
        self.state.borrow_mut().in_hand = Some(item.id.clone());
        #[cfg(feature = "chaos")]
        super::chaos::maybe_panic(&item, "panic-channel");
        let messages = self.deliveries(&Arc::new(Encoded::new(item)));
        let done = move || {
            ticket.item_queued();
            drop(waiting);
        };
        let is_for_nobody = messages.is_empty();
        self.send_or_wait(messages, done, context);
        self.state.borrow_mut().in_hand = None;
        if is_for_nobody {
            self.leave_if_empty();
        }
    }
}

impl Handler<Subscribe> for Channel {
    type Result = ();

    fn handle(&mut self, subscribe: Subscribe, context: &mut Self::Context) {
        let Subscribe {
            channel,
            hub,
            generation,
            waiting,
        } = subscribe;
        let link = hub.clone();
        let next = 0;
        {
            let mut state = self.state.borrow_mut();
            state.hubs.retain(|subscriber| subscriber.link.id != hub.id);
            state.hubs.push(Subscriber {
                link: hub,
                generation,
                next,
            });
        }
        let acknowledgement = FromChannel::Subscribed {
            channel,
            generation,
            epoch: self.epoch,
            next,
            last: self.state.borrow().last.clone(),
        };
        self.send_or_wait(vec![(link, acknowledgement)], || drop(waiting), context);
    }
}

impl Handler<Unsubscribe> for Channel {
    type Result = ();

    fn handle(&mut self, unsubscribe: Unsubscribe, _: &mut Self::Context) {
        let Unsubscribe {
            hub_id, generation, ..
        } = unsubscribe;
        self.state
            .borrow_mut()
            .hubs
            .retain(|known| known.link.id != hub_id || known.generation != generation);
        self.leave_if_empty();
    }
}
