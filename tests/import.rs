//! `p-8 import`: what it prints, and that P-8 does with it what Pushpin did. These tests run the real
//! binary.
//!
//! Source: `docs/migrating-from-pushpin.md`.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::grip::hold;
use crate::support::programs::{Program, TempDir, P8_BINARY};
use crate::support::{publish, Answer, Backend, Client};

/// Runs the command with these arguments, to its end.
#[track_caller]
fn import(arguments: &[&str]) -> Output {
    let mut command = Command::new(P8_BINARY);
    let output = command.arg("import").args(arguments).output();
    output.expect("it starts")
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

/// A backend that answers with its name and the path and `Host` it saw.
fn named(name: &'static str) -> Backend {
    Backend::answering(move |request| {
        let host = request.header("host").unwrap_or_default();
        Answer::ok(format!("{name} {} {host}", request.target))
    })
}

const CONFIG: &str = "
[global]
rundir=run
[runner]
services=connmgr,proxy,handler
http_port=127.0.0.1:0
[proxy]
routesfile=routes
sig_key=changeme
share=1
[handler]
push_in_http_addr=127.0.0.1
push_in_http_port=0
message_wait=3000
";

#[test]
fn an_installation_with_several_routes_is_served_as_before() {
    let (any, api, app) = (named("any"), named("api"), named("app"));
    let held = Backend::answering(|_| hold("stream", "news", ""));
    let folder = TempDir::new("import");
    let config = folder.file("pushpin.conf", CONFIG);
    let routes = format!(
        "# the table\n* {nowhere} {any}  # fails over\n\n*,path_beg=/api,path_rem=4 {api},host=\"in.example\"\n\
         app.example,path_beg=/a/,replace_beg=/b/ {app}\n*,path_beg=/held,prefix=p- {held}\nbad line here\n",
        nowhere = Backend::nowhere(),
        any = any.addr,
        api = api.addr,
        app = app.addr,
        held = held.addr,
    );
    folder.file("routes", routes);
    let output = import(&[config.to_str().expect("a path")]);
    let (toml, notes) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{notes}");
    for (place, words) in [
        ("pushpin.conf:3: [global] rundir", "not needed"),
        ("pushpin.conf:5: [runner] services", "not needed"),
        ("pushpin.conf:10: [proxy] share", "not a key of Pushpin"),
        ("routes:7", "target bad format"),
    ] {
        let is_named = notes
            .lines()
            .any(|line| line.contains(place) && line.contains(words));
        assert!(is_named, "{place} {words} in\n{notes}");
    }
    assert!(!notes.contains("changeme"), "{notes}");

    let program = Program::start(&toml, &[]);
    for (host, path, expected) in [
        ("x.example", "/a/1", "any /a/1 x.example"),
        ("x.example", "/api/1?q", "api /1?q in.example"),
        ("App.example", "/a/1", "app /b/1 app.example"),
    ] {
        let reply = Client::connect(program.clients).get_with(path, &[("Host", host)]);
        assert_eq!(reply.text().to_lowercase(), expected);
    }
    let known = Client::connect(program.clients).get_with("/b", &[("Host", "app.example")]);
    assert_eq!(known.status(), 502);
    let mut stream = Client::connect(program.clients);
    stream.request("GET", "/held", &[], b"");
    assert_eq!(stream.final_head().status, 200);
    let item = publish::stream_item("p-news", "hello\n");
    publish::publish(program.control, &[item]);
    assert!(String::from_utf8_lossy(&stream.read_some().expect("data")).contains("hello"));
}

#[test]
fn lines_given_as_arguments_replace_the_routes_file() {
    let backend = named("given");
    let folder = TempDir::new("import");
    let config = folder.file("pushpin.conf", CONFIG);
    let line = format!("* {}", backend.addr);
    let arguments = [
        config.to_str().expect("a path"),
        "--route",
        &line,
        "--route",
        "* b",
    ];
    let (toml, notes) = texts(&import(&arguments));
    assert!(
        notes.contains("--route:2: line left out: target bad format"),
        "{notes}"
    );
    assert!(!notes.contains("cannot be read"), "{notes}");
    let program = Program::start(&toml, &[]);
    let reply = Client::connect(program.clients).get_with("/x", &[("Host", "h")]);
    assert_eq!(reply.text(), "given /x h");
}

#[test]
fn a_file_that_cannot_be_read_ends_with_1_and_bad_usage_with_64() {
    let output = import(&["/nowhere/pushpin.conf"]);
    let (toml, notes) = texts(&output);
    assert_eq!((output.status.code(), toml.as_str()), (Some(1), ""));
    assert!(
        notes.starts_with("p-8: /nowhere/pushpin.conf: cannot be read"),
        "{notes}"
    );
    assert_eq!(import(&[]).status.code(), Some(64));
}

#[test]
fn debians_installation_is_served() {
    let config = "/etc/pushpin/pushpin.conf";
    if !Path::new(config).exists() {
        eprintln!("SKIPPED: Pushpin is not installed; install it to run this test");
        return;
    }
    let output = import(&[config]);
    let (toml, notes) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{notes}");
    let environment = [
        ("P8_HTTP__LISTEN", "127.0.0.1:0"),
        ("P8_CONTROL__LISTEN", "127.0.0.1:0"),
    ];
    let program = Program::start(&toml, &environment);
    let reply = Client::connect(program.clients).get("/");
    assert_eq!(reply.text(), "Hello from the P-8 test target!\n");
}
