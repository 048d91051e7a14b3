//! Where a link of a held session leads: back through its own route, or elsewhere.
//!
//! ```text
//! link ──resolve (against the session's current URL)──▶ Url ─┬─ same scheme, host, port, and the
//!                                                            │  route's path_beg ──▶ its route
//!                                                            └─ anything else ─────▶ Elsewhere
//! ```
//!
//! Fetches nothing. Source: `docs/grip.md#links`.

use std::net::IpAddr;

use url::Url;

use super::route::{Route, TargetKind};

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Through the session's own route, as its client's request went.
    Route {
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
pub fn destination(url: &Url, client: &Url, route: &Route) -> Option<Destination> {
    let path_and_query = match url.query() {
        None => url.path().to_owned(),
        Some(query) => format!("{}?{query}", url.path()),
    };
    let is_own_path = url
        .path()
        .starts_with(route.path_beg.as_deref().unwrap_or_default());
    if url.origin() == client.origin() && is_own_path {
        return Some(Destination::Route { path_and_query });
    }
    let name = url.host_str()?;
    let port = url.port_or_known_default()?;
    Some(Destination::Elsewhere {
        target: TargetKind::Http {
            host: name.trim_matches(['[', ']']).to_owned(),
            port,
            tls: url.scheme() == "https",
        },
        host: match url.port() {
            None => name.to_owned(),
            Some(port) => format!("{name}:{port}"),
        },
        path_and_query,
    })
}

/// Tells whether an address belongs to the public network.
///
/// **Source**: the special-purpose registries of RFC 6890, as far as they name addresses of one's own.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (18..20).contains(&b)))
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || (first == 0x2001 && second == 0xdb8)
                || (first == 0x64 && second == 0xff9b))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn only_the_clients_own_origin_and_path_go_through_its_route() {
        let client = client_url(false, Some("a.example:80"), "/api/x").unwrap();
        let mut route = Route::new("*");
        route.path_beg = Some("/api".to_owned());
        let to = |link: &str| destination(&resolve(&client, link).unwrap(), &client, &route);
        let path_and_query = "/api/n?a=b".to_owned();
        let own = Some(Destination::Route { path_and_query });
        assert_eq!(to("/api/n?a=b"), own);
        assert_eq!(to("http://A.example/api/n?a=b"), own);
        for (link, host, port, tls, header) in [
            ("/other", "a.example", 80, false, "a.example"),
            (
                "https://a.example/api/n",
                "a.example",
                443,
                true,
                "a.example",
            ),
            ("http://[::1]:8000/api", "::1", 8000, false, "[::1]:8000"),
        ] {
            let Some(Destination::Elsewhere {
                target, host: seen, ..
            }) = to(link)
            else {
                panic!("{link} leads elsewhere")
            };
            let host = host.to_owned();
            assert_eq!(target, TargetKind::Http { host, port, tls });
            assert_eq!(seen, header);
        }
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
            ("::ffff:127.0.0.1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }
}
