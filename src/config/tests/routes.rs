//! Tests of routes and targets as they are written.

use super::*;

const ROUTES: &str = r#"
[proxy]
accept_pushpin_route = true
sig_key = "global"
sig_iss = "me"
[handler]
slow_client = "drop-newest"
[[routes]]
host = "*.A.Test"
fallthrough = true
path_beg = "/x"
id = "name"
proto = "ws"
ssl = true
sig_key = "own"
prefix = "chan-"
as_host = "other.host:81"
path_rem = 3
replace_beg = "/y"
debug = true
log_level = "debug"
orig_headers = true
no_grip = true
slow_client = "drop-oldest"
headers = [["X-A", " 1 "], ["X-B", ""]]
targets = [
  { url = "http://[::1]:81/", host = "inner", subs = ["c1", "c2"] },
  { url = "https://b.test" },
  { test = true, demo = false },
  { demo = true },
]
[[routes]]
targets = [{ url = "http://c.test" }]
sig_iss = "you"
headers = [["Host", "d.test"]]
"#;

#[test]
fn routes_are_read() {
    let settings = settings(ROUTES);
    let route = &settings.routes[0];
    assert_eq!(
        (route.host.as_str(), route.proto, route.ssl),
        ("*.a.test", Some(Proto::Ws), Some(true))
    );
    assert!(route.fallthrough && settings.proxy.forward.accept_pushpin_route);
    assert_eq!(route.path_beg.as_deref(), Some("/x"));
    assert_eq!(route.id.as_deref(), Some("name"));
    assert_eq!(route.prefix.as_deref(), Some("chan-"));
    assert_eq!(route.as_host.as_deref(), Some("other.host:81"));
    assert_eq!(
        (route.path_rem, route.replace_beg.as_deref()),
        (3, Some("/y"))
    );
    assert!(route.debug && route.orig_headers && route.no_grip && !route.aco);
    assert_eq!(route.sig.as_ref().map(|sig| sig.iss.as_str()), Some("me"));
    assert_eq!(route.slow_client, SlowClient::DropOldest);
    assert_eq!(route.log_level, log::LevelFilter::Debug);
    assert_eq!(settings.routes[1].log_level, log::LevelFilter::Info);
    let headers: Vec<_> = route
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_ref().map(|value| value.as_bytes())))
        .collect();
    assert_eq!(headers, [("x-a", Some(&b"1"[..])), ("x-b", None)]);
}

#[test]
fn targets_are_read() {
    let settings = settings(ROUTES);
    let route = &settings.routes[0];
    let targets: Vec<String> = route
        .targets
        .iter()
        .map(|target| target.kind.to_string())
        .collect();
    assert_eq!(targets, ["[::1]:81", "b.test:443", "test", "demo"]);
    assert_eq!(route.targets[0].host.as_deref(), Some("inner"));
    let subs: Vec<&str> = route.targets[0]
        .subs
        .iter()
        .map(|sub| sub.as_str())
        .collect();
    assert_eq!(subs, ["c1", "c2"]);

    let plain = &settings.routes[1];
    assert_eq!(plain.as_host.as_deref(), Some("d.test"));
    assert_eq!(
        (plain.host.as_str(), plain.slow_client),
        ("*", SlowClient::DropNewest)
    );
    assert_eq!(plain.sig.as_ref().map(|sig| sig.iss.as_str()), Some("you"));
    assert_eq!(plain.targets[0].kind.to_string(), "c.test:80");
}

/// Keys of a route with a target, and a part of what is said about them.
const WRONG_ROUTES: &[(&str, &str)] = &[
    (
        "host = \"\"",
        "id: missing, expected an id, as the host is empty",
    ),
    (
        "host = \"*.*.a\"",
        "host: found \"*.*.a\", expected an exact host name without port, \"*.\" and a name for \
         all below it, or \"*\" for any",
    ),
    (
        "log_level = \"loud\"",
        "log_level: found \"loud\", expected \"error\", \"warn\", \"info\", \"debug\", \"trace\" or",
    ),
    ("host = \"*.\"", "host: found \"*.\", expected an exact"),
    ("host = \"*..a\"", "host: found \"*..a\", expected an exact"),
    (
        "host = \"*a.test\"",
        "host: found \"*a.test\", expected an exact",
    ),
    (
        "host = \"*.a.test:80\"",
        "host: found \"*.a.test:80\", expected",
    ),
    (
        "host = \"a.test:80\"",
        "host: found \"a.test:80\", expected an exact host name",
    ),
    (
        "path_beg = \"\"",
        "path_beg: found \"\", expected the start of a path, \"/\" first, without a query",
    ),
    (
        "path_beg = \"/a?b\"",
        "path_beg: found \"/a?b\", expected the start of a path",
    ),
    (
        "replace_beg = \"x\"",
        "replace_beg: found \"x\", expected a path, \"/\" first, without a query",
    ),
    (
        "path_rem = 70000",
        "path_rem: found the number 70000, expected 0 to 65535",
    ),
    (
        "as_host = \"a b\"",
        "as_host: found \"a b\", expected a host name, with or without port",
    ),
    (
        "as_host = \"u@a\"",
        "as_host: found \"u@a\", expected a host name, with or without port",
    ),
    (
        "headers = [[\"TE\", \"x\"]]",
        "headers[0]: found \"TE\", expected a header that P-8 does not set itself",
    ),
    (
        "as_host = \"a\"\nheaders = [[\"Host\", \"b\"]]",
        "headers[0]: found \"host\", expected each header once",
    ),
    (
        "headers = [[\"Host\", \"a/b\"]]",
        "headers[0]: found \"a/b\", expected a host name, with or without port",
    ),
    (
        "headers = [[\"Grip-Sig\", \"x\"]]",
        "headers[0]: found \"Grip-Sig\", expected a header that",
    ),
    (
        "headers = [[\"a b\", \"x\"]]",
        "headers[0]: found \"a b\", expected the name of a header",
    ),
    (
        "headers = [[\"A\", \"x\"], [\"a\", \"y\"]]",
        "headers[1]: found \"a\", expected each header once",
    ),
    (
        "headers = [[\"A\"]]",
        "headers[0]: found \"A\", expected [\"Name\", \"value\"]",
    ),
    (
        "headers = [[\"A\", \"x\\r\\ny\"]]",
        "found \"x\\r\\ny\", expected a header's value without line breaks",
    ),
    (
        "sig_key = \"\"",
        "sig_key: found \"\", expected a key; no_grip leaves requests unsigned",
    ),
];

#[test]
fn wrong_routes_name_what_was_expected() {
    for (keys, message) in WRONG_ROUTES {
        let found = error(&format!(
            "[[routes]]\ntargets = [{{ test = true }}]\n{keys}"
        ));
        assert!(
            found.starts_with("p-8.toml:") && found.contains(message),
            "{found}\n{message}"
        );
    }
}

#[test]
fn wrong_targets_name_what_was_expected() {
    let one_of = "missing, expected exactly one of url = \"http://host:port\", \
                  zhttpreq = \"tcp://host:port\", test = true, demo = true";
    let none = "targets: missing, expected at least one target such as \
                { url = \"http://localhost:80\" }";
    let cases = [
        ("prefix = \"x\"", none.to_owned()),
        ("targets = []", none.to_owned()),
        ("targets = [{}]", format!("targets[0]: {one_of}")),
        (
            "targets = [{ test = false }]",
            format!("targets[0]: {one_of}"),
        ),
        (
            "targets = [{ url = \"http://a\", demo = true }]",
            format!("targets[0]: {one_of}"),
        ),
        (
            "targets = [{ test = true, subs = [\"\"] }]",
            "targets[0].subs: found \"\", expected names of channels".to_owned(),
        ),
        (
            "targets = [{ demo = true }, { url = \"http://a\", host = \"/\" }]",
            "targets[1].host: found \"/\", expected a host name, with or without port".to_owned(),
        ),
    ];
    for (text, message) in cases {
        let found = error(&format!("[[routes]]\n{text}"));
        assert!(
            found.starts_with("p-8.toml:") && found.contains(&message),
            "{found}\n{message}"
        );
    }
}

#[test]
fn only_bare_urls_are_targets() {
    for wrong in [
        "localhost:80",
        "a",
        "ftp://a",
        "http://",
        "http://a:0",
        "http://a:",
        "http://a:99999",
        "http://a/path",
        "http://a?q",
        "http://u:p@a",
        "http://a b",
        "/x",
    ] {
        let found = error(&format!("[[routes]]\ntargets = [{{ url = \"{wrong}\" }}]"));
        assert_eq!(
            found,
            format!(
                "p-8.toml:2: [[routes]] targets[0].url: found \"{wrong}\", expected \
                 http://host:port or https://host:port, without a path, or unix:/path"
            )
        );
    }
}

#[test]
fn doubled_routes_name_both_lines() {
    let text = "\
[[routes]]
host = \"a.test\"
targets = [{ test = true }]

[[routes]]
targets = [{ test = true }]

[[routes]]
host = \"A.test\"
targets = [{ demo = true }]
";
    assert_eq!(
        error(text),
        "p-8.toml:8: [[routes]]: same condition as p-8.toml:1: [[routes]]: host=\"a.test\", \
         expected each condition once"
    );
}

#[test]
fn an_empty_list_of_routes_is_no_route() {
    assert!(settings("routes = []").routes.is_empty());
}

#[test]
fn the_default_route_follows_the_default_policy() {
    let settings = settings("handler.slow_client = \"drop-oldest\"");
    assert_eq!(settings.routes[0].slow_client, SlowClient::DropOldest);
}
