//! Tests of wrapping: the exact bytes, and by seed that whatever comes in makes one call with JSON.

use super::*;

fn of(callback: &str, mode: JsonpMode) -> Call {
    Call {
        callback: callback.to_owned(),
        mode,
    }
}

fn response(status: u16, body: &[u8]) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-b", "1"),
        ("content-type", "text/plain"),
        ("x-a", "2"),
        ("x-b", "3"),
        ("cache-control", "no-store"),
        ("content-encoding", "identity"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    Response {
        status,
        reason: None,
        headers,
        body: Bytes::copy_from_slice(body),
    }
}

fn passed(call: &Call, response: &Response) -> Response {
    let reason = response.reason_phrase();
    call.wrap_passed(response.status, reason, &response.headers, &response.body)
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

#[test]
fn an_extended_call_has_everything_in_an_object() {
    let call = of("a.b[0]", JsonpMode::Extended);
    let inner = response(404, b"he \"said\"\n");
    let outer = passed(&call, &inner);
    assert_eq!(
        text(&outer),
        "/**/a.b[0]({\"code\": 404, \"reason\": \"Not Found\", \"headers\": \
         {\"Cache-Control\":\"no-store\",\"Content-Encoding\":\"identity\",\
         \"Content-Type\":\"text/plain\",\"X-A\":\"2\",\"X-B\":\"1\"}, \
         \"body\": \"he \\\"said\\\"\\n\"});\n"
    );
    assert_eq!((outer.status, outer.reason_phrase()), (200, "OK"));
    let expected = [
        "cache-control: no-store",
        "content-type: application/javascript",
        "x-content-type-options: nosniff",
    ];
    assert_eq!(lines(&outer.headers), expected);
}

#[test]
fn an_extended_call_of_a_hold_is_compact_and_its_headers_stay_outside() {
    let call = of("f", JsonpMode::Extended);
    let outer = call.wrap_held(&response(404, b"x"));
    assert_eq!(
        text(&outer),
        "/**/f({\"body\":\"x\",\"code\":404,\"headers\":\
         {\"Cache-Control\":\"no-store\",\"Content-Encoding\":\"identity\",\
         \"Content-Type\":\"text/plain\",\"X-A\":\"2\",\"X-B\":\"1, 3\"},\
         \"reason\":\"Not Found\"});\n"
    );
    assert_eq!((outer.status, outer.reason_phrase()), (200, "OK"));
    let mut kept = lines(&outer.headers);
    kept.sort();
    let expected = [
        "cache-control: no-store",
        "content-type: application/javascript",
        "x-a: 2",
        "x-b: 1",
        "x-b: 3",
        "x-content-type-options: nosniff",
    ];
    assert_eq!(kept, expected);
}

#[test]
fn a_basic_call_has_the_body_or_a_string_of_it() {
    let call = of("f", JsonpMode::Basic);
    for (body, argument) in [
        (&b"{\"a\": 1}\n"[..], "{\"a\": 1}"),
        (b"[1]\n\n", "[1]\n"),
        (b"", ""),
        (b"\n", ""),
        (b"null", "null"),
        (b"plain", "\"plain\""),
        (b"1); alert(1", "\"1); alert(1\""),
        (b"\xff", "\"\u{fffd}\""),
        (b"\"\xff\"", "\"\\\"\u{fffd}\\\"\""),
        (b"\"</script>\xe2\x80\xa8\"", "\"<\\/script>\\u2028\""),
        (b"</script>\xe2\x80\xa9", "\"<\\/script>\\u2029\""),
    ] {
        let expected = format!("/**/f({argument});\n");
        for status in [200, 204, 500] {
            let inner = response(status, body);
            assert_eq!(text(&passed(&call, &inner)), expected);
            assert_eq!(text(&call.wrap_held(&inner)), expected);
        }
    }
}

const PIECES: [&[u8]; 24] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"1",
    b"-",
    b",",
    b":",
    b"null",
    b"</script>",
    b"<",
    b"/",
    b"*/",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
    b"\xff",
    b"\xe2\x80",
    b"\0",
    b"\n",
    b"\r",
    b");alert(1)//",
    b"\\u2028",
];

/// Some pieces, and now and then valid JSON of them as a string.
fn random_body(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..random.usize(..12) {
        body.extend_from_slice(PIECES[random.usize(..PIECES.len())]);
    }
    if random.usize(..3) == 0 {
        body = serde_json::to_vec(&vec![String::from_utf8_lossy(&body)]).unwrap();
    }
    body
}

#[test]
fn whatever_is_wrapped_is_one_call_with_json() {
    let seed = match std::env::var("P8_SIM_SEED") {
        Ok(text) => text.parse().expect("P8_SIM_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..5_000 {
        let mut inner = response(200, &random_body(&mut random));
        if let Ok(value) = HeaderValue::from_bytes(&random_body(&mut random)) {
            inner.headers.insert("x-c", value);
        }
        inner.reason = Some(String::from_utf8_lossy(&random_body(&mut random)).into_owned());
        let shown = format!("P8_SIM_SEED={seed} {inner:?}");
        for mode in [JsonpMode::Basic, JsonpMode::Extended] {
            let call = of("$.f[1]", mode);
            for outer in [passed(&call, &inner), call.wrap_held(&inner)] {
                let wrapped = text(&outer);
                let argument = wrapped
                    .strip_prefix("/**/$.f[1](")
                    .and_then(|rest| rest.strip_suffix(");\n"))
                    .unwrap_or_else(|| panic!("{shown}"));
                let hurts = ["</", "\u{2028}", "\u{2029}"];
                assert!(!hurts.iter().any(|text| argument.contains(text)), "{shown}");
                if mode == JsonpMode::Basic && argument.is_empty() {
                    continue;
                }
                let parsed = serde_json::from_str::<serde::de::IgnoredAny>(argument);
                assert!(parsed.is_ok(), "{shown}\n{argument}");
                if mode == JsonpMode::Extended {
                    let object: serde_json::Value = serde_json::from_str(argument).unwrap();
                    let body = String::from_utf8_lossy(&inner.body);
                    assert_eq!(object["body"].as_str(), Some(&*body), "{shown}");
                }
            }
        }
    }
}
