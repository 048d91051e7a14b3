//! TLS towards backends: whom P-8 trusts, what it shows of itself, and what went wrong.
//!
//! The system's roots are read once for the process, when the first verified connection needs them. A
//! machine without any still starts: backends are then trusted only by a `ca_cert`.
//!
//! Source: RFC 8446, RFC 9110 section 4.3.4.

use std::{cell::RefCell, collections::HashMap, io, sync::Arc};

use rustls::{
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        ring, verify_tls12_signature, verify_tls13_signature, CryptoProvider,
        WebPkiSupportedAlgorithms,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::{client::TlsStream, TlsConnector};

use crate::{
    actors::fetch_error::{FetchError, TlsFault},
    engine::route::{Pem, TargetKind, Tls},
};

use super::fetch::cut;

/// Most settings kept; as many as targets say different things, unless they were changed often.
const CONFIGS_MAX: usize = 256;

/// The settings of a worker's connections, made when they are needed.
#[derive(Default)]
pub(super) struct TlsConfigs {
    /// Trusted besides the system's roots.
    ca: RefCell<Option<Pem>>,
    made: RefCell<HashMap<Tls, Arc<ClientConfig>>>,
}

impl TlsConfigs {
    /// Trusts these authorities besides the system's; true if they were others before.
    pub(super) fn trust(&self, ca: Option<Pem>) -> bool {
        let is_new = *self.ca.borrow() != ca;
        if is_new {
            self.ca.replace(ca);
            self.made.borrow_mut().clear();
        }
        is_new
    }

    /// Speaks TLS on a connected stream.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        tls: &Tls,
        name: ServerName<'static>,
        wants_http2: bool,
    ) -> Result<TlsStream<TcpStream>, (TlsFault, String)> {
        let config = self
            .config(tls)
            .await
            .map_err(|why| (TlsFault::Failed, why))?;
        let mut protocols = vec![b"http/1.1".to_vec()];
        if wants_http2 {
            protocols.insert(0, b"h2".to_vec());
        }
        let connector = TlsConnector::from(config);
        let connected = connector.with_alpn(protocols).connect(name, stream).await;
        connected.map_err(|error| fault(&error))
    }

    async fn config(&self, tls: &Tls) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = self.made.borrow().get(tls) {
            return Ok(config.clone());
        }
        let config = Arc::new(self.make(tls).await?);
        let mut made = self.made.borrow_mut();
        if made.len() >= CONFIGS_MAX {
            made.clear();
        }
        made.insert(tls.clone(), config.clone());
        Ok(config)
    }

    async fn make(&self, tls: &Tls) -> Result<ClientConfig, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match tls.insecure {
            true => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate::new(&provider))),
            false => builder.with_root_certificates(self.roots(tls).await?),
        };
        match &tls.client {
            None => Ok(builder.with_no_client_auth()),
            Some(client) => {
                let (chain, key) = client.parsed()?;
                let config = builder.with_client_auth_cert(chain, key);
                config.map_err(|error| error.to_string())
            }
        }
    }

    /// Returns whom a target's certificate may come from.
    async fn roots(&self, tls: &Tls) -> Result<Arc<RootCertStore>, String> {
        if let Some(ca) = &tls.ca {
            return ca.authorities().map(Arc::new);
        }
        let system = system_roots().await;
        let Some(ca) = self.ca.borrow().clone() else {
            return Ok(system);
        };
        let mut roots = ca.authorities()?;
        roots.extend(system.roots.iter().cloned());
        Ok(Arc::new(roots))
    }
}

/// Returns the certificates that this machine trusts, or those of `SSL_CERT_FILE`.
async fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceCell<Arc<RootCertStore>> = OnceCell::const_new();
    let read = || async {
        let read = tokio::task::spawn_blocking(read_system_roots).await;
        read.unwrap_or_else(|_| Arc::new(RootCertStore::empty()))
    };
    ROOTS.get_or_init(read).await.clone()
}

fn read_system_roots() -> Arc<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (trusted, unusable) = roots.add_parsable_certificates(found.certs);
    for error in &found.errors {
        log::debug!(error:%; "trusted certificates of this machine cannot be read");
    }
    if roots.is_empty() {
        log::warn!("this machine trusts no certificates: https backends need a ca_cert");
    }
    log::debug!(trusted, unusable; "trusted certificates of this machine read");
    Arc::new(roots)
}

/// Turns a fault of TLS into an error of a fetch.
pub(super) fn failed(target: &TargetKind, (fault, why): (TlsFault, String)) -> FetchError {
    FetchError::Tls {
        target: target.to_string(),
        fault,
        why: cut(&why),
    }
}

/// Names what went wrong, if it was TLS.
pub(super) fn fault_in(error: &io::Error) -> Option<(TlsFault, String)> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    let fault = match error {
        Error::InvalidCertificate(error) => {
            let fault = of_certificate(error);
            let is_told = fault != TlsFault::BadCertificate;
            let why = if is_told {
                String::new()
            } else {
                format!("{error}")
            };
            return Some((fault, why));
        }
        Error::AlertReceived(_) => TlsFault::Refused,
        Error::InvalidMessage(_) => TlsFault::NotSpoken,
        _ => TlsFault::Failed,
    };
    Some((fault, error.to_string()))
}

fn fault(error: &io::Error) -> (TlsFault, String) {
    fault_in(error).unwrap_or_else(|| (TlsFault::Failed, error.to_string()))
}

fn of_certificate(error: &CertificateError) -> TlsFault {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    match error {
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
            TlsFault::CertificateExpired
        }
        UnknownIssuer => TlsFault::UnknownIssuer,
        NotValidForName | NotValidForNameContext { .. } => TlsFault::NameMismatch,
        _ => TlsFault::BadCertificate,
    }
}

/// Takes any certificate, for targets that are `insecure`; the server must still own it.
#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyCertificate {
    fn new(provider: &CryptoProvider) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
