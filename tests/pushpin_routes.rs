//! A Pushpin routes file, imported: P-8 chooses, rewrites and refuses as Pushpin 1.36 was seen to do.
//!
//! Pushpin's answers are in `tests/fixtures/pushpin_routes/`, recorded by the script there.

use std::collections::HashMap;
use std::process::Command;

use crate::support::programs::{Program, TempDir, P8_BINARY};
use crate::support::{Answer, Backend, Client};

const ROUTES: &str = include_str!("fixtures/pushpin_routes/routes");
const ANSWERS: &str = include_str!("fixtures/pushpin_routes/answers.txt");

/// The settings that Pushpin had, but for its ports.
const SETTINGS: &str = include_str!("fixtures/pushpin_routes/proxy.conf");

/// A backend that answers with its name, and the target and `Host` it saw.
fn named(name: &str) -> Backend {
    let name = name.to_owned();
    Backend::answering(move |request| {
        let host = request.header("host").unwrap_or_default();
        Answer::ok(format!("{name} {} {host}", request.target))
    })
}

/// The routes file with addresses, and the backends that are there.
fn routes() -> (String, Vec<Backend>) {
    let lines = ROUTES.split_once('\n').expect("a comment first").1;
    let mut backends = Vec::new();
    let mut known: HashMap<&str, String> = HashMap::new();
    let mut text = String::new();
    for (n, part) in lines.split(['{', '}']).enumerate() {
        if n % 2 == 0 {
            text.push_str(part);
            continue;
        }
        let address = known.entry(part).or_insert_with(|| {
            if part == "nowhere" {
                return Backend::nowhere().to_string();
            }
            backends.push(named(part));
            backends[backends.len() - 1].addr.to_string()
        });
        text.push_str(address);
    }
    (text, backends)
}

/// Asks what a line of the answers asks.
fn ask(p8: &Program, asked: &str) -> String {
    let words: Vec<&str> = asked.split(' ').collect();
    let [kind, host, target, route] = words[..] else {
        panic!("four words: {asked}");
    };
    let mut headers = vec![("Host", host)];
    if kind.ends_with('s') && kind != "ws" {
        headers.push(("X-Forwarded-Proto", "https"));
    }
    if kind.starts_with("ws") {
        headers.extend([
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
    }
    if route != "-" {
        headers.push(("Pushpin-Route", route));
    }
    let mut client = Client::connect(p8.clients);
    client.request("GET", target, &headers, b"");
    let reply = client.reply();
    match reply.status() {
        200 => reply.text(),
        status => format!("{status} {}", reply.text()),
    }
}

/// Whether two answers are the same; the texts of refusals are other ones in each version of Pushpin.
fn is_same(expected: &str, found: &str) -> bool {
    let refusal = |answer: &str| {
        let status = answer.split(' ').next().expect("a word");
        status.parse::<u16>().ok()
    };
    expected == found || (refusal(expected).is_some() && refusal(expected) == refusal(found))
}

#[test]
fn an_imported_routes_file_means_what_it_meant() {
    let (routes, _backends) = routes();
    let folder = TempDir::new("pushpin-routes");
    let settings = format!("[runner]\nhttp_port=127.0.0.1:0\n{SETTINGS}push_in_http_port=0\n");
    let config = folder.file("pushpin.conf", settings);
    folder.file("routes", &routes);
    let output = Command::new(P8_BINARY).arg("import").arg(config).output();
    let output = output.expect("it starts");
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{notes}");
    let p8 = Program::start(&String::from_utf8_lossy(&output.stdout), &[]);
    let mut wrong = Vec::new();
    let lines = ANSWERS.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let (asked, answered) = line.split_once(" -> ").expect("an answer");
        let (recorded, own) = answered.split_once(" | p-8: ").unwrap_or((answered, ""));
        let found = ask(&p8, asked);
        let expected = if own.is_empty() { recorded } else { own };
        if !is_same(expected, &found) || is_same(recorded, own) {
            wrong.push(format!("{line}\n    found: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{notes}", wrong.join("\n"));
}
