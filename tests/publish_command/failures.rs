//! What the command says, and its exit codes, when nothing is published.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::{assert_failed, assert_published, run_with, spec};
use crate::support::{Answer, Backend, Config, P8};

#[test]
fn ipv6_addresses_are_reached() {
    let listener = TcpListener::bind("[::1]:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        let mut head = [0; 4096];
        assert!(socket.read(&mut head).expect("a request") > 0);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        socket.write_all(answer).expect("it takes an answer");
    });
    assert_published(&run_with(
        &["--spec", &format!("http://{address}"), "c", "x"],
        &[],
        b"",
    ));
    server.join().expect("it was asked");
}

#[test]
fn what_the_server_says_is_repeated() {
    let p8 = P8::start(&Config::to(Backend::nowhere()).control("max_body_size = 1024"));
    let arguments = ["--spec", &spec(p8.control), "c", &"x".repeat(1_024)];
    let output = run_with(&arguments, &[], b"");
    let line = "Error: the server answered 400: Request body too large.\n";
    assert_failed(&output, 1, &[line]);
    for (status, body, expected) in [
        (204, "", None),
        (302, "", Some("the server answered 302\n")),
        (401, "No\r\n entry", Some("the server answered 401: No\n")),
        (
            500,
            "\u{1b}[31mred",
            Some("the server answered 500: \\u{1b}[31mred\n"),
        ),
    ] {
        let server = Backend::answering(move |_| {
            Answer::new(status)
                .header("Location", "/elsewhere")
                .body(body)
        });
        let output = run_with(&["--spec", &spec(server.addr), "c", "x"], &[], b"");
        match expected {
            Some(line) => assert_failed(&output, 1, &["Error: ", line]),
            None => assert_published(&output),
        }
        assert_eq!(server.seen().len(), 1, "a redirect is not followed");
    }
}

#[test]
fn failures_are_said_in_one_line_with_code_1() {
    let nowhere = spec(Backend::nowhere());
    let silent = Backend::scripted(|exchange| exchange.close());
    let noise = Backend::scripted(|exchange| {
        exchange.read_body();
        exchange.raw("nonsense\r\n\r\n");
        exchange.close();
    });
    for (arguments, words) in [
        (
            &["--spec", &nowhere, "c", "x"][..],
            &["cannot connect to http://", "refused"][..],
        ),
        (
            &["--spec", &spec(silent.addr), "c", "x"],
            &["no answer from http://"],
        ),
        (
            &["--spec", &spec(noise.addr), "c", "x"],
            &["no answer from http://"],
        ),
        (
            &["c", "@/no/such/file"],
            &["cannot read /no/such/file", "No such file"],
        ),
        (&["--patch", "c", "{}"], &["--patch", "JSON array"]),
        (&["--patch", "c", "[1"], &["--patch", "JSON array"]),
        (
            &["--spec", "localhost:5561", "c", "x"],
            &["--spec: ", "http://host:port"],
        ),
        (
            &["--spec", "tcp://localhost:5560", "c", "x"],
            &["--spec: ", "'tcp://'"],
        ),
        (
            &["--spec", "http://a?iss=x", "c", "x"],
            &["--spec: ", "iss"],
        ),
        (
            &["--spec", "https://a..b/", "c", "x"],
            &["cannot connect to https://a..b"],
        ),
        (&["-B", "two words", "c", "x"], &["--bearer: ", "token"]),
    ] {
        let output = run_with(arguments, &[], b"");
        assert_failed(&output, 1, &[&["Error: "], words].concat());
        assert_eq!(
            output.stderr.iter().filter(|b| **b == b'\n').count(),
            1,
            "{arguments:?}"
        );
    }
}

#[test]
fn bad_usage_ends_with_64_and_says_what_was_expected() {
    for (arguments, words) in [
        (&[][..], &["CHANNEL", "Usage"][..]),
        (&["c"], &["CONTENT"]),
        (&["c", "x", "y"], &["'y'"]),
        (&["--hint", "c", "x"], &["--hint"]),
        (&["--hint", "--close", "c"], &["--close"]),
        (&["--close", "--patch", "c"], &["--patch"]),
        (&["--code", "199", "c", "x"], &["--code", "200..=999"]),
        (&["--code", "x", "c", "x"], &["--code"]),
        (&["-H", "no colon", "c", "x"], &["--header", "NAME: VALUE"]),
        (&["-H", "a b: c", "c", "x"], &["--header", "header name"]),
        (
            &["-H", "a: b\nc: d", "c", "x"],
            &["--header", "cannot stand"],
        ),
        (&["-M", "bare", "c", "x"], &["--meta", "NAME=VALUE"]),
        (&["-u", "a:b", "-B", "c", "c", "x"], &["--bearer"]),
        (&["--no-such-option", "c", "x"], &["--no-such-option"]),
    ] {
        assert_failed(&run_with(arguments, &[], b""), 64, words);
    }
}
