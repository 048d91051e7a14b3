//! Where a link of a held session leads: back through a route, or elsewhere.
//!
//! ```text
//! link ──resolve (against the session's current URL)──▶ Url ─┬─ the client's scheme, host, port:
//!                                                            │    the route's path_beg ─▶ its route
//!                                                            │    another route's path ─▶ that route
//!                                                            └─ anything else ──────────▶ Elsewhere
//! ```
//!
//! The client's host is only what the client said: unless the route names it, it leads to no address of
//! one's own.
//!
//! Fetches nothing. Source: `docs/grip.md#links`.

use std::{net::IpAddr, sync::Arc};

use url::Url;

use super::route::{Proto, Query, Route, RouteTable, Server, TargetKind, Tls};

/// Where a link leads.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Through a route, as a request of the client's would.
    Route {
        /// Which, mostly the session's own.
        route: Arc<Route>,
        /// Path and query.
        path_and_query: String,
    },
    /// To a host of the network.
    Elsewhere {
        /// Which, and at which port.
        target: TargetKind,
        /// The `Host` it sees.
        host: String,
        /// Path and query.
        path_and_query: String,
    },
}

impl Destination {
    /// Has it lead to addresses of the public network only, if it leaves the routes.
    pub fn only_public(mut self) -> Destination {
        if let Destination::Elsewhere {
            target: TargetKind::Server(server),
            ..
        } = &mut self
        {
            Arc::make_mut(server).is_public = true;
        }
        self
    }
}

/// Returns the URL that a client asked for; a request without a usable host has `localhost`.
pub fn client_url(is_secure: bool, host: Option<&str>, path_and_query: &str) -> Option<Url> {
    let scheme = if is_secure { "https" } else { "http" };
    let of = |host: &str| Url::parse(&format!("{scheme}://{host}{path_and_query}"));
    host.and_then(|host| of(host).ok())
        .or_else(|| of("localhost").ok())
}

/// Resolves a link against the URL that named it.
pub fn resolve(current: &Url, link: &str) -> Option<Url> {
    let mut url = current.join(link).ok()?;
    url.set_fragment(None);
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// Finds out where a URL leads for a session of this route whose client asked for `client`.
pub fn destination(
    url: &Url,
    client: &Url,
    route: &Arc<Route>,
    routes: &RouteTable,
) -> Option<Destination> {
    let path_and_query = match url.query() {
        None => url.path().to_owned(),
        Some(query) => format!("{}?{query}", url.path()),
    };
    let is_own_origin = url.origin() == client.origin();
    if is_own_origin {
        if let Some(route) = route_of(url, route, routes) {
            return Some(Destination::Route {
                route,
                path_and_query,
            });
        }
    }
    let name = url.host_str()?;
    let port = url.port_or_known_default()?;
    let server = Server {
        tls: (url.scheme() == "https").then(Tls::default),
        is_public: is_own_origin && !route.names_host(name),
        ..Server::new(name.trim_matches(['[', ']']), port)
    };
    Some(Destination::Elsewhere {
        target: server.into(),
        host: match url.port() {
            None => name.to_owned(),
            Some(port) => format!("{name}:{port}"),
        },
        path_and_query,
    })
}

/// Finds the route of a URL at the client's own origin: the session's if it has that path.
fn route_of(url: &Url, own: &Arc<Route>, routes: &RouteTable) -> Option<Arc<Route>> {
    let path = url.path();
    if path.starts_with(own.path_beg.as_deref().unwrap_or_default()) {
        return Some(own.clone());
    }
    let other = routes.find(&Query {
        host: url.host_str()?,
        path,
        proto: Proto::Http,
        ssl: url.scheme() == "https",
        id: None,
    });
    other.filter(|other| {
        let target = other.targets.first();
        target.is_some_and(|target| matches!(target.kind, TargetKind::Server(_)))
    })
}

/// Tells whether an address belongs to the public network.
///
/// **Source**: the special-purpose registries of RFC 6890, as far as they name addresses of one's own.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99)
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (18..20).contains(&b)))
        }
        // Global unicast, without what wraps an IPv4 address (6to4, Teredo; NAT64 is outside) or documents.
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            (0x2000..0x4000).contains(&first)
                && !(first == 0x2002
                    || first == 0x3fff
                    || (first == 0x2001 && (second < 0x200 || second == 0xdb8)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::route::Target;

    #[test]
    fn links_resolve_against_the_url_that_named_them() {
        let current = client_url(false, Some("a.example:8000"), "/x/y?q=1").unwrap();
        for (link, expected) in [
            ("/n", Some("http://a.example:8000/n")),
            ("n?b=c", Some("http://a.example:8000/x/n?b=c")),
            ("?b=c", Some("http://a.example:8000/x/y?b=c")),
            ("../n#part", Some("http://a.example:8000/n")),
            ("//b.example/n", Some("http://b.example/n")),
            ("https://b.example/", Some("https://b.example/")),
            ("ftp://b.example/", None),
            ("http://", None),
        ] {
            let url = resolve(&current, link).map(String::from);
            assert_eq!(url.as_deref(), expected, "{link}");
        }
        let odd = client_url(true, Some("bad host"), "/p").unwrap();
        assert_eq!(odd.as_str(), "https://localhost/p");
    }

    fn route(host: &str, path_beg: &str, target: Target) -> Route {
        let mut route = Route::new(host);
        route.path_beg = Some(path_beg.to_owned());
        route.targets = vec![target];
        route
    }

    #[test]
    fn the_clients_own_origin_is_asked_through_the_route_of_the_path() {
        let client = client_url(false, Some("a.example:80"), "/api/x").unwrap();
        let backend = || Target::http("127.0.0.1", 8000);
        let routes = RouteTable::new(vec![
            route("*", "/api", backend()),
            route("*", "/other", backend()),
            route("*", "/demo", Target::new(TargetKind::Demo)),
        ]);
        let routes = routes.unwrap();
        let own = &routes.routes()[0];
        for (link, expected) in [
            ("/api/n?a=b", Some(("/api", "/api/n?a=b"))),
            ("http://A.example/api/n", Some(("/api", "/api/n"))),
            ("/other", Some(("/other", "/other"))),
            ("/demo", None),
            ("https://a.example/api/n", None),
            ("http://a.example:81/api/n", None),
        ] {
            let url = resolve(&client, link).unwrap();
            let through = match destination(&url, &client, own, &routes) {
                Some(Destination::Route {
                    route,
                    path_and_query,
                }) => Some((route.path_beg.clone().unwrap(), path_and_query)),
                _ => None,
            };
            let through = through.as_ref().map(|(beg, path)| (&**beg, &**path));
            assert_eq!(through, expected, "{link}");
        }
    }

    #[test]
    fn what_leaves_the_routes_goes_to_its_host_and_a_clients_word_to_no_address_of_ones_own() {
        let client = client_url(false, Some("a.example"), "/api/x").unwrap();
        let backend = || Target::http("127.0.0.1", 8000);
        let routes = RouteTable::new(vec![
            route("*", "/api", backend()),
            route("a.example", "/api", backend()),
        ]);
        let routes = routes.unwrap();
        let [any, named] = routes.routes() else {
            panic!("two routes")
        };
        let server = |host: &str, port| Server::new(host, port);
        let plain = |host: &str, port| TargetKind::from(server(host, port));
        let public = TargetKind::from(Server {
            is_public: true,
            ..server("a.example", 80)
        });
        let to = |link: &str, route| {
            let url = resolve(&client, link).unwrap();
            match destination(&url, &client, route, &routes) {
                Some(Destination::Elsewhere { target, host, .. }) => (target, host),
                other => panic!("{link}: {other:?}"),
            }
        };
        let a = || "a.example".to_owned();
        assert_eq!(to("/other", any), (public, a()));
        assert_eq!(to("/other", named), (plain("a.example", 80), a()));
        let url = resolve(&client, "http://b.example/n").unwrap();
        let elsewhere = destination(&url, &client, named, &routes).unwrap();
        match elsewhere.only_public() {
            Destination::Elsewhere {
                target: TargetKind::Server(server),
                ..
            } => assert!(server.is_public),
            other => panic!("{other:?}"),
        }
        let secure = to("https://a.example/api/n", any);
        let tls = TargetKind::from(Server {
            tls: Some(Tls::default()),
            ..server("a.example", 443)
        });
        assert_eq!(secure, (tls, a()));
        let host = "[::1]:8000".to_owned();
        let six = to("http://[::1]:8000/api", any);
        assert_eq!(six, (plain("::1", 8000), host));
    }

    #[test]
    fn addresses_of_ones_own_are_not_public() {
        for (address, expected) in [
            ("93.184.216.34", true),
            ("2606:2800:220:1::1", true),
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("::1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("192.0.0.8", false),
            ("::ffff:127.0.0.1", false),
            ("::127.0.0.1", false),
            ("::", false),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b:1::7f00:1", false),
            ("2002:7f00:1::", false),
            ("2001:0:7f00:1::", false),
            ("2001:db8::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
            ("2001:4860:4860::8888", true),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }
}
