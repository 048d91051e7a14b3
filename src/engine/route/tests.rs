//! Tests of route lookup, as tables of routes and requests.

use super::*;

fn route(host: &str, path_beg: &str, proto: Option<Proto>, ssl: Option<bool>, id: &str) -> Route {
    let mut route = Route::new(host);
    route.path_beg = Some(path_beg.to_owned()).filter(|path| !path.is_empty());
    route.proto = proto;
    route.ssl = ssl;
    route.id = Some(id.to_owned());
    route
}

/// The same routes in two orders, which must give the same answers.
fn tables() -> [RouteTable; 2] {
    use Proto::{Http, Ws};
    let mut routes = vec![
        route("*", "", None, None, "any"),
        route("*", "/x", None, None, "any-x"),
        route("Paths.test", "", None, None, "paths"),
        route("paths.test", "/api", None, None, "api"),
        route("paths.test", "/api/v1", None, None, "v1"),
        route("only.test", "/only", None, None, "only"),
        route("proto.test", "/long/path", None, None, "long"),
        route("proto.test", "", Some(Ws), None, "ws"),
        route("proto.test", "/h", Some(Http), None, "http-h"),
        route("ssl.test", "", None, Some(true), "secure"),
        route("ssl.test", "", None, None, "either"),
        route("ssl.test", "/deep", None, None, "deep"),
        route("noplain.test", "", None, Some(true), "noplain"),
        route("[::1]", "", None, None, "v6"),
        route("", "", None, None, "by-id"),
        route("", "", None, None, "by-id-too"),
    ];
    let forward = RouteTable::new(routes.clone()).unwrap();
    routes.reverse();
    [forward, RouteTable::new(routes).unwrap()]
}

#[test]
fn the_most_specific_route_of_the_host_is_found() {
    use Proto::{Http, Ws};
    let cases = [
        ("elsewhere.test", "/api", Http, false, Some("any")),
        ("elsewhere.test", "/xyz", Http, false, Some("any-x")),
        ("", "/", Http, false, Some("any")),
        ("*", "/", Http, false, Some("any")),
        ("paths.test", "/", Http, false, Some("paths")),
        ("PATHS.Test:7999", "/", Http, false, Some("paths")),
        ("paths.test:7999", "/api/v1/x", Http, false, Some("v1")),
        ("paths.test", "/api/v", Http, false, Some("api")),
        ("paths.test", "/apix", Ws, false, Some("api")),
        ("paths.test", "/API", Http, false, Some("paths")),
        ("x.paths.test", "/api", Http, false, Some("any")),
        ("only.test", "/only", Http, false, Some("only")),
        ("only.test", "/else", Http, false, None),
        ("proto.test", "/long/path", Http, false, Some("long")),
        ("proto.test", "/long/path", Ws, false, Some("ws")),
        ("proto.test", "/h", Http, false, Some("http-h")),
        ("proto.test", "/h", Ws, false, Some("ws")),
        ("proto.test", "/", Http, false, None),
        ("ssl.test", "/", Http, true, Some("secure")),
        ("ssl.test", "/", Http, false, Some("either")),
        ("ssl.test", "/deep", Http, true, Some("deep")),
        ("noplain.test", "/", Http, true, Some("noplain")),
        ("noplain.test", "/", Http, false, None),
        ("[::1]:7999", "/", Http, false, Some("v6")),
        ("[::1]", "/", Http, false, Some("v6")),
        ("[::2]", "/", Http, false, Some("any")),
        ("[::1", "/", Http, false, Some("any")),
    ];
    for table in tables() {
        for (host, path, proto, ssl, id) in cases {
            let query = Query {
                host,
                path,
                proto,
                ssl,
            };
            let found = table.find(&query);
            assert_eq!(
                found.as_ref().and_then(|route| route.id.as_deref()),
                id,
                "{query:?}"
            );
        }
    }
}

#[test]
fn without_a_star_unknown_hosts_find_nothing() {
    let table = RouteTable::new(vec![route("a.test", "", None, None, "a")]).unwrap();
    let query = |host| Query {
        host,
        path: "/",
        proto: Proto::Http,
        ssl: false,
    };
    assert!(table.find(&query("a.test")).is_some());
    assert!(table.find(&query("b.test")).is_none());
    assert!(RouteTable::default().find(&query("a.test")).is_none());
}

#[test]
fn two_routes_of_one_condition_are_refused() {
    let a = route("a.test", "/x", Some(Proto::Ws), Some(true), "one");
    let cases = [
        (
            route("A.test", "/x", Some(Proto::Ws), Some(true), "two"),
            true,
        ),
        (
            route("a.test", "/x/", Some(Proto::Ws), Some(true), "one"),
            false,
        ),
        (
            route("a.test", "/x", Some(Proto::Http), Some(true), "one"),
            false,
        ),
        (route("a.test", "/x", None, Some(true), "one"), false),
        (
            route("a.test", "/x", Some(Proto::Ws), Some(false), "one"),
            false,
        ),
        (route("a.test", "/x", Some(Proto::Ws), None, "one"), false),
        (route("*", "/x", Some(Proto::Ws), Some(true), "one"), false),
    ];
    for (b, refused) in cases {
        let text = format!("{b:?}");
        let built = RouteTable::new(vec![route("*", "", None, None, "any"), a.clone(), b]);
        assert_eq!(built.is_err(), refused, "{text}");
        if let Err(error) = built {
            let condition = "host=\"a.test\", path_beg=\"/x\", proto=\"ws\", ssl=true";
            assert_eq!(
                error.to_string(),
                format!(
                    "routes 2 and 3 have the same condition {condition}, \
                     expected each condition once"
                )
            );
        }
    }
}

#[test]
fn an_empty_path_counts_as_none() {
    let mut empty = route("a.test", "", None, None, "empty");
    empty.path_beg = Some(String::new());
    let none = route("a.test", "", None, None, "none");
    assert!(RouteTable::new(vec![empty, none]).is_err());
}

#[test]
fn targets_display_as_operators_write_them() {
    let cases = [
        (Target::http("localhost", 80).kind, "localhost:80"),
        (Target::http("::1", 8080).kind, "[::1]:8080"),
        (TargetKind::Test, "test"),
        (TargetKind::Demo, "demo"),
    ];
    for (kind, text) in cases {
        assert_eq!(kind.to_string(), text);
    }
}
