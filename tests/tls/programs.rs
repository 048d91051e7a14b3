//! Programs that others use, over TLS: curl, openssl.

use std::process::{Command, Stdio};

use super::Secure;
use crate::support::programs::{find_program, TempDir};
use crate::support::{Answer, Backend};

/// Runs a program to its end; gives whether it succeeded, and what it wrote.
fn run(command: &mut Command) -> (bool, String) {
    let output = command.stdin(Stdio::null()).output().expect("a program");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn curl_trusts_the_certificate() {
    let Some(curl) = find_program(&["curl"]) else {
        return;
    };
    let backend = Backend::answering(|_| Answer::ok("over TLS"));
    let secure = Secure::in_front_of(&backend);
    let folder = TempDir::new("curl");
    let trusted = folder.file("ca.pem", &secure.certificate.chain);
    let url = format!("https://localhost:{}/", secure.p8.secure().port());
    let curl = |arguments: &[&str]| {
        let mut command = Command::new(&curl);
        command.args(["-sS", "--noproxy", "*", "--resolve"]);
        command.arg(format!("localhost:{}:127.0.0.1", secure.p8.secure().port()));
        run(command.args(arguments).arg(&url))
    };
    assert_eq!(curl(&["-k"]), (true, "over TLS".to_owned()));
    let version = ["-k", "-w", " %{http_version}"];
    let with = |one: &'static str| curl(&[&version[..], &[one]].concat());
    assert_eq!(with("--http2"), (true, "over TLS 2".to_owned()));
    assert_eq!(with("--http1.1"), (true, "over TLS 1.1".to_owned()));
    let trusted = trusted.display().to_string();
    assert_eq!(curl(&["--cacert", &trusted]), (true, "over TLS".to_owned()));
    let (succeeded, text) = curl(&[]);
    assert!(!succeeded, "{text}");
}

#[test]
fn openssl_sees_versions_and_names() {
    let Some(openssl) = find_program(&["openssl"]) else {
        return;
    };
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let secure = Secure::in_front_of(&backend);
    let s_client = |arguments: &[&str]| {
        let mut command = Command::new(&openssl);
        command.args(["s_client", "-connect"]);
        command.arg(secure.p8.secure().to_string());
        run(command.args(arguments))
    };
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let (succeeded, text) = s_client(&["-servername", "localhost", version]);
        assert!(succeeded && text.contains(name), "{text}");
        assert!(text.contains("BEGIN CERTIFICATE"), "{text}");
    }
    let (_, text) = s_client(&["-tls1_1"]);
    assert!(!text.contains("BEGIN CERTIFICATE"), "{text}");
    let (_, text) = s_client(&["-alpn", "http/1.1"]);
    assert!(text.contains("ALPN protocol: http/1.1"), "{text}");
}
