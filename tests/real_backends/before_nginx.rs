//! nginx in front of P-8: kept connections to it, streams as they come, WebSockets.

use crate::support::grip::hold;
use crate::support::links::by_path;
use crate::support::nginx::{self, Site};
use crate::support::programs::{find_program, free_address, Running, TempDir};
use crate::support::publish::{close_item, stream_item};
use crate::support::wait::{wait_until, DEADLINE};
use crate::support::ws::{echo_peer, WsClient};
use crate::support::{Answer, Backend, Client, Config, P8};

/// An nginx that passes everything on to P-8.
struct Before {
    address: std::net::SocketAddr,
    p8: P8,
    _running: Running,
    _folder: TempDir,
}

fn before(backend: &Backend) -> Option<Before> {
    let program = find_program(&["nginx"])?;
    let p8 = P8::start(&Config::to(backend.addr).http("workers = 1"));
    let folder = TempDir::new("before-nginx");
    let address = free_address();
    let inside =
        "location / { proxy_pass http://p8; proxy_http_version 1.1; proxy_buffering off;\n\
         proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;\n\
         proxy_set_header Connection $connection_asked; client_max_body_size 0;\n\
         proxy_request_buffering off; }";
    let site = Site {
        listen: &address.to_string(),
        inside,
        beside: &format!("upstream p8 {{ server {}; keepalive 4; }}", p8.clients),
    };
    let running = nginx::run(&program, &folder, site);
    wait_until(DEADLINE, "nginx", || {
        std::net::TcpStream::connect(address).is_ok()
    });
    Some(Before {
        address,
        p8,
        _running: running,
        _folder: folder,
    })
}

#[test]
fn requests_pass_through_both_over_kept_connections() {
    let backend = Backend::answering(|request| Answer::ok(&request.body));
    let Some(both) = before(&backend) else {
        return;
    };
    let mut client = Client::connect(both.address);
    for _ in 0..20 {
        let reply = client.post("/", b"hello");
        assert_eq!((reply.status(), reply.text().as_str()), (200, "hello"));
    }
    let body = vec![b'x'; 2_000_000];
    assert!(client.post("/", &body).body == body);
    assert_eq!(backend.accepted(), 1, "one kept connection");
    assert_eq!(backend.seen()[0].header("host"), Some("h"));
}

#[test]
fn a_stream_is_passed_on_as_it_comes_and_its_end_is_seen_on_both_sides() {
    let backend = by_path(|_, _| hold("stream", "a", "open "));
    let Some(both) = before(&backend) else {
        return;
    };
    let open = || {
        let mut client = Client::connect(both.address);
        client.request("GET", "/", &[], b"");
        assert_eq!(client.final_head().status, 200);
        client.expect("open ");
        client
    };
    let (mut staying, leaving) = (open(), open());
    drop(leaving);
    wait_until(DEADLINE, "the client's leaving", || {
        both.p8.snapshot().subscribers("a") == 1
    });
    both.p8.publish(&[stream_item("a", "one ")]);
    staying.expect("one ");
    both.p8
        .publish(&[stream_item("a", "two "), close_item("a")]);
    assert_eq!(staying.read_to_end(), Ok(b"two ".to_vec()));
}

#[test]
fn a_websocket_passes_through_both() {
    let backend = echo_peer();
    let Some(both) = before(&backend) else {
        return;
    };
    let client = WsClient::connect(both.address, "/", &[]);
    let Ok(mut client) = client else {
        panic!("it is accepted");
    };
    client.send_text("hello");
    client.expect_text("hello");
    client.close(1000, "done");
    client.expect_closed(1000);
}
