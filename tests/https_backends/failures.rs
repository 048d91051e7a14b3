//! What fails before a byte of the request was sent: a code for each, and the next target is asked.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::support::tls::Certificate;
use crate::support::{Answer, Backend, Config, P8};

use super::Nginx;

/// Checks status and code of targets that fail alone, and that the next one is asked.
fn assert_fails(url: &str, keys: &str, code: &str, status: u16) {
    let target = format!("{{ url = \"{url}\"{keys} }}");
    let route = "host = \"*\"\ndebug = true";
    let config = Config::new()
        .proxy("connect_timeout_ms = 300")
        .route_to(route, &target);
    let p8 = P8::start(&config);
    let reply = p8.client().get_with("/", &[("Host", "a.example")]);
    let reason = reply.head.header("p8-reason");
    assert_eq!((reply.status(), reason), (status, Some(code)));

    let next = Backend::answering(|_| Answer::ok("the next one"));
    let both = format!("{target}, {{ url = \"http://{}\" }}", next.addr);
    let config = Config::new()
        .proxy("connect_timeout_ms = 300")
        .route_to(route, both);
    let p8 = P8::start(&config);
    let mut client = p8.client();
    client.request("POST", "/", &[("Host", "a.example")], b"once");
    assert_eq!(client.reply().text(), "the next one", "{code}");
    assert_eq!(next.only_request().body, b"once");
}

#[test]
fn a_bad_certificate_is_told_by_its_fault_and_taken_if_the_target_is_insecure() {
    let good = Certificate::of(&["a.example"]);
    let expired = Certificate::until(&["a.example"], 2020);
    let other = Certificate::of(&["b.example"]);
    for (certificate, is_trusted, code) in [
        (&good, false, "tls-unknown-issuer"),
        (&expired, true, "tls-certificate-expired"),
        (&other, true, "tls-name-mismatch"),
    ] {
        let answering = "location / { return 200 'hello'; }";
        let Some(nginx) = Nginx::start(certificate, answering) else {
            return;
        };
        let url = format!("https://{}", nginx.address);
        let ca = format!(", {}", nginx.ca_cert());
        assert_fails(&url, if is_trusted { &ca } else { "" }, code, 502);
        let p8 = P8::start(&nginx.config(", insecure = true"));
        let reply = p8.client().get_with("/", &[("Host", "a.example")]);
        assert_eq!((reply.status(), reply.text().as_str()), (200, "hello"));
    }
}

#[test]
fn a_server_that_speaks_no_tls_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut hello = [0; 16];
            stream.read_exact(&mut hello).expect("a handshake");
            let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).expect("P-8 reads");
        }
    });
    assert_fails(&url, "", "tls-not-spoken", 502);
    let closing = Backend::answering(|_| Answer::ok("plain"));
    assert_fails(&format!("https://{}", closing.addr), "", "tls-failed", 502);
}

#[test]
fn a_server_that_hangs_in_the_handshake_is_given_up_as_one_that_does_not_accept() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", silent.local_addr().expect("an address"));
    assert_fails(&url, "", "connect-timeout", 502);
}

#[test]
fn a_name_without_address_and_a_network_out_of_reach_have_the_next_target_asked() {
    assert_fails("http://p8.invalid", "", "resolve-failed", 502);
    // No route leads there from this machine, or nobody answers.
    let target = Config::new()
        .proxy("connect_timeout_ms = 300")
        .route_to("host = \"*\"", {
            let next = Backend::nowhere();
            format!("{{ url = \"http://[100::1]:9\" }}, {{ url = \"http://{next}\" }}")
        });
    let reply = P8::start(&target).client().get("/");
    assert_eq!(reply.status(), 502, "the next one's refusal counts");
}
