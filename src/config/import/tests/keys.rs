//! Tests of what becomes of the keys of `pushpin.conf`.

use super::*;

/// Every key of an installation, some with two values; `{folder}` is the installation's.
const EVERY_KEY: &str = "
[global]
include={libdir}/inner.conf
libdir={folder}
rundir=/run/x
ipc_prefix=x-
port_offset=10
stats_connection_ttl=120
stats_connection_send=true
[runner]
services=connmgr,proxy,handler
http_port=7999,127.0.0.1:8000,\"[::1]:8001\"
logdir=log
log_level=2
client_buffer_size=9000
client_maxconn=500
allow_compression=true
mongrel2_bin=a
m2sh_bin=b
zurl_bin=c
[proxy]
workers=2
max_open_requests=9
routesfile=routes
debug=true
auto_cross_origin=1
accept_x_forwarded_protocol=true
set_x_forwarded_protocol=true
x_forwarded_for=truncate:0,append
x_forwarded_for_trusted=\"truncate:3,append\"
orig_headers_need_mark=X-One, X-Two
cdn_loop=x.example
log_from=false
log_user_agent=false
sig_iss=me
sig_key=base64:AAEC
sockjs_url=http://cdn.example/s.js
stats_report_interval=10
stats_connections_max_ttl=60
ipc_file_mode=777
updates_check=off
organization_name=
[handler]
ipc_file_mode=777
push_in_spec=tcp://127.0.0.1:5560
push_in_sub_specs=tcp://127.0.0.1:5562,ipc://{rundir}/{ipc_prefix}sub
push_in_sub_connect=true
push_in_http_addr=127.0.0.2
push_in_http_port=5561
push_in_http_max_headers_size=20000
push_in_http_max_body_size=2000000
stats_spec=ipc://{rundir}/{ipc_prefix}stats
stats_format=json
command_spec=tcp://127.0.0.1:5563
state_spec=x
message_rate=2500
message_hwm=25000
message_block_size=-1
message_wait=4000
id_cache_ttl=50
update_on_first_subscription=false
connection_subscription_max=30
subscription_linger=40
stats_subscription_ttl=60
stats_report_interval=10
share_all=true
odd=1
";

/// Makes the installation of [`EVERY_KEY`]; gives the text of its configuration too.
fn with_every_key(name: &str) -> (Installation, String) {
    let inner =
        "[proxy]\nzurl_in_specs=x\nstats_spec=y\n[handler]\nproxy_accept_spec=z\nmessage_wait=1\n";
    let place = Installation::new(name, &[("inner.conf", inner), ("routes", "* test\n")]);
    let text = EVERY_KEY.replace("{folder}", &place.0.display().to_string());
    std::fs::write(place.0.join("pushpin.conf"), &text).unwrap();
    (place, text)
}

#[test]
fn values_are_taken_over() {
    let (place, _) = with_every_key("values");
    let imported = place.import();
    let settings = loaded(&imported);
    let (http, control) = (&settings.http, &settings.control);
    let (handler, forward) = (&settings.handler, &settings.proxy.forward);
    let listen: Vec<String> = http.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["0.0.0.0:7999", "127.0.0.1:8000", "[::1]:8001"]);
    assert_eq!(control.listen.to_string(), "127.0.0.2:5571");
    assert_eq!(handler.message_wait.as_millis(), 4000);
    for (found, expected) in [
        (http.client_buffer_size as u64, 9000),
        (http.client_maxconn as u64, 500),
        (control.max_headers_size as u64, 20_000),
        (control.max_body_size as u64, 2_000_000),
        (u64::from(handler.rate.per_sec), 2500),
        (handler.rate.hwm, 25_000),
        (handler.rate.block_size, 0),
        (handler.id_cache_ttl.as_secs(), 50),
        (handler.subscription_linger.as_secs(), 40),
        (handler.connection_subscription_max as u64, 30),
        (forward.x_forwarded_for.len() as u64, 2),
        (forward.x_forwarded_for_trusted.len() as u64, 2),
        (forward.orig_headers_need_mark.len() as u64, 2),
    ] {
        assert_eq!(found, expected);
    }
    assert!(http.allow_compression && !handler.update_on_first_subscription);
    assert!(settings.routes[0].aco && forward.accept_x_forwarded_protocol);
    assert_eq!(forward.cdn_loop.as_deref(), Some("x.example"));
    assert_eq!(forward.sig.as_ref().map(|sig| sig.iss.as_str()), Some("me"));
    for line in [
        "pull = \"tcp://127.0.0.1:5570\"",
        "sub = [\"tcp://127.0.0.1:5572\", \"ipc:///run/x/x-sub\"]",
        "stats = \"ipc:///run/x/x-stats\"",
    ] {
        assert!(imported.toml.contains(line), "{line} in\n{}", imported.toml);
    }
}

#[test]
fn every_key_is_taken_over_or_named() {
    let (place, text) = with_every_key("every-key");
    let notes: Vec<String> = place
        .import()
        .notes
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        let Some((key, _)) = line.split_once('=') else {
            section = line.trim_matches(['[', ']']);
            continue;
        };
        let named = format!("pushpin.conf:{}: ", index + 1);
        let is_named = notes
            .iter()
            .any(|note| note.contains(&named) && note.contains(key));
        let is_read = ["include", "port_offset", "routesfile"].contains(&key);
        let is_mapped = crate::config::import::keys::is_taken_over(section, key);
        assert!(is_named || is_read || is_mapped, "{line}\n{notes:#?}");
        assert!(is_named || key != "odd", "{notes:#?}");
    }
    let inner = notes
        .iter()
        .filter(|note| note.contains("3 keys of Pushpin's inner sockets"));
    assert_eq!(inner.count(), 1, "{notes:#?}");
}

#[test]
fn defaults_that_differ_are_written() {
    let place = Installation::new(
        "defaults",
        &[("pushpin.conf", "[proxy]\nroutesfile=absent\n")],
    );
    let imported = place.import();
    let settings = loaded(&imported);
    assert!(settings.routes.is_empty() && settings.handler.id_cache_ttl.is_zero());
    assert!(imported.toml.contains("request_ids = \"off\""));
    let notes: Vec<String> = imported.notes.iter().map(ToString::to_string).collect();
    let has = |words: &str| notes.iter().any(|note| note.contains(words));
    assert!(
        has("absent: cannot be read") && has("push_in_http_port is not set"),
        "{notes:?}"
    );
}

#[test]
fn a_control_port_for_others_becomes_one_for_this_machine() {
    for (address, expected) in [
        ("0.0.0.0", "127.0.0.1:5561"),
        ("localhost", "127.0.0.1:5561"),
        ("::1", "[::1]:5561"),
        ("[::1]", "[::1]:5561"),
        ("control.example", "127.0.0.1:5561"),
    ] {
        let text = format!("[handler]\npush_in_http_addr={address}\npush_in_http_port=5561\n");
        let place = Installation::new("control", &[("pushpin.conf", &text)]);
        let imported = place.import();
        assert_eq!(loaded(&imported).control.listen.to_string(), expected);
        let noted = imported
            .notes
            .iter()
            .any(|note| note.text.contains("[control] auth"));
        assert_eq!(
            noted,
            expected == "127.0.0.1:5561" && address != "localhost",
            "{address}"
        );
    }
}
