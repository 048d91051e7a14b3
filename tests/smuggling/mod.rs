//! Request smuggling: bytes that two readers read differently never reach a backend.
//!
//! Each attack goes to P-8 in front of a backend that reads strictly and of one that is fooled by
//! whatever it can be fooled by. What either sees is compared byte for byte with what P-8 meant; then
//! somebody else's request goes over what connections are left, and must get its own answer.
//!
//! Source: `docs/compatibility.md#request-smuggling`, RFC 9112 sections 5 to 7 and 11.2.

mod backends;
mod passed;
mod refused;

use backends::{Reader, Recorder, Seen};

use crate::support::{Client, Config, P8};

/// A P-8 before a backend of that kind.
struct Scene {
    backend: Recorder,
    p8: P8,
}

impl Scene {
    fn new(reader: Reader) -> Scene {
        let backend = Recorder::start(reader);
        // Nothing is added to requests, so that each byte is known.
        let config = Config::new()
            .http("workers = 1")
            .proxy("sig_key = \"\"\nrequest_ids = \"off\"");
        let p8 = P8::start(&config.route("host = \"*\"\nno_grip = true", &[backend.addr]));
        Scene { backend, p8 }
    }

    fn send(&self, attack: impl AsRef<[u8]>) -> Client {
        let mut client = self.p8.client();
        client.send(attack);
        client
    }

    /// Sends somebody else's request, and returns what the backend has seen before it.
    #[track_caller]
    fn victim(&self, what: &str) -> (String, Vec<Seen>) {
        let reply = self.p8.client().get_with("/victim", &[("Host", "victim")]);
        assert_eq!(reply.text(), "GET victim /victim ", "{what}");
        let (raw, mut seen) = self.backend.take();
        let own = "GET /victim HTTP/1.1\r\nHost: victim\r\n\r\n";
        let raw = raw.strip_suffix(own);
        let raw = raw.unwrap_or_else(|| panic!("{what}: the victim's request"));
        assert_eq!(
            seen.pop().map(|seen| seen.target),
            Some("/victim".to_owned())
        );
        (raw.to_owned(), seen)
    }
}

fn scenes() -> [Scene; 2] {
    [Reader::Strict, Reader::Lax].map(Scene::new)
}
