//! HTTP/2 to Node and nginx: by agreement over TLS, by P-8's word without, and not where it cannot be.

use std::thread;

use crate::support::nginx::{self, Site};
use crate::support::programs::{find_program, free_address, TempDir};
use crate::support::tls::Certificate;
use crate::support::wait::{wait_until, DEADLINE};
use crate::support::{Config, P8};

use super::{node, Server};

fn with_certificate(name: &str) -> TempDir {
    let folder = TempDir::new(name);
    Certificate::of(&["h"]).write(&folder, "server");
    folder
}

fn before(server: &Server, scheme: &str) -> P8 {
    let ca = server.folder.path().join("server.crt");
    let ca = match scheme {
        "https" => format!(", ca_cert = \"{}\"", ca.display()),
        _ => String::new(),
    };
    let target = format!(
        "{{ url = \"{scheme}://{}\", http2 = true{ca} }}",
        server.address
    );
    P8::start(
        &Config::new()
            .route_to("host = \"*\"", target)
            .http("workers = 1"),
    )
}

#[test]
fn node_is_asked_over_http2_with_and_without_tls() {
    for (how, scheme) in [("h2", "https"), ("h2c", "http")] {
        let Some(server) = node(how, with_certificate("node-http2")) else {
            return;
        };
        let p8 = before(&server, scheme);
        let mut client = p8.client();
        let mut ports = Vec::new();
        for _ in 0..2 {
            let reply = client.get("/sized");
            assert_eq!((reply.status(), reply.body.len()), (200, 5000));
            assert_eq!(reply.head.header("x-version"), Some("2.0"));
            assert_eq!(reply.head.header("content-length"), Some("5000"));
            ports.push(reply.head.header("x-port").map(str::to_owned));
            let reply = client.get("/chunked");
            assert_eq!(reply.text(), "chunkedchunkedchunked");
            for status in [204, 304, 404, 500] {
                assert_eq!(client.get(&format!("/{status}")).status(), status);
            }
            client.request("HEAD", "/sized", &[], b"");
            assert_eq!(client.head_for("HEAD").status, 200);
            let body = "hello ".repeat(100_000);
            assert!(client.post("/echo", body.as_bytes()).text() == body);
        }
        let others = (0..20).map(|_| {
            let mut client = p8.client();
            thread::spawn(move || {
                let reply = client.get("/sized");
                reply.head.header("x-port").map(str::to_owned)
            })
        });
        let others: Vec<_> = others.collect();
        for other in others {
            ports.push(other.join().expect("an answer"));
        }
        assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    }
}

#[test]
fn a_server_that_chooses_http1_is_asked_so_and_nginx_with_http2() {
    let Some(program) = find_program(&["nginx"]) else {
        return;
    };
    for (listen, protocol) in [("ssl", "HTTP/1.1"), ("ssl http2", "HTTP/2.0")] {
        let folder = with_certificate("nginx-http2");
        let address = free_address();
        let site = Site {
            listen: &format!("{address} {listen}"),
            inside: "add_header X-Protocol $server_protocol; location / { return 200 hello; }",
            ..Site::default()
        };
        let child = nginx::run(&program, &folder, site);
        let server = super::running(address, child, folder);
        let p8 = before(&server, "https");
        let clients = (0..10).map(|_| {
            let mut client = p8.client();
            thread::spawn(move || (0..3).map(|_| client.get("/")).collect::<Vec<_>>())
        });
        for client in clients.collect::<Vec<_>>() {
            for reply in client.join().expect("answers") {
                assert_eq!((reply.status(), reply.text().as_str()), (200, "hello"));
                assert_eq!(reply.head.header("x-protocol"), Some(protocol));
            }
        }
    }
}

#[test]
fn a_websocket_to_a_server_of_http2_goes_over_http1() {
    let backend = crate::support::ws::echo_peer();
    let Some(program) = find_program(&["nginx"]) else {
        return;
    };
    let folder = with_certificate("nginx-http2-websocket");
    let address = free_address();
    let inside = format!(
        "location / {{ proxy_pass http://{}; proxy_http_version 1.1;\n\
         proxy_set_header Upgrade $http_upgrade;\n\
         proxy_set_header Connection $connection_asked; }}",
        backend.addr
    );
    let site = Site {
        listen: &format!("{address} ssl http2"),
        inside: &inside,
        ..Site::default()
    };
    let child = nginx::run(&program, &folder, site);
    let server = super::running(address, child, folder);
    let p8 = before(&server, "https");
    let mut client = p8.ws("/");
    client.send_text("hello");
    client.expect_text("hello");
    drop(client);
    wait_until(DEADLINE, "the end", || {
        p8.snapshot().total("sessions_current") == 0
    });
}
