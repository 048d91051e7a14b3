//! `p-8 publish`: what it sends and what it prints. These tests run the real binary.
//!
//! `credentials`: where to, as whom, over TLS or not. `failures`: what it says when nothing is published.
//! Source: `docs/publish-command.md`.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use base64::engine::{general_purpose::STANDARD, Engine};
use serde_json::{json, Value};

use crate::support::grip::hold;
use crate::support::programs::{TempDir, P8_BINARY};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

mod credentials;
mod failures;

/// Runs the command with these arguments, environment and standard input, to its end.
#[track_caller]
fn run_with(arguments: &[&str], environment: &[(&str, &str)], stdin: &[u8]) -> Output {
    let mut command = Command::new(P8_BINARY);
    command
        .arg("publish")
        .args(arguments)
        .env_remove("GRIP_URL")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("its input");
    // It may end without reading.
    drop(input.write_all(stdin));
    drop(input);
    child.wait_with_output().expect("its output")
}

#[track_caller]
fn assert_published(output: &Output) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), told.as_ref()), (Some(0), ""));
    assert_eq!(output.stdout, b"Published\n");
}

/// It failed with this code, said each of the words on stderr and nothing else on stdout.
#[track_caller]
fn assert_failed(output: &Output, code: i32, words: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    for word in words {
        assert!(told.contains(word), "{word:?} in {told}");
    }
    assert_eq!(output.stdout, b"", "{told}");
}

fn spec(control: SocketAddr) -> String {
    format!("http://{control}")
}

/// A control server that takes everything.
fn recorder() -> Backend {
    Backend::answering(|_| Answer::ok("Published\n"))
}

/// The only item in the only request that was sent for these arguments.
#[track_caller]
fn sent_with(arguments: &[&str], stdin: &[u8]) -> Value {
    let server = recorder();
    let spec = spec(server.addr);
    let arguments = [&["--spec", &spec], arguments].concat();
    assert_published(&run_with(&arguments, &[], stdin));
    let request = server.only_request();
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/publish/")
    );
    assert_eq!(request.header("authorization"), None);
    let document: Value = serde_json::from_slice(&request.body).expect("JSON");
    let items = document["items"].as_array().expect("items");
    assert_eq!(items.len(), 1, "{document}");
    items[0].clone()
}

#[track_caller]
fn sent(arguments: &[&str]) -> Value {
    sent_with(arguments, b"")
}

#[test]
fn a_text_reaches_streams_and_long_polls_with_a_newline() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/poll" => hold("response", "a", ""),
        _ => hold("stream", "a", ""),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut poll = p8.long_poll("/poll", "a", 1);
    let mut stream = p8.stream("/");
    let spec = spec(p8.control);
    let arguments = [
        "--spec",
        &spec,
        "--code",
        "418",
        "-H",
        "X-A: 1",
        "a",
        "hello ☃",
    ];
    assert_published(&run_with(&arguments, &[], b""));
    stream.expect("hello ☃\n");
    let answer = poll.reply();
    assert_eq!((answer.status(), answer.text()), (418, "hello ☃\n".into()));
    assert_eq!(answer.head.header("x-a"), Some("1"));
}

#[test]
fn hint_close_and_patch_do_what_they_say() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/poll" => hold("response", "a", "[1]"),
        _ => hold("stream", "a", ""),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let spec = spec(p8.control);
    let publish = |arguments: &[&str]| {
        let arguments = [&["--spec", &spec, "a"], arguments].concat();
        assert_published(&run_with(&arguments, &[], b""));
    };
    let mut poll = p8.long_poll("/poll", "a", 1);
    publish(&["--hint"]);
    wait_until(DEADLINE, "the second request", || backend.seen().len() == 2);
    publish(&["--patch", r#"[{"op": "add", "path": "/-", "value": 2}]"#]);
    assert_eq!(poll.reply().text(), "[1,2]");
    let mut stream = p8.stream("/");
    publish(&["--close"]);
    assert_eq!(stream.read_to_end(), Ok(Vec::new()));
}

#[test]
fn every_option_ends_up_in_its_field() {
    let item = sent(&[
        "--id",
        "2",
        "--prev-id",
        "1",
        "--sender",
        "me",
        "--code",
        "404",
        "-H",
        "X-A: 1",
        "--header",
        "x-a:2",
        "-M",
        "a=b=c",
        "--meta",
        "empty=",
        "--no-seq",
        "the \"channel\"",
        "é",
    ]);
    let expected = json!({
        "channel": "the \"channel\"",
        "id": "2",
        "prev-id": "1",
        "no-seq": true,
        "meta": {"sender": "me", "a": "b=c", "empty": ""},
        "formats": {
            "http-response": {"code": 404, "headers": [["x-a", "1"], ["x-a", "2"]], "body": "é\n"},
            "http-stream": {"content": "é\n"},
            "ws-message": {"type": "text", "content": "é"},
        },
    });
    assert_eq!(item, expected);
}

#[test]
fn without_options_nothing_but_the_content_is_sent() {
    let formats = json!({
        "http-response": {"code": 200, "body": "x\n"},
        "http-stream": {"content": "x\n"},
        "ws-message": {"type": "text", "content": "x"},
    });
    assert_eq!(
        sent(&["c", "x"]),
        json!({"channel": "c", "formats": formats})
    );
}

#[test]
fn actions_go_to_the_formats_they_mean_something_to() {
    let hint = json!({"action": "hint"});
    let close = json!({"action": "close"});
    let patch = json!([{"op": "test", "path": "/", "value": 1}]);
    for (arguments, formats) in [
        (
            &["--hint", "c"][..],
            json!({"http-response": hint, "http-stream": hint, "ws-message": hint}),
        ),
        (
            &["c", "--close"],
            json!({"http-stream": close, "ws-message": close}),
        ),
        (
            &["--patch", "--code", "201", "c", &patch.to_string()],
            json!({"http-response": {"code": 201, "body-patch": patch}}),
        ),
    ] {
        assert_eq!(
            sent(arguments),
            json!({"channel": "c", "formats": formats}),
            "{arguments:?}"
        );
    }
}

#[test]
fn content_comes_from_the_command_line_a_file_or_standard_input() {
    let folder = TempDir::new("publish");
    let text = folder.file("text", "two\nlines\n");
    let binary = folder.file("binary", [0, 0xff, b'\n']);
    let (text, binary) = (text.display(), binary.display());
    let base64 = |bytes: &[u8]| STANDARD.encode(bytes);
    let (text, binary) = (format!("@{text}"), format!("@{binary}"));
    for (arguments, stdin, body, message) in [
        (&["c", "x"][..], &b""[..], json!("x\n"), json!("x")),
        (&["--no-eol", "c", "x"], b"", json!("x"), json!("x")),
        (&["c", ""], b"", json!("\n"), json!("")),
        (&["--", "c", "-x"], b"", json!("-x\n"), json!("-x")),
        (
            &["c", &text],
            b"",
            json!("two\nlines\n"),
            json!("two\nlines\n"),
        ),
        (
            &["c", "-"],
            b"from stdin",
            json!("from stdin"),
            json!("from stdin"),
        ),
    ] {
        let formats = &sent_with(arguments, stdin)["formats"];
        assert_eq!(formats["http-response"]["body"], body, "{arguments:?}");
        assert_eq!(formats["http-stream"]["content"], body, "{arguments:?}");
        let expected = json!({"type": "text", "content": message});
        assert_eq!(formats["ws-message"], expected, "{arguments:?}");
    }
    for (content, stdin, bytes) in [
        (binary.as_str(), &b""[..], &[0, 0xff, b'\n'][..]),
        ("-", b"\xf0\x9f", b"\xf0\x9f"),
    ] {
        let bin = base64(bytes);
        let expected = json!({
            "http-response": {"code": 200, "body-bin": bin},
            "http-stream": {"content-bin": bin},
            "ws-message": {"type": "binary", "content-bin": bin},
        });
        assert_eq!(sent_with(&["c", content], stdin)["formats"], expected);
    }
}

#[test]
fn help_names_every_option() {
    let output = run_with(&["--help"], &[], b"");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for option in [
        "--id",
        "--prev-id",
        "--sender",
        "--code",
        "-H",
        "--header",
        "-M",
        "--meta",
        "--hint",
        "--close",
        "--patch",
        "--no-seq",
        "--no-eol",
        "--spec",
        "-u",
        "--user",
        "-B",
        "--bearer",
        "GRIP_URL",
        "http://localhost:5561",
    ] {
        assert!(text.contains(option), "{option} in {text}");
    }
}

#[test]
fn a_receipt_says_who_got_the_item_and_who_did_not() {
    let backend = Backend::answering(|request| hold("stream", request.query(), ""));
    let p8 = P8::start(&Config::to(backend.addr));
    let spec = spec(p8.control);
    let receipt = |channel: &str| {
        let arguments = ["--spec", &spec, "--receipt", channel, "hello"];
        let output = run_with(&arguments, &[], b"");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), told.as_ref()), (Some(0), ""));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert_eq!(receipt("nobody"), "no-subscribers\n");
    let mut streams = [p8.stream("/?news"), p8.stream("/?news")];
    let lines = "accepted\n  matched            2  2 streams\n  queued             2\n";
    assert_eq!(receipt("news"), lines);
    streams
        .iter_mut()
        .for_each(|stream| stream.expect("hello\n"));
}

#[test]
fn a_server_without_receipts_is_told_from_one_that_refused() {
    let server = recorder();
    let spec = format!("{}?other=1", spec(server.addr));
    let output = run_with(&["--spec", &spec, "--receipt", "a", "b"], &[], b"");
    assert_failed(&output, 1, &["published", "no receipt"]);
    assert_eq!(server.only_request().target, "/publish/?other=1&receipt=1");
}
