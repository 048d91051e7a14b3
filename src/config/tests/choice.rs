//! Tests of what chooses among targets: order, times, ejection, health pages.

use std::time::Duration;

use super::*;
use crate::engine::balance::{EjectionLimits, Order};
use crate::engine::route::RouteTimes;

fn route(lines: &str) -> String {
    format!(
        "[[routes]]\n{lines}\ntargets = [{{ url = \"http://a\" }}, {{ url = \"http://b\", health = \"/up?x=1\" }}]"
    )
}

#[test]
fn a_route_says_its_order_and_times() {
    let plain = &settings(&route("")).routes[0];
    assert_eq!(
        (plain.order, plain.times),
        (Order::First, RouteTimes::default())
    );
    for (word, order) in [
        ("first", Order::First),
        ("round-robin", Order::RoundRobin),
        ("least-requests", Order::LeastRequests),
    ] {
        let settings = settings(&route(&format!("order = \"{word}\"")));
        assert_eq!(settings.routes[0].order, order);
    }
    let times = "connect_timeout_ms = 20\nresponse_timeout_secs = 3\nrequest_timeout_secs = 4";
    let settings = settings(&route(times));
    let expected = RouteTimes {
        connect: Some(Duration::from_millis(20)),
        response: Some(Duration::from_secs(3)),
        whole: Some(Duration::from_secs(4)),
    };
    assert_eq!(settings.routes[0].times, expected);
}

#[test]
fn ejection_is_bounded() {
    let text = "[proxy]\neject_after = 0\neject_secs = 7\neject_secs_max = 7";
    let expected = EjectionLimits {
        after: 0,
        first: Duration::from_secs(7),
        max: Duration::from_secs(7),
    };
    assert_eq!(settings(text).proxy.ejection, expected);
}

#[test]
fn health_pages_have_the_times_of_their_route_or_of_all() {
    for (proxy, lines, interval, timeout) in [
        ("", "", 5, 2),
        ("health_interval_secs = 7", "", 7, 2),
        (
            "health_interval_secs = 7\nhealth_timeout_secs = 8",
            "health_timeout_secs = 9",
            7,
            9,
        ),
        ("", "health_interval_secs = 1", 1, 2),
    ] {
        let settings = settings(&format!("[proxy]\n{proxy}\n{}", route(lines)));
        let targets = &settings.routes[0].targets;
        assert!(targets[0].health.is_none());
        let check = targets[1].health.as_ref().expect("a page");
        assert_eq!(check.path, "/up?x=1");
        assert_eq!(check.interval, Duration::from_secs(interval), "{lines}");
        assert_eq!(check.timeout, Duration::from_secs(timeout), "{lines}");
    }
}

#[test]
fn wrong_values_say_what_was_expected() {
    let one = |target: &str| format!("[[routes]]\ntargets = [{target}]");
    for (text, message) in [
        (
            "[proxy]\neject_secs = 0".to_owned(),
            "p-8.toml:2: [proxy] eject_secs: found the number 0, expected 1 to 86400",
        ),
        (
            "[proxy]\neject_secs = 9\neject_secs_max = 8".to_owned(),
            "p-8.toml:3: [proxy] eject_secs_max: found eject_secs = 9 and eject_secs_max = 8, \
             expected eject_secs no longer than eject_secs_max",
        ),
        (
            "[proxy]\neject_secs = 301".to_owned(),
            "p-8.toml:2: [proxy] eject_secs: found eject_secs = 301 and eject_secs_max = 300, \
             expected eject_secs no longer than eject_secs_max",
        ),
        (
            route("request_timeout_secs = 0"),
            "p-8.toml:2: [[routes]] request_timeout_secs: found the number 0, expected 1 to 86400",
        ),
        (
            route("connect_timeout_ms = 600001"),
            "p-8.toml:2: [[routes]] connect_timeout_ms: found the number 600001, expected 1 to 600000",
        ),
        (
            route("order = \"random\""),
            "p-8.toml:2: [[routes]] order: found \"random\", expected one of: first, round-robin, \
             least-requests",
        ),
        (
            "[[routes]]\norder = \"round-robin\"\ntargets = [{ test = true }]".to_owned(),
            "p-8.toml:2: [[routes]] order: found \"round-robin\", expected \"first\" on a route with \
             a test or demo target",
        ),
        (
            one("{ url = \"http://a\", health = \"up\" }"),
            "p-8.toml:2: [[routes]] targets[0].health: found \"up\", expected a path such as \
             \"/health\", with or without a query",
        ),
        (
            one("{ test = true, health = \"/\" }"),
            "p-8.toml:2: [[routes]] targets[0].health: found \"/\", expected no health page of a \
             target that is built in",
        ),
    ] {
        assert_eq!(error(&text), message);
    }
}
