//! Certificates made for one test, and clients that trust them.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use rustls::pki_types::{pem::PemObject, CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::client::Client;
use super::programs::TempDir;
use super::socket::Socket;

/// Both versions.
pub const ANY: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Certificate {
    pub chain: String,
    pub key: String,
}

impl Certificate {
    /// One for these names that trusts itself, until 2035.
    pub fn of(names: &[&str]) -> Certificate {
        Certificate::until(names, 2035)
    }

    /// One that holds until the beginning of a year.
    pub fn until(names: &[&str], year: i32) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(names).expect("names");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.self_signed(&key).expect("a certificate");
        Certificate {
            chain: pem("CERTIFICATE", certificate.der()),
            key: pem("PRIVATE KEY", key.serialized_der()),
        }
    }

    /// Writes `NAME.crt` and `NAME.key`; gives the paths.
    #[track_caller]
    pub fn write(&self, folder: &TempDir, name: &str) -> (PathBuf, PathBuf) {
        (
            folder.file(&format!("{name}.crt"), &self.chain),
            folder.file(&format!("{name}.key"), &self.key),
        )
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

/// A client's side of TLS.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
}

impl Trust {
    /// Trusts these certificates only, and speaks these versions.
    pub fn only(
        certificates: &[&Certificate],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Trust {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            let der = CertificateDer::from_pem_slice(certificate.chain.as_bytes());
            roots.add(der.expect("PEM")).expect("a certificate");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Trust {
            config: Arc::new(config),
        }
    }

    /// Offers these protocols.
    pub fn speaking(mut self, protocols: &[&str]) -> Trust {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
        Arc::make_mut(&mut self.config).alpn_protocols = protocols.collect();
        self
    }

    /// Connects, and tells why no client came of it.
    pub fn try_connect(&self, address: SocketAddr, name: &str) -> Result<Secured, String> {
        let socket = TcpStream::connect(address).expect("P-8 accepts connections");
        self.over(socket, name)
    }

    /// Speaks TLS over a connection.
    pub fn over(&self, mut socket: TcpStream, name: &str) -> Result<Secured, String> {
        let deadline = Some(Duration::from_secs(10));
        socket.set_read_timeout(deadline).expect("a timeout");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut session = ClientConnection::new(self.config.clone(), name).expect("a session");
        while session.is_handshaking() {
            session
                .complete_io(&mut socket)
                .map_err(|error| error.to_string())?;
        }
        Ok(Secured(StreamOwned::new(session, socket)))
    }

    /// A client behind TLS.
    #[track_caller]
    pub fn client(&self, address: SocketAddr, name: &str) -> Client {
        let secured = self.try_connect(address, name).expect("a handshake");
        Client::over(Socket::Tls(Box::new(secured.0)))
    }
}

/// A connection whose handshake is over.
#[derive(Debug)]
pub struct Secured(pub StreamOwned<ClientConnection, TcpStream>);

impl Secured {
    /// The certificate that was shown.
    pub fn certificate(&self) -> Vec<u8> {
        let shown = self.0.conn.peer_certificates();
        shown
            .and_then(<[_]>::first)
            .expect("a certificate")
            .to_vec()
    }
}
