//! Tests of what errors in the file say.

use super::error;

#[test]
fn unknown_keys_name_their_place_and_the_keys_allowed() {
    let cases = [
        (
            "[http]\nlisten = 1\n\n[contrl]\n",
            "p-8.toml:4: [contrl]: unknown table, expected one of: http, control, zmq, handler, \
             proxy, metrics, log, routes",
        ),
        (
            "\n[control]\nlisten = 1\nlisen = 2",
            "p-8.toml:4: [control] lisen: unknown key, expected one of: listen, auth, hosts, \
             max_headers_size, max_body_size",
        ),
        (
            "control.lisen = 2",
            "p-8.toml:1: [control] lisen: unknown key, expected one of: listen, auth, hosts, \
             max_headers_size, max_body_size",
        ),
        (
            "[[routes]]\ntargets = [{ url = \"http://a\" }]\n[[routes]]\nhost = \"a\"\n\
             targets = [\n  { url = \"http://a\" },\n  { test = true, sub = 1 },\n]",
            "p-8.toml:7: [[routes]] targets[1].sub: unknown key, expected one of: url, test, \
             demo, zhttp, zhttpreq, ssl, ipc_file_mode, host, untrusted, insecure, trust_connect_host, client_cert, client_key, \
             ca_cert, http2, over_http, one_event, subs, health",
        ),
        (
            "routes = [\n{ host = \"a\" },\n{ hst = \"b\" }]",
            // And many more.
            "p-8.toml:3: [[routes]] hst: unknown key, expected one of: host, ",
        ),
    ];
    for (text, message) in cases {
        let told = error(text);
        assert!(told.starts_with(message), "{told}");
    }
}

/// Each text, and what follows `p-8.toml:`.
const WRONG_TYPES: &[(&str, &str)] = &[
    (
        "[http]\n\nworkers = \"4\"",
        "3: [http] workers: found \"4\", expected a whole number, 0 or more",
    ),
    (
        "http.workers = -1",
        "1: [http] workers: found the number -1, expected a whole number, 0 or more",
    ),
    (
        "http.workers = 1.5",
        "1: [http] workers: found the number 1.5, expected a whole number, 0 or more",
    ),
    (
        "http = 1",
        "1: [http]: found the number 1, expected a table",
    ),
    (
        "[routes]\nhost = \"a\"",
        "1: [routes]: found a table, expected a list",
    ),
    (
        "proxy.debug = \"yes\"",
        "1: [proxy] debug: found \"yes\", expected true or false",
    ),
    (
        "proxy.sig_iss = 1",
        "1: [proxy] sig_iss: found the number 1, expected a text in quotes",
    ),
    (
        "proxy.sig_key = 12",
        "1: [proxy] sig_key: found no text, expected a text in quotes",
    ),
    (
        "[http]\nlisten = [\n\"a:1\",\n{}]",
        "4: [http] listen[1]: found a table, expected a text or a port number",
    ),
    (
        "http.listen = true",
        "1: [http] listen: found true, expected a text or a list of texts",
    ),
    (
        "handler.slow_client = \"drop\"",
        "1: [handler] slow_client: found \"drop\", expected one of: close, drop-oldest, \
             drop-newest",
    ),
    (
        "proxy.set_x_forwarded_protocol = \"both\"",
        "1: [proxy] set_x_forwarded_protocol: found \"both\", expected \"proto-only\", true \
             (both headers) or false (none)",
    ),
    (
        "[[routes]]\ntargets = [\"http://a\"]",
        "2: [[routes]] targets[0]: found \"http://a\", expected a table such as { url = \
         \"http://localhost:80\" }",
    ),
    (
        "[[routes]]\nheaders = [[\"a\", \"b\"], [\"a\", 1]]",
        "2: [[routes]] headers[1][1]: found the number 1, expected a text in quotes",
    ),
];

#[test]
fn wrong_types_name_what_was_found_and_expected() {
    for (text, message) in WRONG_TYPES {
        assert_eq!(error(text), format!("p-8.toml:{message}"));
    }
}

#[test]
fn text_that_is_not_toml_names_its_line() {
    let message = error("[http]\nlisten = = 1\n");
    assert!(message.starts_with("p-8.toml:2: not TOML: "), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn wrong_values_name_what_was_expected() {
    let address = "an address such as \"127.0.0.1:7999\", \"[::1]:7999\", or a port";
    let cases = [
        (
            "http.listen = \"nowhere\"",
            format!("[http] listen: found \"nowhere\", expected {address}"),
        ),
        (
            "http.listen = [1, 65536]",
            format!("[http] listen[1]: found \"65536\", expected {address}"),
        ),
        (
            "http.listen = \"a.test:1\"",
            format!("[http] listen: found \"a.test:1\", expected {address}"),
        ),
        (
            "http.listen = []",
            "[http] listen: found an empty list, expected at least one address such as \
             \"0.0.0.0:7999\""
                .to_owned(),
        ),
        (
            "http.client_buffer_size = 100",
            "[http] client_buffer_size: found the number 100, expected 1024 to 65536".to_owned(),
        ),
        (
            "http.keep_alive_secs = 0",
            "[http] keep_alive_secs: found the number 0, expected 1 to 86400".to_owned(),
        ),
        (
            "proxy.x_forwarded_for = \"truncate:0,drop\"",
            "[proxy] x_forwarded_for: found \"drop\", expected \"append\" and \"truncate:N\", \
             separated by commas"
                .to_owned(),
        ),
        (
            "proxy.cdn_loop = \"a\\nb\"",
            "[proxy] cdn_loop: found \"a\\nb\", expected one element of a header's list, such as \
             a host name"
                .to_owned(),
        ),
        (
            "proxy.orig_headers_need_mark = [\"a b\"]",
            "[proxy] orig_headers_need_mark: found \"a b\", expected names of headers".to_owned(),
        ),
        (
            "control.listen = \"0.0.0.0:5561\"",
            "[control] listen: found 0.0.0.0:5561, which others can reach, expected \
             [control] auth to say who they may be, or a loopback address such as 127.0.0.1:5561 \
             or [::1]:5561"
                .to_owned(),
        ),
    ];
    for (text, message) in cases {
        assert_eq!(error(text), format!("p-8.toml:1: {message}"));
    }
}
