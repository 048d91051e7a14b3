//! Backends behind TLS: what is verified, what is shown, what fails how, and all that goes to them.
//!
//! The backends are nginx with certificates made here; behind some of them stands a scripted one.
//! Source: `docs/configuration.md#targets`, `docs/compatibility.md`, W141.

mod clients;
mod failures;
mod passing;

use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use crate::support::nginx::{self, Site};
use crate::support::programs::{find_program, free_address, Running, TempDir};
use crate::support::tls::Certificate;
use crate::support::wait::{wait_until, DEADLINE};
use crate::support::{Config, P8};

/// An nginx with TLS; its folder goes away with it.
struct Nginx {
    address: SocketAddr,
    folder: TempDir,
    _running: Running,
}

impl Nginx {
    /// Starts one that shows this certificate; more of its server block as nginx writes it. None if
    /// nginx is not installed.
    fn start(certificate: &Certificate, more: &str) -> Option<Nginx> {
        let folder = TempDir::new("https-backend");
        certificate.write(&folder, "server");
        Nginx::in_folder(folder, more)
    }

    /// Starts one with the `server.crt` and `server.key` of a folder.
    fn in_folder(folder: TempDir, more: &str) -> Option<Nginx> {
        let nginx = find_program(&["nginx"])?;
        let address = free_address();
        let site = Site {
            listen: &format!("{address} ssl"),
            inside: more,
            ..Site::default()
        };
        let running = nginx::run(&nginx, &folder, site);
        wait_until(DEADLINE, "nginx", || TcpStream::connect(address).is_ok());
        Some(Nginx {
            address,
            folder,
            _running: running,
        })
    }

    /// Starts one that passes everything on to a backend, WebSockets and tunnels too.
    fn before(certificate: &Certificate, backend: SocketAddr) -> Option<Nginx> {
        Nginx::start(certificate, &passing_on(backend))
    }

    /// A configuration that leads to it, with these keys of the target.
    fn config(&self, keys: &str) -> Config {
        let target = format!("{{ url = \"https://{}\"{keys} }}", self.address);
        Config::new().route_to("host = \"*\"\ndebug = true", target)
    }

    /// A P-8 that trusts its certificate, which is for this host.
    fn trusted(&self, keys: &str) -> P8 {
        P8::start(&self.config(&format!("{keys}, {}", self.ca_cert())))
    }

    /// The key that has its certificate trusted.
    fn ca_cert(&self) -> String {
        ca_cert(self.folder.path())
    }
}

fn ca_cert(folder: &Path) -> String {
    format!("ca_cert = \"{}\"", folder.join("server.crt").display())
}

/// What makes nginx pass everything on.
fn passing_on(backend: SocketAddr) -> String {
    format!(
        "location / {{ proxy_pass http://{backend}; proxy_http_version 1.1;\n\
         proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;\n\
         proxy_set_header Connection $connection_asked; proxy_buffering off;\n\
         proxy_set_header X-Secure $https; client_max_body_size 0; }}"
    )
}
