//! Which backend a request goes to: routes, their targets, and their lookup.
//!
//! It opens no connection and reads no configuration; `config` builds the routes, the http floor
//! asks.
//!
//! Source: `docs/configuration.md#routes`; like Pushpin's routes file, but that line order plays no
//! part.

use std::cmp::Reverse;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use log::LevelFilter;

use crate::engine::balance::Order;
use crate::engine::outbox::SlowClient;
use crate::grip::sig::SigKey;

mod server;
mod sockjs;
mod table;
mod target;
mod zhttpreq;

pub use server::{Address, ClientCertificate, Pem, Server, Tls};
pub use sockjs::SockJs;
pub(crate) use table::check_duplicates;
pub use table::{Query, RouteError, RouteTable};
pub use target::{Target, TargetKind};
pub use zhttpreq::Zhttpreq;

/// Names what a client speaks after its request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proto {
    /// Plain HTTP requests.
    Http,
    /// WebSocket handshakes.
    Ws,
}

/// Holds the issuer and the key that make a `Grip-Sig`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sig {
    /// The `iss` claim.
    pub iss: String,
    /// The signing key.
    pub key: SigKey,
}

/// Names how a JSON-P response is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonpMode {
    /// The body alone is the callback's argument.
    Basic,
    /// Status, headers and body are wrapped in an object.
    Extended,
}

/// Holds a route's JSON-P parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jsonp {
    /// How responses are wrapped.
    pub mode: JsonpMode,
    /// The query parameter that names the callback.
    pub callback: String,
    /// The query parameter that carries the request body as JSON; `None`: `_body` carries any.
    pub body: Option<String>,
    /// The callback of requests that name none but have a `body`, see
    /// [`jsonp::is_callback`](super::jsonp::is_callback).
    pub default_callback: Option<String>,
    /// The method of requests that name none; `None`: GET, in basic mode POST.
    pub default_method: Option<Method>,
}

impl Default for Jsonp {
    /// As Pushpin has it where nothing is configured: extended, by `callback`.
    fn default() -> Jsonp {
        Jsonp {
            mode: JsonpMode::Extended,
            callback: "callback".to_owned(),
            body: None,
            default_callback: None,
            default_method: None,
        }
    }
}

/// Says how long a route's requests may take; `None`: as all requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteTimes {
    /// For a connection.
    pub connect: Option<Duration>,
    /// For the response head.
    pub response: Option<Duration>,
    /// For the whole exchange of a request that is not held; `None`: without limit.
    pub whole: Option<Duration>,
}

/// Describes one rule: which requests it takes, what it changes, and where it leads.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// An exact host name in lower case, `*.` with a name for all hosts below that, `*` for any, or
    /// empty: reached by id only.
    pub host: String,
    /// Where no route of this host fits a request, those of less specific ones are looked at.
    pub fallthrough: bool,
    /// The start of the encoded path; no segment logic. Empty counts as absent.
    pub path_beg: Option<String>,
    /// The name in logs and statistics.
    pub id: Option<String>,
    /// Only this protocol.
    pub proto: Option<Proto>,
    /// Only secure (`true`) or only insecure (`false`) client connections.
    pub ssl: Option<bool>,
    /// Text put before every channel that the backend names.
    pub prefix: Option<String>,
    /// The `Host` that the backend sees.
    pub as_host: Option<String>,
    /// How many bytes are cut off the front of the path.
    pub path_rem: usize,
    /// What replaces the `path_beg` text; wins over `path_rem`.
    pub replace_beg: Option<String>,
    /// Error bodies explain themselves.
    pub debug: bool,
    /// The level of its lines in the access log; off: there are none.
    pub log_level: LevelFilter,
    /// Cross-origin headers are added to responses.
    pub aco: bool,
    /// The origins that get them, as browsers write them; empty for any.
    pub cross_origin_allow: Vec<String>,
    /// The client's headers also arrive as `eb9bf0f5-Name`.
    pub orig_headers: bool,
    /// No signature is sent and instructions are not read.
    pub no_grip: bool,
    /// Issuer and key of this route; `None`: the global ones.
    pub sig: Option<Sig>,
    /// Headers set on requests; `None` removes the header.
    pub headers: Vec<(HeaderName, Option<HeaderValue>)>,
    /// JSON-P, if the route offers it.
    pub jsonp: Option<Jsonp>,
    /// SockJS clients, if the route serves them.
    pub sockjs: Option<SockJs>,
    /// P-8 answers the pings of WebSocket clients itself instead of relaying them.
    pub auto_pong: bool,
    /// What happens to sessions of this route that read too slowly.
    pub slow_client: SlowClient,
    /// Which of its targets is asked first.
    pub order: Order,
    /// How long its requests may take.
    pub times: RouteTimes,
    /// Requests that may wait for one target's answer; `None`: as many as of all routes.
    pub requests_max: Option<usize>,
    /// Where it leads.
    pub targets: Vec<Target>,
}

impl Route {
    /// Makes a route for a host, with every option off and no target yet.
    ///
    /// ```
    /// use p8::engine::route::{Route, Target};
    ///
    /// let mut route = Route::new("Example.com");
    /// route.targets.push(Target::http("localhost", 8080));
    /// assert_eq!(route.host, "example.com");
    /// ```
    pub fn new(host: &str) -> Route {
        Route {
            host: host.to_ascii_lowercase(),
            fallthrough: false,
            path_beg: None,
            id: None,
            proto: None,
            ssl: None,
            prefix: None,
            as_host: None,
            path_rem: 0,
            replace_beg: None,
            debug: false,
            log_level: LevelFilter::Info,
            aco: false,
            cross_origin_allow: Vec::new(),
            orig_headers: false,
            no_grip: false,
            sig: None,
            headers: Vec::new(),
            jsonp: None,
            sockjs: None,
            auto_pong: false,
            slow_client: SlowClient::default(),
            order: Order::default(),
            times: RouteTimes::default(),
            requests_max: None,
            targets: Vec::new(),
        }
    }

    /// Tells whether the route names this host itself, so that a client cannot have made it up.
    pub fn names_host(&self, host: &str) -> bool {
        table::lookup_name(host) == self.host.as_str()
    }

    fn path_beg(&self) -> &str {
        self.path_beg.as_deref().unwrap_or("")
    }

    fn matches(&self, query: &Query) -> bool {
        self.proto.is_none_or(|proto| proto == query.proto)
            && query.path.starts_with(self.path_beg())
            && self.ssl.is_none_or(|ssl| ssl == query.ssl)
    }

    /// The sort key that puts the most specific route of a host first.
    fn specificity(&self) -> impl Ord {
        Reverse((
            self.proto.is_some(),
            self.path_beg().len(),
            self.ssl.is_some(),
        ))
    }

    /// Returns what the route is called by: its id, or what Pushpin makes up for one without.
    ///
    /// **Shape**: `host,proto,ssl,path`, `*` for what it does not name. As in Pushpin the third is
    /// turned around: `no-ssl` for secure requests, `ssl` for others.
    pub fn lookup_id(&self) -> String {
        if let Some(id) = &self.id {
            return id.clone();
        }
        let proto = match self.proto {
            None => "*",
            Some(Proto::Http) => "http",
            Some(Proto::Ws) => "ws",
        };
        let ssl = match self.ssl {
            None => "*",
            Some(true) => "no-ssl",
            Some(false) => "ssl",
        };
        let path = Some(self.path_beg()).filter(|path| !path.is_empty());
        format!("{},{proto},{ssl},{}", self.host, path.unwrap_or("*"))
    }

    /// Tells whether a route takes the same requests, as far as its condition goes.
    fn has_condition_of(&self, other: &Route) -> bool {
        let condition = |route: &Route| (route.proto, route.ssl);
        self.host == other.host
            && self.path_beg() == other.path_beg()
            && condition(self) == condition(other)
    }

    /// Says which requests it takes, as far as its condition goes.
    ///
    /// **Shape**: `host="a.example", path_beg="/x", proto="ws", ssl=true`, without what it does not
    /// name; `id="x"` if it is reached by its id only.
    pub fn condition(&self) -> String {
        if let ("", Some(id)) = (self.host.as_str(), &self.id) {
            return format!("id=\"{id}\"");
        }
        let mut text = format!("host=\"{}\"", self.host);
        if let Some(path_beg) = &self.path_beg {
            text += &format!(", path_beg=\"{path_beg}\"");
        }
        if let Some(proto) = self.proto {
            text += if proto == Proto::Http {
                ", proto=\"http\""
            } else {
                ", proto=\"ws\""
            };
        }
        if let Some(ssl) = self.ssl {
            text += &format!(", ssl={ssl}");
        }
        text
    }
}

#[cfg(test)]
mod tests;
