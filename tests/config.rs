//! The program's start: its file, its environment, its banner, and how it refuses.
//!
//! These tests run the real binary. Source: `docs/configuration.md`.

use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use crate::support::client::Client;
use crate::support::programs::{Program, Running, TempDir, P8_BINARY};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config};

/// Starts the binary with that file and environment, and lets it end by itself.
#[track_caller]
fn refused(text: &str, environment: &[(&str, &str)]) -> Output {
    let folder = TempDir::new("config");
    let file = folder.file("p-8.toml", text);
    let mut command = Command::new(P8_BINARY);
    command
        .arg(file)
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut ended = false;
    wait_until(DEADLINE, &format!("the refusal of {text}"), || {
        ended = ended || child.try_wait().expect("a child").is_some();
        ended
    });
    child.wait_with_output().expect("its output")
}

/// The exit code is 64 and stderr holds each of the words.
#[track_caller]
fn assert_refusal(output: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} in {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn unknown_keys_stop_the_start_with_file_line_key_and_what_is_allowed() {
    let table: &[(&str, &[&str])] = &[
        (
            "[http]\nlisten = 7999\n\nlissten = 8000\n",
            &[
                "p-8.toml:4:",
                "[http] lissten",
                "unknown key",
                "tls_listen",
                "client_maxconn",
            ],
        ),
        (
            "[htpp]\nlisten = 7999\n",
            &["p-8.toml:1:", "htpp", "unknown table", "control"],
        ),
        (
            "[[routes]]\nhost = \"*\"\ntarget = []\n",
            &["p-8.toml:3:", "[[routes]]", "target", "targets", "path_beg"],
        ),
        (
            "[[routes]]\nhost = \"*\"\ntargets = [\n  { uri = \"http://a:1\" },\n]\n",
            &["p-8.toml:4:", "uri", "url", "over_http"],
        ),
    ];
    for (text, words) in table {
        assert_refusal(&refused(text, &[]), words);
    }
}

#[test]
fn wrong_values_stop_the_start_with_file_line_key_and_what_was_expected() {
    let table: &[(&str, &[&str])] = &[
        (
            "[http]\nlisten = true\n",
            &["p-8.toml:2:", "[http] listen", "expected"],
        ),
        (
            "[http]\nlisten = \"nowhere at all\"\n",
            &["p-8.toml:2:", "[http] listen", "expected"],
        ),
        (
            "[control]\nmax_body_size = \"big\"\n",
            &["p-8.toml:2:", "max_body_size", "big"],
        ),
        (
            "[proxy]\nsig_key = 5\n",
            &["p-8.toml:2:", "sig_key", "expected"],
        ),
        (
            "[proxy]\nsig_key = \"file:none.pem\"\n",
            &["p-8.toml:2:", "none.pem"],
        ),
        (
            "[[routes]]\nhost = \"*\"\ntargets = [{ url = \"gopher://x\" }]\n",
            &["p-8.toml:3:", "url"],
        ),
        (
            "[[routes]]\nhost = \"*\"\ntargets = []\n",
            &["p-8.toml:3:", "targets"],
        ),
        ("[http]\nlisten = \n", &["p-8.toml:2:", "not TOML"]),
    ];
    for (text, words) in table {
        assert_refusal(&refused(text, &[]), words);
    }
}

#[test]
fn the_same_condition_twice_is_refused_naming_both_places() {
    let target = "targets = [{ url = \"http://localhost:1\" }]\n";
    let route = format!("[[routes]]\nhost = \"*\"\n{target}");
    assert_refusal(
        &refused(&format!("{route}{route}"), &[]),
        &["p-8.toml:1", "p-8.toml:4"],
    );
}

#[test]
fn a_control_port_open_to_others_is_refused() {
    let output = refused("[control]\nlisten = \"0.0.0.0:0\"\n", &[]);
    assert_refusal(&output, &["p-8.toml:2:", "0.0.0.0:0", "loopback"]);
}

#[test]
fn wrong_variables_are_named_as_such() {
    let quiet = "[http]\nlisten = \"127.0.0.1:0\"\n[control]\nlisten = \"127.0.0.1:0\"\n";
    let table: &[(&str, &str, &[&str])] = &[
        ("P8_HTTP__LISSTEN", "1", &["P8_HTTP__LISSTEN", "tls_listen"]),
        (
            "P8_HTTP__CLIENT_MAXCONN",
            "many",
            &["P8_HTTP__CLIENT_MAXCONN", "many"],
        ),
        ("P8_NONE__KEY", "1", &["P8_NONE__KEY"]),
    ];
    for (name, value, words) in table {
        assert_refusal(&refused(quiet, &[(name, value)]), words);
    }
}

#[test]
fn a_file_that_is_missing_or_no_text_is_refused() {
    let folder = TempDir::new("config");
    let output = Command::new(P8_BINARY)
        .arg(folder.path().join("none.toml"))
        .output();
    assert_refusal(
        &output.expect("it starts"),
        &["none.toml", "cannot be read"],
    );
    let binary = folder.file("binary.toml", [0xff, 0xfe, 0x00]);
    let output = Command::new(P8_BINARY).arg(binary).output();
    assert_refusal(&output.expect("it starts"), &["binary.toml"]);
}

#[test]
fn bad_arguments_end_with_64_and_say_how_to_call_it() {
    let output = Command::new(P8_BINARY)
        .args(["--no-such-option", "x"])
        .output();
    assert_refusal(&output.expect("it starts"), &["--no-such-option", "Usage"]);
}

#[test]
fn a_port_that_is_taken_ends_with_1_and_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let text = format!("[http]\nlisten = \"{address}\"\n[control]\nlisten = \"127.0.0.1:0\"\n");
    let output = refused(&text, &[]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&address), "{told}");
}

#[test]
fn the_banner_says_where_everything_is_and_it_is_there() {
    let backend = Backend::answering(|_| Answer::ok("behind"));
    let p8 = Program::start(&Config::to(backend.addr).toml(), &[]);
    assert!(
        p8.banner.contains(&backend.addr.to_string()),
        "where to: {}",
        p8.banner
    );
    assert!(
        p8.banner.contains(&format!("http://{}/admin/", p8.control)),
        "{}",
        p8.banner
    );
    assert!(p8.banner.lines().count() <= 12, "short: {}", p8.banner);
    assert_eq!(Client::connect(p8.clients).get("/").text(), "behind");
    assert_eq!(Client::connect(p8.control).get("/admin/").status(), 200);
}

#[test]
fn nobody_has_to_read_the_banner() {
    let backend = Backend::answering(|_| Answer::ok("behind"));
    // A free port that is known without the banner.
    let clients = Backend::nowhere();
    let config = Config::to(backend.addr).toml();
    let config = config.replacen("[\"127.0.0.1:0\"]", &format!("[\"{clients}\"]"), 1);
    let folder = TempDir::new("banner");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(P8_BINARY);
    command
        .arg(folder.file("p-8.toml", config))
        .stdout(writer)
        .stderr(Stdio::null());
    let mut p8 = Running(command.spawn().expect("it starts"));
    wait_until(DEADLINE, "the listener", || {
        TcpStream::connect(clients).is_ok()
    });
    assert_eq!(Client::connect(clients).get("/").text(), "behind");
    assert_eq!(p8.0.try_wait().expect("a child"), None, "it goes on");
}

#[test]
fn variables_win_over_the_file_and_other_variables_are_ignored() {
    let backend = Backend::answering(|_| Answer::ok("behind"));
    let text = Config::to(backend.addr)
        .control("max_body_size = 2000")
        .toml();
    let environment = [
        ("P8_CONTROL__MAX_BODY_SIZE", "3000"),
        ("P8_BIN", "not configuration"),
        ("P8_STATS", "1"),
        ("P8_HTTP_LISTEN", "one underscore"),
    ];
    let p8 = Program::start(&text, &environment);
    let body = |size: usize| format!("{{\"items\": []{}}}", " ".repeat(size - 13));
    for (size, status) in [(3000, 200), (3001, 400)] {
        let reply = crate::support::publish::post(p8.control, body(size).as_bytes());
        assert_eq!(reply.status(), status, "{size}");
    }
}

#[test]
fn sigterm_ends_it_with_0_within_the_drain() {
    let mut p8 = Program::start(
        &Config::to(Backend::nowhere()).http("drain_secs = 1").toml(),
        &[],
    );
    p8.terminate();
    assert_eq!(p8.exit_code(), Some(0));
}

#[test]
fn the_shipped_file_loads() {
    let text = include_str!("../p-8.toml");
    assert!(
        p8::Settings::from_toml(text).is_ok(),
        "{:?}",
        p8::Settings::from_toml(text).err()
    );
}
