//! Tests of header edits: requests before and after, as `name: value` lines.

use super::*;
use crate::grip::sig::SigKey;

mod cdn_loop;
mod forwarded;

/// What one test forwards; the defaults are a plain request to an ordinary GRIP route.
struct Case {
    route: Route,
    target: Target,
    options: ForwardOptions,
    peer: Option<IpAddr>,
    secure: bool,
    trusted: bool,
}

impl Default for Case {
    fn default() -> Self {
        Case {
            route: Route::new("*"),
            target: Target::http("localhost", 80),
            options: ForwardOptions::default(),
            peer: "192.0.2.7".parse().ok(),
            secure: false,
            trusted: false,
        }
    }
}

impl Case {
    /// Forwards a request and lists its headers, sorted, without what P-8 always adds.
    fn headers(&self, lines: &[&str]) -> Vec<String> {
        let sig = Some(HeaderValue::from_static("signature"));
        let forwarded = request(
            ClientRequest {
                path_and_query: "/",
                headers: parse(lines),
                peer: self.peer,
                secure: self.secure,
                is_websocket: false,
                trusted: self.trusted,
                last: &[],
                id: None,
            },
            &self.route,
            &self.target,
            &self.options,
            sig,
        );
        let added = ["grip-sig: signature", feature(), "host: localhost"];
        let mut left = list(&forwarded.headers);
        left.retain(|line| !added.contains(&line.as_str()));
        left
    }
}

/// The header line that announces what works.
fn feature() -> &'static str {
    static LINE: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| format!("grip-feature: {}", feature::header_value()));
    &LINE
}

fn parse(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let value = HeaderValue::from_str(value.trim()).unwrap();
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    headers
}

fn list(headers: &HeaderMap) -> Vec<String> {
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let mut lines: Vec<String> = headers.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn end_to_end_headers_pass() {
    let lines = [
        "accept: text/html",
        "authorization: Basic x",
        "content-encoding: gzip",
        "content-type: text/plain",
        "cookie: a=1",
        "cookie: b=2",
        "expect-x: stay",
        "forwarded: for=x",
        "proxy-authorization: Basic x",
        "range: bytes=0-1",
        "user-agent: x",
        "via: 1.1 x",
        "x-forwarded-for: 9.9.9.9",
        "x-forwarded-host: x",
        "x-forwarded-proto: https",
        "x-real-ip: x",
    ];
    assert_eq!(Case::default().headers(&lines), lines);
}

#[test]
fn headers_of_the_connection_stay_behind() {
    let dropped = [
        "Connection: keep-alive",
        "Keep-Alive: timeout=5",
        "Transfer-Encoding: chunked",
        "Content-Length: 5",
        "Expect: 100-continue",
        "TE: trailers",
        "Trailer: X-Sum",
        "Upgrade: h2c",
        "Proxy-Connection: keep-alive",
        "Accept-Encoding: gzip",
    ];
    assert_eq!(Case::default().headers(&dropped), [] as [&str; 0]);
}

#[test]
fn headers_named_by_connection_stay_behind() {
    let lines = [
        "Connection: X-Hop, close,, Host",
        "Connection:  x-HOP2 , bad name",
        "Host: a.test",
        "X-Hop: 1",
        "X-Hop: 2",
        "X-Hop2: 3",
        "X-End: 4",
    ];
    assert_eq!(
        Case::default().headers(&lines),
        ["host: a.test", "x-end: 4"]
    );
}

#[test]
fn what_the_proxy_sets_cannot_be_named_away() {
    let mut case = Case::default();
    case.route.headers.push((
        HeaderName::from_static("x-route"),
        Some(HeaderValue::from_static("added")),
    ));
    case.options.x_forwarded_for = vec![XffRule::Append];
    let got = case.headers(&[
        "Connection: x-route, x-forwarded-for, grip-sig",
        "x-route: mine",
    ]);
    assert_eq!(got, ["x-forwarded-for: 192.0.2.7", "x-route: added"]);
}

#[test]
fn accept_encoding_passes_where_instructions_are_not_read() {
    let mut case = Case::default();
    case.route.no_grip = true;
    assert_eq!(
        case.headers(&["Accept-Encoding: br"]),
        ["accept-encoding: br"]
    );
}

#[test]
fn route_headers_are_set_and_removed() {
    let mut case = Case::default();
    case.route.headers = vec![
        (
            HeaderName::from_static("x-set"),
            Some(HeaderValue::from_static("new")),
        ),
        (HeaderName::from_static("x-gone"), None),
    ];
    let got = case.headers(&["X-Set: old", "X-Set: older", "X-Gone: 1", "X-Other: 2"]);
    assert_eq!(got, ["x-other: 2", "x-set: new"]);
}

#[test]
fn originals_are_copied_only_where_asked() {
    let lines = [
        "X-A: 1",
        "X-A: 2",
        "X-B: 3",
        "eb9bf0f5-X-B: mark",
        "Connection: close",
    ];
    let without: &[&str] = &["x-a: 1", "x-a: 2", "x-b: 3"];
    let kept: &[&str] = &["eb9bf0f5-x-b: mark", "x-a: 1", "x-a: 2", "x-b: 3"];
    let copied: &[&str] = &[
        "eb9bf0f5-x-a: 1",
        "eb9bf0f5-x-a: 2",
        "eb9bf0f5-x-b: mark",
        "x-a: 1",
        "x-a: 2",
        "x-b: 3",
    ];
    for (orig_headers, trusted, expected) in [
        (false, false, without),
        (true, false, copied),
        (false, true, kept),
        (true, true, kept),
    ] {
        let mut case = Case {
            trusted,
            ..Case::default()
        };
        case.route.orig_headers = orig_headers;
        case.options.orig_headers_need_mark = vec![HeaderName::from_static("x-b")];
        assert_eq!(case.headers(&lines), expected, "{orig_headers} {trusted}");
    }
}

#[test]
fn grip_headers_depend_on_trust_and_route() {
    let client = [
        "grip-feature: x",
        "grip-last: c; last-id=9",
        "grip-sig: forged",
    ];
    let own = [feature(), "grip-sig: signature"];
    for (no_grip, trusted, expected) in [
        (false, false, &own[..]),
        (true, false, &[]),
        (false, true, &client[..]),
        (true, true, &client[..]),
    ] {
        let mut route = Route::new("*");
        route.no_grip = no_grip;
        let mut headers = parse(&client);
        if !trusted {
            set_grip_headers(
                &mut headers,
                &route,
                Some(HeaderValue::from_static("signature")),
            );
        }
        assert_eq!(list(&headers), expected, "{no_grip} {trusted}");
        let case = Case {
            route,
            trusted,
            ..Case::default()
        };
        let passed: &[&str] = if trusted { &client } else { &[] };
        assert_eq!(case.headers(&client), passed);
    }
}

#[test]
fn the_signature_is_the_routes_or_the_global_one() {
    let named = |iss: &str| Sig {
        iss: iss.to_owned(),
        key: SigKey::from_text("k").unwrap(),
    };
    let cases = [
        (None, None, false, None),
        (None, Some("global"), false, Some("global")),
        (Some("route"), Some("global"), false, Some("route")),
        (Some("route"), None, false, Some("route")),
        (Some("route"), Some("global"), true, None),
    ];
    for (own, global, no_grip, expected) in cases {
        let mut route = Route::new("*");
        route.no_grip = no_grip;
        route.sig = own.map(named);
        let options = ForwardOptions {
            sig: global.map(named),
            ..ForwardOptions::default()
        };
        assert_eq!(sig(&route, &options).map(|sig| sig.iss.as_str()), expected);
    }
    let unsigned = request(
        ClientRequest {
            path_and_query: "/",
            headers: parse(&["Grip-Sig: forged"]),
            peer: None,
            secure: false,
            is_websocket: false,
            trusted: false,
            last: &[],
            id: None,
        },
        &Route::new("*"),
        &Target::http("localhost", 80),
        &ForwardOptions::default(),
        None,
    );
    assert_eq!(list(&unsigned.headers), [feature(), "host: localhost"]);
}

#[test]
fn host_is_the_targets_the_routes_or_the_clients() {
    let cases = [
        (None, None, Some("A.test:7999"), "A.test:7999"),
        (None, None, None, "localhost"),
        (None, None, Some(""), "localhost"),
        (None, Some("as.test:1"), Some("a.test"), "as.test:1"),
        (Some("inner"), Some("as.test"), Some("a.test"), "inner"),
        (Some("inner:2"), None, None, "inner:2"),
    ];
    for (of_target, of_route, client, expected) in cases {
        let mut case = Case::default();
        case.target.host = of_target.map(str::to_owned);
        case.route.as_host = of_route.map(str::to_owned);
        let line = client.map(|host| format!("Host: {host}"));
        let lines: Vec<&str> = line.iter().map(String::as_str).collect();
        let expected = Some(format!("host: {expected}")).filter(|line| line != "host: localhost");
        assert_eq!(case.headers(&lines), Vec::from_iter(expected));
    }
}

#[test]
fn paths_are_rewritten() {
    let cases = [
        ("/a?q=1", "", 0, None, "/a?q=1"),
        ("/strip/a?b=c", "/strip/", 6, None, "/a?b=c"),
        ("/strip/a", "/strip/", 7, None, "/a"),
        ("/strip", "/strip", 99, None, "/"),
        ("/strip?x=/y", "/strip", 99, None, "/?x=/y"),
        ("/pub/x/y?q=1", "/pub", 0, Some("/t"), "/t/x/y?q=1"),
        ("/pub/x", "/pub", 2, Some("/t"), "/t/x"),
        ("/pub", "/pub", 0, Some(""), "/"),
        ("/pub?q", "/pub", 0, Some(""), "/?q"),
        ("/x", "", 0, Some("/pre"), "/pre/x"),
        ("/x", "", 0, Some("pre"), "/pre/x"),
        ("/é/x", "", 2, None, "/x"),
        ("/pu", "/pub", 0, Some("/t"), "/t"),
    ];
    for (before, path_beg, path_rem, replace_beg, after) in cases {
        let mut route = Route::new("*");
        route.path_beg = Some(path_beg.to_owned());
        route.path_rem = path_rem;
        route.replace_beg = replace_beg.map(str::to_owned);
        assert_eq!(
            path(before, &route),
            after,
            "{before} {path_beg} {path_rem} {replace_beg:?}"
        );
    }
    let untouched = path("/a?q", &Route::new("*"));
    assert!(matches!(untouched, Cow::Borrowed("/a?q")));
}

#[test]
fn the_asterisk_of_options_is_not_rewritten() {
    let mut route = Route::new("*");
    route.path_rem = 3;
    assert_eq!(path("*", &route), "*");
}

#[test]
fn response_heads_lose_only_the_connections_headers() {
    let mut headers = parse(&[
        "Connection: close, X-Hop, Content-Length",
        "Keep-Alive: timeout=1",
        "Transfer-Encoding: chunked",
        "Trailer: X-Sum",
        "Upgrade: h2c",
        "Proxy-Connection: close",
        "X-Hop: 1",
        "Content-Encoding: gzip",
        "Content-Length: 5",
        "Grip-Hold: stream",
        "Proxy-Authenticate: Basic",
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
    ]);
    response_headers(&mut headers);
    let kept = [
        "content-encoding: gzip",
        "content-length: 5",
        "grip-hold: stream",
        "proxy-authenticate: Basic",
        "set-cookie: a=1",
        "set-cookie: b=2",
    ];
    assert_eq!(list(&headers), kept);
}
