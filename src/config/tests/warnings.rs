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
subscription_linger = 60
[proxy]
upstream_key = "secret"
auto_cross_origin = true
accept_pushpin_route = true
[metrics]
listen = "127.0.0.1:9100"
prefix = "x"
[[routes]]
aco = true
jsonp_mode = "basic"
jsonp_cb = "cb"
jsonp_body = "body"
jsonp_defcb = "cb"
jsonp_defmethod = "POST"
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
subscription_linger = 0
[proxy]
upstream_key = ""
auto_cross_origin = false
accept_pushpin_route = false
[[routes]]
aco = false
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
    let https = "p-8.toml:32: [[routes]] targets[0].url: not built yet, requests to this https \
                 target are answered 502";
    assert!(
        warnings.iter().any(|warning| warning == https),
        "{warnings:#?}"
    );
    assert!(!warnings.concat().contains("secret"));
}

#[test]
fn keys_that_ask_for_what_happens_anyway_do_not_warn() {
    assert_eq!(settings(CONTENT).warnings, [] as [String; 0]);
}
