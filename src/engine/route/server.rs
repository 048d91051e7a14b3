//! A web server that requests go to: where it is, and what a connection to it is like.
//!
//! It connects to nothing and checks no certificate; `http/upstream` does.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    sync::Arc,
};

use rustls::{
    crypto::ring,
    pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
    RootCertStore,
};

/// Describes a web server.
///
/// Displays as `host:port`, `[v6]:port` or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// Where it listens.
    pub address: Address,
    /// How connections are secured; `None`: not at all.
    pub tls: Option<Tls>,
    /// It speaks HTTP/2, so that many requests share a connection.
    pub http2: bool,
    /// It belongs to the public network: it is not connected to at any other address.
    pub is_public: bool,
}

/// Says where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// On TCP.
    Tcp {
        /// A name or an address; an IPv6 address without its brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// On a unix socket of this machine.
    Unix(PathBuf),
}

impl Server {
    /// Describes a plain server on TCP.
    pub fn new(host: &str, port: u16) -> Server {
        Server {
            address: Address::Tcp {
                host: host.to_owned(),
                port,
            },
            tls: None,
            http2: false,
            is_public: false,
        }
    }

    /// Returns the host that is connected to; a unix socket has none.
    pub fn connect_host(&self) -> Option<&str> {
        match &self.address {
            Address::Tcp { host, .. } => Some(host),
            Address::Unix(_) => None,
        }
    }

    /// Returns the name its own clients would ask for, as a `Host` has it.
    pub fn own_host(&self) -> String {
        let default_port = if self.tls.is_some() { 443 } else { 80 };
        match &self.address {
            Address::Unix(_) => "localhost".to_owned(),
            Address::Tcp { host, port } if *port == default_port && !host.contains(':') => {
                host.clone()
            }
            Address::Tcp { .. } => self.to_string(),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Describes how connections are secured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// The server's certificate is not verified.
    pub insecure: bool,
    /// The server is asked for, and verified, under the name that is connected to; otherwise under
    /// the one that its `Host` says.
    pub trust_connect_host: bool,
    /// What P-8 shows the server of itself.
    pub client: Option<ClientCertificate>,
    /// Whom the server's certificate must come from; `None`: anybody whom all connections trust.
    pub ca: Option<Pem>,
}

/// A certificate for clients, and its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// The certificate first, then those between it and the authority.
    pub chain: Pem,
    /// Its private key.
    pub key: Pem,
}

impl ClientCertificate {
    /// Returns the certificates and the key.
    ///
    /// **Errors**: what is wrong with the files, or that the key belongs to another certificate.
    pub fn parsed(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
        let (chain, key) = (self.chain.certificates()?, self.key.private_key()?);
        let provider = ring::default_provider();
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider)
            .map(|_| (chain, key))
            .map_err(|error| error.to_string())
    }
}

/// The content of a PEM file; never shown.
#[derive(Clone)]
pub struct Pem {
    content: Arc<[u8]>,
    fingerprint: u64,
}

impl Pem {
    /// Keeps the content of a file.
    pub fn new(content: &[u8]) -> Pem {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        Pem {
            content: content.into(),
            fingerprint: hasher.finish(),
        }
    }

    /// Returns the certificates in it.
    ///
    /// **Errors**: it is no PEM, or there is none in it.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.content).collect();
        match found {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err("expected a certificate in PEM form".to_owned()),
            Err(error) => Err(format!("expected certificates in PEM form: {error}")),
        }
    }

    /// Returns the certificates in it as those of authorities that are trusted.
    ///
    /// **Errors**: as of [`Pem::certificates`], or one of them cannot be used.
    pub fn authorities(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        Ok(roots)
    }

    /// Returns the private key in it.
    ///
    /// **Errors**: there is none.
    pub fn private_key(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(&self.content)
            .map_err(|error| format!("expected a private key in PEM form: {error}"))
    }
}

impl PartialEq for Pem {
    fn eq(&self, other: &Pem) -> bool {
        Arc::ptr_eq(&self.content, &other.content)
            || (self.fingerprint == other.fingerprint && self.content == other.content)
    }
}

impl Eq for Pem {}

/// Every request looks its connection up by it, so that the content is not hashed again.
impl Hash for Pem {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint);
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({} bytes)", self.content.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_as_its_own_clients_would() {
        let tls = |port| Server {
            tls: Some(Tls::default()),
            ..Server::new("a.test", port)
        };
        let unix = Server {
            address: Address::Unix("/run/a.sock".into()),
            ..Server::new("", 0)
        };
        for (server, shown, own) in [
            (Server::new("a.test", 80), "a.test:80", "a.test"),
            (Server::new("a.test", 443), "a.test:443", "a.test:443"),
            (tls(443), "a.test:443", "a.test"),
            (tls(80), "a.test:80", "a.test:80"),
            (Server::new("::1", 80), "[::1]:80", "[::1]:80"),
            (unix, "unix:/run/a.sock", "localhost"),
        ] {
            assert_eq!(server.to_string(), shown);
            assert_eq!(server.own_host(), own);
        }
    }

    #[test]
    fn pem_files_are_told_apart_by_their_content_and_never_shown() {
        let (one, same, other) = (Pem::new(b"secret"), Pem::new(b"secret"), Pem::new(b"more"));
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_eq!(format!("{one:?}"), "Pem(6 bytes)");
        let certificate = one.certificates().unwrap_err();
        assert_eq!(certificate, "expected a certificate in PEM form");
        let key = one.private_key().unwrap_err();
        assert!(
            key.starts_with("expected a private key in PEM form"),
            "{key}"
        );
    }
}
