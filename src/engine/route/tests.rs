//! Tests of route lookup, as tables of routes and requests.

use std::sync::Arc;

use super::*;

mod lookup;

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
                id: None,
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
    assert!(table.find(&query("a.test", "/")).is_some());
    assert!(table.find(&query("b.test", "/")).is_none());
    assert!(RouteTable::default().find(&query("a.test", "/")).is_none());
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

/// The id of the route that a query finds.
fn found(table: &RouteTable, query: &Query) -> Option<String> {
    table.find(query).and_then(|route| route.id.clone())
}

fn query<'a>(host: &'a str, path: &'a str) -> Query<'a> {
    Query {
        host,
        path,
        proto: Proto::Http,
        ssl: false,
        id: None,
    }
}

#[test]
fn a_pattern_takes_every_host_below_its_name_and_the_longest_wins() {
    let table = RouteTable::new(vec![
        route("*", "", None, None, "any"),
        route("*.a.test", "", None, None, "pattern"),
        route("*.B.a.test", "", None, None, "longer"),
        route("x.b.a.test", "", None, None, "exact"),
    ]);
    let table = table.unwrap();
    for (host, id) in [
        ("a.test", "any"),
        ("x.a.test", "pattern"),
        ("X.A.Test:81", "pattern"),
        ("y.x.a.test", "pattern"),
        ("b.a.test", "pattern"),
        ("y.b.a.test", "longer"),
        ("z.y.b.a.test", "longer"),
        ("x.b.a.test", "exact"),
        ("z.x.b.a.test", "longer"),
        (".a.test", "any"),
        ("xa.test", "any"),
        ("x.a.test.", "any"),
        ("*.a.test", "pattern"),
        ("[::1]", "any"),
        ("", "any"),
    ] {
        assert_eq!(
            found(&table, &query(host, "/")).as_deref(),
            Some(id),
            "{host}"
        );
    }
    let long = format!("{}a.test", "x.".repeat(130));
    assert_eq!(found(&table, &query(&long, "/")).as_deref(), Some("any"));
}

#[test]
fn a_known_host_falls_to_less_specific_ones_only_if_a_route_of_it_says_so() {
    let falling = |host: &str, path: &str, id: &str, fallthrough| Route {
        fallthrough,
        ..route(host, path, None, None, id)
    };
    let table = RouteTable::new(vec![
        falling("*", "", "any", false),
        falling("*.a.test", "/p", "pattern", false),
        falling("*.b.test", "/p", "falling-pattern", true),
        falling("x.a.test", "/x", "x", true),
        falling("x.a.test", "/y", "y", false),
        falling("z.a.test", "/x", "z", false),
        falling("x.b.test", "/x", "xb", true),
    ]);
    let table = table.unwrap();
    for (host, path, id) in [
        ("x.a.test", "/x", Some("x")),
        ("x.a.test", "/p", Some("pattern")),
        ("x.a.test", "/", None),
        ("z.a.test", "/p", None),
        ("w.a.test", "/", None),
        ("x.b.test", "/p", Some("falling-pattern")),
        ("x.b.test", "/", Some("any")),
        ("w.b.test", "/", Some("any")),
    ] {
        assert_eq!(
            found(&table, &query(host, path)).as_deref(),
            id,
            "{host} {path}"
        );
    }
}

#[test]
fn an_id_finds_its_route_if_that_fits_whatever_the_host() {
    let made_up = |host: &str, path: &str, proto, ssl| Route {
        id: None,
        prefix: Some(format!("{host}{path}")),
        ..route(host, path, proto, ssl, "")
    };
    let table = RouteTable::new(vec![
        route("*", "", None, None, "any"),
        route("never.test", "/x", None, None, "named"),
        route("", "", None, None, "by-id"),
        route("a.test", "", Some(Proto::Ws), Some(true), "narrow"),
        route("b.test", "", None, None, "twice"),
        route("c.test", "", None, None, "twice"),
        made_up("*", "/http", None, None),
        made_up("e.test", "", Some(Proto::Http), Some(true)),
        made_up("e.test", "/y", Some(Proto::Ws), Some(false)),
    ]);
    let table = table.unwrap();
    use Proto::{Http, Ws};
    for (id, path, proto, ssl, expected) in [
        ("", "/", Http, false, Some("any")),
        ("any", "/", Http, false, Some("any")),
        ("named", "/x", Http, true, Some("named")),
        ("named", "/", Http, false, None),
        ("named", "/", Ws, false, None),
        ("by-id", "/", Ws, false, Some("by-id")),
        ("narrow", "/", Ws, true, Some("narrow")),
        ("narrow", "/", Http, true, None),
        ("narrow", "/", Ws, false, None),
        ("unknown", "/", Http, false, None),
        ("unknown", "/", Ws, false, None),
        ("Any", "/", Http, false, None),
        ("twice", "/", Http, false, None),
        ("twice", "/", Ws, false, Some("any")),
        ("*,*,*,/http", "/http", Http, false, Some("*/http")),
        ("*,*,*,/http", "/", Http, false, None),
        ("e.test,http,no-ssl,*", "/", Http, true, Some("e.test")),
        ("e.test,http,ssl,*", "/", Http, false, None),
        ("e.test,ws,ssl,/y", "/y", Ws, false, Some("e.test/y")),
    ] {
        let asked = Query {
            path,
            proto,
            ssl,
            id: Some(id),
            ..query("elsewhere.test", path)
        };
        let found = table.find(&asked);
        let found = found
            .as_deref()
            .and_then(|route| route.prefix.as_deref().or(route.id.as_deref()));
        assert_eq!(found, expected, "{asked:?}");
    }
}

#[test]
fn a_route_is_found_again_by_its_id() {
    let with_id = |host: &str, id: &str| route(host, "", None, None, id);
    let own = Arc::new(with_id("a.test", "one"));
    let table = |routes| RouteTable::new(routes).unwrap();
    let other = || with_id("b.test", "one");
    let moved = table(vec![other()]);
    assert_eq!(moved.renewed(&own).host, "b.test");
    for both in [
        vec![other(), with_id("a.test", "one")],
        vec![with_id("a.test", "one"), other()],
    ] {
        assert_eq!(table(both).renewed(&own).host, "a.test");
    }
    let gone = Arc::new(with_id("a.test", "gone"));
    assert!(Arc::ptr_eq(&moved.renewed(&gone), &gone));
    let without = Arc::new(Route::new("c.test"));
    assert!(Arc::ptr_eq(&moved.renewed(&without), &without));
    let changed = Route {
        debug: true,
        ..Route::new("c.test")
    };
    assert!(
        table(vec![changed]).renewed(&without).debug,
        "an id is made up for it"
    );
}

#[test]
fn a_table_that_replaces_another_keeps_the_routes_that_are_the_same() {
    let routes = |debug| {
        let changed = Route {
            debug,
            ..route("a.test", "/x", None, None, "changed")
        };
        let by_id = |prefix: &str| Route {
            prefix: Some(prefix.to_owned()),
            ..route("", "", None, None, "twice")
        };
        vec![
            changed,
            by_id("1"),
            route("*", "", None, None, "same"),
            by_id("2"),
        ]
    };
    let first = RouteTable::new(routes(false)).unwrap();
    let second = RouteTable::replacing(&first, routes(true)).unwrap();
    let kept = first.routes().iter().zip(second.routes());
    let kept: Vec<bool> = kept.map(|(old, new)| Arc::ptr_eq(old, new)).collect();
    assert_eq!(kept, [false, true, true, true]);
    let doubled = vec![Route::new("*"), Route::new("*")];
    assert!(RouteTable::replacing(&first, doubled).is_err());
}
