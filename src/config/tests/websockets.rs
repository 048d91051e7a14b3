//! Tests of the keys of WebSocket and SockJS clients.

use super::*;
use crate::engine::route::SockJs;

const TARGETS: &str =
    "[[routes]]\ntargets = [{ url = \"http://a\", over_http = true, one_event = true }]\n";

#[test]
fn bounds_of_websockets_are_read() {
    let text = "[http]\nallow_compression = true\n[proxy]\nws_message_bytes_max = 125\n\
                ws_answer_bytes_max = 1024\nws_requests_max = 1\nws_disconnects_max = 0";
    let settings = settings(text);
    let proxy = &settings.proxy;
    assert!(settings.http.allow_compression);
    assert_eq!((proxy.ws_message_max, proxy.ws_answer_max), (125, 1024));
    assert_eq!((proxy.ws_requests_max, proxy.ws_disconnects_max), (1, 0));
    for (key, value, bounds) in [
        ("ws_message_bytes_max", 124, "125 to 1073741824"),
        ("ws_answer_bytes_max", 1023, "1024 to 1073741824"),
        ("ws_requests_max", 0, "1 to 1000000"),
        ("ws_disconnects_max", 1_000_001, "0 to 1000000"),
    ] {
        assert_eq!(
            error(&format!("proxy.{key} = {value}")),
            format!("p-8.toml:1: [proxy] {key}: found the number {value}, expected {bounds}")
        );
    }
}

#[test]
fn routes_serve_websocket_and_sockjs_clients() {
    let plain = settings(TARGETS);
    assert_eq!(plain.warnings, [] as [String; 0]);
    let route = &plain.routes[0];
    assert!(route.sockjs.is_none() && !route.auto_pong);
    assert!(route.targets[0].over_http && route.targets[0].one_event);

    let set = "auto_pong = true\nsockjs = \"/echo/\"\nsockjs_as_path = \"/ws\"\n";
    let set = settings(&format!("{TARGETS}{set}"));
    assert_eq!(set.warnings, [] as [String; 0]);
    assert!(set.routes[0].auto_pong);
    let sockjs = SockJs {
        base: "/echo".to_owned(),
        as_path: Some("/ws".to_owned()),
    };
    assert_eq!(set.routes[0].sockjs, Some(sockjs));
    for empty in ["sockjs = \"\"", "sockjs = \"\"\nsockjs_as_path = \"\""] {
        let settings = settings(&format!("{TARGETS}{empty}"));
        assert!(settings.routes[0].sockjs.is_none() && settings.warnings.is_empty());
    }
}

#[test]
fn wrong_sockjs_paths_name_what_was_expected() {
    for (keys, message) in [
        (
            "sockjs = \"x\"",
            "sockjs: found \"x\", expected a path, \"/\" first",
        ),
        (
            "sockjs = \"/x?y\"",
            "sockjs: found \"/x?y\", expected a path",
        ),
        (
            "sockjs = \"/\"\nsockjs_as_path = \"x\"",
            "sockjs_as_path: found \"x\", expected a path, \"/\" first, without a query",
        ),
    ] {
        let found = error(&format!("{TARGETS}{keys}"));
        assert!(found.contains(message), "{found}\n{message}");
    }
}

#[test]
fn sockjs_keys_without_effect_warn() {
    let lone = settings(&format!("{TARGETS}sockjs_as_path = \"/x\""));
    assert_eq!(
        lone.warnings,
        [
            "p-8.toml:3: [[routes]] sockjs_as_path: has no effect, the route serves no SockJS \
          clients: sockjs is not set"
        ]
    );
    let apart = settings(&format!("{TARGETS}path_beg = \"/a\"\nsockjs = \"/b\""));
    assert_eq!(
        apart.warnings,
        ["p-8.toml:4: [[routes]] sockjs: has no effect, no path begins with both it and path_beg"]
    );
    for (front, path) in [("/a", "/a/b"), ("/a/b", "/a"), ("/a", "/")] {
        let keys = format!("path_beg = \"{front}\"\nsockjs = \"{path}\"");
        let settings = settings(&format!("{TARGETS}{keys}"));
        assert_eq!(settings.warnings, [] as [String; 0]);
    }
}

#[test]
fn the_script_of_the_iframe_page_is_a_url() {
    for (text, url) in [
        ("", None),
        ("sockjs_url = \"\"", None),
        (
            "sockjs_url = \"https://a/b.js?v=1\"",
            Some("https://a/b.js?v=1"),
        ),
        ("sockjs_url = \"//a/b.js\"", Some("//a/b.js")),
    ] {
        let settings = settings(&format!("[proxy]\n{text}"));
        assert_eq!(settings.proxy.sockjs_url.as_deref(), url);
    }
    for wrong in [
        "sockjs.js",
        "javascript:x",
        "https://a/>b",
        "https://a/ b",
        "/<x>",
    ] {
        let found = error(&format!("proxy.sockjs_url = \"{wrong}\""));
        let message = format!(
            "p-8.toml:1: [proxy] sockjs_url: found {wrong:?}, expected where sockjs.min.js is, \
             such as \"https://cdn.example/sockjs.min.js\""
        );
        assert_eq!(found, message);
    }
}
