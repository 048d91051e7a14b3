//! The sockets of `[zmq]`: started once, each with an actor on a thread of their own, and ended with the
//! server.

use std::sync::Arc;

use actix::{Addr, AsyncContext as _, Context, WeakAddr};
use actix_rt::Arbiter;

use super::{
    bound::BoundListener,
    command::Command,
    connecting::connect_always,
    intake::Intake,
    peer::accept_all,
    pull::Pull,
    stats::Stats,
    sub::Sub,
    surface::{Role, Surface},
    ticking,
};
use crate::{
    actors::{
        broker::Broker,
        supervisor::{supervise, CrashRecord},
        task::Task,
    },
    engine::zmq::{endpoint::Endpoint, options::ZmqOptions, zmtp::SocketKind},
};

/// A socket that listens, and where.
pub(super) type Opened = (Endpoint, BoundListener);

/// The sockets that were opened for [`ZmqOptions`].
#[derive(Default)]
pub struct OpenedSurfaces {
    /// That of `pull`.
    pub pull: Option<(Endpoint, BoundListener)>,
    /// Those of `sub`, unless P-8 connects itself.
    pub sub: Vec<(Endpoint, BoundListener)>,
    /// That of `command`.
    pub command: Option<(Endpoint, BoundListener)>,
    /// That of `stats`.
    pub stats: Option<(Endpoint, BoundListener)>,
}

/// The running sockets of a broker.
pub struct Surfaces {
    arbiter: Option<Arbiter>,
}

impl Surfaces {
    /// Starts an actor for each socket.
    ///
    /// To be called before clients come: those who follow channels hear of what begins later.
    pub fn start(broker: &Broker, options: &ZmqOptions, opened: OpenedSurfaces) -> Surfaces {
        let arbiter = Arbiter::new();
        let crashes = broker.crashes();
        let starter = Starter {
            arbiter: &arbiter,
            broker,
        };
        if let Some(opened) = opened.pull {
            let intake = Intake::new(broker, SocketKind::Pull.name());
            let make = move || Pull(intake);
            starter.start(&crashes.zmq_pull, make, vec![opened], |_| Vec::new());
        }
        if let Some(opened) = opened.command {
            let (broker, options) = (broker.clone(), options.clone());
            let make = move || Command::new(&broker, &options);
            starter.start(&crashes.zmq_command, make, vec![opened], |_| Vec::new());
        }
        if let Some(opened) = opened.stats {
            let (counters, role) = (broker.shared_counters().clone(), options.clone());
            let make = move || Stats::new(counters, &role);
            let (broker, interval) = (broker.clone(), options.stats_report_interval);
            starter.start(&crashes.zmq_stats, make, vec![opened], move |address| {
                broker.followers().enter(address.clone().recipient());
                ticking::all(&broker, address, interval)
            });
        }
        if !options.sub.is_empty() {
            let remote = if options.sub_connect {
                options.sub.clone()
            } else {
                Vec::new()
            };
            let intake = Intake::new(broker, SocketKind::Sub.name());
            let (make, broker) = (move || Sub::new(intake), broker.clone());
            starter.start(&crashes.zmq_sub, make, opened.sub, move |address| {
                broker.followers().enter(address.clone().recipient());
                let connect = |endpoint| {
                    let owner = address.downgrade();
                    Task::spawn(connect_always(SocketKind::Sub, endpoint, owner))
                };
                remote.into_iter().filter_map(connect).collect()
            });
        }
        Surfaces {
            arbiter: Some(arbiter),
        }
    }

    /// Ends them all; waits until their thread has.
    pub fn stop(&mut self) {
        let Some(arbiter) = self.arbiter.take() else {
            return;
        };
        arbiter.stop();
        if arbiter.join().is_err() {
            log::error!("the thread of ZeroMQ sockets has panicked");
        }
    }
}

/// Starts actors on their thread.
struct Starter<'a> {
    arbiter: &'a Arbiter,
    broker: &'a Broker,
}

impl Starter<'_> {
    /// Starts an actor; `more` tells of it, and makes what feeds it besides its connections.
    fn start<R: Role>(
        &self,
        record: &Arc<CrashRecord>,
        make: impl FnOnce() -> R + Send + 'static,
        opened: Vec<Opened>,
        more: impl FnOnce(&Addr<Surface<R>>) -> Vec<Task> + Send + 'static,
    ) {
        let (counters, record) = (self.broker.shared_counters().clone(), record.clone());
        let (tell, started) = std::sync::mpsc::channel();
        self.arbiter.spawn_fn(move || {
            let address = supervise(record, move |context: &mut Context<Surface<R>>| {
                let address = context.address();
                let accept = |opened| accepting(opened, address.downgrade());
                let accepting = opened.into_iter().filter_map(accept);
                let tasks = accepting.chain(more(&address)).collect();
                Surface::new(make(), counters, tasks)
            });
            let _ = tell.send(());
            // An actor ends with its last address; these stay until their thread ends.
            actix_rt::spawn(async move {
                let _kept = address;
                std::future::pending::<()>().await;
            });
        });
        // That thread does nothing that takes long.
        if started.recv().is_err() {
            log::error!("the thread of ZeroMQ sockets has ended");
        }
    }
}

fn accepting<R: Role>((endpoint, listener): Opened, owner: WeakAddr<Surface<R>>) -> Option<Task> {
    let socket = R::KIND.name();
    log::info!(socket, endpoint:%; "ZeroMQ socket listens");
    Task::spawn(accept_all(R::KIND, endpoint.to_string(), listener, owner))
}
