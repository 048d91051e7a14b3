//! Which certificate a client is shown, and when its file is read again; certificates that cannot be used.

use std::fs;

use rustls::pki_types::{pem::PemObject, CertificateDer};

use crate::support::programs::TempDir;
use crate::support::tls::{Certificate, Trust, ANY};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

const NAMES: [&str; 6] = [
    "www.example.com",
    "a.example.com",
    "b.a.example.com",
    "example.com",
    "localhost",
    "www.example.org",
];

/// A certificate that is good for every name asked for here.
fn made() -> Certificate {
    Certificate::of(&NAMES)
}

fn der(certificate: &Certificate) -> Vec<u8> {
    let der = CertificateDer::from_pem_slice(certificate.chain.as_bytes());
    der.expect("PEM").to_vec()
}

/// Which of these certificates a client is shown that asks for a name; none if it is refused.
fn shown<'a>(p8: &P8, name: &str, known: &[(&'a str, &Certificate)]) -> Option<&'a str> {
    let certificates: Vec<_> = known.iter().map(|(_, certificate)| *certificate).collect();
    let trust = Trust::only(&certificates, ANY);
    let connected = trust.try_connect(p8.secure(), name).ok()?;
    let seen = connected.certificate();
    let found = known.iter().find(|(_, known)| der(known) == seen);
    Some(found.expect("a known certificate").0)
}

fn folder_of(certificates: &[(&str, &Certificate)]) -> TempDir {
    let folder = TempDir::new("certs");
    for (name, certificate) in certificates {
        certificate.write(&folder, name);
    }
    folder
}

fn config(folder: &TempDir) -> Config {
    Config::new()
        .route_to("host = \"*\"", "{ test = true }")
        .http(&format!("tls_certs = {:?}", folder.path()))
}

#[test]
fn the_best_certificate_for_a_name_is_shown() {
    let made = [made(), made(), made(), made()];
    let known = [
        ("www.example.com", &made[0]),
        ("_.example.com", &made[1]),
        ("default", &made[2]),
        ("tls_cert", &made[3]),
    ];
    let folder = folder_of(&known[..3]);
    let p8 = P8::start(&config(&folder).http("tls_listen = \"127.0.0.1:0\""));
    for (asked, expected) in [
        ("www.example.com", "www.example.com"),
        ("WWW.Example.com", "www.example.com"),
        ("a.example.com", "_.example.com"),
        ("b.a.example.com", "default"),
        ("example.com", "default"),
        ("localhost", "default"),
    ] {
        assert_eq!(shown(&p8, asked, &known), Some(expected), "{asked}");
    }
}

#[test]
fn without_a_certificate_for_all_others_get_an_alert_or_the_configured_one() {
    let (one, other) = (made(), made());
    let known = [("www.example.com", &one), ("tls_cert", &other)];
    let folder = folder_of(&known[..1]);
    let config = config(&folder).http("tls_listen = \"127.0.0.1:0\"");
    let p8 = P8::start(&config);
    assert_eq!(
        shown(&p8, "www.example.com", &known),
        Some("www.example.com")
    );
    assert_eq!(shown(&p8, "www.example.org", &known), None);
    let second = TempDir::new("cert");
    let (chain, key) = other.write(&second, "any");
    let config = config
        .http(&format!("tls_cert = {chain:?}"))
        .http(&format!("tls_key = {key:?}"));
    let p8 = P8::start(&config);
    assert_eq!(
        shown(&p8, "www.example.com", &known),
        Some("www.example.com")
    );
    assert_eq!(shown(&p8, "www.example.org", &known), Some("tls_cert"));
}

#[test]
fn a_port_may_have_a_default_of_its_own() {
    let (for_port, for_all) = (made(), made());
    let port = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("an address").port()
    };
    let own = format!("default_{port}");
    let known = [(own.as_str(), &for_port), ("default", &for_all)];
    let folder = folder_of(&known);
    let listen = format!("tls_listen = [\"127.0.0.1:0\", \"127.0.0.1:{port}\"]");
    let p8 = P8::start(&config(&folder).http(&listen));
    assert_eq!(shown(&p8, "localhost", &known), Some(own.as_str()));
    let trust = Trust::only(&[&for_all], ANY);
    let other = p8.all[p8.all.len() - 2];
    assert!(trust.try_connect(other, "localhost").is_ok());
}

#[test]
fn changed_files_are_read_again_and_broken_ones_change_nothing() {
    let (old, new, added) = (made(), made(), made());
    let known = [("old", &old), ("new", &new), ("added", &added)];
    let folder = folder_of(&[("default", &old)]);
    let p8 = P8::start(&config(&folder).http("tls_listen = \"127.0.0.1:0\""));
    let shown_for = |name| shown(&p8, name, &known);
    assert_eq!(shown_for("localhost"), Some("old"));
    folder.file("default.crt", "no certificate");
    added.write(&folder, "www.example.com");
    wait_until(DEADLINE, "the added one", || {
        shown_for("www.example.com") == Some("added")
    });
    assert_eq!(
        shown_for("localhost"),
        Some("old"),
        "the broken file is not used"
    );
    new.write(&folder, "default");
    wait_until(DEADLINE, "the new one", || {
        shown_for("localhost") == Some("new")
    });
    fs::remove_file(folder.path().join("www.example.com.crt")).expect("a file");
    wait_until(DEADLINE, "the default again", || {
        shown_for("www.example.com") == Some("new")
    });
}

#[test]
fn connections_outlive_a_change_of_certificate() {
    let (old, new) = (made(), made());
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let folder = folder_of(&[("default", &old)]);
    let config = Config::to(backend.addr)
        .http(&format!("tls_certs = {:?}", folder.path()))
        .http("tls_listen = \"127.0.0.1:0\"");
    let p8 = P8::start(&config);
    let mut client = Trust::only(&[&old], ANY).client(p8.secure(), "localhost");
    assert_eq!(client.get("/").text(), "ok");
    new.write(&folder, "default");
    let known = [("old", &old), ("new", &new)];
    wait_until(DEADLINE, "the new one", || {
        shown(&p8, "localhost", &known) == Some("new")
    });
    assert_eq!(client.get("/").text(), "ok");
}

/// What is said of a configuration with these lines in `[http]`.
fn said(lines: &[String]) -> Result<Vec<String>, String> {
    let text = format!("[http]\n{}\n", lines.join("\n"));
    let settings = p8::Settings::from_toml(&text).map_err(|error| error.to_string())?;
    Ok(settings.warnings)
}

#[test]
fn certificates_that_cannot_be_used_are_told_by_key_and_file() {
    let folder = TempDir::new("bad");
    let (one, other) = (made(), made());
    let (chain, key) = one.write(&folder, "one");
    let (_, other_key) = other.write(&folder, "other");
    let junk = folder.file("junk", "junk");
    let missing = folder.path().join("missing.pem");
    let lines = |chain: &std::path::Path, key: &std::path::Path| {
        said(&[
            "tls_listen = 0".to_owned(),
            format!("tls_cert = {chain:?}"),
            format!("tls_key = {key:?}"),
        ])
    };
    assert_eq!(lines(&chain, &key), Ok(vec![]));
    for (chain, key, place, file, why) in [
        (
            &chain,
            &other_key,
            "[http] tls_key",
            &other_key,
            "does not belong to the certificate",
        ),
        (
            &junk,
            &key,
            "[http] tls_cert",
            &junk,
            "holds no certificate",
        ),
        (
            &chain,
            &junk,
            "[http] tls_key",
            &junk,
            "holds no private key",
        ),
        (
            &missing,
            &key,
            "[http] tls_cert",
            &missing,
            "cannot be read",
        ),
    ] {
        let error = lines(chain, key).expect_err("no certificate");
        let file = file.display().to_string();
        assert!(
            error.contains(place) && error.contains(&file) && error.contains(why),
            "{error}"
        );
    }
}

#[test]
fn a_folder_is_checked_too_and_an_expired_certificate_is_a_warning() {
    let folder = folder_of(&[("a.test", &made())]);
    let lines = [
        "tls_listen = 0".to_owned(),
        format!("tls_certs = {:?}", folder.path()),
    ];
    assert_eq!(said(&lines), Ok(vec![]));
    Certificate::until(&["a.test"], 2020).write(&folder, "a.test");
    let warnings = said(&lines).expect("a good configuration");
    assert!(
        warnings.len() == 1
            && warnings[0].contains("[http] tls_certs")
            && warnings[0].ends_with("a.test.crt has expired"),
        "{warnings:?}"
    );
    fs::remove_file(folder.path().join("a.test.key")).expect("a file");
    let error = said(&lines).expect_err("no key");
    assert!(error.contains("a.test.key: cannot be read"), "{error}");
    fs::remove_file(folder.path().join("a.test.crt")).expect("a file");
    let error = said(&lines).expect_err("nothing");
    assert!(error.contains("tls_cert: missing"), "{error}");
}

#[test]
fn half_a_certificate_is_refused() {
    for (line, missing) in [
        ("tls_cert = \"a\"", "tls_key"),
        ("tls_key = \"a\"", "tls_cert"),
    ] {
        let error = said(&[line.to_owned()]).expect_err("half");
        assert!(
            error.contains(&format!("[http] {missing}: missing")),
            "{error}"
        );
    }
}
