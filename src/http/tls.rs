//! How TLS is spoken with clients: versions, protocols, resumption. Certificates are in `certificates`.

use std::sync::Arc;

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

/// Makes the configuration of a port.
///
/// A client may resume its session by a ticket that it keeps itself, for at most half a day; nothing is
/// kept here.
pub fn server_config(
    certificates: &Arc<Certificates>,
    port: u16,
    min_version: TlsVersion,
    http2: bool,
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
