//! What a backend is told of a client: any headers and rules. P-8's word of the client is the last one in
//! `X-Forwarded-For`, `Forwarded` and `CDN-Loop`, whatever the client wrote, and nothing of a connection passes.

use http::HeaderValue;
use p8::engine::cross_origin::CrossOrigin;
use p8::engine::forward::{
    self, is_loop, is_secure, parse_xff_rules, ClientRequest, ForwardOptions, SetProto,
};
use p8::engine::route::{Route, Target};
use p8::grip::header_params::split_list;

use super::header_lines;

/// Checks one input: options, rules, header lines.
pub fn check(input: (u8, &str, &[u8])) {
    let (how, rules, lines) = input;
    let Ok(rules) = parse_xff_rules(rules) else {
        return;
    };
    let protos = [SetProto::Off, SetProto::ProtoOnly, SetProto::Both];
    let options = ForwardOptions {
        set_x_forwarded_protocol: protos[usize::from(how % 3)],
        accept_x_forwarded_protocol: how & 4 != 0,
        accept_pushpin_route: how & 8 != 0,
        x_forwarded_for: rules.clone(),
        x_forwarded_for_trusted: rules,
        forwarded: how & 16 != 0,
        cdn_loop: Some("p-8.example".to_owned()),
        ..ForwardOptions::default()
    };
    let headers = header_lines::headers(lines, 64);
    let secure = is_secure(&headers, false, &options);
    assert!(options.accept_x_forwarded_protocol || !secure);
    let passed = CrossOrigin::of(&headers, &[]).additions(&headers);
    assert!(passed.len() < 10);
    let earlier = headers.get_all("cdn-loop").iter();
    if is_loop(earlier.map(HeaderValue::as_bytes), &options) {
        return;
    }
    let request = ClientRequest {
        path_and_query: "/",
        headers,
        peer: "192.0.2.7".parse().ok(),
        secure,
        is_websocket: how & 32 != 0,
        trusted: how & 64 != 0,
        last: &[],
        id: None,
    };
    let (route, target) = (Route::new("*"), Target::http("localhost", 80));
    let sent = forward::request(request, &route, &target, &options, None).headers;
    for name in [
        "connection",
        "keep-alive",
        "transfer-encoding",
        "te",
        "upgrade",
        "content-length",
    ] {
        assert!(!sent.contains_key(name), "{name}");
    }
    let told = sent.get_all("cdn-loop").iter().map(HeaderValue::as_bytes);
    assert!(is_loop(told, &options), "whoever comes again is known");
    if options.forwarded {
        let told = split_list(sent.get_all("forwarded").iter().map(HeaderValue::as_bytes));
        assert!(told
            .last()
            .is_some_and(|last| last.starts_with(b"for=192.0.2.7")));
    }
}
