//! Clients that speak TLS.

mod browser;
mod certificates;
mod programs;
mod serving;
mod sockjs;

use crate::support::programs::TempDir;
use crate::support::tls::{Certificate, Trust, ANY};
use crate::support::{Backend, Config, P8};

/// P-8 with one certificate for `localhost`, and a client's side that trusts it.
struct Secure {
    p8: P8,
    trust: Trust,
    certificate: Certificate,
    _folder: TempDir,
}

impl Secure {
    fn start(config: Config) -> Secure {
        let folder = TempDir::new("tls");
        let certificate = Certificate::of(&["localhost"]);
        let trust = Trust::only(&[&certificate], ANY);
        Secure {
            p8: P8::start(&with_certificate(config, &certificate, &folder)),
            trust,
            certificate,
            _folder: folder,
        }
    }

    fn in_front_of(backend: &Backend) -> Secure {
        Secure::start(Config::to(backend.addr))
    }

    #[track_caller]
    fn client(&self) -> crate::support::Client {
        self.trust.client(self.p8.secure(), "localhost")
    }

    #[track_caller]
    fn stream(&self, target: &str) -> crate::support::Client {
        let mut client = self.client();
        client.request("GET", target, &[], b"");
        assert_eq!(client.final_head().status, 200);
        client
    }
}

fn with_certificate(config: Config, certificate: &Certificate, folder: &TempDir) -> Config {
    let (chain, key) = certificate.write(folder, "default");
    config
        .http("tls_listen = \"127.0.0.1:0\"")
        .http(&format!("tls_cert = {chain:?}"))
        .http(&format!("tls_key = {key:?}"))
}
