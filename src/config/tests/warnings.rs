//! Tests of the warnings about keys that do nothing yet.

use super::settings;

const ASKING: &str = r#"
[http]
tls_listen = ["127.0.0.1:7443"]
tls_cert = "a"
tls_key = "b"
unix_listen = "/x"
allow_compression = true
[zmq]
pull = "a"
sub = ["b"]
sub_connect = true
command = "c"
stats = "d"
[handler]
message_rate = 2500
message_hwm = 25000
[proxy]
upstream_key = "secret"
accept_pushpin_route = true
[metrics]
listen = "127.0.0.1:9100"
prefix = "x"
[[routes]]
targets = [{ url = "https://a", insecure = true, over_http = true, one_event = true }]
"#;

const CONTENT: &str = r#"
[http]
tls_listen = []
unix_listen = []
allow_compression = false
[zmq]
sub = []
sub_connect = false
[handler]
message_rate = 0
message_hwm = 0
[proxy]
upstream_key = ""
accept_pushpin_route = false
[[routes]]
targets = [{ url = "http://a", insecure = false, over_http = false, one_event = false }]
"#;

#[test]
fn keys_that_ask_for_what_is_not_built_warn() {
    let warnings = settings(ASKING).warnings;
    let keys = ASKING.matches(" = ").count();
    assert_eq!(
        warnings.len(),
        keys - 1,
        "each but targets itself: {warnings:#?}"
    );
    let first = "p-8.toml:3: [http] tls_listen: not built yet, clients are not served over TLS";
    assert_eq!(warnings[0], first);
    let https = "[[routes]] targets[0].url: not built yet, requests to this https \
                 target are answered 502";
    assert!(
        warnings.iter().any(|warning| warning.ends_with(https)),
        "{warnings:#?}"
    );
    assert!(!warnings.concat().contains("secret"));
}

#[test]
fn keys_that_ask_for_what_happens_anyway_do_not_warn() {
    assert_eq!(settings(CONTENT).warnings, [] as [String; 0]);
}
