//! What makes the statistics go out: ticks, which survive a crash of the actor.

use std::time::Duration;

use actix::{prelude::*, WeakAddr};

use super::{stats::Stats, surface::Surface};
use crate::{
    actors::{broker::Broker, task::Task},
    stats::snapshot::Snapshot,
};

/// How often requests are told of.
const ACTIVITY: Duration = Duration::from_millis(100);

/// How often subscriptions are looked through.
const SECOND: Duration = Duration::from_secs(1);

/// A tick to the actor. **Full**: the next one will do.
#[derive(Message)]
#[rtype(result = "()")]
enum Tick {
    Activity,
    /// With the number of client connections.
    Second(u64),
    /// With everything that is counted, and how often it is told.
    Report(Box<Snapshot>, Duration),
}

/// Makes all ticks of an actor.
pub(super) fn all(
    broker: &Broker,
    address: &Addr<Surface<Stats>>,
    interval: Duration,
) -> Vec<Task> {
    let (of_report, owner) = (broker.clone(), address.downgrade());
    let reports = async move {
        loop {
            actix::clock::sleep(interval).await;
            let snapshot = Box::new(of_report.stats().await);
            send(&owner, Tick::Report(snapshot, interval)).await;
        }
    };
    let (broker, owner) = (broker.clone(), address.downgrade());
    let seconds = async move {
        loop {
            actix::clock::sleep(SECOND).await;
            let connections = broker.connections();
            let connections = connections.load(std::sync::atomic::Ordering::Relaxed);
            send(&owner, Tick::Second(connections as u64)).await;
        }
    };
    let owner = address.downgrade();
    let activity = async move {
        loop {
            actix::clock::sleep(ACTIVITY).await;
            send(&owner, Tick::Activity).await;
        }
    };
    let tasks = [
        Task::spawn(reports),
        Task::spawn(seconds),
        Task::spawn(activity),
    ];
    tasks.into_iter().flatten().collect()
}

/// A tick on which the actor crashes is lost, as all it has to tell by it is not.
async fn send(owner: &WeakAddr<Surface<Stats>>, tick: Tick) {
    if let Some(address) = owner.upgrade() {
        let _ = address.send(tick).await;
    }
}

impl Handler<Tick> for Surface<Stats> {
    type Result = ();

    fn handle(&mut self, tick: Tick, _: &mut Self::Context) {
        let now = actix::clock::Instant::now().into_std();
        match tick {
            Tick::Activity => self.role().on_activity(),
            Tick::Second(connections) => self.role().on_second(now, connections),
            Tick::Report(snapshot, interval) => self.role().on_interval(&snapshot, interval),
        }
    }
}
