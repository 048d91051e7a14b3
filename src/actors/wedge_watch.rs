//! The supervisor of threads: it looks at their heartbeats, replaces a handler whose thread does not
//! turn any more, and says how everybody is.
//!
//! What silence means and what becomes of it is decided by [`engine::wedges`](crate::engine::wedges).
//! It lives on the control arbiter; if that does not turn, its own silence shows in
//! [`Wellness::unwell`].

use std::{collections::HashSet, sync::Arc, time::Instant};

use actix::prelude::*;
use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::{
    crash_records::CrashRecords,
    handler_thread::{HandlerThread, ThreadError},
    handlers::Handlers,
    hearts::Hearts,
    messages::{Gather, SetOptions},
    meter::Hubs,
    publisher::Place,
};
use crate::{
    engine::wedges::{Output, Report, Unwell, Watch, Watched, WedgeRules},
    stats::counters::{Counters, Dropped, Total},
};

/// How a broker's threads are; readable from every thread, whatever the supervisor does.
#[derive(Clone)]
pub struct Wellness {
    rules: WedgeRules,
    report: Arc<ArcSwap<Report>>,
    /// What the supervisor counts.
    pub counters: Arc<Counters>,
    given_up: CancellationToken,
}

impl Wellness {
    /// Makes the wellness of a broker that is about to start.
    pub fn new(rules: WedgeRules) -> Self {
        Self {
            rules,
            report: Arc::default(),
            counters: Arc::default(),
            given_up: CancellationToken::new(),
        }
    }

    /// Returns how everybody was when the supervisor last looked.
    pub fn report(&self) -> Arc<Report> {
        self.report.load_full()
    }

    /// Tells who is not well now.
    pub fn unwell(&self) -> Vec<Unwell> {
        let now = actix::clock::Instant::now().into_std();
        self.report.load().unwell(now, &self.rules)
    }

    /// Returns when the supervisor has given up.
    pub async fn given_up(&self) {
        self.given_up.cancelled().await;
    }
}

/// What a supervisor looks at.
#[derive(Clone)]
pub struct Wards {
    /// The threads.
    pub hearts: Hearts,
    /// The handlers.
    pub handlers: Handlers,
    /// The hubs.
    pub hubs: Hubs,
    /// The crash records of handlers to come.
    pub crashes: CrashRecords,
}

/// The actor.
pub struct Supervisor {
    wards: Wards,
    wellness: Wellness,
    watch: Watch,
    /// Threads whose replacements are being started.
    replacing: HashSet<u64>,
}

impl Supervisor {
    /// Makes the supervisor of a broker.
    pub fn new(wards: Wards, wellness: Wellness) -> Self {
        Self {
            watch: Watch::new(wellness.rules),
            wards,
            wellness,
            replacing: HashSet::new(),
        }
    }

    fn tick(&mut self, context: &mut Context<Self>) {
        if self.wellness.rules.deadline.is_zero() {
            return;
        }
        #[cfg(feature = "chaos")]
        super::chaos::maybe_fail_blind("supervisor");
        context.run_later(self.wellness.rules.tick(), Self::tick);
        for output in self.watch.on_tick(now(), &self.wards.hearts.read()) {
            self.carry_out(output, context);
        }
        self.wellness.report.store(self.watch.report().into());
    }

    fn carry_out(&mut self, output: Output, context: &mut Context<Self>) {
        match output {
            Output::Wedged(thread) => {
                self.wellness.counters.add(Total::ThreadsWedged, 1);
                if let Some(Watched { role, silent, .. }) = self.watched(thread) {
                    let silent_ms = silent.as_millis() as u64;
                    log::error!(target: "p8::supervisor", thread, role:%, silent_ms; "a thread is wedged");
                }
            }
            Output::Turns(thread) => {
                log::warn!(target: "p8::supervisor", thread; "a wedged thread turns again");
            }
            Output::Ended(thread) => {
                self.wards.handlers.note_ended(thread);
                log::warn!(target: "p8::supervisor", thread; "a wedged thread has ended");
            }
            Output::Replace { thread, share } => self.replace(thread, share, context),
            Output::GiveUp => {
                log::error!(target: "p8::supervisor", limit = self.wellness.rules.replacements_max;
                    "too many handlers had to be replaced: giving up");
                self.wellness.given_up.cancel();
            }
        }
    }

    fn watched(&self, thread: u64) -> Option<Watched> {
        let mut threads = self.watch.report().threads.into_iter();
        threads.find(|known| known.thread == thread)
    }

    /// Starts a thread in the place of a wedged one.
    fn replace(&mut self, thread: u64, share: usize, context: &mut Context<Self>) {
        let Some(wedged) = self.wards.handlers.of_share(share) else {
            return;
        };
        if wedged.thread != thread || !self.replacing.insert(thread) {
            return;
        }
        let place = Place {
            share,
            incarnation: wedged.place.incarnation + 1,
        };
        let (options, wards) = (self.wards.handlers.options(), self.wards.clone());
        let starting =
            async move { HandlerThread::start(options, wards.crashes, &wards.hearts, place).await };
        context.spawn(
            starting
                .into_actor(self)
                .map(move |started, supervisor, _| supervisor.hand_over(thread, started)),
        );
    }

    /// Gives the channels of a wedged handler to the fresh one. From then on the wedged one is lost:
    /// publishes that wait for it are answered, and workers do not listen to it any more.
    #[expect(
        clippy::disallowed_methods,
        reason = "two for each replaced handler, to a mailbox that is empty"
    )]
    fn hand_over(&mut self, thread: u64, started: Result<HandlerThread, ThreadError>) {
        self.replacing.remove(&thread);
        let fresh = match started {
            Ok(fresh) => Arc::new(fresh),
            Err(error) => {
                log::error!(target: "p8::supervisor", error:%; "no thread in place of a wedged one: trying again");
                return;
            }
        };
        let Some(lost) = self.wards.handlers.replace(fresh.clone()) else {
            return;
        };
        self.watch.on_replaced(now(), thread);
        lost.give_up();
        // After the share has changed hands: a worker that is not among these has not asked the lost one.
        let hubs = self.wards.hubs.all_by_id();
        let hubs = hubs.into_iter().map(|(id, hub)| (id, hub.recipient()));
        let hubs = hubs.collect();
        fresh
            .publisher
            .do_send(SetOptions(self.wards.handlers.options()));
        fresh.publisher.do_send(Gather { hubs });
        self.note_lost(&lost);
        self.wellness.report.store(self.watch.report().into());
    }

    fn note_lost(&self, lost: &HandlerThread) {
        let counters = &self.wellness.counters;
        let waiting = lost.view.counters.total(Total::ItemsWaiting);
        counters.add(Total::HandlersReplaced, 1);
        counters.drop_items(Dropped::HandlerLost, waiting);
        log::error!(target: "p8::supervisor", share = lost.place.share, items_lost = waiting;
            "a handler is lost: a fresh one takes its channels, and items that waited for others are gone");
        if let Some((channel, id)) = lost.view.in_hand.look() {
            let consequence = "the handler never got through this item and was replaced";
            counters.drop_items(Dropped::HandlerLost, 1);
            lost.view
                .lost_items
                .note(&channel, id.as_ref(), consequence);
        }
    }
}

fn now() -> Instant {
    actix::clock::Instant::now().into_std()
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.tick(context);
    }
}

impl Supervised for Supervisor {
    fn restarting(&mut self, context: &mut Self::Context) {
        self.replacing.clear();
        context.run_later(self.wellness.rules.tick(), Self::tick);
    }
}
