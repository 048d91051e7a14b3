//! Templates and patches that no publisher should send.

use serde_json::{json, Value};

use super::assert_sound;
use crate::support::grip::{hold, instruct};
use crate::support::publish::{
    close_item, post_items, response_item, response_with, stream_item, stream_with,
};
use crate::support::{Answer, Backend, Client, Config, P8};

/// P-8 whose publishes may have 20 MB, before a backend that answers with that.
fn before(answer: Answer) -> (Backend, P8) {
    let backend = Backend::answering(move |_| answer.clone());
    let p8 = P8::start(&Config::to(backend.addr).control("max_body_size = 20000000"));
    (backend, p8)
}

/// A stream on channel `a` with these filters and this meta.
fn filtered(filters: &[&str], meta: Value) -> Answer {
    instruct(&json!({
        "hold": {
            "mode": "stream",
            "channels": [{"name": "a", "filters": filters}],
            "meta": meta,
        },
    }))
}

#[track_caller]
fn assert_goes_on(p8: &P8, mut stream: Client) {
    p8.publish(&[stream_item("a", "next"), close_item("a")]);
    assert_eq!(stream.read_to_end().expect("an end"), b"next");
    assert_sound(p8);
}

#[test]
fn content_that_is_no_template_or_grows_too_much_is_skipped_and_counted() {
    let value = "v".repeat(50_000);
    let meta = json!({"id_format": "%(a)s%(a)s", "long": value, "%(long)s": "%(long)s"});
    let (_backend, p8) = before(filtered(&["var-subst", "build-id"], meta));
    let stream = p8.stream("/");
    let skipped = [
        "%".to_owned(),
        "%%%".to_owned(),
        "%".repeat(1_000_001),
        "%%".repeat(100_000) + "%",
        "%I".repeat(500_000),
        "%(long)s".repeat(1_000),
        "%(".repeat(100_000),
        "%(a".to_owned(),
        "%(a\\".to_owned(),
        "%(".repeat(50_000) + &")s".repeat(50_000),
        "%(nobody)s".to_owned(),
        "%()s".to_owned(),
        "%n%s%x".to_owned(),
    ];
    for content in &skipped {
        p8.publish(&[stream_item("a", content)]);
    }
    p8.publish(&[stream_with("a", json!({"content-bin": "JSj/KXM="}))]);
    assert_goes_on(&p8, stream);
    assert_eq!(
        p8.snapshot().dropped("filter-error"),
        skipped.len() as u64 + 1
    );
}

#[test]
fn values_and_ids_are_not_read_as_templates_again() {
    let meta = json!({"a": "%(b)s", "b": "%(a)s", "id_format": "%(a)s%%I%%(a)s"});
    let (_backend, p8) = before(filtered(&["var-subst", "build-id"], meta));
    let mut stream = p8.stream("/");
    let mut item = stream_item("a", "%%I");
    item["id"] = json!("%I%(a)s%");
    p8.publish(&[item]);
    stream.expect("%I%(a)s%%I%(a)s");
    assert_goes_on(&p8, stream);
}

#[test]
fn an_id_format_that_makes_too_much_of_an_id_skips_the_item() {
    let format = "%(a)s".repeat(10_000);
    let (_backend, p8) = before(filtered(&["build-id"], json!({"id_format": format})));
    let stream = p8.stream("/");
    let mut item = stream_item("a", "%I");
    item["id"] = json!("i".repeat(100_000));
    p8.publish(&[item]);
    assert_goes_on(&p8, stream);
    assert_eq!(p8.snapshot().dropped("filter-error"), 1);
}

/// Patches that cannot be applied to `{"a": ["x"]}`, or make too much of it.
fn bad_patches() -> Vec<Value> {
    let op = |op: &str, path: &str| json!({"op": op, "path": path, "value": 1});
    let copy = |path: &str| json!({"op": "copy", "from": "", "path": path});
    let mut patches: Vec<Value> = ["copy", "add"]
        .iter()
        .map(|op| json!([{"op": op}]))
        .collect();
    for path in [
        "/a/1000000000000",
        "/a/18446744073709551616",
        "/a/-1",
        "/a/01",
        "/a/1e1",
        "/~01",
        "/~",
        "/~2",
        "a",
        "/a/-/-",
        "/\u{0}",
    ] {
        patches.push(json!([op("replace", path)]));
    }
    patches.push(json!(vec![copy("/b"); 30_000]));
    patches.push(json!(vec![copy("/a/-"); 30_000]));
    patches.push(json!([op("test", "/a")]));
    patches.push(json!([{"op": "move", "from": "/a", "path": "/a/0"}]));
    patches.push(json!([{"op": "move", "from": "", "path": "/a/0"}]));
    patches.push(json!([{"op": "remove", "path": ""}, op("add", "/b")]));
    patches.push(json!([[[]]]));
    patches.push(json!([null]));
    patches.push(json!(["x".repeat(1_000_000)]));
    patches
}

#[test]
fn patches_that_cannot_be_applied_have_the_backend_asked_again() {
    let backend = Backend::answering(|request| match request.all("grip-last").len() {
        0 => hold("response", "a", r#"{"a": ["x"]}"#).header("Grip-Channel", "a; prev-id=0"),
        _ => Answer::ok("asked again"),
    });
    let config = Config::to(backend.addr).control("max_body_size = 20000000");
    let p8 = P8::start(&config);
    for (n, patch) in bad_patches().into_iter().enumerate() {
        let mut client = p8.long_poll(&format!("/{n}"), "a", 1);
        let mut item = response_with("a", json!({"body-patch": patch}));
        item["no-seq"] = json!(true);
        item["prev-id"] = json!("0");
        assert_eq!(post_items(p8.control, &[item]).status(), 200);
        let start: String = patch.to_string().chars().take(80).collect();
        assert_eq!(client.reply().text(), "asked again", "{n}: {start}");
    }
    assert_sound(&p8);
}

#[test]
fn a_patch_of_100_000_operations_is_applied_or_given_up_soon() {
    let held = format!("[{}]", vec!["0"; 49_000].join(","));
    let backend = Backend::answering(move |request| match request.target.as_str() {
        "/plain" => Answer::ok("plain"),
        _ => hold("response", "a", &held),
    });
    let config = Config::to(backend.addr)
        .control("max_body_size = 20000000")
        .http("workers = 1");
    let p8 = P8::start(&config);
    for operation in [
        json!({"op": "move", "from": "/0", "path": "/48999"}),
        json!({"op": "test", "path": "/0", "value": 0}),
        json!({"op": "add", "path": "/0", "value": 0}),
        json!({"op": "remove", "path": "/0"}),
    ] {
        let mut client = p8.long_poll("/", "a", 1);
        let patch = json!(vec![operation.clone(); 100_000]);
        p8.publish(&[response_with("a", json!({ "body-patch": patch }))]);
        assert_eq!(p8.get("/plain").text(), "plain");
        p8.publish(&[response_item("a", "an answer")]);
        assert_eq!(client.reply().status(), 200);
    }
    assert_sound(&p8);
}
