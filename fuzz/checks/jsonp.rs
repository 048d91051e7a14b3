//! JSON-P: any query, any body. What is asked can be sent, and the answer is one call with JSON in it.

use http::HeaderMap;
use p8::engine::jsonp::{is_callback, parse};
use p8::engine::route::{Jsonp, JsonpMode};

/// Checks one input.
pub fn check(input: (bool, &str, &str, Vec<u8>)) {
    let (is_basic, query, reason, body) = input;
    let mut jsonp = Jsonp::default();
    if is_basic {
        jsonp.mode = JsonpMode::Basic;
        jsonp.body = Some("body".to_owned());
        jsonp.default_callback = Some("usual".to_owned());
    }
    let Ok(Some((call, asked))) = parse(&jsonp, &format!("/x?{query}")) else {
        return;
    };
    assert!(asked.path_and_query.len() <= query.len() + 3);
    let sent = asked.merge_headers(HeaderMap::new());
    assert!(!sent.contains_key("host") && sent.len() <= 66);
    let wrapped = call.wrap_passed(200, reason, &sent, &body);
    let text = std::str::from_utf8(&wrapped.body).unwrap();
    let text = text.strip_prefix("/**/").unwrap();
    let (name, rest) = text.split_once('(').unwrap();
    assert!(is_callback(name));
    let argument = rest.strip_suffix(");\n").unwrap();
    assert!(!["</", "\u{2028}", "\u{2029}"]
        .iter()
        .any(|bad| argument.contains(bad)));
    if !is_basic || !argument.is_empty() {
        serde_json::from_str::<serde::de::IgnoredAny>(argument).unwrap();
    }
}
