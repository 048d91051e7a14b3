//! Tests of the variables that win over the file.

use super::*;

fn with_env(text: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let variables = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    from_text(text, Path::new("p-8.toml"), variables).map_err(|error| error.to_string())
}

#[test]
fn the_environment_wins() {
    let text = "[http]\nworkers = 1\n[proxy]\nsig_key = \"file's\"\n";
    let settings = with_env(
        text,
        &[
            ("P8_HTTP__WORKERS", "3"),
            ("P8_HTTP__LISTEN", "[127.0.0.1:1, 2]"),
            ("P8_CONTROL__LISTEN", "9"),
            ("P8_PROXY__DEBUG", "true"),
            ("P8_PROXY__SIG_KEY", "123"),
            ("p8_proxy__sig_iss", "other case: another variable"),
            ("P8_proxy__Sig_Iss", "[me]"),
            ("P8_PROXY__X_FORWARDED_FOR", "truncate:0,append"),
            ("P8_PROXY__SET_X_FORWARDED_PROTOCOL", "true"),
            ("P8_BIN", "x"),
            ("P8_SIM_SEED", "1"),
            ("P8_STATS", "1"),
            ("HTTP__WORKERS", "9"),
        ],
    )
    .unwrap();
    assert_eq!(settings.http.workers, Some(3));
    assert_eq!(settings.http.listen.len(), 2);
    assert_eq!(settings.control.listen.to_string(), "127.0.0.1:9");
    assert!(settings.proxy.debug);
    assert_eq!(
        settings.proxy.forward.sig.map(|sig| sig.iss).as_deref(),
        Some("[me]")
    );
    let rules = [XffRule::Truncate(0), XffRule::Append];
    assert_eq!(settings.proxy.forward.x_forwarded_for, rules);
    assert_eq!(
        settings.proxy.forward.set_x_forwarded_protocol,
        SetProto::Both
    );
    let unsigned = with_env(text, &[("P8_PROXY__SIG_KEY", "")]).unwrap();
    assert!(unsigned.proxy.forward.sig.is_none());
}

#[test]
fn errors_of_the_environment_name_the_variable() {
    let cases = [
        (
            ("P8_HTTP__WORKERS", "many"),
            "P8_HTTP__WORKERS: [http] workers: found \"many\", expected a whole number, 0 or more",
        ),
        (
            ("P8_HTTP__WORKERS", "2000"),
            "P8_HTTP__WORKERS: [http] workers: found the number 2000, expected 0 to 1024",
        ),
        (
            ("P8_CONTROL__LISEN", "1"),
            "P8_CONTROL__LISEN: [control] lisen: unknown key, expected one of: listen, auth, hosts, \
             max_headers_size, max_body_size, publishes_max, reload_on_change",
        ),
        (
            ("P8_CTL__LISTEN", "1"),
            "P8_CTL__LISTEN: [ctl]: unknown table, expected one of: http, control, zmq, handler, \
             proxy, metrics, log, routes",
        ),
        (
            ("P8_ROUTES__HOST", "a"),
            "P8_ROUTES__HOST: [routes] host: found a variable, expected routes to be set in the \
             file only",
        ),
        (
            ("P8_HTTP__LISTEN", "x"),
            "P8_HTTP__LISTEN: [http] listen: found \"x\", expected an address such as \
             \"127.0.0.1:7999\", \"[::1]:7999\", or a port",
        ),
    ];
    for (variable, message) in cases {
        let text = "[http]\nworkers = 1\n[control]\nlisten = 1\n";
        assert_eq!(with_env(text, &[variable]).unwrap_err(), message);
    }
    let warned = with_env("", &[("P8_ZMQ__PULL", "tcp://*:1")])
        .unwrap()
        .warnings;
    let expected =
        "P8_ZMQ__PULL: [zmq] pull: whoever can connect there is believed, for nobody is \
                    asked who they are";
    assert_eq!(warned, [expected]);
}
