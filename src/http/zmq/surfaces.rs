//! The sockets of `[zmq]`: started once, each with an actor on a thread of their own, and ended with the
//! server.

use std::sync::Arc;

use actix::{AsyncContext as _, Context, WeakAddr};
use actix_rt::Arbiter;

use super::{
    bound::BoundListener,
    command::Command,
    intake::Intake,
    peer::accept_all,
    pull::Pull,
    surface::{Role, Surface},
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
    /// That of `command`.
    pub command: Option<(Endpoint, BoundListener)>,
}

/// The running sockets of a broker.
pub struct Surfaces {
    arbiter: Option<Arbiter>,
}

impl Surfaces {
    /// Starts an actor for each socket.
    pub fn start(broker: &Broker, options: &ZmqOptions, opened: OpenedSurfaces) -> Surfaces {
        let starter = Starter {
            arbiter: Arbiter::new(),
            broker: broker.clone(),
        };
        let crashes = broker.crashes();
        if let Some(opened) = opened.pull {
            let intake = Intake::new(broker, SocketKind::Pull.name());
            let make = move || Pull(intake);
            starter.start(crashes.zmq_pull.clone(), make, vec![opened]);
        }
        if let Some(opened) = opened.command {
            let (broker, options) = (broker.clone(), options.clone());
            let make = move || Command::new(&broker, &options);
            starter.start(crashes.zmq_command.clone(), make, vec![opened]);
        }
        Surfaces {
            arbiter: Some(starter.arbiter),
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
struct Starter {
    arbiter: Arbiter,
    broker: Broker,
}

impl Starter {
    fn start<R: Role>(
        &self,
        record: Arc<CrashRecord>,
        make: impl FnOnce() -> R + Send + 'static,
        opened: Vec<Opened>,
    ) {
        let counters = self.broker.shared_counters().clone();
        self.arbiter.spawn_fn(move || {
            let address = supervise(record, move |context: &mut Context<Surface<R>>| {
                let owner = context.address().downgrade();
                let tasks = opened.into_iter();
                let tasks = tasks.filter_map(|opened| accepting(opened, owner.clone()));
                Surface::new(make(), counters, tasks.collect())
            });
            // An actor ends with its last address; these stay until their thread ends.
            actix_rt::spawn(async move {
                let _kept = address;
                std::future::pending::<()>().await;
            });
        });
    }
}

fn accepting<R: Role>((endpoint, listener): Opened, owner: WeakAddr<Surface<R>>) -> Option<Task> {
    let socket = R::KIND.name();
    log::info!(socket, endpoint:%; "ZeroMQ socket listens");
    Task::spawn(accept_all(R::KIND, endpoint.to_string(), listener, owner))
}
