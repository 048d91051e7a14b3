//! Tests of `[zmq]` and `[metrics]`.

use super::{error as refusal, settings};

#[test]
fn addresses_are_read_and_open_ones_are_warned_of() {
    let written = "[zmq]\npull = \"tcp://127.0.0.1:5560\"\nipc_file_mode = \"660\"";
    let settings = settings(written);
    let pull = settings.zmq.pull.map(|endpoint| endpoint.to_string());
    assert_eq!(pull.as_deref(), Some("tcp://127.0.0.1:5560"));
    assert_eq!(settings.zmq.ipc_file_mode, Some(0o660));
    assert_eq!(settings.warnings, [] as [String; 0]);
    for (spec, is_open) in [
        ("tcp://*:1", true),
        ("tcp://10.0.0.1:1", true),
        ("tcp://[::1]:1", false),
        ("ipc:///run/pull", false),
        ("", false),
    ] {
        let warnings = super::settings(&format!("[zmq]\npull = \"{spec}\"")).warnings;
        assert_eq!(warnings.len(), usize::from(is_open), "{spec}");
    }
}

#[test]
fn addresses_that_are_none_are_refused() {
    for spec in [
        "x",
        "tcp://a.example:1",
        "ipc://x",
        "inproc://x",
        "tcp://127.0.0.1",
    ] {
        let expected = format!(
            "p-8.toml:2: [zmq] pull: found \"{spec}\", expected \"tcp://address:port\" or \
             \"ipc:///path\""
        );
        assert_eq!(refusal(&format!("[zmq]\npull = \"{spec}\"")), expected);
    }
    let mode = "[zmq]\nipc_file_mode = \"888\"";
    assert!(refusal(mode).ends_with("expected permissions such as \"600\", octal"));
}

#[test]
fn metrics_have_a_listener_and_a_prefix() {
    let settings = settings("[metrics]\nlisten = 9100\nprefix = \"a_\"");
    let listen = settings.metrics.listen.map(|listen| listen.to_string());
    assert_eq!(listen.as_deref(), Some("127.0.0.1:9100"));
    assert_eq!(settings.metrics.prefix, "a_");
    for prefix in ["1a", "a-b", "a b", "\u{e9}"] {
        let error = refusal(&format!("[metrics]\nprefix = \"{prefix}\""));
        assert!(error.contains("[metrics] prefix: found"), "{error}");
    }
}
