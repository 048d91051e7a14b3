//! The sockets that backends connect to: bound when routes name them, unbound when none does any more.

use std::{
    collections::HashMap,
    fs, io,
    net::SocketAddr,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream as StdUnixStream,
    },
    path::{Path, PathBuf},
    sync::{mpsc, Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix::{Addr, AsyncContext as _, WeakAddr};
use actix_rt::Arbiter;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::Semaphore,
};

use super::{
    dealer::{Dealer, Unbind},
    peer,
};
use crate::{
    actors::{
        broker::Broker,
        supervisor::{supervise, CrashRecord},
        task::Task,
    },
    engine::{
        route::{RouteTable, TargetKind, Zhttpreq},
        zmq::{dealing::DealingLimits, endpoint::Endpoint},
    },
    http::parked::probes,
};

/// Backends connected to one socket; more are closed at once.
const BACKENDS_MAX: usize = 1_000;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 128;

/// Idle time after which the kernel probes a backend.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// How long nothing is accepted after that failed.
const PAUSE: Duration = Duration::from_millis(100);

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
            let listener = bind(backend).map_err(|source| BindError {
                endpoint: endpoint.clone(),
                source,
            })?;
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

    /// Starts the dealer of a socket.
    fn start(&self, bound: &mut Bound, endpoint: Endpoint, listener: BoundListener) {
        let arbiter = bound.arbiter.get_or_insert_with(Arbiter::new);
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
        let of = endpoint.clone();
        let listening = Task::spawn(async move {
            match listener.into_tokio() {
                Ok(listener) => accept_all(of, listener, dealer).await,
                Err(error) => log::error!(endpoint:% = of, error:%; "nothing can be accepted"),
            }
        });
        Dealer::new(endpoint.clone(), limits, dealers, listening)
    })
}

async fn accept_all(endpoint: Endpoint, listener: Listener, dealer: WeakAddr<Dealer>) {
    let places = Arc::new(Semaphore::new(BACKENDS_MAX));
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                log::warn!(endpoint:%, error:%; "a ZeroMQ backend could not be accepted");
                actix::clock::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            log::warn!(endpoint:%, backends_max = BACKENDS_MAX; "too many ZeroMQ backends: one is closed");
            continue;
        };
        let dealer = dealer.clone();
        actix_rt::spawn(async move {
            let _place = place;
            match stream {
                Stream::Tcp(stream) => peer::serve(stream, dealer).await,
                Stream::Unix(stream) => peer::serve(stream, dealer).await,
            }
        });
    }
}

/// A socket that listens, not yet on the thread of its dealer.
struct BoundListener {
    socket: Socket,
    file: Option<SocketFile>,
}

/// A unix socket's file; it goes with the socket, unless another has taken its place.
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_own = |found: fs::Metadata| found.ino() == self.inode;
        if fs::symlink_metadata(&self.path).is_ok_and(is_own) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "kept for its drop")] SocketFile,
    ),
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

impl BoundListener {
    fn into_tokio(self) -> io::Result<Listener> {
        Ok(match self.file {
            Some(file) => Listener::Unix(UnixListener::from_std(self.socket.into())?, file),
            None => Listener::Tcp(TcpListener::from_std(self.socket.into())?),
        })
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                SockRef::from(&stream).set_tcp_keepalive(&probes(PROBE_AFTER))?;
                Ok(Stream::Tcp(stream))
            }
            Listener::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

fn bind(backend: &Zhttpreq) -> io::Result<BoundListener> {
    let listener = match &backend.endpoint {
        Endpoint::Tcp(address) => bind_tcp(*address)?,
        Endpoint::Ipc(path) => bind_ipc(path, backend.ipc_file_mode)?,
    };
    listener.socket.listen(BACKLOG)?;
    listener.socket.set_nonblocking(true)?;
    Ok(listener)
}

fn bind_tcp(address: SocketAddr) -> io::Result<BoundListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(BoundListener { socket, file: None })
}

/// Binds a unix socket; its mode is right before anybody can connect.
fn bind_ipc(path: &Path, mode: Option<u32>) -> io::Result<BoundListener> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile {
        path: path.to_owned(),
        inode: fs::symlink_metadata(path)?.ino(),
    };
    if let Some(mode) = mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(BoundListener {
        socket,
        file: Some(file),
    })
}

/// Removes the file of a socket that nobody listens on any more.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = |found: fs::Metadata| found.file_type().is_socket();
    if !fs::symlink_metadata(path).is_ok_and(is_socket) {
        return Ok(());
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}
