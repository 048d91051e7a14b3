//! Tests of the warnings about keys that do nothing.

use super::settings;

const CONTENT: &str = r#"
[http]
tls_listen = []
unix_listen = []
[zmq]
sub = []
sub_connect = false
[proxy]
accept_pushpin_route = false
[[routes]]
targets = [{ url = "http://a", insecure = false }]
"#;

#[test]
fn keys_that_ask_for_what_happens_anyway_do_not_warn() {
    assert_eq!(settings(CONTENT).warnings, [] as [String; 0]);
}

#[test]
fn ids_that_name_no_route_warn_where_clients_may_name_one() {
    let routes = "[[routes]]\nhost = \"a\"\nid = \"x\"\ntargets = [{ test = true }]\n\
                  [[routes]]\nhost = \"b\"\nid = \"x\"\ntargets = [{ test = true }]\n\
                  [[routes]]\nhost = \"c\"\nid = \"y\"\ntargets = [{ test = true }]\n";
    assert_eq!(settings(routes).warnings, [] as [String; 0]);
    let accepted = settings(&format!("[proxy]\naccept_pushpin_route = true\n{routes}"));
    let expected = "p-8.toml:9: [[routes]] id: a Pushpin-Route with this id names no route: \
                    p-8.toml:3: [[routes]] has it too";
    assert_eq!(accepted.warnings, [expected]);
}

#[test]
fn sessions_of_a_state_service_warn() {
    let route = "[[routes]]\nsession = true\ntargets = [{ test = true }]";
    let warnings = settings(route).warnings;
    let expected = "p-8.toml:2: [[routes]] session: has no effect, sessions are found out by a \
                    state service beside Pushpin, and P-8 has none";
    assert_eq!(warnings, [expected]);
    let off = settings(&route.replace("true\n", "false\n"));
    assert_eq!(off.warnings, [] as [String; 0]);
}

#[test]
fn nothing_to_fall_through_to_warns() {
    let route = "[[routes]]\nfallthrough = true\ntargets = [{ test = true }]";
    let expected = "p-8.toml:2: [[routes]] fallthrough: has no effect, no host is less specific \
                    than this one";
    assert_eq!(settings(route).warnings, [expected]);
    let named = format!("{route}\nhost = \"*.a\"");
    assert_eq!(settings(&named).warnings, [] as [String; 0]);
}

#[test]
fn marks_and_blocks_without_a_rate_warn() {
    let alone = "[handler]\nmessage_hwm = 5\nmessage_block_size = 6";
    let warnings = settings(alone).warnings;
    let first =
        "p-8.toml:2: [handler] message_hwm: has no effect, without a message_rate nothing waits";
    assert_eq!((warnings.len(), warnings[0].as_str()), (2, first));
    let together = settings(&format!("{alone}\nmessage_rate = 4"));
    assert_eq!(together.warnings, [] as [String; 0]);
    let rate = together.handler.rate;
    assert_eq!((rate.per_sec, rate.hwm, rate.block_size), (4, 5, 6));
}

#[test]
fn keys_about_tls_on_a_target_without_it_warn() {
    let target = r#"{ url = "http://a", insecure = true, trust_connect_host = true,
        client_cert = "c", client_key = "k", ca_cert = "a" }"#;
    let target = target.replace('\n', " ");
    let warnings = settings(&format!("[[routes]]\ntargets = [{target}]")).warnings;
    assert_eq!(warnings.len(), 5, "{warnings:#?}");
    let first = "[[routes]] targets[0].insecure: has no effect, the target is not https";
    assert!(warnings[0].ends_with(first), "{warnings:#?}");
}
