//! Which backend a request goes to: routes, their targets, and the lookup by host, path, protocol
//! and security.
//!
//! It opens no connection and reads no configuration; `config` builds the routes, the http floor
//! asks.
//!
//! ```text
//! host (port cut, lower-cased) -> its own routes, if it has any; else the routes of "*"
//!      -> the first that matches, sorted: names proto > longer path_beg > names ssl
//! ```
//!
//! Source: `docs/configuration.md#routes`; like Pushpin's routes file, but that line order plays no
//! part.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};

use crate::engine::outbox::SlowClient;
use crate::grip::sig::SigKey;

mod sockjs;
mod target;

pub use sockjs::SockJs;
pub use target::{Target, TargetKind};

/// Names what a client speaks after its request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proto {
    /// Plain HTTP requests.
    Http,
    /// WebSocket handshakes.
    Ws,
}

/// Holds the issuer and the key that make a `Grip-Sig`.
#[derive(Clone, Debug)]
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

/// Describes one rule: which requests it takes, what it changes, and where it leads.
#[derive(Clone, Debug)]
pub struct Route {
    /// An exact host name in lower case, `*` for any host without rules of its own, or empty:
    /// reached by id only.
    pub host: String,
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
    /// Where it leads, in the order tried.
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
            path_beg: None,
            id: None,
            proto: None,
            ssl: None,
            prefix: None,
            as_host: None,
            path_rem: 0,
            replace_beg: None,
            debug: false,
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
            targets: Vec::new(),
        }
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

    fn condition(&self) -> String {
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

/// Asks for the route of one request.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The request's host, in any case, with or without port; empty if it has none.
    pub host: &'a str,
    /// The encoded path.
    pub path: &'a str,
    /// What the client speaks.
    pub proto: Proto,
    /// The client's connection is secure.
    pub ssl: bool,
}

/// Says why a list of routes makes no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Two routes take exactly the same requests.
    #[error(
        "routes {} and {} have the same condition {condition}, expected each condition once",
        first + 1,
        second + 1
    )]
    Duplicate {
        /// The earlier one's index.
        first: usize,
        /// The later one's index.
        second: usize,
        /// What both say.
        condition: String,
    },
}

/// Finds the route of a request.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    all: Vec<Arc<Route>>,
    by_host: HashMap<String, Vec<Arc<Route>>>,
    any_host: Vec<Arc<Route>>,
}

impl RouteTable {
    /// Builds a table; the order of the routes plays no part.
    ///
    /// **Errors**: two routes with the same host, path, protocol and security.
    pub fn new(routes: Vec<Route>) -> Result<RouteTable, RouteError> {
        check_duplicates(&routes)?;
        let mut table = RouteTable::default();
        for route in routes {
            let route = Arc::new(route);
            match route.host.as_str() {
                "" => {}
                "*" => table.any_host.push(route.clone()),
                host => table
                    .by_host
                    .entry(host.to_owned())
                    .or_default()
                    .push(route.clone()),
            }
            table.all.push(route);
        }
        table.any_host.sort_by_key(|route| route.specificity());
        for routes in table.by_host.values_mut() {
            routes.sort_by_key(|route| route.specificity());
        }
        Ok(table)
    }

    /// Finds the most specific route of a request; a host with any rule never falls back to `*`.
    pub fn find(&self, query: &Query) -> Option<Arc<Route>> {
        self.of_host(query.host)
            .iter()
            .find(|route| route.matches(query))
            .cloned()
    }

    /// Lists the routes in the order given.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.all
    }

    fn of_host(&self, host: &str) -> &[Arc<Route>] {
        if self.by_host.is_empty() {
            return &self.any_host;
        }
        self.by_host
            .get(lookup_name(host).as_ref())
            .unwrap_or(&self.any_host)
    }
}

/// Gives the name a host is looked up by: without port, in lower case, IPv6 in its brackets.
fn lookup_name(host: &str) -> Cow<'_, str> {
    let name_end = if host.starts_with('[') {
        host.find(']').map_or(host.len(), |bracket| bracket + 1)
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let name = host.get(..name_end).unwrap_or(host);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Finds two routes with the same condition.
pub(crate) fn check_duplicates(routes: &[Route]) -> Result<(), RouteError> {
    let mut seen = HashMap::new();
    for (second, route) in routes
        .iter()
        .enumerate()
        .filter(|(_, route)| !route.host.is_empty())
    {
        let condition = (&route.host, route.path_beg(), route.proto, route.ssl);
        if let Some(first) = seen.insert(condition, second) {
            return Err(RouteError::Duplicate {
                first,
                second,
                condition: route.condition(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
