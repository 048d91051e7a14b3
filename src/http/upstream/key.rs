//! What a connection is good for: which server, and under which name if its certificate counts.
//!
//! Two requests share a connection only if their keys are the same. All that a target says of TLS is
//! in it, so that no request travels on a connection that was verified in another way than its own.

use http::{header::HOST, HeaderMap};
use rustls::pki_types::ServerName;

use crate::{
    actors::fetch_error::{FetchError, TlsFault},
    engine::route::{Server, TargetKind, Tls},
};

use super::fetch::cut;

/// Tells connections apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Where it leads.
    pub(super) target: TargetKind,
    /// With TLS, whom the certificate must be for; it is also what the server is asked for.
    pub(super) name: Option<ServerName<'static>>,
}

impl Key {
    /// Makes the key of a request with these headers.
    ///
    /// **Errors**: TLS, and a host that is no name and no address.
    pub(super) fn new(target: &TargetKind, headers: &HeaderMap) -> Result<Key, FetchError> {
        let name = match target {
            TargetKind::Server(server) => match &server.tls {
                Some(tls) => Some(name(server, tls, headers)?),
                None => None,
            },
            TargetKind::Zhttpreq(_) | TargetKind::Test | TargetKind::Demo => None,
        };
        Ok(Key {
            target: target.clone(),
            name,
        })
    }

    /// Tells whether HTTP/2 shall be spoken, if the server can.
    pub(super) fn wants_http2(&self) -> bool {
        matches!(&self.target, TargetKind::Server(server) if server.http2)
    }
}

fn name(
    server: &Server,
    tls: &Tls,
    headers: &HeaderMap,
) -> Result<ServerName<'static>, FetchError> {
    let asked = headers.get(HOST).filter(|_| !tls.trust_connect_host);
    let asked = asked.map(|host| without_port(host.to_str().unwrap_or_default()));
    let host = asked.or(server.connect_host()).unwrap_or_default();
    ServerName::try_from(host.to_ascii_lowercase()).map_err(|_| FetchError::Tls {
        target: server.to_string(),
        fault: TlsFault::NoName,
        why: format!("found \"{}\"", cut(host).escape_debug()),
    })
}

/// Cuts the port off a `Host`, and the brackets off an IPv6 address.
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(tls: Option<Tls>) -> TargetKind {
        let server = Server::new("10.0.0.1", 443);
        TargetKind::from(Server { tls, ..server })
    }

    fn key(tls: Option<Tls>, host: &str) -> Result<Key, FetchError> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        Key::new(&server(tls), &headers)
    }

    fn named(tls: Tls, host: &str) -> String {
        let name = key(Some(tls), host).unwrap().name.unwrap();
        name.to_str().into_owned()
    }

    #[test]
    fn a_certificate_is_for_the_host_that_is_sent_unless_that_of_the_connection_is_trusted() {
        for (host, name) in [
            ("A.example", "a.example"),
            ("a.example:8443", "a.example"),
            ("[::1]:443", "::1"),
            ("127.0.0.1:1", "127.0.0.1"),
        ] {
            assert_eq!(named(Tls::default(), host), name);
        }
        let trusting = Tls {
            trust_connect_host: true,
            ..Tls::default()
        };
        assert_eq!(named(trusting, "a.example"), "10.0.0.1");
        let none = Key::new(&server(Some(Tls::default())), &HeaderMap::new()).unwrap();
        assert_eq!(none.name.unwrap().to_str(), "10.0.0.1");
    }

    #[test]
    fn a_host_that_no_certificate_can_be_for_is_an_error() {
        for host in ["", "a b", "-", "a..b", "a\"b"] {
            let error = key(Some(Tls::default()), host).unwrap_err();
            assert_eq!(error.code(), "tls-no-name", "{host}");
        }
    }

    #[test]
    fn what_is_verified_differently_shares_no_connection() {
        let insecure = Tls {
            insecure: true,
            ..Tls::default()
        };
        let of = |tls, host| key(tls, host).unwrap();
        let one = of(Some(Tls::default()), "a.example");
        assert_eq!(one, of(Some(Tls::default()), "a.example:443"));
        assert_ne!(one, of(Some(Tls::default()), "b.example"));
        assert_ne!(one, of(Some(insecure), "a.example"));
        assert_eq!(of(None, "a.example"), of(None, "b.example"));
    }
}
