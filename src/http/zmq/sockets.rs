//! The sockets that backends connect to: bound when routes name them, unbound when none does any more.

use std::{
    collections::HashMap,
    io,
    sync::{mpsc, Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix::{Addr, AsyncContext as _};
use actix_rt::{Arbiter, System};

use super::{
    bound::BoundListener,
    dealer::{Dealer, SetRequestsMax, Unbind},
    peer::accept_all,
};
use crate::{
    actors::{
        broker::Broker,
        supervisor::{supervise, CrashRecord},
        task::Task,
    },
    engine::{
        route::{RouteTable, TargetKind, Zhttpreq},
        zmq::{dealing::DealingLimits, endpoint::Endpoint, zmtp::SocketKind},
    },
};

/// How long the system may take to start a thread.
const START_MAX: Duration = Duration::from_secs(2);

/// A socket could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot bind {endpoint} for zhttpreq: {source}")]
pub struct BindError {
    /// Which.
    pub endpoint: Endpoint,
    /// What the operating system said.
    pub source: io::Error,
}

/// All sockets of a broker; clones are the same.
#[derive(Clone)]
pub struct Sockets(Arc<Shared>);

struct Shared {
    broker: Broker,
    /// Starts threads for those that are not its own, such as that of a reload.
    system: Option<System>,
    bound: Mutex<Bound>,
}

#[derive(Default)]
struct Bound {
    /// A thread for all dealers, from the first one on.
    arbiter: Option<Arbiter>,
    dealers: HashMap<Endpoint, Addr<Dealer>>,
}

impl Sockets {
    /// Makes none yet.
    pub fn new(broker: &Broker) -> Self {
        Self(Arc::new(Shared {
            broker: broker.clone(),
            system: System::try_current(),
            bound: Mutex::default(),
        }))
    }

    /// Binds what these routes name and is not bound yet.
    ///
    /// **Errors**: the first that cannot be bound; nothing has changed then.
    pub fn bind(&self, routes: &RouteTable) -> Result<(), BindError> {
        let mut bound = self.bound();
        let mut listeners = Vec::new();
        for (endpoint, backend) in named(routes) {
            if bound.dealers.contains_key(endpoint) {
                continue;
            }
            let listener = BoundListener::bind(&backend.endpoint, backend.ipc_file_mode).map_err(
                |source| BindError {
                    endpoint: endpoint.clone(),
                    source,
                },
            )?;
            listeners.push((endpoint.clone(), listener));
        }
        for (endpoint, listener) in listeners {
            self.start(&mut bound, endpoint, listener);
        }
        Ok(())
    }

    /// Unbinds what these routes do not name; requests under way there are still answered.
    pub fn keep_only(&self, routes: &RouteTable) {
        let named = named(routes);
        let dealers = self.0.broker.dealers();
        self.bound().dealers.retain(|endpoint, dealer| {
            let stays = named.contains_key(endpoint);
            if !stays {
                log::info!(endpoint:%; "unbound: no route leads there any more");
                dealers.leave(endpoint);
                if dealer.try_send(Unbind).is_err() {
                    log::warn!(endpoint:%; "a dealer is too busy to be unbound: it goes with the process");
                }
            }
            stays
        });
    }

    /// Passes other bounds on, for requests that come from now on.
    #[expect(
        clippy::disallowed_methods,
        reason = "one for each reload; losing it would leave bounds that are not in force"
    )]
    pub fn set_requests_max(&self, max: usize) {
        let bound = self.bound();
        let dealers = bound.dealers.values();
        dealers.for_each(|dealer| dealer.do_send(SetRequestsMax(max)));
    }

    /// Ends them all; waits until their thread has.
    pub fn stop(&self) {
        let mut bound = self.bound();
        for endpoint in bound.dealers.keys() {
            self.0.broker.dealers().leave(endpoint);
        }
        bound.dealers.clear();
        if let Some(arbiter) = bound.arbiter.take() {
            arbiter.stop();
            if arbiter.join().is_err() {
                log::error!("the thread of ZeroMQ backends has panicked");
            }
        }
    }

    /// A panic while it was locked leaves nothing half done that counts.
    fn bound(&self) -> MutexGuard<'_, Bound> {
        self.0.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_arbiter(&self) -> Option<Arbiter> {
        if System::try_current().is_some() {
            return Some(Arbiter::new());
        }
        let (tell, made) = mpsc::channel();
        let make = move || drop(tell.send(Arbiter::new()));
        self.0.system.as_ref()?.arbiter().spawn_fn(make);
        made.recv_timeout(START_MAX).ok()
    }

    /// Starts the dealer of a socket.
    fn start(&self, bound: &mut Bound, endpoint: Endpoint, listener: BoundListener) {
        if bound.arbiter.is_none() {
            bound.arbiter = self.new_arbiter();
        }
        let Some(arbiter) = &bound.arbiter else {
            log::error!(endpoint:%; "no thread could be started for ZeroMQ backends");
            return;
        };
        let broker = &self.0.broker;
        let dealers = broker.dealers().clone();
        let record = broker.crashes().dealer.clone();
        let limits = DealingLimits {
            requests_max: broker.options().backend.zmq_requests_max,
            ..DealingLimits::default()
        };
        let (tell, started) = mpsc::channel();
        let of = endpoint.clone();
        arbiter.spawn_fn(move || {
            let _ = tell.send(start_dealer(&of, listener, record, (limits, dealers)));
        });
        // That thread does nothing that takes long.
        let Ok(dealer) = started.recv() else {
            log::error!(endpoint:%; "the thread of ZeroMQ backends has ended");
            return;
        };
        log::info!(endpoint:%; "bound for ZeroMQ backends");
        let dealers = broker.dealers();
        dealers.enter(endpoint.clone(), dealer.clone().recipient());
        bound.dealers.insert(endpoint, dealer);
    }
}

/// Lists what routes lead to; of several that name one endpoint the first counts.
fn named(routes: &RouteTable) -> HashMap<&Endpoint, &Zhttpreq> {
    let targets = routes.routes().iter().flat_map(|route| &route.targets);
    let mut named = HashMap::new();
    for target in targets {
        if let TargetKind::Zhttpreq(backend) = &target.kind {
            named.entry(&backend.endpoint).or_insert(&**backend);
        }
    }
    named
}

/// Starts a dealer on this thread.
fn start_dealer(
    endpoint: &Endpoint,
    listener: BoundListener,
    record: Arc<CrashRecord>,
    (limits, dealers): (DealingLimits, crate::actors::dealers::Dealers),
) -> Addr<Dealer> {
    supervise(record, |context| {
        let dealer = context.address().downgrade();
        let accepting = accept_all(SocketKind::Dealer, endpoint.to_string(), listener, dealer);
        let listening = Task::spawn(accepting);
        Dealer::new(endpoint.clone(), limits, dealers, listening)
    })
}
