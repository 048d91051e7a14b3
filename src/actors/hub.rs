//! The hub: one per worker. It knows which local sessions are on which channel, and fans items out.
//!
//! Its tables live beside it in `store`; after a panic it goes on behind the session it was serving.
//! A fan-out is cut into slices, so that the worker's other work never waits long for it. `looking.rs`:
//! what operators ask.

mod looking;

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;

use super::{
    crash_records::LostItems,
    flusher::Bells,
    handlers::Handlers,
    messages::{
        Announce, ChangeChannels, Depth, Drain, EndLingering, FindConnections, Forget, ForgetLast,
        FromChannels, HubLink, Join, Joined, Leave, Leaving, Reannounce, Recover, SessionEvent,
        SocketEvent, Subscribe, TakeWorkerSnapshot, Unsubscribe,
    },
    store::{ChannelChange, HubStore},
    targets::Targets,
};
use crate::{
    engine::{draining::Pacing, fan_out::SessionKey},
    grip::{channel::ChannelName, publish::Item},
    stats::{counters::Dropped, snapshot::WorkerSnapshot},
};

/// Messages a hub's mailbox takes before channels have to wait.
const MAILBOX: usize = 1_024;

/// How often sessions are told to end while P-8 stops.
const DRAIN_TICK: Duration = Duration::from_millis(5);

/// What lives beside a hub.
pub type Beside = (Rc<RefCell<HubStore>>, Rc<Bells>, Rc<Targets>);

/// The hub of one broker on one worker.
pub struct Hub {
    link: HubLink,
    leave: Arc<Recipient<Leave>>,
    store: Rc<RefCell<HubStore>>,
    bells: Rc<Bells>,
    targets: Rc<Targets>,
    handlers: Handlers,
    lost_items: LostItems,
    ending: Option<Ending>,
}

/// Sessions that are still to be told to end.
struct Ending {
    keys: Vec<SessionKey>,
    pacing: Pacing,
}

impl Hub {
    /// Makes the hub of a worker.
    pub fn new(
        id: u64,
        context: &mut Context<Self>,
        (store, bells, targets): Beside,
        (handlers, lost_items): (Handlers, LostItems),
    ) -> Self {
        context.set_mailbox_capacity(MAILBOX);
        let leave = Arc::new(context.address().recipient());
        let recipient = Arc::new(context.address().recipient());
        let deflating = store.borrow().deflating.clone();
        let link = HubLink {
            id,
            recipient,
            waiting: Depth::default(),
            deflating,
        };
        Self {
            link,
            leave,
            store,
            bells,
            targets,
            handlers,
            lost_items,
            ending: None,
        }
    }

    /// Tells those whose moment has come to end, until all are told.
    fn end_some(&mut self, context: &mut Context<Self>) {
        let Some(Ending { keys, pacing }) = &mut self.ending else {
            return;
        };
        let due = pacing.due(actix::clock::Instant::now().into_std());
        let due = keys.split_off(keys.len().saturating_sub(due));
        self.store.borrow().end(&due);
        match pacing.is_over() {
            true => self.ending = None,
            false => drop(context.run_later(DRAIN_TICK, Self::end_some)),
        }
    }

    /// Takes what channels sent: a first slice of it now, further ones between the worker's other work.
    fn work(&self, context: &mut Context<Self>) {
        let is_waiting = self.store.borrow_mut().work_slice();
        self.bells.flush.notify_one();
        self.announce();
        if is_waiting {
            self.work_on(context);
        } else if self.store.borrow_mut().is_pause_due() {
            context.wait(tokio::task::yield_now().into_actor(self));
        }
    }

    /// Takes the rest, a slice between each of the worker's other work.
    fn work_on(&self, context: &mut Context<Self>) {
        let (store, bells) = (self.store.clone(), self.bells.clone());
        let slices = async move {
            loop {
                tokio::task::yield_now().await;
                let is_waiting = store.borrow_mut().work_slice();
                bells.flush.notify_one();
                if !is_waiting {
                    break;
                }
            }
        };
        context.wait(slices.into_actor(self).map(|(), hub, context| {
            hub.announce();
            // Only if a crash has come between.
            if hub.store.borrow().is_reannouncing() {
                hub.reannounce(context);
            }
        }));
    }

    /// Tells channels what they must hear of.
    fn announce(&self) {
        let changes = self.store.borrow_mut().take_changes();
        if self.store.borrow_mut().take_timer_change() {
            self.bells.timer.notify_one();
        }
        changes.into_iter().for_each(|change| self.tell(change));
    }

    /// Tells fresh handlers of their channels, a slice between each of the worker's other work; nothing
    /// else is handled meanwhile, so that what lost handlers sent before is through, and later is not.
    fn reannounce(&self, context: &mut Context<Self>) {
        let (store, handlers, link) =
            (self.store.clone(), self.handlers.clone(), self.link.clone());
        let slices = async move {
            loop {
                let is_of = |share, name: &ChannelName| handlers.is_of(share, name);
                let part = store.borrow_mut().reannounce_some(is_of);
                let Some(part) = part else { break };
                let announce = Announce {
                    hub: link.clone(),
                    epoch: part.asked.epoch,
                    channels: part.channels,
                    is_last: part.is_last,
                };
                handlers.announce(part.asked.share, announce);
                tokio::task::yield_now().await;
            }
        };
        context.wait(slices.into_actor(self));
    }

    fn tell(&self, change: ChannelChange) {
        match change {
            ChannelChange::Subscribe {
                channel,
                generation,
            } => self.handlers.subscribe(Subscribe {
                tally: self.store.borrow().tally(&channel),
                channel,
                hub: self.link.clone(),
                generation,
                waiting: None,
            }),
            ChannelChange::Unsubscribe {
                channel,
                generation,
            } => self.handlers.unsubscribe(Unsubscribe {
                channel,
                hub_id: self.link.id,
                generation,
                waiting: None,
            }),
            ChannelChange::Forget { channel, last } => {
                self.handlers.forget_last(ForgetLast { channel, last });
            }
        }
    }
}

impl Actor for Hub {
    type Context = Context<Self>;
}

impl Supervised for Hub {
    /// Names the item whose delivery crashed, and goes on behind it.
    fn restarting(&mut self, context: &mut Self::Context) {
        if let Some(encoded) = self.store.borrow().item_in_flight() {
            let consequence =
                "the delivery of this item crashed the hub; one session did not get it";
            let Item { channel, id, .. } = &encoded.item;
            self.targets.counters().drop_items(Dropped::Panic, 1);
            self.lost_items.note(channel, id.as_ref(), consequence);
        }
        context.set_mailbox_capacity(MAILBOX);
        self.end_some(context);
        self.work_on(context);
    }
}

impl Handler<FromChannels> for Hub {
    type Result = ();

    fn handle(&mut self, FromChannels(messages): FromChannels, context: &mut Self::Context) {
        self.store.borrow_mut().take_in(messages);
        self.work(context);
    }
}

impl Handler<Join> for Hub {
    type Result = MessageResult<Join>;

    fn handle(&mut self, join: Join, _: &mut Self::Context) -> Self::Result {
        let entered = self.store.borrow_mut().join(join);
        let leaving = Leaving::new(self.leave.clone(), entered.key);
        self.announce();
        MessageResult(Joined {
            leaving,
            hold: entered.hold,
            subscribed: entered.subscribed,
        })
    }
}

impl Handler<ChangeChannels> for Hub {
    type Result = MessageResult<ChangeChannels>;

    fn handle(&mut self, change: ChangeChannels, _: &mut Self::Context) -> Self::Result {
        let ChangeChannels {
            key,
            hold,
            is_attentive,
            channels,
        } = change;
        let mut store = self.store.borrow_mut();
        let subscribed = store.change_channels(key, (hold, is_attentive), channels);
        drop(store);
        self.announce();
        MessageResult(subscribed)
    }
}

impl Handler<Leave> for Hub {
    type Result = ();

    fn handle(&mut self, Leave(key): Leave, _: &mut Self::Context) {
        self.store.borrow_mut().leave(key);
        self.announce();
    }
}

impl Handler<EndLingering> for Hub {
    type Result = ();

    fn handle(&mut self, _: EndLingering, _: &mut Self::Context) {
        let now = actix::clock::Instant::now().into_std();
        self.store.borrow_mut().end_lingering(now);
        self.announce();
    }
}

impl Handler<Forget> for Hub {
    type Result = ();

    fn handle(&mut self, Forget(channel): Forget, _: &mut Self::Context) {
        self.store.borrow_mut().forget(&channel);
        self.announce();
    }
}

impl Handler<Reannounce> for Hub {
    type Result = ();

    fn handle(&mut self, asked: Reannounce, context: &mut Self::Context) {
        self.store.borrow_mut().begin_reannouncing(asked);
        self.reannounce(context);
    }
}

impl Handler<Drain> for Hub {
    type Result = ();

    fn handle(&mut self, Drain(over): Drain, context: &mut Self::Context) {
        let mut keys = self.store.borrow_mut().begin_drain();
        fastrand::shuffle(&mut keys);
        let now = actix::clock::Instant::now().into_std();
        let pacing = Pacing::new(keys.len(), now, over);
        self.ending = Some(Ending { keys, pacing });
        self.end_some(context);
    }
}

impl Handler<Recover> for Hub {
    type Result = ();

    fn handle(&mut self, _: Recover, _: &mut Self::Context) {
        self.store.borrow_mut().recover();
    }
}

impl Handler<FindConnections> for Hub {
    type Result = MessageResult<FindConnections>;

    fn handle(&mut self, find: FindConnections, _: &mut Self::Context) -> Self::Result {
        let store = self.store.borrow();
        let mut found = Vec::new();
        for id in find.ids.iter() {
            let Some((key, hold)) = store.connection_ids.find(id) else {
                continue;
            };
            found.push(*id);
            if find.is_refresh {
                let event = SessionEvent::Socket(Box::new(SocketEvent::Refresh));
                store.tell_hold(key, hold, event);
            }
        }
        MessageResult(found)
    }
}

impl Handler<TakeWorkerSnapshot> for Hub {
    type Result = MessageResult<TakeWorkerSnapshot>;

    fn handle(&mut self, _: TakeWorkerSnapshot, _: &mut Self::Context) -> Self::Result {
        let store = self.store.borrow();
        MessageResult(WorkerSnapshot {
            readings: self.targets.counters().read_at(store.now_ms()),
            hub_mailbox: self.link.waiting.get() as u64,
            session_mailbox: store.session_mailbox.get() as u64,
            channels: store.channels(),
            targets: self.targets.snapshot(),
        })
    }
}
