//! Tests of cross-origin headers: what a request and a response come to, as `name: value` lines.

use super::*;

fn headers(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(
            HeaderName::try_from(name).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}

fn added(request: &[&str], allow: &[&str], response: &[&str]) -> Vec<String> {
    let allow: Vec<String> = allow.iter().map(|one| one.to_string()).collect();
    let cross_origin = CrossOrigin::of(&headers(request), &allow);
    let added = cross_origin.additions(&headers(response));
    let line = |(name, value): (HeaderName, HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    added.into_iter().map(line).collect()
}

const METHODS: &str = "access-control-allow-methods: OPTIONS, HEAD, GET, POST, PUT, DELETE";
const CREDENTIALS: &str = "access-control-allow-credentials: true";
const MAX_AGE_LINE: &str = "access-control-max-age: 3600";
const VARY: &str = "vary: Origin";

#[test]
fn all_six_come_in_order_and_vary_last() {
    let request = [
        "origin: http://a",
        "access-control-request-method: PATCH",
        "access-control-request-headers: x-one",
        "access-control-request-headers: x-two",
    ];
    let expected = [
        "access-control-allow-methods: PATCH",
        "access-control-allow-headers: x-one, x-two",
        "access-control-expose-headers: X-Custom",
        CREDENTIALS,
        "access-control-allow-origin: http://a",
        MAX_AGE_LINE,
        VARY,
    ];
    assert_eq!(added(&request, &[], &["x-custom: 1"]), expected);
}

#[test]
fn a_request_without_an_origin_allows_any() {
    let any = "access-control-allow-origin: *";
    let expected = [METHODS, CREDENTIALS, any, MAX_AGE_LINE, VARY];
    assert_eq!(added(&[], &[], &[]), expected);
}

#[test]
fn headers_that_the_response_has_are_kept() {
    let names = [
        "access-control-allow-methods",
        "access-control-allow-headers",
        "access-control-expose-headers",
        "access-control-allow-credentials",
        "access-control-allow-origin",
        "access-control-max-age",
    ];
    let preset: Vec<String> = names.iter().map(|name| format!("{name}: own")).collect();
    let preset: Vec<&str> = preset.iter().map(String::as_str).collect();
    let request = ["origin: http://a", "access-control-request-headers: x"];
    assert_eq!(added(&request, &[], &preset), [] as [&str; 0]);
    for (index, name) in names.iter().enumerate() {
        let one = [preset[index], "x-a: 1"];
        let lines = added(&request, &[], &one);
        assert!(!lines.iter().any(|line| line.starts_with(name)), "{name}");
        let has_vary = lines.last().is_some_and(|line| line == VARY);
        assert_eq!(has_vary, *name != "access-control-allow-origin", "{name}");
        assert_eq!(lines.len(), 5 + usize::from(has_vary), "{lines:?}");
    }
}

#[test]
fn exposed_are_names_once_each_but_those_every_page_may_read() {
    for (response, expected) in [
        (&["x-b: 1", "X-A: 2", "x-b: 3"][..], Some("X-B, X-A")),
        (&["grip-x: 1", "access-control-x: 1"], None),
        (&["content-type: a", "content-length: 1"], None),
        (&["cache-control: a", "expires: b", "pragma: c"], None),
        (&["content-language: a", "last-modified: b"], None),
        (&["etag: a", "gripe: b"], Some("Etag, Gripe")),
    ] {
        let name = "access-control-expose-headers: ";
        let lines = added(&[], &[], response);
        let exposed = lines.iter().find_map(|line| line.strip_prefix(name));
        assert_eq!(exposed, expected, "{response:?}");
    }
}

#[test]
fn vary_is_extended_and_never_doubled() {
    for (response, is_added) in [
        (&[][..], true),
        (&["vary: Accept"], true),
        (&["vary: Origins"], true),
        (&["vary: origin"], false),
        (&["vary: Accept,ORIGIN"], false),
        (&["vary: Accept", "vary: Origin"], false),
        (&["vary: *"], false),
    ] {
        let lines = added(&["origin: http://a"], &[], response);
        let is_last = lines.last().is_some_and(|line| line == VARY);
        assert_eq!(is_last, is_added, "{response:?}");
    }
}

#[test]
fn an_origin_that_is_not_listed_gets_vary_alone() {
    let allow = ["https://a.test", "null"];
    for (origin, is_allowed) in [
        ("https://a.test", true),
        ("null", true),
        ("http://a.test", false),
        ("https://a.test:444", false),
        ("https://a.test.evil", false),
        ("https://A.test", false),
        ("*", false),
    ] {
        let lines = added(&[&format!("origin: {origin}")], &allow, &[]);
        let echoed = format!("access-control-allow-origin: {origin}");
        assert_eq!(lines.contains(&echoed), is_allowed, "{origin}");
        assert_eq!(lines.len(), if is_allowed { 5 } else { 1 }, "{lines:?}");
        assert_eq!(lines.last().map(String::as_str), Some(VARY), "{origin}");
    }
    assert_eq!(added(&[], &allow, &[]), [VARY], "no origin is not listed");
    let own = ["access-control-allow-origin: *"];
    assert_eq!(added(&["origin: http://b"], &allow, &own), [VARY]);
}

#[test]
fn adding_twice_adds_nothing() {
    let cross_origin = CrossOrigin::of(&headers(&["origin: http://a"]), &[]);
    let mut response = headers(&["x-a: 1", "vary: Accept"]);
    cross_origin.add_to(&mut response);
    assert_eq!(cross_origin.additions(&response), []);
    let vary: Vec<_> = response.get_all("vary").iter().collect();
    assert_eq!(vary, ["Accept", "Origin"]);
}
