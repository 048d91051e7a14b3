//! The lookup of a request's route: by id, or by host, path, protocol and security.
//!
//! ```text
//! id   -> its route, if that fits the request
//! host (port cut, lower-cased) -> its own routes, if it has any; those of `*.` with the longest end
//!      of its name; those of "*". Only the first with any is looked at, unless a route there says
//!      `fallthrough`
//!      -> the first that matches, sorted: names proto > longer path_beg > names ssl
//! ```
//!
//! Each step is one look into a map, whatever the number of routes. Source:
//! `docs/configuration.md#routes`.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use super::{Proto, Route};

/// Longest host name that is compared with patterns, in bytes; names are no longer (RFC 1035).
const PATTERN_NAME_MAX: usize = 255;

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
    /// The id of the route that the client wants; then its host plays no part.
    pub id: Option<&'a str>,
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
    by_host: HashMap<String, Rules>,
    /// By the name that all their hosts end with.
    by_suffix: HashMap<String, Rules>,
    any_host: Rules,
    /// None: several routes have the id.
    by_id: HashMap<String, Option<Arc<Route>>>,
}

/// The routes of one host or pattern, the most specific first.
#[derive(Clone, Debug, Default)]
struct Rules {
    routes: Vec<Arc<Route>>,
    /// Where none fits, less specific hosts are looked at.
    falls_through: bool,
}

impl Rules {
    fn add(&mut self, route: Arc<Route>) {
        self.falls_through |= route.fallthrough;
        self.routes.push(route);
    }

    fn find(&self, query: &Query) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.matches(query))
    }
}

impl RouteTable {
    /// Builds a table; the order of the routes plays no part.
    ///
    /// **Errors**: two routes with the same host, path, protocol and security.
    pub fn new(routes: Vec<Route>) -> Result<RouteTable, RouteError> {
        check_duplicates(&routes)?;
        Ok(RouteTable::from_shared(routes.into_iter().map(Arc::new)))
    }

    /// Builds the table that replaces another one; routes that are the same are kept as they are, so
    /// that what is known of them is not lost.
    ///
    /// **Errors**: as of [`new`](Self::new).
    pub fn replacing(earlier: &RouteTable, routes: Vec<Route>) -> Result<RouteTable, RouteError> {
        check_duplicates(&routes)?;
        let mut known: HashMap<String, Vec<&Arc<Route>>> = HashMap::new();
        for route in &earlier.all {
            known.entry(route.condition()).or_default().push(route);
        }
        let kept = |route: Route| {
            let same = known.get(&route.condition());
            let same = same.and_then(|all| all.iter().find(|known| known.as_ref() == &route));
            same.map_or_else(|| Arc::new(route), |known| Arc::clone(known))
        };
        Ok(RouteTable::from_shared(routes.into_iter().map(kept)))
    }

    fn from_shared(routes: impl Iterator<Item = Arc<Route>>) -> RouteTable {
        let mut table = RouteTable::default();
        for route in routes {
            if let Some(rules) = table.rules_mut(&route.host) {
                rules.add(route.clone());
            }
            let of_id = table.by_id.entry(route.lookup_id());
            of_id
                .and_modify(|known| *known = None)
                .or_insert_with(|| Some(route.clone()));
            table.all.push(route);
        }
        let named = table.by_host.values_mut();
        let rules = named.chain(table.by_suffix.values_mut());
        for rules in rules.chain([&mut table.any_host]) {
            rules.routes.sort_by_key(|route| route.specificity());
        }
        table
    }

    fn rules_mut(&mut self, host: &str) -> Option<&mut Rules> {
        match (host, host.strip_prefix("*.")) {
            ("", _) => None,
            ("*", _) => Some(&mut self.any_host),
            (_, Some(end)) => Some(self.by_suffix.entry(end.to_owned()).or_default()),
            (host, None) => Some(self.by_host.entry(host.to_owned()).or_default()),
        }
    }

    /// Finds the route of a request.
    ///
    /// An id that nobody has, or whose route does not fit, finds none. One that several routes have
    /// names none of them: WebSockets then have the route of their host, others none.
    pub fn find(&self, query: &Query) -> Option<Arc<Route>> {
        let Some(id) = query.id.filter(|id| !id.is_empty()) else {
            return self.find_by_host(query).cloned();
        };
        match self.by_id.get(id) {
            Some(Some(route)) => Some(route).filter(|route| route.matches(query)).cloned(),
            Some(None) if query.proto == Proto::Ws => self.find_by_host(query).cloned(),
            _ => None,
        }
    }

    /// Finds the most specific route of a request's host.
    fn find_by_host(&self, query: &Query) -> Option<&Arc<Route>> {
        if self.by_host.is_empty() && self.by_suffix.is_empty() {
            return self.any_host.find(query);
        }
        let name = lookup_name(query.host);
        let rules = self.by_host.get(name.as_ref()).into_iter();
        for rules in rules.chain(self.of_patterns(&name)) {
            let found = rules.find(query);
            if found.is_some() || !rules.falls_through {
                return found;
            }
        }
        self.any_host.find(query)
    }

    /// Yields the routes of all patterns that a name fits, those of the longest first.
    fn of_patterns<'t, 'n>(
        &'t self,
        name: &'n str,
    ) -> impl Iterator<Item = &'t Rules> + use<'t, 'n> {
        let is_compared = !self.by_suffix.is_empty()
            && name.len() <= PATTERN_NAME_MAX
            && !name.starts_with(['[', '.']);
        let name = if is_compared { name } else { "" };
        name.match_indices('.').filter_map(move |(dot, _)| {
            let end = name.get(dot + 1..)?;
            self.by_suffix.get(end)
        })
    }

    /// Returns a route as it is in this table, found by its id; itself if nobody has that any more.
    ///
    /// Of several with the id it is the one with the same condition.
    pub fn renewed(&self, route: &Arc<Route>) -> Arc<Route> {
        let known = match self.by_id.get(&route.lookup_id()) {
            Some(Some(only)) => Some(only),
            Some(None) => self.all.iter().find(|other| {
                other.has_condition_of(route) && other.lookup_id() == route.lookup_id()
            }),
            None => None,
        };
        known.unwrap_or(route).clone()
    }

    /// Lists the routes in the order given.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.all
    }
}

/// Gives the name a host is looked up by: without port, in lower case, IPv6 in its brackets.
pub(super) fn lookup_name(host: &str) -> Cow<'_, str> {
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
