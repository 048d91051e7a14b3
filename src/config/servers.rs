//! The second stage of a target that is a web server: from its `url` and what stands beside it about
//! TLS to [`Server`].
//!
//! It opens no connection and resolves no name; it reads the files that a target names.

use http::Uri;

use super::error::ConfigError;
use super::file;
use super::routes::OneRoute;
use crate::engine::route::{Address, Server, Tls};

/// Longest path of a unix socket that the kernel takes.
const UNIX_PATH_BYTES_MAX: usize = 107;

impl OneRoute<'_, '_> {
    /// Checks one server.
    pub(super) fn server(
        &mut self,
        position: &str,
        url: &str,
        written: &file::Target,
    ) -> Result<Server, ConfigError> {
        let at = |key| ["targets", position, key];
        let Some(mut server) = parse_url(url) else {
            let expected = "http://host:port or https://host:port, without a path, or unix:/path";
            return Err(self.wrong(&at("url"), url, expected));
        };
        if server.tls.is_some() {
            server.tls = Some(self.tls(position, written)?);
        } else {
            self.warn_of_tls(position, written);
        }
        if let (Address::Unix(_), Some(true)) = (&server.address, written.untrusted) {
            let expected = "http:// or https:// as the target is untrusted";
            return Err(self.wrong(&at("url"), url, expected));
        }
        server.http2 = written.http2.unwrap_or(false);
        server.is_public = written.untrusted.unwrap_or(false);
        Ok(server)
    }

    fn tls(&self, position: &str, written: &file::Target) -> Result<Tls, ConfigError> {
        let at = |key| ["targets", position, key];
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let client = match (given(&written.client_cert), given(&written.client_key)) {
            (None, None) => None,
            (Some(_), None) => {
                let expected = "the key of the client_cert, a PEM file";
                return Err(self.missing(&at("client_key"), expected));
            }
            (None, Some(_)) => {
                let expected = "the certificate of the client_key, a PEM file";
                return Err(self.missing(&at("client_cert"), expected));
            }
            (Some(chain), Some(key)) => {
                let paths = (at("client_cert"), at("client_key"));
                let paths = (self.path(&paths.0), self.path(&paths.1));
                let read = self
                    .checker
                    .client_certificate((&paths.0, &chain), (&paths.1, &key))?;
                Some(read)
            }
        };
        let ca_path = at("ca_cert");
        let ca_path = self.path(&ca_path);
        Ok(Tls {
            insecure: written.insecure.unwrap_or(false),
            trust_connect_host: written.trust_connect_host.unwrap_or(false),
            client,
            ca: self
                .checker
                .authorities(&ca_path, written.ca_cert.as_deref())?,
        })
    }

    /// Warns of keys that only mean something with TLS.
    fn warn_of_tls(&mut self, position: &str, written: &file::Target) {
        let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        for (key, is_set) in [
            ("insecure", written.insecure == Some(true)),
            (
                "trust_connect_host",
                written.trust_connect_host == Some(true),
            ),
            ("client_cert", given(&written.client_cert)),
            ("client_key", given(&written.client_key)),
            ("ca_cert", given(&written.ca_cert)),
        ] {
            if is_set {
                let index = self.index.clone();
                let path = ["routes", index.as_str(), "targets", position, key];
                self.checker.no_effect(&path, "the target is not https");
            }
        }
    }
}

/// Reads `http://host:port`, the port may be left out, and a path of `/` may stand; or `unix:/path`.
fn parse_url(url: &str) -> Option<Server> {
    if let Some(path) = url.strip_prefix("unix:") {
        let fits = path.starts_with('/') && path.len() <= UNIX_PATH_BYTES_MAX;
        return (fits && !path.contains('\0')).then(|| Server {
            address: Address::Unix(path.into()),
            ..Server::new("", 0)
        });
    }
    let uri: Uri = url.parse().ok()?;
    let tls = match uri.scheme_str()? {
        "http" => None,
        "https" => Some(Tls::default()),
        _ => return None,
    };
    let authority = uri.authority()?;
    let has_port = authority.as_str().len() > authority.host().len();
    let port = match authority.port_u16() {
        Some(port) => port,
        None if has_port => return None,
        None if tls.is_some() => 443,
        None => 80,
    };
    let host = authority.host();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    (bare && port > 0 && !host.is_empty() && !authority.as_str().contains('@')).then(|| Server {
        tls,
        ..Server::new(host, port)
    })
}
