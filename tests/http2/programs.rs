//! Other people's HTTP/2 clients: curl, nghttp, h2load.

use std::process::Command;

use crate::support::grip::hold;
use crate::support::programs::find_program;
use crate::support::{Answer, Backend, Config, P8};

fn serving() -> (Backend, P8) {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/poll" => hold("response", "a", "nothing new").header("Grip-Timeout", "1"),
        _ => Answer::ok(&request.body).header("X-Method", &request.method),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    (backend, p8)
}

#[test]
fn curl_speaks_http2_by_prior_knowledge_and_falls_back_where_it_only_offers_an_upgrade() {
    let Some(curl) = find_program(&["curl"]) else {
        return;
    };
    let (_backend, p8) = serving();
    let url = format!("http://{}/", p8.clients);
    let said = |arguments: &[&str]| {
        let written = ["-sS", "-m", "10", "-w", "\n%{http_version} %{http_code}"];
        let output = Command::new(&curl).args(written).args(arguments).output();
        let output = output.expect("curl runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let body = "x".repeat(50_000);
    let posted = said(&["--http2-prior-knowledge", "-d", &body, &url]);
    assert_eq!(posted, format!("{body}\n2 200"));
    let poll = format!("{url}poll");
    assert_eq!(
        said(&["--http2-prior-knowledge", &poll]),
        "nothing new\n2 200"
    );
    assert_eq!(said(&["--http2", &url]), "\n1.1 200");
}

#[test]
fn nghttp_and_h2load_are_content() {
    let (Some(nghttp), Some(h2load)) = (find_program(&["nghttp"]), find_program(&["h2load"]))
    else {
        return;
    };
    let (_backend, p8) = serving();
    let url = format!("http://{}/", p8.clients);
    let output = Command::new(nghttp).args(["-v", "-t", "10", &url]).output();
    let output = String::from_utf8_lossy(&output.expect("nghttp runs").stdout).into_owned();
    assert!(output.contains(":status: 200"), "{output}");
    assert!(output.contains("x-method: GET"), "{output}");
    let load = ["-n", "2000", "-c", "4", "-m", "50", &url];
    let output = Command::new(h2load)
        .args(load)
        .output()
        .expect("h2load runs");
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.contains("2000 succeeded, 0 failed, 0 errored"),
        "{output}"
    );
}
