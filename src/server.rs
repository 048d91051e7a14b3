//! The server: wires a broker's actors to listeners; starts, drains and stops them.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use actix::Addr;
use tokio::time::timeout_at;

use crate::{
    actors::{
        broker::{Broker, BrokerError, BrokerOptions, TcpOptions},
        checker::{Checker, EndChecks},
        handler_state::HandlerOptions,
        store::HubOptions,
    },
    config::Settings,
    engine::{
        certificate::FileError,
        framing::FramingLimits,
        outbox::OutboxLimits,
        route::{RouteError, RouteTable},
        sequencer::SequencerLimits,
    },
    http::{
        certificates::Certificates,
        gate::GateLimits,
        health,
        listener::{self, ClientOptions},
        patience::Patience,
    },
};

mod listen;
mod reload;
mod socket_file;
mod watch;

pub use listen::ClientAddress;
pub use reload::{ReloadError, Report};

use reload::Reloader;
use socket_file::SocketFile;
use watch::Watch;

/// File descriptors kept for the control port and for backends.
const RESERVED_FILES: u64 = 256;

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
    /// A unix socket cannot be listened on.
    #[error("cannot listen on {} ([http] unix_listen): {source}", path.display())]
    ListenUnix {
        /// Where it would be.
        path: PathBuf,
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
    /// A listener could not be started.
    #[error("cannot start a listener: {0}")]
    Start(#[from] io::Error),
}

/// A running server.
pub struct Server {
    broker: Broker,
    clients: actix_server::ServerHandle,
    operators: actix_web::dev::ServerHandle,
    certificates: Arc<Certificates>,
    client_addrs: Vec<ClientAddress>,
    _files: Vec<SocketFile>,
    control_addr: SocketAddr,
    checker: Addr<Checker>,
    reloader: Arc<Reloader>,
    _watch: Option<Watch>,
}

impl Server {
    /// Binds every address, starts the actors and begins to serve.
    ///
    /// Must be called within an actix system.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let routes = RouteTable::new(settings.routes.clone())?;
        let broker = Broker::start(broker_options(&settings, routes)).await?;
        let certificates = Certificates::load(&settings.http.tls)?;
        let sockets = listen::clients(&settings.http, &certificates)?;
        let control = listen::bind(settings.control.listen, "[control] listen")?;
        let control_addr = control.local_addr()?;
        let options = client_options(&settings);
        let clients = listener::clients(sockets.listeners, &broker, options)?;
        let reloader = Arc::new(Reloader::new(&broker, &settings, certificates.clone()));
        let head_max = settings.control.max_headers_size;
        let operators = listener::operators(control, &broker, head_max, reloader.clone())?;
        let handles = (clients.handle(), operators.handle());
        actix_rt::spawn(clients);
        actix_rt::spawn(operators);
        let checker = health::watch(&broker);
        Ok(Self {
            broker,
            clients: handles.0,
            operators: handles.1,
            certificates,
            client_addrs: sockets.addresses,
            _files: sockets.files,
            control_addr,
            checker,
            _watch: Watch::start(reloader.clone()),
            reloader,
        })
    }

    /// Checks settings as a start would, without opening or starting anything.
    ///
    /// **Errors**: what would stop the start.
    pub fn check(settings: &Settings) -> Result<(), Error> {
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

    /// Stops accepting, ends holds in good order, lets requests finish for the drain time, and ends.
    pub async fn stop(self) {
        let drain = self.reloader.current().http.drain;
        let deadline = actix::clock::Instant::now() + drain;
        if self.checker.try_send(EndChecks).is_err() {
            log::debug!("the checks of targets have ended already");
        }
        self.clients.pause().await;
        if timeout_at(deadline, self.broker.drain()).await.is_err() {
            log::warn!("holds could not all be told to end in time");
        }
        let grace = deadline + Duration::from_millis(500);
        if timeout_at(grace, self.clients.stop(true)).await.is_err() {
            log::warn!("connections are cut: they did not end in time");
        }
        let _ = timeout_at(grace, self.operators.stop(false)).await;
        self.broker.stop();
    }
}

fn broker_options(settings: &Settings, routes: RouteTable) -> BrokerOptions {
    let mut options = BrokerOptions::default().routes(routes);
    let handler = &settings.handler;
    options.arbiters = handler.arbiters;
    options.handler = HandlerOptions {
        channel_queue_items_max: handler.channel_queue_items_max,
        channels_max: handler.channels_max,
        order: SequencerLimits {
            wait: handler.message_wait,
            items_max: handler.channel_waiting_items_max,
        },
        id_cache_ttl: handler.id_cache_ttl,
        id_cache_max: handler.id_cache_max,
        update_on_first_subscription: handler.update_on_first_subscription,
    };
    options.hub = HubOptions {
        linger: handler.subscription_linger,
        lingering_max: handler.lingering_subscriptions_max,
    };
    options.outbox = OutboxLimits {
        items_max: handler.session_queue_items_max,
        bytes_max: handler.session_queue_bytes_max,
        policy: handler.slow_client,
    };
    options.rate = handler.rate;
    options.subscriptions_max = handler.connection_subscription_max;
    options.control_body_max = settings.control.max_body_size;
    options.backend = settings.proxy.clone().into();
    options.polled_sessions_max = settings.http.client_maxconn;
    options.allow_compression = settings.http.allow_compression;
    options.tcp = TcpOptions {
        keepalive: settings.http.tcp_keepalive,
        user_timeout: settings.http.tcp_user_timeout,
    };
    options
}

fn client_options(settings: &Settings) -> ClientOptions {
    let http = &settings.http;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let files = raise_file_limit();
    let room = usize::try_from(files.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX);
    if room < http.client_maxconn {
        log::info!(client_maxconn = http.client_maxconn, open_files = files, connections_max = room;
            "the limit of open files is below client_maxconn: fewer connections are accepted");
    }
    ClientOptions {
        workers: http.workers.unwrap_or_else(cores),
        limits: GateLimits {
            framing: FramingLimits {
                head_bytes_max: http.client_buffer_size,
                ..FramingLimits::default()
            },
            patience: Patience {
                head: http.header_timeout,
                body: http.body_timeout,
                keep_alive: http.keep_alive,
            },
        },
        connections_max: http.client_maxconn.min(room),
        drain: http.drain,
        accept_rate: http.accept_rate,
        believed: http.proxy_protocol_from.clone(),
    }
}

/// Raises the limit of open files as far as this process may, and returns it.
fn raise_file_limit() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024)
}
