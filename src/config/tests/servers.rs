//! Tests of targets that are web servers: their URLs, TLS, and the files it needs.

use std::path::{Path, PathBuf};

use super::super::{from_file, Settings};
use super::{error, settings};
use crate::engine::route::{Address, Server, TargetKind, Tls};

fn server(settings: &Settings) -> &Server {
    match &settings.routes[0].targets[0].kind {
        TargetKind::Server(server) => server,
        other => panic!("{other}"),
    }
}

fn target(target: &str) -> String {
    format!("[[routes]]\ntargets = [{{ {target} }}]")
}

#[test]
fn urls_say_where_a_server_is_and_whether_it_is_secure() {
    for (url, expected) in [
        ("http://a", Server::new("a", 80)),
        ("http://[::1]:81/", Server::new("::1", 81)),
        (
            "https://a",
            Server {
                tls: Some(Tls::default()),
                ..Server::new("a", 443)
            },
        ),
        (
            "unix:/run/a.sock",
            Server {
                address: Address::Unix("/run/a.sock".into()),
                ..Server::new("", 0)
            },
        ),
    ] {
        let settings = settings(&target(&format!("url = \"{url}\"")));
        assert_eq!(server(&settings), &expected, "{url}");
    }
    let long = format!("unix:/{}", "a".repeat(107));
    for url in [
        "unix:",
        "unix:a",
        "unix:./a",
        long.as_str(),
        "ftp://a",
        "https://a/b",
        "http://a:0",
    ] {
        let told = error(&target(&format!("url = \"{url}\"")));
        assert!(
            told.contains("targets[0].url: found \"") && told.contains("or unix:/path"),
            "{told}"
        );
    }
    let untrusted = settings(&target(
        "url = \"https://a\", untrusted = true, http2 = true",
    ));
    assert!(server(&untrusted).is_public && server(&untrusted).http2);
    let told = error(&target("url = \"unix:/a\", untrusted = true"));
    assert!(
        told.ends_with("expected http:// or https:// as the target is untrusted"),
        "{told}"
    );
}

/// A folder with a configuration file beside certificates.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let folder = std::env::temp_dir().join(format!("p8-servers-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for file in ["tls-cert.pem", "tls-key.pem", "rsa_private.pem"] {
            let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
            std::fs::copy(fixtures.join(file), folder.join(file)).unwrap();
        }
        std::fs::write(folder.join("text.pem"), "no PEM").unwrap();
        Folder(folder)
    }

    fn read(&self, text: &str) -> Result<Settings, String> {
        let file = self.0.join("p-8.toml");
        std::fs::write(&file, text).unwrap();
        from_file(&file, std::iter::empty()).map_err(|error| error.to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn certificates_stand_beside_the_configuration_and_are_checked_at_the_start() {
    let folder = Folder::new();
    let all = "url = \"https://a\", insecure = true, trust_connect_host = true, \
               client_cert = \"tls-cert.pem\", client_key = \"tls-key.pem\", ca_cert = \"tls-cert.pem\"";
    let settings = folder.read(&target(all)).unwrap();
    let tls = server(&settings).tls.clone().unwrap();
    assert!(tls.insecure && tls.trust_connect_host && tls.ca.is_some());
    assert!(tls.client.unwrap().parsed().is_ok());
    let proxy = folder.read("[proxy]\nca_cert = \"tls-cert.pem\"").unwrap();
    assert!(proxy.proxy.ca.is_some());

    let https = |keys: &str| target(&format!("url = \"https://a\", {keys}"));
    for (text, told) in [
        (
            https("client_cert = \"tls-cert.pem\""),
            "client_key: missing, expected the key",
        ),
        (
            https("client_key = \"tls-key.pem\""),
            "client_cert: missing, expected the cert",
        ),
        (
            https("client_cert = \"absent.pem\", client_key = \"tls-key.pem\""),
            "targets[0].client_cert: cannot use the file ",
        ),
        (
            https("client_cert = \"text.pem\", client_key = \"tls-key.pem\""),
            "text.pem: expected a certificate in PEM form",
        ),
        (
            https("client_cert = \"tls-cert.pem\", client_key = \"text.pem\""),
            "text.pem: expected a private key in PEM form",
        ),
        (
            https("client_cert = \"tls-cert.pem\", client_key = \"rsa_private.pem\""),
            "targets[0].client_key: cannot use the file ",
        ),
        (
            https("ca_cert = \"tls-key.pem\""),
            "tls-key.pem: expected a certificate in PEM form",
        ),
        (
            "[proxy]\nca_cert = \"text.pem\"".to_owned(),
            "[proxy] ca_cert: cannot use the file ",
        ),
    ] {
        let found = folder.read(&text).err().unwrap_or_default();
        assert!(found.contains(told), "{text}: {found}");
    }
}
