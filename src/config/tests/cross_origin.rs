//! Tests of the keys of cross-origin headers and JSON-P.

use http::Method;

use super::*;
use crate::engine::route::{Jsonp, Route};

fn route(proxy: &str, keys: &str) -> Route {
    let text = format!("[proxy]\n{proxy}\n[[routes]]\ntargets = [{{ test = true }}]\n{keys}");
    let settings = settings(&text);
    assert_eq!(settings.warnings, [] as [String; 0], "{text}");
    settings.routes[0].clone()
}

#[test]
fn a_route_has_what_is_set_for_all_unless_it_says_otherwise() {
    let all = "auto_cross_origin = true";
    let limited = "auto_cross_origin = true\ncross_origin_allow = \"https://A.test\"";
    for (proxy, keys, aco, allow, has_jsonp) in [
        ("", "", false, &[][..], false),
        ("", "aco = true", true, &[], true),
        (all, "", true, &[], true),
        (all, "aco = false", false, &[], false),
        (limited, "", true, &["https://a.test"], false),
        (limited, "cross_origin_allow = []", true, &[], true),
        (
            limited,
            "cross_origin_allow = [\"null\", \"x://b:1\"]",
            true,
            &["null", "x://b:1"],
            false,
        ),
        (
            limited,
            "jsonp_mode = \"extended\"",
            true,
            &["https://a.test"],
            true,
        ),
    ] {
        let route = route(proxy, keys);
        assert_eq!(route.aco, aco, "{proxy}\n{keys}");
        assert_eq!(route.cross_origin_allow, allow, "{proxy}\n{keys}");
        let jsonp = has_jsonp.then(Jsonp::default);
        assert_eq!(route.jsonp, jsonp, "{proxy}\n{keys}");
    }
    let alone = settings("[proxy]\nauto_cross_origin = true");
    assert!(alone.routes[0].aco && alone.routes[0].jsonp.is_some());
}

#[test]
fn the_parameters_of_json_p_are_read() {
    let route = route(
        "",
        "aco = true\njsonp_mode = \"basic\"\njsonp_cb = \"cb\"\njsonp_body = \"body\"\n\
         jsonp_defcb = \"a.b\"\njsonp_defmethod = \"PUT\"",
    );
    let expected = Jsonp {
        mode: JsonpMode::Basic,
        callback: "cb".to_owned(),
        body: Some("body".to_owned()),
        default_callback: Some("a.b".to_owned()),
        default_method: Some(Method::PUT),
    };
    assert_eq!(route.jsonp, Some(expected));
}

#[test]
fn wrong_values_name_what_was_expected() {
    let origins = "expected origins such as \"https://app.example\", or none for any";
    for (keys, message) in [
        ("cross_origin_allow = \"*\"", origins),
        ("cross_origin_allow = [\"https://a\", \"a.test\"]", origins),
        ("cross_origin_allow = [\"https://a/\"]", origins),
        ("cross_origin_allow = [\"https://a\\r\\n\"]", origins),
        (
            "jsonp_defcb = \"a()\"",
            "expected the name of a JavaScript function",
        ),
        (
            "jsonp_defmethod = \"A B\"",
            "found \"A B\", expected a request method",
        ),
        ("jsonp_defmethod = \"CONNECT\"", "expected a request method"),
    ] {
        let found = error(&format!(
            "[[routes]]\ntargets = [{{ test = true }}]\n{keys}"
        ));
        assert!(found.contains(message), "{found}\n{message}");
    }
    let found = error("[proxy]\ncross_origin_allow = [\"\", \"x\"]");
    assert!(
        found.contains("[proxy] cross_origin_allow: found \"x\""),
        "{found}"
    );
}

#[test]
fn keys_without_cross_origin_have_no_effect_and_say_so() {
    let keys = "cross_origin_allow = \"http://a\"\njsonp_mode = \"basic\"\njsonp_cb = \"cb\"\n\
                jsonp_body = \"b\"\njsonp_defcb = \"c\"\njsonp_defmethod = \"PUT\"";
    let settings = settings(&format!(
        "[[routes]]\ntargets = [{{ test = true }}]\n{keys}"
    ));
    assert_eq!(settings.warnings.len(), 6, "{:#?}", settings.warnings);
    let first = "p-8.toml:3: [[routes]] cross_origin_allow: has no effect, cross-origin is off: \
                 neither aco nor auto_cross_origin is set";
    assert_eq!(settings.warnings[0], first);
    assert_eq!(settings.routes[0].jsonp, None);
}
