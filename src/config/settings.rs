//! The configuration checked and ready to use: what every part of P-8 is started with.
//!
//! Plain values with defaults. It reads no file; embedders may fill it in themselves.
//!
//! Source: `docs/configuration.md`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys::Keys;
use super::ConfigError;
use crate::engine::backend_options::BackendOptions;
use crate::engine::control_access::ControlAccess;
use crate::engine::delivery_rate::RateLimits;
use crate::engine::outbox::SlowClient;
use crate::engine::proxy_header::Believed;
use crate::engine::route::{Route, Target};
use crate::engine::tls_options::TlsOptions;
use crate::engine::wedges::WedgeRules;
use crate::engine::zmq::options::ZmqOptions;

/// Holds everything that can be set.
///
/// ```
/// let mut settings = p8::config::Settings::default();
/// settings.http.listen = vec!["127.0.0.1:0".parse().unwrap()];
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The listener for clients.
    pub http: HttpSettings,
    /// The listener for publishers and operators.
    pub control: ControlSettings,
    /// Channels, sessions and their queues.
    pub handler: HandlerSettings,
    /// What goes over ZeroMQ, besides requests to backends.
    pub zmq: ZmqOptions,
    /// Metrics for Prometheus.
    pub metrics: MetricsSettings,
    /// Requests to backends.
    pub proxy: BackendOptions,
    /// Which lines the log has.
    pub log: LogSettings,
    /// Which backend a request goes to.
    pub routes: Vec<Route>,
    /// One line for each key that is set but does nothing yet, for the log.
    pub warnings: Vec<String>,
    /// The file that was read, to be read again by a reload; `None`: there is none.
    pub source: Option<PathBuf>,
    /// The keys that were set, as they were written.
    pub(super) keys: Keys,
}

/// Holds the listener for clients.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpSettings {
    /// Where clients are accepted.
    pub listen: Vec<SocketAddr>,
    /// Where clients are accepted that speak TLS.
    pub tls_listen: Vec<SocketAddr>,
    /// How TLS is spoken.
    pub tls: TlsOptions,
    /// Unix sockets that clients are accepted on.
    pub unix_listen: Vec<UnixSocket>,
    /// Whose connections begin with a PROXY header.
    pub proxy_protocol_from: Believed,
    /// New connections in a second; 0: as many as come.
    pub accept_rate: u32,
    /// The longest request head, in bytes.
    pub client_buffer_size: usize,
    /// Client connections at a time; more are answered 503.
    pub client_maxconn: usize,
    /// Messages of WebSocket clients are compressed if they offer it.
    pub allow_compression: bool,
    /// Worker threads; `None`: one for each core.
    pub workers: Option<usize>,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long a client may take for a TLS handshake, and for a whole request head.
    pub header_timeout: Duration,
    /// How long a request's body may stand still while more of it is waited for.
    pub body_timeout: Duration,
    /// The idle time after which the kernel probes a client.
    pub tcp_keepalive: Duration,
    /// How long sent bytes may stay unacknowledged.
    pub tcp_user_timeout: Duration,
    /// How long requests in flight may take once P-8 was told to stop.
    pub drain: Duration,
    /// Clients may speak HTTP/2.
    pub http2: bool,
    /// Requests of one HTTP/2 connection at a time; more are refused.
    pub http2_streams_max: usize,
    /// The idle time after which an HTTP/2 client is pinged; 0: never.
    pub http2_ping: Duration,
    /// How long it may take to answer.
    pub http2_ping_timeout: Duration,
}

/// Holds a unix socket for clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnixSocket {
    /// Where it is.
    pub path: PathBuf,
    /// Who may connect, as in `chmod`; `None`: as the process's umask says.
    pub mode: Option<u32>,
    /// Its owner's number; `None`: the process's own.
    pub user: Option<u32>,
    /// Its group's number; likewise.
    pub group: Option<u32>,
}

/// Holds the listener for publishers and operators.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ControlSettings {
    /// Where it is; an address that others can reach needs somebody in `access`.
    pub listen: SocketAddr,
    /// Who may use it.
    pub access: ControlAccess,
    /// The longest request head, in bytes.
    pub max_headers_size: usize,
    /// The longest request body, in bytes.
    pub max_body_size: usize,
    /// Publishes under way at a time.
    pub publishes_max: usize,
    /// The file is read again when it changes.
    pub reload_on_change: bool,
}

/// Holds how metrics are served, besides on the control listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricsSettings {
    /// A listener for them alone.
    pub listen: Option<SocketAddr>,
    /// What their names begin with.
    pub prefix: String,
}

/// Holds which lines the log has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogSettings {
    /// Levels by target, as `RUST_LOG` has them.
    pub filter: String,
    /// How a line is written.
    pub format: LogFormat,
}

/// How the lines of the log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LogFormat {
    /// For readers: time, level, target, text, and keys with values.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Holds the bounds of channels and sessions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandlerSettings {
    /// How many deliveries leave in a second, and how many may wait.
    pub rate: RateLimits,
    /// Channels of one session; more are left out.
    pub connection_subscription_max: usize,
    /// Threads that channels and publishers live on.
    pub arbiters: usize,
    /// When a thread counts as wedged, and how often that is borne.
    pub wedges: WedgeRules,
    /// Bytes that may wait for one session.
    pub session_queue_bytes_max: usize,
    /// Items that may wait for one session.
    pub session_queue_items_max: usize,
    /// Messages that may wait for one channel.
    pub channel_queue_items_max: usize,
    /// How far a channel may be behind while publishes are taken.
    pub channel_queue_time_max: Duration,
    /// Bytes of items that may wait for the channels of one handler arbiter.
    pub publish_queue_bytes_max: usize,
    /// Channels at a time.
    pub channels_max: usize,
    /// How long the subscription of a long-poll outlives its last session.
    pub subscription_linger: Duration,
    /// Subscriptions without a session that one worker keeps.
    pub lingering_subscriptions_max: usize,
    /// How long an item waits for the one it follows.
    pub message_wait: Duration,
    /// Items of one channel that wait so.
    pub channel_waiting_items_max: usize,
    /// How long an item's id counts as seen; 0: never.
    pub id_cache_ttl: Duration,
    /// Ids that are kept at a time.
    pub id_cache_max: usize,
    /// Sessions of a channel that is new here ask their backends again.
    pub update_on_first_subscription: bool,
    /// What happens to sessions that read too slowly, unless their route says otherwise.
    pub slow_client: SlowClient,
}

impl Settings {
    /// Reads settings from TOML text, without the environment; errors call it `p-8.toml`.
    ///
    /// ```
    /// let settings = p8::config::Settings::from_toml("[http]\nlisten = 8000").unwrap();
    /// assert_eq!(settings.http.listen[0].port(), 8000);
    /// ```
    ///
    /// **Errors**: the first key that is unknown or wrong, with its line.
    pub fn from_toml(text: &str) -> Result<Settings, ConfigError> {
        super::from_text(text, Path::new("p-8.toml"), std::iter::empty())
    }

    /// Reads settings from a TOML file and from `P8_<TABLE>__<KEY>` in the environment, which wins.
    ///
    /// **Errors**: the file if it cannot be read, or the first key that is unknown or wrong, with
    /// its line or its variable.
    pub fn load(path: &Path) -> Result<Settings, ConfigError> {
        super::from_file(path, std::env::vars_os())
    }
}

impl Default for Settings {
    fn default() -> Self {
        let mut route = Route::new("*");
        route.targets.push(Target::http("localhost", 80));
        Settings {
            http: HttpSettings::default(),
            control: ControlSettings::default(),
            handler: HandlerSettings::default(),
            zmq: ZmqOptions::default(),
            metrics: MetricsSettings::default(),
            proxy: BackendOptions::default(),
            routes: vec![route],
            warnings: Vec::new(),
            source: None,
            log: LogSettings::default(),
            keys: Keys::default(),
        }
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            listen: vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 7999)],
            tls_listen: Vec::new(),
            tls: TlsOptions::default(),
            unix_listen: Vec::new(),
            proxy_protocol_from: Believed::default(),
            accept_rate: 0,
            client_buffer_size: 8192,
            client_maxconn: 50_000,
            allow_compression: false,
            workers: None,
            keep_alive: Duration::from_secs(60),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            tcp_keepalive: Duration::from_secs(60),
            tcp_user_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(2),
            http2: true,
            http2_streams_max: 250,
            http2_ping: Duration::from_secs(60),
            http2_ping_timeout: Duration::from_secs(20),
        }
    }
}

impl ControlSettings {
    /// Tells whether anybody on another machine could publish and operate.
    pub fn is_open(&self) -> bool {
        !self.listen.ip().to_canonical().is_loopback() && !self.access.is_guarded()
    }
}

impl Default for ControlSettings {
    fn default() -> Self {
        ControlSettings {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5561),
            access: ControlAccess::default(),
            max_headers_size: 10_000,
            max_body_size: 1_000_000,
            publishes_max: 1_000,
            reload_on_change: true,
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings {
            filter: "info,actix_http=off,actix_server=warn".to_owned(),
            format: LogFormat::default(),
        }
    }
}

impl Default for HandlerSettings {
    fn default() -> Self {
        HandlerSettings {
            rate: RateLimits::default(),
            connection_subscription_max: 20,
            arbiters: 1,
            wedges: WedgeRules::default(),
            session_queue_bytes_max: 1_048_576,
            session_queue_items_max: 4096,
            channel_queue_items_max: 10_000,
            channel_queue_time_max: Duration::from_secs(5),
            publish_queue_bytes_max: 64 << 20,
            channels_max: 1_000_000,
            subscription_linger: Duration::from_secs(60),
            lingering_subscriptions_max: 100_000,
            message_wait: Duration::from_millis(5_000),
            channel_waiting_items_max: 100,
            id_cache_ttl: Duration::from_secs(60),
            id_cache_max: 1_000_000,
            update_on_first_subscription: true,
            slow_client: SlowClient::Close,
        }
    }
}
