//! The channel: one for each name somebody is subscribed to. It carries out the order that its
//! sequencer decides, encodes each item once, and sends it to every worker with subscribers.
//!
//! Its state lives beside it in the handler's [`Directory`](super::publisher::Directory), so a
//! restart re-announces nothing and loses only the item that crashed. A full hub makes the channel
//! wait, and publishers with it.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{
    channel_state::ChannelState,
    handler_state::HandlerState,
    messages::{
        Accept, ChannelEmptied, FromChannel, FromChannels, HubLink, Subscribe, Ticket, ToHub,
        Unsubscribe, Waiting,
    },
    outgoing::Refused,
    slip::Slip,
    waiting::WaitingBytes,
};
use crate::{
    engine::sequencer::Outcome as Place,
    grip::{channel::ChannelName, publish::Item},
    stats::{
        counters::{Dropped, Total},
        receipt::{Outcome, Sheet},
    },
};

/// Who hears that a message has left: the publish it came with, and the channel's own queue.
#[derive(Default)]
struct Hearers {
    ticket: Option<Arc<Ticket>>,
    waiting: Option<Waiting>,
    bytes: Option<WaitingBytes>,
}

impl Hearers {
    fn give(self) {
        let _ = self.ticket.map(|ticket| ticket.item_queued());
        drop((self.waiting, self.bytes));
    }
}

/// The actor of one channel.
pub struct Channel {
    name: ChannelName,
    epoch: u64,
    state: Rc<RefCell<ChannelState>>,
    publisher: Recipient<ChannelEmptied>,
    handler: Rc<HandlerState>,
    /// When it is woken next; lost with a crash, as actix forgets its timers.
    wake: Option<(Instant, SpawnHandle)>,
}

impl Channel {
    /// Makes the channel of a name around its state.
    pub fn new(
        (name, epoch): (ChannelName, u64),
        state: Rc<RefCell<ChannelState>>,
        publisher: Recipient<ChannelEmptied>,
        handler: Rc<HandlerState>,
    ) -> Self {
        Self {
            name,
            epoch,
            state,
            publisher,
            handler,
            wake: None,
        }
    }

    /// Carries out what the sequencer makes of an item; one that waits counts as taken.
    fn accept(&mut self, accept: Accept, context: &mut Context<Self>) {
        let Accept {
            item,
            slip,
            ticket,
            since,
            waiting: (waiting, bytes),
        } = accept;
        self.state.borrow_mut().backlog.on_taken_up(since, now());
        let hearers = Hearers {
            ticket: Some(ticket),
            waiting: Some(waiting),
            bytes: Some(bytes),
        };
        if self.state.borrow().is_empty() {
            note(slip.as_ref(), |sheet| sheet.settle(Outcome::NoSubscribers));
            self.handler.counters.add(Total::ItemsUnsubscribed, 1);
            hearers.give();
            return self.leave_if_empty(context);
        }
        let limits = &self.handler.options().order;
        let place = self
            .state
            .borrow_mut()
            .sequencer
            .on_item(item, now(), limits);
        let (reason, dropped) = match place {
            Place::Deliver(item) => {
                note(slip.as_ref(), |sheet| sheet.settle(Outcome::Accepted));
                if self.deliver((item, slip), hearers, context) {
                    self.go_on(context);
                }
                return;
            }
            Place::Wait => {
                note(slip.as_ref(), |sheet| {
                    sheet.settle(Outcome::WaitingForOrder)
                });
                self.handler.counters.add(Total::ItemsWaiting, 1);
                hearers.give();
                return self.go_on(context);
            }
            Place::TooMany(item) => (Dropped::WaitingMax, item),
            Place::Repeat(item) => (Dropped::WaitingRepeat, item),
        };
        note(slip.as_ref(), |sheet| {
            sheet.settle(Outcome::Dropped);
            sheet.dropped(reason);
        });
        self.state.borrow_mut().unordered += 1;
        // It was not delivered, so it may be published again.
        self.handler.forget_id(&self.name, dropped.id.as_ref());
        self.handler.drop_unordered(&self.name, reason, 1);
        hearers.give();
    }

    /// Sends an item to every hub; false if a full one must be waited for, and the channel with it.
    fn deliver(
        &mut self,
        (item, slip): (Item, Option<Slip>),
        hearers: Hearers,
        context: &mut Context<Self>,
    ) -> bool {
        let has_deflating = self.state.borrow().has_deflating();
        let mut encoded = self.handler.encoded(item, has_deflating);
        encoded.slip = slip;
        let encoded = Arc::new(encoded);
        let messages = {
            let mut state = self.state.borrow_mut();
            state.sequencer.on_delivered(&encoded.item);
            state.items += 1;
            state.deliveries(|sequence| FromChannel::Deliver {
                channel: self.name.clone(),
                epoch: self.epoch,
                sequence,
                encoded: encoded.clone(),
            })
        };
        self.send_or_wait(messages, hearers, context)
    }

    /// Does whatever is due: the refresh of a new channel, and waiting items whose turn has come.
    fn go_on(&mut self, context: &mut Context<Self>) {
        if self.wake.is_none() && self.state.borrow().deadline().is_none() {
            return;
        }
        let now = now();
        let refreshes = self
            .state
            .borrow_mut()
            .due_refreshes(&self.name, self.epoch, now);
        if !self.send_or_wait(refreshes, Hearers::default(), context) {
            return;
        }
        loop {
            let next = self.state.borrow_mut().sequencer.on_timer(now);
            let Some((item, follows)) = next else { break };
            self.handler.counters.subtract(Total::ItemsWaiting, 1);
            if !follows {
                self.handler.note_gap(&item);
            }
            self.handler.in_hand.take_up(&item);
            #[cfg(feature = "chaos")]
            super::chaos::maybe_fail(&item, "delivery");
            let is_through = self.deliver((item, None), Hearers::default(), context);
            self.handler.in_hand.put_down();
            if !is_through {
                return;
            }
        }
        self.wake_when_due(context);
    }

    /// Arms the timer anew if something else is due next.
    fn wake_when_due(&mut self, context: &mut Context<Self>) {
        let due = self.state.borrow().deadline();
        if self.wake.map(|(at, _)| at) == due {
            return;
        }
        if let Some((_, armed)) = self.wake.take() {
            context.cancel_future(armed);
        }
        self.wake = due.map(|at| {
            let delay = at.saturating_duration_since(now());
            let handle = context.run_later(delay, |channel, context| {
                channel.wake = None;
                channel.go_on(context);
            });
            (at, handle)
        });
    }

    /// Hands over what can leave now and returns what a full hub refused.
    fn send(
        &self,
        messages: Vec<(HubLink, FromChannel)>,
        ticket: Option<&Arc<Ticket>>,
    ) -> Vec<(HubLink, FromChannel)> {
        let mut refused = Vec::new();
        for (link, message) in messages {
            match self.handler.outgoing.push(&link, message, ticket) {
                Ok(()) => {}
                Err(Refused::Full(message)) => refused.push((link, message)),
                Err(Refused::Gone) => self.forget(link.id),
            }
        }
        refused
    }

    /// A worker is gone, and its sessions with it.
    fn forget(&self, hub_id: u64) {
        self.handler.counters.drop_items(Dropped::WorkerGone, 1);
        log::warn!(channel:? = self.name.as_str(), worker = hub_id; "a worker with subscribers is gone");
        self.state.borrow_mut().unsubscribe(hub_id, None);
    }

    /// Without subscribers there is no order: what waits is thrown away, and the publisher may end it.
    #[expect(
        clippy::disallowed_methods,
        reason = "one for each time a channel empties"
    )]
    fn leave_if_empty(&mut self, context: &mut Context<Self>) {
        if !self.state.borrow().is_empty() {
            return;
        }
        let thrown_away = self.state.borrow_mut().clear();
        let gauge = Total::ItemsWaiting;
        self.handler.counters.subtract(gauge, thrown_away as u64);
        let reason = Dropped::WaitingUnsubscribed;
        self.state.borrow_mut().unordered += thrown_away as u64;
        self.handler.drop_unordered(&self.name, reason, thrown_away);
        self.wake_when_due(context);
        self.publisher.do_send(ChannelEmptied(self.name.clone()));
    }

    /// Sends to hubs; false if a full one is waited for. Meanwhile this channel takes no further message,
    /// and then it does what was due.
    fn send_or_wait(
        &mut self,
        messages: Vec<(HubLink, FromChannel)>,
        hearers: Hearers,
        context: &mut Context<Self>,
    ) -> bool {
        let refused = self.send(messages, hearers.ticket.as_ref());
        if refused.is_empty() {
            hearers.give();
            self.leave_if_empty(context);
            return true;
        }
        // What waits to leave for these hubs came before.
        self.handler.outgoing.send_all();
        let wait = async move {
            let mut gone = Vec::new();
            for (link, message) in refused {
                let message = FromChannels(vec![ToHub::new(&link, message)]);
                if link.recipient.send(message).await.is_err() {
                    gone.push(link.id);
                }
            }
            hearers.give();
            gone
        };
        let wait = wait.into_actor(self).map(|gone, channel, context| {
            gone.into_iter().for_each(|hub_id| channel.forget(hub_id));
            channel.leave_if_empty(context);
            channel.go_on(context);
        });
        context.wait(wait);
        false
    }
}

fn note(slip: Option<&Slip>, note: impl FnOnce(&Sheet)) {
    if let Some(slip) = slip {
        note(slip.sheet());
    }
}

fn now() -> Instant {
    actix::clock::Instant::now().into_std()
}

impl Actor for Channel {
    type Context = Context<Self>;
}

impl Supervised for Channel {
    /// Names the item that crashed the channel; it is not tried again, but may be published again.
    fn restarting(&mut self, context: &mut Self::Context) {
        self.wake = None;
        context.run_later(Duration::ZERO, |channel, context| channel.go_on(context));
        self.handler
            .note_crashed("this item crashed its channel and is lost");
    }
}

impl Handler<Accept> for Channel {
    type Result = ();

    fn handle(&mut self, accept: Accept, context: &mut Self::Context) {
        self.handler.in_hand.take_up(&accept.item);
        #[cfg(feature = "chaos")]
        super::chaos::maybe_fail(&accept.item, "channel");
        self.accept(accept, context);
        self.handler.in_hand.put_down();
    }
}

impl Handler<Subscribe> for Channel {
    type Result = ();

    fn handle(&mut self, subscribe: Subscribe, context: &mut Self::Context) {
        let Subscribe {
            channel,
            hub,
            generation,
            tally,
            waiting,
        } = subscribe;
        let link = hub.clone();
        let acknowledgement = {
            let mut state = self.state.borrow_mut();
            if state.is_empty() && self.handler.options().update_on_first_subscription {
                state.plan_refresh(now());
            }
            FromChannel::Subscribed {
                channel,
                generation,
                epoch: self.epoch,
                next: state.subscribe(hub, generation, tally),
                last: state.sequencer.last().cloned(),
            }
        };
        let hearers = Hearers {
            ticket: None,
            waiting,
            bytes: None,
        };
        if self.send_or_wait(vec![(link, acknowledgement)], hearers, context) {
            self.wake_when_due(context);
        }
    }
}

impl Handler<Unsubscribe> for Channel {
    type Result = ();

    fn handle(&mut self, unsubscribe: Unsubscribe, context: &mut Self::Context) {
        let (hub_id, generation) = (unsubscribe.hub_id, unsubscribe.generation);
        let mut state = self.state.borrow_mut();
        state.unsubscribe(hub_id, Some(generation));
        drop(state);
        self.leave_if_empty(context);
    }
}

#[cfg(test)]
mod tests;
