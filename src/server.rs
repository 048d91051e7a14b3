//! The server: wires a broker's actors to listeners; starts, drains and stops them.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use actix::Addr;
use tokio::time::timeout_at;

use crate::{
    actors::{
        broker::{Broker, BrokerError},
        checker::{Checker, EndChecks},
    },
    config::{ControlSettings, Settings},
    engine::{
        certificate::FileError,
        route::{RouteError, RouteTable},
    },
    http::{
        certificates::Certificates,
        health, listener, metrics,
        socket_file::SocketFile,
        zmq::{self, BindError},
    },
};

mod inherited;
mod listen;
mod options;
mod reload;
mod surfaces;
mod watch;

pub use inherited::{Inherited, READY, VARIABLES};
pub use listen::ClientAddress;
pub use reload::{ReloadError, Report};

use listen::Sockets;
use options::{broker_options, client_options};
use reload::{Reloader, Replaced};
use watch::Watch;

/// The part of the drain time within which sessions are told to end; the rest is for their goodbyes.
const DRAIN_SHARE: f64 = 0.8;

/// How long an accepted connection may take to its worker.
const SETTLE: Duration = Duration::from_millis(50);

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({key}): {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The setting it comes from.
        key: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The control listener would be open to others, and nothing asks them who they are.
    #[error(
        "others can reach {0} ([control] listen): expected [control] auth, or a loopback address"
    )]
    OpenControl(SocketAddr),
    /// A unix socket cannot be listened on.
    #[error("cannot listen on {} ({key}): {source}", path.display())]
    ListenUnix {
        /// Where it would be.
        path: PathBuf,
        /// The setting it comes from.
        key: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A certificate cannot be served.
    #[error("cannot use a certificate: {0}")]
    Certificate(#[from] FileError),
    /// TLS cannot be spoken.
    #[error("cannot speak TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The routes contradict each other.
    #[error(transparent)]
    Routes(#[from] RouteError),
    /// A thread could not be started.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// An address for ZeroMQ backends cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A listener could not be started.
    #[error("cannot start a listener: {0}")]
    Start(#[from] io::Error),
    /// Too many handlers had to be replaced while it served.
    #[error("too many handlers had to be replaced ([handler] replacements_max)")]
    GivenUp,
}

/// A running server.
pub struct Server {
    broker: Broker,
    clients: actix_server::ServerHandle,
    operators: actix_web::dev::ServerHandle,
    metrics: Option<actix_web::dev::ServerHandle>,
    metrics_addr: Option<SocketAddr>,
    certificates: Arc<Certificates>,
    client_addrs: Vec<ClientAddress>,
    files: Vec<SocketFile>,
    control_addr: SocketAddr,
    checker: Addr<Checker>,
    reloader: Arc<Reloader>,
    _watch: Option<Watch>,
    drain: Duration,
    /// The listening sockets once more, to be handed over.
    sockets: Vec<(&'static str, OwnedFd)>,
    predecessor: Inherited,
    zmq: zmq::Sockets,
    surfaces: zmq::Surfaces,
}

impl Server {
    /// Binds every address, starts the actors and begins to serve.
    ///
    /// Must be called within an actix system.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        Self::start_with(settings, Inherited::default()).await
    }

    /// As [`start`](Self::start), but takes over sockets that are open already.
    pub async fn start_with(settings: Settings, inherited: Inherited) -> Result<Self, Error> {
        refuse_open(&settings.control)?;
        let mut sockets = Sockets::new(inherited);
        let routes = RouteTable::new(settings.routes.clone())?;
        let broker = Broker::start(broker_options(&settings, routes)).await?;
        let certificates = Certificates::load(&settings.http.tls)?;
        let opened = listen::clients(&settings.http, &certificates, &mut sockets)?;
        let control = sockets.tcp(settings.control.listen, "[control] listen")?;
        let surfaces = surfaces::open(&settings.zmq, &mut sockets)?;
        let zmq = zmq::Sockets::new(&broker);
        zmq.bind(&broker.options_shared().routes)?;
        let control_addr = control.local_addr()?;
        let metrics = settings.metrics.listen;
        let metrics = metrics.map(|listen| sockets.tcp(listen, "[metrics] listen"));
        let metrics = metrics.transpose()?;
        let metrics_addr = metrics.as_ref().map(TcpListener::local_addr).transpose()?;
        let (sockets, predecessor) = sockets.finish();
        let mut files = opened.files;
        files.extend(surfaces.1);
        let surfaces = zmq::Surfaces::start(&broker, &settings.zmq, surfaces.0);
        let options = client_options(&settings);
        let clients = listener::clients(opened.listeners, &broker, options)?;
        let replaced = Replaced {
            certificates: certificates.clone(),
            tls: opened.tls,
            sockets: zmq.clone(),
        };
        let reloader = Arc::new(Reloader::new(&broker, &settings, replaced));
        let prefix: Arc<str> = settings.metrics.prefix.as_str().into();
        let operators = listener::operators(control, &broker, reloader.clone(), prefix.clone())?;
        let metrics = metrics.map(|socket| metrics::start(socket, &broker, &prefix));
        let metrics = metrics.transpose()?;
        let handles = (clients.handle(), operators.handle());
        actix_rt::spawn(clients);
        actix_rt::spawn(operators);
        let checker = health::watch(&broker);
        Ok(Self {
            broker,
            clients: handles.0,
            operators: handles.1,
            metrics,
            certificates,
            client_addrs: opened.addresses,
            files,
            control_addr,
            metrics_addr,
            checker,
            _watch: Watch::start(reloader.clone()),
            reloader,
            drain: settings.http.drain,
            sockets,
            predecessor,
            zmq,
            surfaces,
        })
    }

    /// Checks settings as a start would, without opening or starting anything.
    ///
    /// **Errors**: what would stop the start.
    pub fn check(settings: &Settings) -> Result<(), Error> {
        refuse_open(&settings.control)?;
        RouteTable::new(settings.routes.clone())?;
        Certificates::load(&settings.http.tls)?;
        Ok(())
    }

    /// Returns the broker.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Returns the addresses that clients are accepted on by TCP, those without TLS first.
    pub fn client_addrs(&self) -> Vec<SocketAddr> {
        let addresses = self.client_addrs.iter();
        let tcp = addresses.filter_map(|client| match client {
            ClientAddress::Tcp { address, .. } => Some(*address),
            ClientAddress::Unix(_) => None,
        });
        tcp.collect()
    }

    /// Returns everywhere clients are accepted.
    pub fn client_addresses(&self) -> &[ClientAddress] {
        &self.client_addrs
    }

    /// Returns the certificates that clients are shown.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Returns the address of metrics alone, if there is one.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// Returns the address for publishers and operators.
    pub fn control_addr(&self) -> SocketAddr {
        self.control_addr
    }

    /// Reads the configuration's file again and applies it, or only compares.
    ///
    /// **Errors**: there is no file, or it has a mistake; then nothing has changed.
    pub fn reload(&self, is_dry_run: bool) -> Result<Report, ReloadError> {
        self.reloader.reload(is_dry_run, "signal")
    }

    /// Has `told` called with every configuration that a reload applies.
    pub fn on_reload(&self, told: impl Fn(&Settings) + Send + 'static) {
        self.reloader.tell(Box::new(told));
    }

    /// Tells the process whose sockets were taken over, if there is one, that this one serves.
    pub fn tell_ready(&mut self) {
        self.predecessor.tell_ready();
    }

    /// Returns the listening sockets, each with the key it comes from, to be handed to another process.
    pub fn sockets(&self) -> io::Result<Vec<(&'static str, OwnedFd)>> {
        let once_more = |(key, socket): &(&'static str, OwnedFd)| Ok((*key, socket.try_clone()?));
        self.sockets.iter().map(once_more).collect()
    }

    /// Stops accepting, ends holds in good order, lets requests finish for the drain time, and ends.
    pub async fn stop(self) {
        self.end(false).await;
    }

    /// As [`stop`](Self::stop), for another process has the sockets now: what is published goes there.
    pub async fn hand_over(self) {
        self.end(true).await;
    }

    async fn end(mut self, is_replaced: bool) {
        drop(self.sockets);
        if is_replaced {
            self.files.into_iter().for_each(SocketFile::leave);
        }
        let deadline = actix::clock::Instant::now() + self.drain;
        if self.checker.try_send(EndChecks).is_err() {
            log::debug!("the checks of targets have ended already");
        }
        self.clients.pause().await;
        if is_replaced {
            let _ = self.operators.stop(true).await;
            self.surfaces.stop();
        }
        // What was accepted before is on its way to a worker.
        actix::clock::sleep(SETTLE).await;
        let time = self.drain.mul_f64(DRAIN_SHARE);
        if timeout_at(deadline, self.broker.drain_over(time))
            .await
            .is_err()
        {
            log::warn!("holds could not all be told to end in time");
        }
        let grace = deadline + Duration::from_millis(500);
        if timeout_at(grace, self.clients.stop(true)).await.is_err() {
            log::warn!("connections are cut: they did not end in time");
        }
        let _ = timeout_at(grace, self.operators.stop(false)).await;
        if let Some(metrics) = self.metrics {
            let _ = timeout_at(grace, metrics.stop(false)).await;
        }
        self.surfaces.stop();
        self.zmq.stop();
        self.broker.stop();
    }
}

/// An embedding service may have made its settings itself.
fn refuse_open(control: &ControlSettings) -> Result<(), Error> {
    match control.is_open() {
        true => Err(Error::OpenControl(control.listen)),
        false => Ok(()),
    }
}
