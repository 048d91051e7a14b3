//! Tests of the configuration: texts in, settings or messages out. Here: defaults, the shipped
//! file, single keys; the rest by subject.

use std::collections::BTreeSet;

use super::*;
use crate::engine::forward::{SetProto, XffRule};
use crate::engine::outbox::SlowClient;
use crate::engine::route::{JsonpMode, Proto, Server, TargetKind};

mod choice;
mod control;
mod cross_origin;
mod diff;
mod environment;
mod http2;
mod listeners;
mod messages;
mod routes;
mod servers;
mod warnings;
mod websockets;
mod zmq;

const SHIPPED: &str = include_str!("../../p-8.toml");

fn settings(text: &str) -> Settings {
    Settings::from_toml(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn error(text: &str) -> String {
    match Settings::from_toml(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn nothing_set_gives_the_defaults() {
    let empty = settings("");
    assert_eq!(format!("{empty:?}"), format!("{:?}", Settings::default()));
    assert_eq!(empty.http.listen, ["0.0.0.0:7999".parse().unwrap()]);
    assert_eq!(empty.control.listen, "127.0.0.1:5561".parse().unwrap());
    assert_eq!(empty.routes.len(), 1);
    assert_eq!(empty.routes[0].host, "*");
    assert_eq!(empty.routes[0].targets[0].kind.to_string(), "localhost:80");
    assert!(empty.proxy.forward.sig.is_none());
    assert!(empty.warnings.is_empty());
}

#[test]
fn the_shipped_file_loads() {
    let shipped = settings(SHIPPED);
    assert!(shipped.warnings.is_empty(), "{:?}", shipped.warnings);
    let kinds: Vec<_> = shipped
        .routes
        .iter()
        .map(|route| &route.targets[0].kind)
        .collect();
    let backend = TargetKind::from(Server::new("localhost", 80));
    assert_eq!(kinds, [&backend, &TargetKind::Demo]);
    assert_eq!(shipped.routes[1].path_beg.as_deref(), Some("/p8-demo/"));
    assert_eq!(
        shipped.proxy.forward.set_x_forwarded_protocol,
        SetProto::ProtoOnly
    );
    assert_eq!(
        shipped.proxy.forward.sig.map(|sig| sig.iss).as_deref(),
        Some("pushpin")
    );
}

/// The shipped file's lines that show a default, up to the routes or after.
fn uncommented(up_to_routes: bool) -> String {
    let routes = SHIPPED.find("[[routes]]\n").unwrap();
    let uncomment = |text: &str| {
        let mut lines = Vec::new();
        for line in text.lines() {
            let key = line.strip_prefix('#').filter(|rest| rest.contains(" = "));
            lines.push(key.filter(|rest| !rest.starts_with(' ')).unwrap_or(line));
        }
        lines.join("\n") + "\n"
    };
    if up_to_routes {
        uncomment(&SHIPPED[..routes]) + &SHIPPED[routes..]
    } else {
        uncomment(SHIPPED)
    }
}

#[test]
fn the_shipped_file_shows_the_defaults() {
    let shown = settings(&uncommented(true));
    assert_eq!(format!("{shown:?}"), format!("{:?}", settings(SHIPPED)));
    assert!(settings(&uncommented(false)).routes[0].ssl.is_some());
}

#[test]
fn every_key_is_in_the_shipped_file_and_in_the_manual() {
    let manual = include_str!("../../docs/configuration.md");
    let words = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .map(str::to_owned)
            .collect()
    };
    let (shipped, manual) = (words(SHIPPED), words(manual));
    for text in [
        "x = 1",
        "[http]\nx = 1",
        "[control]\nx = 1",
        "[zmq]\nx = 1",
        "[handler]\nx = 1",
        "[proxy]\nx = 1",
        "[metrics]\nx = 1",
        "[log]\nx = 1",
        "[[routes]]\nx = 1",
        "[[routes]]\ntargets = [{ x = 1 }]",
    ] {
        let Err(ConfigError::UnknownKey { allowed, .. }) = Settings::from_toml(text) else {
            panic!("{text} must be an unknown key");
        };
        for key in allowed {
            assert!(shipped.contains(key), "{key} is missing in p-8.toml");
            assert!(
                manual.contains(key),
                "{key} is missing in docs/configuration.md"
            );
        }
    }
}

#[test]
fn control_stays_on_loopback() {
    for (text, address) in [
        ("5561", "127.0.0.1:5561"),
        ("\":0\"", "127.0.0.1:0"),
        ("\"localhost:1\"", "127.0.0.1:1"),
        ("\"127.0.0.9:1\"", "127.0.0.9:1"),
        ("\"[::1]:1\"", "[::1]:1"),
    ] {
        let settings = settings(&format!("control.listen = {text}"));
        assert_eq!(settings.control.listen.to_string(), address);
    }
    for text in [
        "\"*:1\"",
        "\"[::]:1\"",
        "\"192.0.2.1:1\"",
        "\"[::ffff:192.0.2.1]:1\"",
    ] {
        let message = error(&format!("control.listen = {text}"));
        assert!(message.contains("expected [control] auth"), "{message}");
    }
}

#[test]
fn listen_takes_many_forms() {
    let cases = [
        ("8000", vec!["0.0.0.0:8000"]),
        ("\"8000\"", vec!["0.0.0.0:8000"]),
        ("\":8000\"", vec!["0.0.0.0:8000"]),
        ("\"*:8000\"", vec!["0.0.0.0:8000"]),
        ("\"localhost:0\"", vec!["127.0.0.1:0"]),
        (
            "[\"127.0.0.1:1\", 2, \"[::1]:3\"]",
            vec!["127.0.0.1:1", "0.0.0.0:2", "[::1]:3"],
        ),
    ];
    for (text, addresses) in cases {
        let settings = settings(&format!("http.listen = {text}"));
        let found: Vec<String> = settings
            .http
            .listen
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, addresses);
    }
}

#[test]
fn a_signature_needs_issuer_and_key() {
    let cases = [
        ("", false),
        ("[proxy]\nsig_key = \"k\"", true),
        ("[proxy]\nsig_key = \"base64:AAEC/w==\"", true),
        ("[proxy]\nsig_key = \"\"", false),
        ("[proxy]\nsig_iss = \"\"\nsig_key = \"k\"", false),
        ("[proxy]\nsig_iss = \"me\"", false),
    ];
    for (text, signed) in cases {
        assert_eq!(settings(text).proxy.forward.sig.is_some(), signed, "{text}");
    }
    let route = "[[routes]]\nsig_iss = \"me\"\ntargets = [{ test = true }]";
    assert_eq!(
        settings(route).warnings,
        ["p-8.toml:2: [[routes]] sig_iss: has no effect, a signature needs both a sig_iss and a \
          sig_key"]
    );
}

#[test]
fn key_files_stand_beside_the_configuration() {
    let folder = std::env::temp_dir().join(format!("p8-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("p-8.toml");
    std::fs::write(folder.join("key.hex"), "6b6579\n").unwrap();
    std::fs::write(&file, "[proxy]\nsig_key = \"file:key.hex\"\n").unwrap();
    let read = |path: &Path| from_file(path, std::iter::empty());
    assert!(read(&file).unwrap().proxy.forward.sig.is_some());

    std::fs::write(folder.join("key.hex"), "no hex").unwrap();
    let message = read(&file).unwrap_err().to_string();
    assert!(
        message.contains("key.hex: key file must hold a PEM key"),
        "{message}"
    );

    std::fs::write(&file, "[proxy]\n\nsig_key = \"file:absent.pem\"\n").unwrap();
    let (place, path) = (file.display(), folder.join("absent.pem"));
    let message = read(&file).unwrap_err().to_string();
    let start = format!(
        "{place}:3: [proxy] sig_key: cannot use the file {}: ",
        path.display()
    );
    assert!(message.starts_with(&start), "{message}");

    let absent = folder.join("absent.toml");
    let message = read(&absent).unwrap_err().to_string();
    assert!(
        message.starts_with(&format!("{}: cannot be read: ", absent.display())),
        "{message}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
