//! Programs that others use, over TLS: curl, openssl, Chromium.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::sync::Mutex;
use std::time::Duration;

use super::Secure;
use crate::support::browser::{find_chromium, open_page};
use crate::support::grip::hold;
use crate::support::programs::{find_program, TempDir};
use crate::support::publish::stream_item;
use crate::support::snapshot::Snapshot;
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

const PAGE: &str = r#"<!doctype html><title>stream</title><script>
const source = new EventSource('/events');
const seen = [];
source.onmessage = (event) => {
  seen.push(event.data);
  if (seen.length === 3) fetch('/report', { method: 'POST', body: JSON.stringify(seen) });
};
</script>"#;

#[test]
fn chromium_holds_an_event_source() {
    let Some(chromium) = find_chromium() else {
        return;
    };
    let (tell, reports) = mpsc::channel();
    let tell = Mutex::new(tell);
    let backend = Backend::answering(move |request| match request.target.as_str() {
        "/page" => Answer::ok(PAGE).header("Content-Type", "text/html; charset=utf-8"),
        "/events" => {
            hold("stream", "a", "data: zero\n\n").header("Content-Type", "text/event-stream")
        }
        "/report" => {
            let report = String::from_utf8_lossy(&request.body).into_owned();
            drop(tell.lock().expect("a sender").send(report));
            Answer::ok("thanks")
        }
        _ => Answer::new(404),
    });
    let secure = Secure::in_front_of(&backend);
    let url = format!("https://{}/page", secure.p8.secure());
    let _browser = open_page(&chromium, &url, &["--ignore-certificate-errors"]);
    Snapshot::wait_for_subscribers(secure.p8.control, "a", 1);
    secure.p8.publish(&[stream_item("a", "data: one\n\n")]);
    secure.p8.publish(&[stream_item("a", "data: two\n\n")]);
    let report = reports.recv_timeout(Duration::from_secs(60));
    assert_eq!(report.expect("a report"), r#"["zero","one","two"]"#);
}
