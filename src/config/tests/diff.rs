//! Tests of what differs between two configurations.

use super::super::{from_file, Difference};
use super::{error, settings};

const OLD: &str = r#"
[http]
listen = 7999
drain_secs = 2
[control]
max_body_size = 2000
[proxy]
sig_key = "one secret"
debug = true
[[routes]]
host = "a.example"
path_beg = "/x"
targets = [{ url = "http://a" }]
[[routes]]
host = "b.example"
id = "b"
targets = [{ url = "http://b" }]
[[routes]]
host = ""
id = "by-id"
targets = [{ url = "http://c" }]
"#;

fn difference(old: &str, new: &str) -> Difference {
    Difference::between(&settings(old), &settings(new))
}

#[test]
fn a_configuration_does_not_differ_from_itself_however_it_is_written() {
    let same = OLD.replace("listen = 7999", "# a comment\nlisten = 7999");
    let turned = same
        .replace("drain_secs = 2\n", "")
        .replace("[http]", "[http]\ndrain_secs = 2");
    assert!(difference(OLD, &turned).is_empty());
    assert_eq!(difference(OLD, &turned).to_string(), "nothing differs");
}

#[test]
fn routes_differ_by_their_condition() {
    let new = OLD
        .replace("path_beg = \"/x\"", "path_beg = \"/y\"")
        .replace("id = \"b\"", "id = \"b2\"")
        .replace("http://c", "http://c:81");
    let found = difference(OLD, &new);
    assert_eq!(found.routes_added, ["host=\"a.example\", path_beg=\"/y\""]);
    assert_eq!(
        found.routes_removed,
        ["host=\"a.example\", path_beg=\"/x\""]
    );
    assert_eq!(found.routes_changed, ["host=\"b.example\"", "id=\"by-id\""]);
    assert!(found.keys_changed.is_empty() && found.needs_restart.is_empty());
}

#[test]
fn only_addresses_threads_and_the_time_to_stop_in_need_a_restart() {
    let folder = std::env::temp_dir();
    let new = format!(
        "[http]\nlisten = 8000\nunix_listen = \"{}/p8.sock\"\nworkers = 3\ndrain_secs = 9\n\
         client_maxconn = 9\naccept_rate = 9\nheader_timeout_secs = 9\nbody_timeout_secs = 9\n\
         keep_alive_secs = 9\nclient_buffer_size = 9000\nproxy_protocol_from = [\"unix\"]\n\
         http2 = false\nhttp2_streams_max = 9\nhttp2_ping_secs = 9\nhttp2_ping_timeout_secs = 9\n\
         tls_min_version = \"1.3\"\n[control]\nlisten = 5562\nmax_headers_size = 9000\n\
         [handler]\narbiters = 2\nmessage_rate = 9\nmessage_hwm = 9\nmessage_block_size = 9\n\
         subscription_linger = 9\nlingering_subscriptions_max = 9\n",
        folder.display()
    );
    let found = difference("", &new);
    let needed: Vec<_> = found.needs_restart.iter().map(|c| c.key.as_str()).collect();
    assert_eq!(
        needed,
        [
            "[control] listen",
            "[handler] arbiters",
            "[http] drain_secs",
            "[http] listen",
            "[http] unix_listen",
            "[http] workers",
        ]
    );
    assert_eq!(found.keys_changed.len(), 18, "{found}");
}

#[test]
fn keys_differ_by_their_value_and_some_need_a_restart() {
    let new = OLD
        .replace("listen = 7999", "listen = 8000\nallow_compression = true")
        .replace("drain_secs = 2\n", "")
        .replace(
            "max_body_size = 2000",
            "listen = 5562\nmax_body_size = 3000",
        );
    let found = difference(OLD, &new);
    let texts = |changes: &[super::super::KeyChange]| -> Vec<String> {
        changes.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        texts(&found.keys_changed),
        [
            "[control] max_body_size: 2000 -> 3000",
            "[http] allow_compression: not set -> true",
        ]
    );
    assert_eq!(
        texts(&found.needs_restart),
        [
            "[control] listen: not set -> 5562",
            "[http] drain_secs: 2 -> not set",
            "[http] listen: 7999 -> 8000",
        ]
    );
    assert!(found
        .to_string()
        .ends_with("[http] listen: 7999 -> 8000 (needs a restart)"));
}

#[test]
fn secrets_are_compared_and_not_shown() {
    let found = difference(OLD, &OLD.replace("one secret", "another"));
    let [change] = found.keys_changed.as_slice() else {
        panic!("{found}");
    };
    assert_eq!(change.to_string(), "[proxy] sig_key: (secret) -> (secret)");
    let shown = format!("{:?} {found:?} {found}", settings(OLD));
    assert!(!shown.contains("one secret"), "{shown}");
}

#[test]
fn a_key_files_content_counts_too() {
    let folder = std::env::temp_dir().join(format!("p8-diff-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("p-8.toml");
    std::fs::write(&config, "[proxy]\nsig_key = \"file:key\"").unwrap();
    let load = |key: &str| {
        std::fs::write(folder.join("key"), key).unwrap();
        from_file(&config, std::iter::empty()).unwrap()
    };
    let (old, new) = (load("0011"), load("0022"));
    let found = Difference::between(&old, &new);
    assert_eq!(found.keys_changed.len(), 1, "{found}");
    assert!(Difference::between(&new, &load("0022")).is_empty());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_filter_of_the_log_is_checked() {
    let set = settings("[log]\nfilter = \"warn,p8::access=info\"");
    assert_eq!(set.log.filter, "warn,p8::access=info");
    assert_eq!(settings("[log]\nfilter = \"\"").log, settings("").log);
    assert_eq!(
        error("[log]\nfilter = \"p8=loud\""),
        "p-8.toml:2: [log] filter: found \"p8=loud\", expected levels by target such as \
         \"info,p8::access=warn\""
    );
}
