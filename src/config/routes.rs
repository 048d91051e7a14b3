//! The second stage of the routes: from what was written to [`Route`]s, each with its targets.
//!
//! It does not look routes up, see `engine::route`.

use std::collections::HashMap;

use http::header::{HeaderName, HeaderValue, HOST};

use super::check::Checker;
use super::choice::CheckTimes;
use super::cross_origin::CrossOriginOfAll;
use super::error::ConfigError;
use super::file;
use crate::engine::outbox::SlowClient;
use crate::engine::route::{check_duplicates, Proto, Route, RouteError, Sig};
use crate::grip::response::is_grip;
use crate::grip::sig::SigKey;

/// Headers that a route cannot set: P-8 writes them itself or drops them on the way.
const OWN_HEADERS: [&str; 10] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What holds for every route that does not say otherwise.
#[derive(Debug)]
pub(super) struct OfAllRoutes {
    pub(super) signing: Signing,
    pub(super) cross_origin: CrossOriginOfAll,
    pub(super) slow_client: SlowClient,
    /// Clients may name the route that they want.
    pub(super) are_chosen_by_id: bool,
    pub(super) check: CheckTimes,
}

impl OfAllRoutes {
    /// Sets a route that says nothing itself.
    pub(super) fn apply(&self, route: &mut Route) {
        route.slow_client = self.slow_client;
        self.cross_origin.apply(route);
    }
}

/// Issuer and key of all routes; each may be absent.
#[derive(Debug, Default)]
pub(super) struct Signing {
    pub(super) iss: Option<String>,
    pub(super) key: Option<SigKey>,
}

impl Signing {
    /// Gives both, if neither is absent or empty.
    pub(super) fn sig(&self) -> Option<Sig> {
        let iss = self.iss.clone().filter(|iss| !iss.is_empty())?;
        Some(Sig {
            iss,
            key: self.key.clone()?,
        })
    }
}

/// Checks all routes, one by one and then for doubled conditions.
pub(super) fn check(
    checker: &mut Checker,
    written: Vec<file::Route>,
    of_all: &OfAllRoutes,
) -> Result<Vec<Route>, ConfigError> {
    let mut routes = Vec::with_capacity(written.len());
    for (index, written) in written.into_iter().enumerate() {
        let mut one = OneRoute {
            checker,
            index: index.to_string(),
        };
        let mut route = one.condition(&written)?;
        of_all.apply(&mut route);
        if let Some(slow_client) = written.slow_client {
            route.slow_client = slow_client.into();
        }
        one.rewriting(&written, &mut route)?;
        route.sig = one.sig(&written, &of_all.signing)?;
        one.cross_origin(&written, &mut route)?;
        route.sockjs = one.sockjs(&written)?;
        one.warn_of_session(&written);
        let check = one.choice(&written, &mut route, of_all.check)?;
        route.targets = one.targets(written.targets.unwrap_or_default(), check)?;
        one.check_sockets(&routes, &route)?;
        one.check_order(&route)?;
        one.warn_of_fallthrough(&route);
        routes.push(route);
    }
    if of_all.are_chosen_by_id {
        warn_of_shared_ids(checker, &routes);
    }
    match check_duplicates(&routes) {
        Ok(()) => Ok(routes),
        Err(RouteError::Duplicate {
            first,
            second,
            condition,
        }) => {
            let place = |index: usize| checker.origin.place(&["routes", &index.to_string()]);
            Err(ConfigError::DuplicateRoute {
                place: place(second),
                first: place(first),
                condition,
            })
        }
    }
}

/// Checks the keys of one route.
pub(super) struct OneRoute<'c, 'a> {
    pub(super) checker: &'c mut Checker<'a>,
    pub(super) index: String,
}

impl OneRoute<'_, '_> {
    pub(super) fn path<'p>(&'p self, keys: &[&'p str]) -> Vec<&'p str> {
        [&["routes", self.index.as_str()], keys].concat()
    }

    pub(super) fn wrong(&self, keys: &[&str], found: &str, expected: &str) -> ConfigError {
        self.checker.origin.wrong(&self.path(keys), found, expected)
    }

    pub(super) fn missing(&self, keys: &[&str], expected: &str) -> ConfigError {
        let place = self.checker.origin.place(&self.path(keys));
        ConfigError::Missing {
            place,
            expected: expected.to_owned(),
        }
    }

    fn warn_of_fallthrough(&mut self, route: &Route) {
        if route.fallthrough && matches!(route.host.as_str(), "" | "*") {
            let why = "no host is less specific than this one";
            let index = self.index.clone();
            self.checker
                .no_effect(&["routes", index.as_str(), "fallthrough"], why);
        }
    }

    fn warn_of_session(&mut self, written: &file::Route) {
        if written.session == Some(true) {
            let why = "sessions are found out by a state service beside Pushpin, and P-8 has none";
            let index = self.index.clone();
            self.checker
                .no_effect(&["routes", index.as_str(), "session"], why);
        }
    }

    /// Starts the route: which requests it takes, and its flags.
    fn condition(&self, written: &file::Route) -> Result<Route, ConfigError> {
        let host = written.host.as_deref().unwrap_or("*").to_ascii_lowercase();
        let id = written.id.clone().filter(|id| !id.is_empty());
        if host.is_empty() && id.is_none() {
            return Err(self.missing(&["id"], "an id, as the host is empty"));
        }
        if !is_route_host(&host) {
            let expected = "an exact host name without port, \"*.\" and a name for all below it, \
                            or \"*\" for any";
            return Err(self.wrong(&["host"], &host, expected));
        }
        if let Some(path) = written.path_beg.as_deref().filter(|path| !is_path(path)) {
            let expected = "the start of a path, \"/\" first, without a query";
            return Err(self.wrong(&["path_beg"], path, expected));
        }
        let mut route = Route::new(&host);
        route.fallthrough = written.fallthrough.unwrap_or(false);
        route.path_beg = written.path_beg.clone();
        route.id = id;
        route.proto = written.proto.map(|proto| match proto {
            file::Proto::Http => Proto::Http,
            file::Proto::Ws => Proto::Ws,
        });
        route.ssl = written.ssl;
        route.debug = written.debug.unwrap_or(false);
        if let Some(level) = &written.log_level {
            route.log_level = level.parse().map_err(|_| {
                let expected = "\"error\", \"warn\", \"info\", \"debug\", \"trace\" or \"off\"";
                self.wrong(&["log_level"], level, expected)
            })?;
        }
        route.orig_headers = written.orig_headers.unwrap_or(false);
        route.no_grip = written.no_grip.unwrap_or(false);
        route.auto_pong = written.auto_pong.unwrap_or(false);
        route.prefix = written.prefix.clone().filter(|prefix| !prefix.is_empty());
        Ok(route)
    }

    /// Fills in what the backend sees; `Host` among the headers is the same as `as_host`.
    fn rewriting(&self, written: &file::Route, route: &mut Route) -> Result<(), ConfigError> {
        route.as_host = self.host_header(&["as_host"], written.as_host.as_deref())?;
        let path_rem = self.path(&["path_rem"]);
        route.path_rem = self
            .checker
            .number(&path_rem, written.path_rem, 0, 0..=65_535)?;
        if let Some(path) = written.replace_beg.as_deref().filter(|path| !is_path(path)) {
            let expected = "a path, \"/\" first, without a query";
            return Err(self.wrong(&["replace_beg"], path, expected));
        }
        route.replace_beg = written.replace_beg.clone();
        for (position, header) in written.headers.iter().flatten().enumerate() {
            let keys = ["headers", &position.to_string()];
            let (name, value) = self.header(&keys, header)?;
            let is_host = name == HOST;
            let known = route.headers.iter().any(|(earlier, _)| *earlier == name);
            if known || (is_host && route.as_host.is_some()) {
                return Err(self.wrong(&keys, name.as_str(), "each header once"));
            }
            if is_host {
                let host = header.get(1).map(|host| host.trim());
                route.as_host = self.host_header(&keys, host)?;
            } else {
                route.headers.push((name, value));
            }
        }
        Ok(())
    }

    /// Reads `["Name", "value"]`; an empty value removes the header.
    fn header(
        &self,
        keys: &[&str],
        header: &[String],
    ) -> Result<(HeaderName, Option<HeaderValue>), ConfigError> {
        let [name, value] = header else {
            return Err(self.wrong(keys, &header.join(", "), "[\"Name\", \"value\"]"));
        };
        let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(self.wrong(keys, name, "the name of a header"));
        };
        if is_own_header(&parsed) {
            let expected = "a header that P-8 does not set itself";
            return Err(self.wrong(keys, name, expected));
        }
        match HeaderValue::from_str(value.trim()) {
            Ok(value) => Ok((parsed, Some(value).filter(|value| !value.is_empty()))),
            Err(_) => Err(self.wrong(keys, value, "a header's value without line breaks")),
        }
    }

    pub(super) fn host_header(
        &self,
        keys: &[&str],
        written: Option<&str>,
    ) -> Result<Option<String>, ConfigError> {
        let Some(host) = written.filter(|host| !host.is_empty()) else {
            return Ok(None);
        };
        match host.parse::<http::uri::Authority>() {
            Ok(authority) if authority.as_str() == host && !host.contains('@') => {
                Ok(Some(host.to_owned()))
            }
            _ => Err(self.wrong(keys, host, "a host name, with or without port")),
        }
    }

    /// Gives issuer and key if the route has one of them; the other is that of all routes.
    fn sig(
        &mut self,
        written: &file::Route,
        signing: &Signing,
    ) -> Result<Option<Sig>, ConfigError> {
        if written.sig_key.is_none() && written.sig_iss.is_none() {
            return Ok(None);
        }
        if written.sig_key.as_ref().is_some_and(String::is_empty) {
            return Err(self.wrong(&["sig_key"], "", "a key; no_grip leaves requests unsigned"));
        }
        let key = self
            .checker
            .key(&self.path(&["sig_key"]), written.sig_key.clone())?;
        let iss = written.sig_iss.clone().or_else(|| signing.iss.clone());
        let sig = Signing {
            iss,
            key: key.or_else(|| signing.key.clone()),
        }
        .sig();
        if sig.is_none() {
            let given = if written.sig_key.is_some() {
                "sig_key"
            } else {
                "sig_iss"
            };
            let index = self.index.clone();
            let why = "a signature needs both a sig_iss and a sig_key";
            self.checker
                .no_effect(&["routes", index.as_str(), given], why);
        }
        Ok(sig)
    }
}

/// Warns of ids by which no route can be chosen.
fn warn_of_shared_ids(checker: &mut Checker, routes: &[Route]) {
    let mut seen = HashMap::new();
    for (second, route) in routes.iter().enumerate() {
        let Some(id) = &route.id else { continue };
        let first = *seen.entry(id).or_insert(second);
        if first == second {
            continue;
        }
        let first = checker.origin.place(&["routes", &first.to_string()]);
        let why = format!("a Pushpin-Route with this id names no route: {first} has it too");
        checker.warn(&["routes", &second.to_string(), "id"], &why);
    }
}

/// Tells whether P-8 writes a header itself, or drops it on the way.
pub(super) fn is_own_header(name: &HeaderName) -> bool {
    OWN_HEADERS.contains(&name.as_str()) || is_grip(name)
}

/// Tells whether a text is empty, `*`, a host name, `*.` and one, or an IPv6 address in brackets.
fn is_route_host(host: &str) -> bool {
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    let below = host.strip_prefix("*.");
    let below = below.filter(|below| !below.is_empty() && !below.starts_with('.'));
    host.is_empty()
        || host == "*"
        || in_brackets.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
        || below.unwrap_or(host).bytes().all(name)
}

/// Tells whether a text can stand at the front of a request's path.
pub(super) fn is_path(path: &str) -> bool {
    let encoded = |byte: u8| byte.is_ascii_graphic() && !b"?#".contains(&byte);
    path.starts_with('/') && path.bytes().all(encoded)
}
