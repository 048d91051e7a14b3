//! A publisher in the place of a lost one: it hears of its channels first, and holds what is published
//! until every worker has announced its subscriptions, or for a second at most.

use std::collections::VecDeque;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::Publisher;
use crate::{
    actors::{
        messages::{Announce, Announced, Gather, HubLink, PublishFailure, Reannounce, Subscribe},
        slip::Slip,
    },
    engine::handover::{first_epoch, Handover, Last},
    grip::publish::Item,
    stats::counters::{Dropped, Total},
};

type Outcome = Result<(), PublishFailure>;

/// The items of a request, their slips, and who waits for the answer.
type HeldPublish = (Vec<Item>, Vec<Slip>, oneshot::Sender<Outcome>);

/// What a publisher does before it publishes.
pub(super) struct Gathering {
    handover: Handover,
    hubs: Vec<(u64, Recipient<Reannounce>)>,
    /// At most `channel_queue_items_max` items; more are refused.
    held: VecDeque<HeldPublish>,
}

impl Gathering {
    pub(super) fn begin() -> Self {
        Self {
            handover: Handover::new(actix::clock::Instant::now().into_std()),
            hubs: Vec::new(),
            held: VecDeque::new(),
        }
    }
}

impl Publisher {
    /// Holds the items of a request until it may publish.
    pub(super) fn hold(&mut self, items: Vec<Item>, slips: Vec<Slip>) -> ResponseFuture<Outcome> {
        let max = self.handler.options().channel_queue_items_max;
        let Some(gathering) = &mut self.gathering else {
            return self.take(items, slips);
        };
        if !gathering.handover.on_publish(items.len(), max) {
            return self.refuse(PublishFailure::Full(max));
        }
        let (reply, outcome) = oneshot::channel();
        gathering.held.push_back((items, slips, reply));
        Box::pin(async move { outcome.await.unwrap_or(Err(PublishFailure::Crashed)) })
    }

    /// Sees to it that it publishes when the wait is over.
    pub(super) fn publish_in_time(&mut self, context: &mut Context<Self>) {
        if let Some(gathering) = &self.gathering {
            let now = actix::clock::Instant::now().into_std();
            let wait = gathering.handover.deadline().saturating_duration_since(now);
            context.run_later(wait, |publisher, _| publisher.publish_if_due());
        }
    }

    /// Publishes what was held if there is nobody left to wait for.
    fn publish_if_due(&mut self) {
        let now = actix::clock::Instant::now().into_std();
        let is_over = |gathering: &Gathering| gathering.handover.is_over(now);
        if !self.gathering.as_ref().is_some_and(is_over) {
            return;
        }
        self.note_missing();
        // One after another, so that a crash on one of them leaves the others where they are.
        while let Some((items, slips, reply)) = self.next_held() {
            let outcome = self.take(items, slips);
            actix_rt::spawn(async move {
                let _ = reply.send(outcome.await);
            });
        }
        self.gathering = None;
        log::info!(target: "p8::supervisor", share = self.place.share; "the fresh handler publishes");
    }

    fn next_held(&mut self) -> Option<HeldPublish> {
        self.gathering.as_mut()?.held.pop_front()
    }

    fn note_missing(&mut self) {
        let Some(gathering) = &mut self.gathering else {
            return;
        };
        let missing = gathering.handover.missing();
        let mut late = std::mem::take(&mut gathering.hubs);
        late.retain(|(id, hub)| missing.contains(id) && hub.connected());
        for (worker, _) in &late {
            log::warn!(target: "p8::supervisor", worker; "a worker has not announced its subscriptions in time");
        }
        self.late.extend(late);
    }

    /// Counts an item that workers may miss because they have not announced their subscriptions.
    pub(super) fn note_late(&self) {
        if self.late.iter().any(|(_, hub)| hub.connected()) {
            self.handler.counters.drop_items(Dropped::WorkerLate, 1);
        }
    }

    fn take_announced(&mut self, hub: &HubLink, announced: Announced) {
        let Announced {
            channel,
            generation,
            last,
            tally,
        } = announced;
        let channels = self.directory.channels.borrow();
        let known = channels.get(&channel);
        let known = known.map(|listed| listed.state.borrow().sequencer.last().cloned());
        drop(channels);
        let last = match &mut self.gathering {
            Some(gathering) => {
                let known = known.as_ref().map(Option::as_ref);
                gathering.handover.on_last(&channel, known, last)
            }
            None if known.is_none() => Last::Take(last),
            None => Last::Keep,
        };
        let state = self.subscribe(Subscribe {
            channel,
            hub: hub.clone(),
            generation,
            tally,
            waiting: None,
        });
        let Some(state) = state else { return };
        match last {
            Last::Keep => {}
            Last::Take(last) => state.borrow_mut().sequencer.begin_at(last),
            Last::Forget => state.borrow_mut().sequencer.forget_last(),
        }
    }
}

impl Handler<Gather> for Publisher {
    type Result = ();

    #[expect(
        clippy::disallowed_methods,
        reason = "one for each worker and replaced handler; losing it would lose its subscriptions"
    )]
    fn handle(&mut self, Gather { hubs }: Gather, _: &mut Self::Context) {
        let Some(gathering) = &mut self.gathering else {
            return;
        };
        let asked = Reannounce {
            share: self.place.share,
            epoch: first_epoch(self.place.incarnation),
        };
        let connected = hubs.iter().filter(|(_, hub)| hub.connected());
        gathering.handover.on_expected(connected.map(|(id, _)| *id));
        hubs.iter().for_each(|(_, hub)| hub.do_send(asked));
        gathering.hubs = hubs;
        self.publish_if_due();
    }
}

impl Handler<Announce> for Publisher {
    type Result = ();

    fn handle(&mut self, announce: Announce, _: &mut Self::Context) {
        let Announce {
            hub,
            epoch,
            channels,
            is_last,
        } = announce;
        let announced = channels.len() as u64;
        self.handler
            .counters
            .add(Total::SubscriptionsAnnounced, announced);
        for announced in channels {
            self.take_announced(&hub, announced);
        }
        if !is_last || epoch != first_epoch(self.place.incarnation) {
            return;
        }
        self.late.retain(|(id, _)| *id != hub.id);
        if let Some(gathering) = &mut self.gathering {
            gathering.handover.on_announced(hub.id);
        }
        self.publish_if_due();
    }
}
