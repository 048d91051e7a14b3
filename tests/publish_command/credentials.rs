//! Where items go and as whom: the GRIP URL, its environment, the options, TLS.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::engine::{general_purpose::STANDARD, Engine};
use p8::grip::sig::{verify, SigKey};
use serde_json::Value;

use super::{assert_failed, assert_published, recorder, run_with};
use crate::support::programs::TempDir;
use crate::support::Backend;

/// The `Authorization` that was sent with this environment and these arguments.
#[track_caller]
fn authorization(grip_url: &str, arguments: &[&str]) -> Option<String> {
    let server = recorder();
    let url = grip_url.replace("HOST", &server.addr.to_string());
    let arguments = [arguments, &["channel", "x"]].concat();
    assert_published(&run_with(&arguments, &[("GRIP_URL", &url)], b""));
    let request = server.only_request();
    request.header("authorization").map(str::to_owned)
}

#[test]
fn the_grip_url_says_where_and_as_whom() {
    for (url, arguments, expected) in [
        ("http://HOST", &[][..], None),
        ("http://user:p%40ss@HOST/", &[], Some("Basic dXNlcjpwQHNz")),
        ("http://HOST?key=a%2Btoken", &[], Some("Bearer a+token")),
        ("http://HOST?key=base64:dG9rZW4=", &[], Some("Bearer token")),
        (
            "http://u:p@HOST?iss=i&key=k",
            &["-u", "me:a:b"],
            Some("Basic bWU6YTpi"),
        ),
        ("http://u:p@HOST", &["--user", "me"], Some("Basic bWU6")),
        ("http://HOST?key=k", &["-B", "mine"], Some("Bearer mine")),
        ("http://HOST", &["--bearer", "mine"], Some("Bearer mine")),
    ] {
        assert_eq!(
            authorization(url, arguments).as_deref(),
            expected,
            "{url} {arguments:?}"
        );
    }
}

#[test]
fn an_issuer_and_a_key_sign_a_token_for_an_hour() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("a clock").as_secs();
    for key in ["secret", "base64:c2VjcmV0", "s%65cret"] {
        let value = authorization(&format!("http://HOST?iss=me&key={key}"), &[]);
        let value = value.expect("an authorization");
        let token = value.strip_prefix("Bearer ").expect("a bearer token");
        let key = SigKey::from_text("secret").expect("a key");
        assert!(verify(&key, token, now + 3_590) && !verify(&key, token, now + 3_900));
        let claims = STANDARD.decode(token.split('.').nth(1).map(padded).expect("claims"));
        let claims: Value = serde_json::from_slice(&claims.expect("base64")).expect("JSON");
        assert_eq!(claims["iss"], "me");
    }
}

/// Makes base64url text ordinary base64.
fn padded(text: &str) -> String {
    let text = text.replace('-', "+").replace('_', "/");
    let missing = (4 - text.len() % 4) % 4;
    text + &"=".repeat(missing)
}

#[test]
fn the_option_wins_over_the_environment_and_the_path_is_kept() {
    let server = recorder();
    let spec = format!("http://localhost:{}/realm/", server.addr.port());
    let nowhere = format!("http://{}", Backend::nowhere());
    let arguments = ["--spec", &spec, "c", "x"];
    assert_published(&run_with(&arguments, &[("GRIP_URL", &nowhere)], b""));
    let request = server.only_request();
    assert_eq!(request.target, "/realm/publish/");
    let host = request.header("host").map(str::to_owned);
    assert_eq!(host, Some(format!("localhost:{}", server.addr.port())));
}

#[test]
fn secrets_of_a_bad_grip_url_are_not_shown() {
    for url in [
        "https://u:secret@",
        "tcp://u:secret@a",
        "https://a?key=secret%0a",
        "secret",
    ] {
        let output = run_with(&["c", "x"], &[("GRIP_URL", url)], b"");
        assert_failed(&output, 1, &["Error: GRIP_URL: "]);
        assert!(
            !String::from_utf8_lossy(&output.stderr).contains("secret"),
            "{url}"
        );
    }
}

#[test]
fn credentials_are_not_sent_readable_over_a_network() {
    for (url, arguments) in [
        ("http://u:secret@192.0.2.1:5561", &[][..]),
        ("http://192.0.2.1?key=secret", &[]),
        ("http://192.0.2.1?iss=i&key=secret", &[]),
        ("http://192.0.2.1", &["-u", "u:secret"]),
        ("http://192.0.2.1", &["-B", "secret"]),
    ] {
        let arguments = [arguments, &["c", "x"]].concat();
        let output = run_with(&arguments, &[("GRIP_URL", url)], b"");
        assert_failed(&output, 1, &["Error: ", "192.0.2.1", "plain http", "https"]);
        assert!(
            !String::from_utf8_lossy(&output.stderr).contains("secret"),
            "{url}"
        );
    }
}

/// A TLS server with the certificate of the fixtures; gives its port and what it was asked.
fn tls_server() -> (u16, thread::JoinHandle<Option<String>>) {
    use rustls::pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer};
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let certificate = CertificateDer::from_pem_file(format!("{fixtures}/tls-cert.pem"));
    let key = PrivateKeyDer::from_pem_file(format!("{fixtures}/tls-key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("a certificate")], key)
        .expect("they fit");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serving = thread::spawn(move || {
        let (socket, _) = listener.accept().expect("a connection");
        let connection = rustls::ServerConnection::new(Arc::new(config)).expect("a connection");
        let mut tls = rustls::StreamOwned::new(connection, socket);
        let mut head = [0; 4096];
        let n = tls.read(&mut head).ok()?;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        tls.write_all(answer).expect("it takes an answer");
        Some(String::from_utf8_lossy(&head[..n]).into_owned())
    });
    (port, serving)
}

#[test]
fn https_carries_credentials_to_a_server_that_can_be_trusted() {
    let trusted = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls-cert.pem");
    let (port, serving) = tls_server();
    let url = format!("https://u:p@localhost:{port}/realm");
    let environment = [("GRIP_URL", url.as_str()), ("SSL_CERT_FILE", trusted)];
    assert_published(&run_with(&["c", "x"], &environment, b""));
    let asked = serving.join().expect("a server").expect("a request");
    assert!(
        asked.starts_with("POST /realm/publish/ HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.to_lowercase().contains("authorization: basic dtpw"),
        "{asked}"
    );
}

#[test]
fn https_to_a_server_that_cannot_be_trusted_is_refused() {
    let trusted = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls-cert.pem");
    let (port, serving) = tls_server();
    let url = format!("https://u:p@127.0.0.1:{port}");
    let environment = [("GRIP_URL", url.as_str()), ("SSL_CERT_FILE", trusted)];
    let output = run_with(&["c", "x"], &environment, b"");
    assert_failed(
        &output,
        1,
        &["Error: cannot connect to https://127.0.0.1", "certificate"],
    );
    assert_eq!(serving.join().expect("a server"), None, "nothing was sent");
    let folder = TempDir::new("publish");
    let (file, folder) = (
        folder.file("none.pem", ""),
        folder.path().display().to_string(),
    );
    let file = file.display().to_string();
    let environment = [
        environment[0],
        ("SSL_CERT_FILE", &file),
        ("SSL_CERT_DIR", &folder),
    ];
    let output = run_with(&["c", "x"], &environment, b"");
    assert_failed(&output, 1, &["Error: cannot use TLS: "]);
}
