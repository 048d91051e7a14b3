//! `docs/openapi.json` against real answers.

use serde_json::{json, Value};

use super::{act, read, streaming};
use crate::support::publish::stream_item;
use crate::support::{Client, P8};

/// Checks a value against a schema of the document; names the place of what is wrong.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(reference.trim_start_matches('#'));
        let named = named.unwrap_or_else(|| panic!("{reference} is not there"));
        return check(document, named, value, place);
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(
        kinds.iter().any(|known| known == kind),
        "{place} is {kind}, not {kinds:?}"
    );
    if let Some(words) = schema["enum"].as_array() {
        assert!(
            words.contains(value),
            "{place}: {value} is none of {words:?}"
        );
    }
    for (n, element) in value.as_array().into_iter().flatten().enumerate() {
        check(
            document,
            &schema["items"],
            element,
            &format!("{place}[{n}]"),
        );
    }
    let Some(object) = value.as_object() else {
        return;
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("a name");
        assert!(object.contains_key(name), "{place}.{name} is missing");
    }
    for (name, field) in object {
        let place = format!("{place}.{name}");
        let more = &schema["additionalProperties"];
        match schema["properties"].get(name) {
            Some(known) => check(document, known, field, &place),
            None if more.is_object() => check(document, more, field, &place),
            None => assert_ne!(more, &json!(false), "{place} is not described"),
        }
    }
}

fn document(p8: &P8) -> Value {
    let told = read(p8, "openapi.json");
    let file: Value = serde_json::from_str(include_str!("../../docs/openapi.json")).expect("JSON");
    assert_eq!(told, file);
    told
}

fn schema_of<'a>(document: &'a Value, path: &str, method: &str, status: &str) -> &'a Value {
    let answer = &document["paths"][format!("/admin/api/{path}")][method]["responses"][status];
    let schema = &answer["content"]["application/json"]["schema"];
    assert!(
        schema.is_object(),
        "{method} {path} {status} is not described"
    );
    schema
}

#[test]
fn every_answer_is_as_the_openapi_document_says() {
    let (_backend, p8) = streaming();
    let document = document(&p8);
    let _streams = [p8.stream("/a"), p8.stream("/b")];
    let _poll = p8.long_poll("/poll/a", "a", 2);
    p8.publish(&[stream_item("a", "x")]);
    let documents = [
        "snapshot", "process", "history", "sessions", "channels", "targets", "routes",
    ];
    for path in documents {
        let schema = schema_of(&document, path, "get", "200");
        check(&document, schema, &read(&p8, path), path);
        let reply = Client::connect(p8.control).post(&format!("/admin/api/{path}"), b"");
        let told = serde_json::from_slice(&reply.body).expect("JSON");
        check(
            &document,
            schema_of(&document, path, "get", "405"),
            &told,
            path,
        );
    }
    let item = stream_item("a", "x");
    for (path, body, status) in [
        ("publish", json!({ "items": [item] }), 200),
        ("publish", json!({}), 400),
        ("disconnect", json!({"channel": "a"}), 200),
        ("disconnect", json!({"id": "0-0-0"}), 404),
        ("disconnect", json!({}), 400),
        ("drain", json!({}), 200),
    ] {
        let (found, told) = act(&p8, path, &body);
        assert_eq!(found, status, "{path} {body}: {told}");
        let schema = schema_of(&document, path, "post", &status.to_string());
        check(&document, schema, &told, path);
    }
}

#[test]
fn every_sort_and_parameter_of_the_document_is_taken() {
    let (_backend, p8) = streaming();
    let document = document(&p8);
    let _stream = p8.stream("/a");
    let paths = document["paths"].as_object().expect("paths");
    let mut sorts = 0;
    for (path, methods) in paths {
        let parameters = methods["get"]["parameters"].as_array();
        for parameter in parameters.into_iter().flatten() {
            let name = parameter["name"].as_str().expect("a name");
            let words = parameter["schema"]["enum"].as_array();
            for word in words.into_iter().flatten() {
                let word = word.as_str().expect("a word");
                let short = path.trim_start_matches("/admin/api/");
                assert!(read(&p8, &format!("{short}?{name}={word}"))["rows"].is_array());
                sorts += 1;
            }
        }
    }
    assert!(sorts > 20, "{sorts}");
}
