//! Tests of the keys that say where clients are served, and of those that keep some out.

use std::path::Path;

use super::{error, settings};

fn http(line: &str) -> super::super::HttpSettings {
    settings(&format!("[http]\n{line}")).http
}

#[test]
fn unix_sockets_have_a_path_and_who_may_connect() {
    let sockets = http(
        "unix_listen = [\"/run/a.sock\", \"b.sock?mode=660&user=0&group=root\", \"/c?user=root\"]",
    );
    let [a, b, c] = &sockets.unix_listen[..] else {
        panic!("three");
    };
    assert_eq!((a.path.as_path(), a.mode), (Path::new("/run/a.sock"), None));
    assert_eq!(
        (b.path.as_path(), b.mode, b.user, b.group),
        (Path::new("b.sock"), Some(0o660), Some(0), Some(0))
    );
    assert_eq!((c.user, c.group), (Some(0), None));
    assert_eq!(http("unix_listen = \"\"").unix_listen, []);
}

#[test]
fn what_is_wrong_with_a_unix_socket_is_told() {
    let long = format!("/{}", "x".repeat(107));
    for (text, expected) in [
        ("/a?mode=888", "a mode from 0 to 777 in octal, such as 660"),
        ("/a?mode=1777", "a mode from 0 to 777 in octal, such as 660"),
        ("/a?user=nobody-of-that-name", "a user that there is"),
        ("/a?group=none-of-that-name", "a group that there is"),
        (
            "/a?mod=660",
            "path?mode=600&user=name&group=name, each of them optional",
        ),
        ("?mode=660", "a path of at most 107 bytes"),
        (&long, "a path of at most 107 bytes"),
    ] {
        let told = error(&format!("[http]\nunix_listen = [\"/ok\", \"{text}\"]"));
        assert!(
            told.starts_with("p-8.toml:2: [http] unix_listen[1]: found \"")
                && told.ends_with(expected),
            "{told}"
        );
    }
}

#[test]
fn plain_addresses_may_be_none_if_there_are_others() {
    assert_eq!(http("listen = []\nunix_listen = \"/a\"").listen, []);
    assert!(error("[http]\nlisten = []").contains("an empty list"));
}

#[test]
fn proxies_are_networks_addresses_or_unix_sockets() {
    let believed = http("proxy_protocol_from = [\"10.0.0.0/8\", \"::1\", \"unix\"]");
    let believed = believed.proxy_protocol_from;
    assert!(believed.unix);
    let networks: Vec<_> = believed.networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
    assert!(http("").proxy_protocol_from.is_empty());
    let told = error("[http]\nproxy_protocol_from = \"10.0.0.0/99\"");
    assert!(
        told.ends_with("expected a network such as \"10.0.0.0/8\", an address, or \"unix\""),
        "{told}"
    );
}

#[test]
fn limits_of_slow_clients_are_read() {
    let limits = http("accept_rate = 100\nheader_timeout_secs = 5\nbody_timeout_secs = 6");
    assert_eq!(limits.accept_rate, 100);
    assert_eq!(
        (
            limits.header_timeout.as_secs(),
            limits.body_timeout.as_secs()
        ),
        (5, 6)
    );
    assert!(error("[http]\nheader_timeout_secs = 0").ends_with("expected 1 to 3600"));
}
