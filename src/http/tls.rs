//! How TLS is spoken with clients: versions, protocols, resumption. Certificates are in `certificates`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{
    crypto::ring::{self, Ticketer},
    server::NoServerSessionStorage,
    version::{TLS12, TLS13},
    Error, ServerConfig,
};

use super::certificates::{Certificates, ForPort};
use crate::engine::tls_options::TlsVersion;

/// What may be spoken inside, the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What a reload may change of how TLS is spoken.
pub type Spoken = (TlsVersion, bool);

/// How TLS is spoken on one port.
pub struct PortTls {
    certificates: Arc<Certificates>,
    port: u16,
    config: ArcSwap<ServerConfig>,
}

impl PortTls {
    /// Makes what a port begins with: from which version on, and whether with HTTP/2.
    pub fn new(certificates: &Arc<Certificates>, port: u16, spoken: Spoken) -> Result<Self, Error> {
        let config = server_config(certificates, port, spoken)?;
        Ok(Self {
            certificates: certificates.clone(),
            port,
            config: ArcSwap::new(config),
        })
    }

    /// Returns what a handshake that begins now goes by.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Makes what it could go by instead.
    pub fn prepare(&self, spoken: Spoken) -> Result<Arc<ServerConfig>, Error> {
        server_config(&self.certificates, self.port, spoken)
    }

    /// Changes what handshakes that begin from now on go by.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        self.config.store(config);
    }
}

/// Makes the configuration of a port.
///
/// A client may resume its session by a ticket that it keeps itself, for at most half a day; nothing is
/// kept here.
fn server_config(
    certificates: &Arc<Certificates>,
    port: u16,
    (min_version, http2): Spoken,
) -> Result<Arc<ServerConfig>, Error> {
    let versions: &[_] = match min_version {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let resolver = ForPort {
        certificates: certificates.clone(),
        port,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let protocols = PROTOCOLS.iter().skip(usize::from(!http2));
    config.alpn_protocols = protocols.map(|protocol| protocol.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Ticketer::new()?;
    Ok(Arc::new(config))
}
