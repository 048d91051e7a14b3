//! The publisher: one per handler arbiter. It takes items from every way in, looks whether there is
//! room for all of them, and passes each to its channel; it also starts and ends channels.
//!
//! Channels and their state are in the [`Directory`] beside it, so a crash of the publisher costs the
//! poisonous request alone.

mod admission;
mod fresh;
mod looking;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use actix::prelude::*;

use self::fresh::Gathering;
use super::{
    channel::Channel,
    channel_state::ChannelState,
    handler_state::{HandlerOptions, HandlerState, HandlerView},
    looks::Tap,
    messages::{
        Accept, ChannelEmptied, Depth, ForgetLast, FromChannel, FromChannels, Publish,
        PublishFailure, Reannounce, Recover, SetOptions, Subscribe, TakeHandlerSnapshot, Ticket,
        ToHub, Unsubscribe,
    },
    slip::Slip,
    supervisor::{supervise_timed, CrashRecord},
};
use crate::{
    engine::handover::first_epoch,
    grip::{channel::ChannelName, publish::Item},
    stats::{
        counters::{Refused, Total},
        receipt::Outcome,
        snapshot::HandlerSnapshot,
    },
};

/// The channels of one handler arbiter; it outlives crashes.
#[derive(Default)]
pub struct Directory {
    channels: RefCell<HashMap<ChannelName, Listed>>,
    epochs: Cell<u64>,
    /// Where the items of channels go that operators tail.
    taps: RefCell<HashMap<ChannelName, Vec<Tap>>>,
}

struct Listed {
    address: Addr<Channel>,
    state: Rc<RefCell<ChannelState>>,
    /// Messages on their way to the channel; it is only ended when there are none.
    waiting: Depth,
}

/// The actor.
pub struct Publisher {
    directory: Rc<Directory>,
    handler: Rc<HandlerState>,
    crashes: Arc<CrashRecord>,
    mailbox: Depth,
    address: Addr<Publisher>,
    place: Place,
    /// What it does before it publishes, in the place of a lost one.
    gathering: Option<Gathering>,
    /// Workers that have not announced their subscriptions in time.
    late: Vec<(u64, Recipient<Reannounce>)>,
}

/// A publisher's place among those of its broker.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Which share of the channels it has.
    pub share: usize,
    /// How many had it before.
    pub incarnation: u64,
}

impl Publisher {
    /// Starts a publisher with its directory on this arbiter.
    pub fn start(
        options: HandlerOptions,
        (own_crashes, channel_crashes): (Arc<CrashRecord>, Arc<CrashRecord>),
        view: HandlerView,
        place: Place,
    ) -> (Addr<Self>, Depth) {
        let mailbox = Depth::default();
        let handler = Rc::new(HandlerState::new(options, view));
        actix_rt::spawn(handler.outgoing.clone().carry());
        let directory = Directory::default();
        directory.epochs.set(first_epoch(place.incarnation));
        let busy = handler.busy(Total::PublisherBusy);
        let publisher = supervise_timed(own_crashes, busy, |context| Self {
            directory: Rc::new(directory),
            handler,
            crashes: channel_crashes,
            mailbox: mailbox.clone(),
            address: context.address(),
            place,
            gathering: (place.incarnation > 0).then(Gathering::begin),
            late: Vec::new(),
        });
        (publisher, mailbox)
    }

    /// Takes the items of one request.
    fn take(
        &self,
        items: Vec<Item>,
        slips: Vec<Slip>,
    ) -> ResponseFuture<Result<(), PublishFailure>> {
        if let Err(failure) = self.room_for(&items) {
            return self.refuse(failure);
        }
        let (ticket, outcome) = Ticket::new(items.len());
        let mut slips = slips.into_iter();
        for item in items {
            self.handler.in_hand.take_up(&item);
            #[cfg(feature = "chaos")]
            {
                super::chaos::pass_on(&item);
                super::chaos::maybe_fail(&item, "publisher");
            }
            log::debug!(target: "p8::publish", channel:? = item.channel.as_str(); "item accepted");
            self.note_formats(&item);
            self.pass_on((item, slips.next()), &ticket);
        }
        self.handler.in_hand.put_down();
        drop(ticket);
        Box::pin(async move {
            match outcome.await {
                Ok(true) => Ok(()),
                _ => Err(PublishFailure::Crashed),
            }
        })
    }

    /// Notes an item that nobody will get; other GRIP proxies accept it as well.
    fn note_formats(&self, item: &Item) {
        if item.formats.is_empty() {
            self.handler.counters.add(Total::ItemsFormatless, 1);
            log::warn!(target: "p8::publish", channel:? = item.channel.as_str();
                "an item has no format but unknown ones: nobody gets it");
        }
    }

    /// Passes an item to its channel, if it is new and anybody is subscribed.
    #[expect(
        clippy::disallowed_methods,
        reason = "`room_for` has looked at the bounds before"
    )]
    fn pass_on(&self, (item, slip): (Item, Option<Slip>), ticket: &Arc<Ticket>) {
        self.handler.counters.add(Total::ItemsPublished, 1);
        self.note_late();
        let is_tapped = !self.directory.taps.borrow().is_empty();
        if self.handler.is_repeat(&item) {
            if is_tapped {
                self.tap(&item, Outcome::Duplicate);
            }
            settle(slip, Outcome::Duplicate);
            return ticket.item_queued();
        }
        let channels = self.directory.channels.borrow();
        let listed = channels.get(&item.channel);
        if is_tapped {
            let known = listed.map_or(Outcome::NoSubscribers, |_| Outcome::Accepted);
            self.tap(&item, known);
        }
        match listed {
            Some(listed) => {
                let since = now();
                if listed.waiting.get() == 0 {
                    listed.state.borrow_mut().backlog.on_first(since);
                }
                let bytes = self.handler.waiting_bytes.enter(item.bytes());
                let waiting = (listed.waiting.enter(), bytes);
                listed.address.do_send(Accept {
                    item,
                    slip,
                    ticket: ticket.clone(),
                    since,
                    waiting,
                });
            }
            None => {
                settle(slip, Outcome::NoSubscribers);
                self.handler.counters.add(Total::ItemsUnsubscribed, 1);
                ticket.item_queued();
            }
        }
    }

    fn list(&self, name: ChannelName) -> Listed {
        let epoch = self.directory.epochs.get();
        self.directory.epochs.set(epoch + 1);
        let state = Rc::new(RefCell::new(ChannelState::default()));
        let busy = self.handler.busy(Total::ChannelBusy);
        let address = supervise_timed(self.crashes.clone(), busy, |_| {
            Channel::new(
                (name, epoch),
                state.clone(),
                self.address.clone().recipient(),
                self.handler.clone(),
            )
        });
        Listed {
            address,
            state,
            waiting: Depth::default(),
        }
    }
}

fn now() -> Instant {
    actix::clock::Instant::now().into_std()
}

fn settle(slip: Option<Slip>, outcome: Outcome) {
    if let Some(slip) = slip {
        slip.sheet().settle(outcome);
    }
}

impl Actor for Publisher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.publish_in_time(context);
    }
}

impl Supervised for Publisher {
    /// Names the item that crashed the publisher; it and what stood behind it in its request are not taken.
    fn restarting(&mut self, context: &mut Self::Context) {
        let consequence = "this item crashed the publisher; its request is answered 500";
        self.handler.note_crashed(consequence);
        self.publish_in_time(context);
    }
}

impl Handler<Publish> for Publisher {
    type Result = ResponseFuture<Result<(), PublishFailure>>;

    fn handle(&mut self, publish: Publish, _: &mut Self::Context) -> Self::Result {
        let Publish {
            items,
            slips,
            waiting,
        } = publish;
        drop(waiting);
        match self.gathering.is_some() {
            true => self.hold(items, slips),
            false => self.take(items, slips),
        }
    }
}

impl Handler<Subscribe> for Publisher {
    type Result = ();

    fn handle(&mut self, subscribe: Subscribe, _: &mut Self::Context) {
        self.subscribe(subscribe);
    }
}

impl Publisher {
    /// Passes a subscription on to its channel, which is made if need be; none if there are too many.
    #[expect(
        clippy::disallowed_methods,
        reason = "one for each channel a worker begins to hold"
    )]
    fn subscribe(&self, mut subscribe: Subscribe) -> Option<Rc<RefCell<ChannelState>>> {
        let name = subscribe.channel.clone();
        let mut channels = self.directory.channels.borrow_mut();
        if channels.len() >= self.handler.options().channels_max && !channels.contains_key(&name) {
            self.handler.counters.refuse(Refused::ChannelsMax, 1);
            log::warn!(limit = self.handler.options().channels_max; "too many channels: subscription refused");
            let refused = FromChannel::Refused {
                channel: subscribe.channel,
                generation: subscribe.generation,
                epoch: first_epoch(self.place.incarnation),
            };
            let refused = vec![ToHub::new(&subscribe.hub, refused)];
            subscribe.hub.recipient.do_send(FromChannels(refused));
            return None;
        }
        let listed = channels
            .entry(name.clone())
            .or_insert_with(|| self.list(name));
        subscribe.waiting = Some(listed.waiting.enter());
        listed.address.do_send(subscribe);
        Some(listed.state.clone())
    }
}

impl Handler<Unsubscribe> for Publisher {
    type Result = ();

    #[expect(
        clippy::disallowed_methods,
        reason = "one for each subscription; losing it would leak"
    )]
    fn handle(&mut self, mut unsubscribe: Unsubscribe, _: &mut Self::Context) {
        if let Some(listed) = self.directory.channels.borrow().get(&unsubscribe.channel) {
            unsubscribe.waiting = Some(listed.waiting.enter());
            listed.address.do_send(unsubscribe);
        }
    }
}

impl Handler<ForgetLast> for Publisher {
    type Result = ();

    fn handle(&mut self, ForgetLast { channel, last }: ForgetLast, _: &mut Self::Context) {
        if let Some(listed) = self.directory.channels.borrow().get(&channel) {
            listed.state.borrow_mut().forget_last(Some(&last));
        }
    }
}

impl Handler<Recover> for Publisher {
    type Result = ();

    /// Reaches past the channels' mailboxes: there may be a million.
    fn handle(&mut self, _: Recover, _: &mut Self::Context) {
        let channels = self.directory.channels.borrow();
        for listed in channels.values() {
            listed.state.borrow_mut().forget_last(None);
        }
    }
}

impl Handler<SetOptions> for Publisher {
    type Result = ();

    fn handle(&mut self, SetOptions(options): SetOptions, _: &mut Self::Context) {
        self.handler.set_options(options);
    }
}

impl Handler<ChannelEmptied> for Publisher {
    type Result = ();

    /// Ends the channel, unless a message that would refill it is on its way.
    fn handle(&mut self, ChannelEmptied(name): ChannelEmptied, _: &mut Self::Context) {
        let mut channels = self.directory.channels.borrow_mut();
        let is_over = channels
            .get(&name)
            .is_some_and(|listed| listed.state.borrow().is_empty() && listed.waiting.get() == 0);
        if is_over {
            channels.remove(&name);
        }
    }
}

impl Handler<TakeHandlerSnapshot> for Publisher {
    type Result = MessageResult<TakeHandlerSnapshot>;

    fn handle(&mut self, _: TakeHandlerSnapshot, _: &mut Self::Context) -> Self::Result {
        let channels = self.directory.channels.borrow();
        MessageResult(HandlerSnapshot {
            readings: self.handler.counters.read(),
            channels: channels.len() as u64,
            channel_mailbox: channels
                .values()
                .map(|listed| listed.waiting.get() as u64)
                .sum(),
            publisher_mailbox: self.mailbox.get() as u64,
        })
    }
}
