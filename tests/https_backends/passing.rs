//! All that goes to a backend over TLS: bodies, streams, WebSockets of both kinds, tunnels, links.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::events;
use crate::support::grip::hold;
use crate::support::links::{by_path, wait_for_requests};
use crate::support::publish::{close_item, stream_item};
use crate::support::tls::Certificate;
use crate::support::wait::DEADLINE;
use crate::support::ws::{echo_peer, Frame, Peers, BINARY};
use crate::support::{wait_until, Answer, Backend, P8};

use super::Nginx;

fn before(backend: &Backend) -> Option<Nginx> {
    Nginx::before(&Certificate::of(&["h", "127.0.0.1"]), backend.addr)
}

#[test]
fn large_bodies_pass_both_ways_and_the_connection_is_kept() {
    let backend = Backend::answering(|request| Answer::ok(&request.body));
    let Some(nginx) = before(&backend) else {
        return;
    };
    let p8 = nginx.trusted("");
    let mut client = p8.client();
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    for _ in 0..3 {
        let reply = client.post("/", &body);
        assert_eq!(reply.status(), 200);
        assert!(reply.body == body, "{} bytes", reply.body.len());
    }
    assert_eq!(backend.seen()[0].header("x-secure"), Some("on"));
    wait_until(DEADLINE, "one kept connection", || {
        p8.snapshot().total("requests_total") == 3
    });
}

#[test]
fn holds_with_next_and_gone_links_work_over_tls_and_links_may_lead_to_https_hosts() {
    let other = by_path(|_, _| Answer::ok("from elsewhere"));
    let Some(elsewhere) = Nginx::before(&Certificate::of(&["127.0.0.1"]), other.addr) else {
        return;
    };
    let link = format!("https://{}/n", elsewhere.address);
    let backend = by_path(move |path, _| match path {
        "/" => Answer::ok("first ").next("/2").gone("/gone"),
        "/2" => hold("stream", "a", "held "),
        "/away" => Answer::ok("first ").next(&link),
        _ => Answer::ok(""),
    });
    let Some(nginx) = before(&backend) else {
        return;
    };
    let config = nginx.config(&format!(", {}", nginx.ca_cert()));
    let p8 = P8::start(&config.proxy(&elsewhere.ca_cert()));
    let mut client = p8.stream("/");
    client.expect("first held ");
    p8.publish(&[stream_item("a", "live"), close_item("a")]);
    assert_eq!(client.read_to_end(), Ok(b"live".to_vec()));
    wait_for_requests(&backend, "/gone", 1);

    let mut client = p8.stream("/away");
    client.expect("first from elsewhere");
    let asked = other.only_request();
    assert_eq!(asked.header("host"), Some(&*elsewhere.address.to_string()));
    assert_eq!(asked.header("grip-sig"), None);
}

#[test]
fn a_websocket_passes_to_a_wss_backend_with_large_messages_both_ways() {
    let backend = echo_peer();
    let Some(nginx) = before(&backend) else {
        return;
    };
    let p8 = nginx.trusted("");
    let mut client = p8.ws("/");
    client.send_text("hello");
    client.expect_text("hello");
    let large: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 253) as u8).collect();
    for _ in 0..3 {
        client.send_binary(&large);
        client.expect_binary(&large);
    }
    client.ping("p");
    client.expect_pong("p");
    client.close(1000, "done");
    client.expect_closed(1000);
}

#[test]
fn a_wss_backend_that_reads_late_gets_all_of_it() {
    let peers = Peers::accepting(&[]);
    let Some(nginx) = before(&peers.backend) else {
        return;
    };
    let p8 = nginx.trusted("");
    let mut client = p8.ws("/");
    let mut peer = peers.next();
    let part = vec![b'x'; 50_000];
    // More than P-8 keeps, and than the kernels' buffers on the way take while nobody reads.
    let mut sender = client.sender();
    let writing = std::thread::spawn(move || {
        let bytes = Frame::new(BINARY, part).encode(true);
        (0..200).for_each(|_| sender(&bytes));
    });
    let mut read = 0;
    while read < 200 * 50_000 {
        read += peer.frame().expect("a frame").payload.len();
    }
    assert_eq!(read, 200 * 50_000);
    writing.join().expect("all of it is sent");
    peer.send_text("all");
    client.expect_text("all");
}

#[test]
fn a_websocket_over_http_goes_over_tls() {
    let backend = events::echo();
    let Some(nginx) = before(&backend) else {
        return;
    };
    let p8 = nginx.trusted(", over_http = true");
    let mut client = p8.ws("/");
    client.send_text("hello");
    client.expect_text("hello");
    drop(client);
    wait_until(DEADLINE, "the end to be told", || {
        events::all_events(&backend)
            .iter()
            .any(|event| *event == events::bare("DISCONNECT"))
    });
}

#[test]
fn a_tunnel_passes_bytes_both_ways_over_tls() {
    let backend = Backend::scripted(|exchange| {
        exchange.raw("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        let (mut stream, ahead) = exchange.upgraded();
        drop(stream.write_all(&ahead));
        let mut buffer = [0; 16_384];
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
    });
    let Some(nginx) = before(&backend) else {
        return;
    };
    let p8 = nginx.trusted("");
    let mut client = TcpStream::connect(p8.clients).expect("P-8 accepts");
    client.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let ask = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    client.write_all(ask.as_bytes()).expect("P-8 reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("a head");
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", head.escape_ascii());
    let sent: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 249) as u8).collect();
    let mut writer = client.try_clone().expect("a clone");
    let bytes = sent.clone();
    let writing = std::thread::spawn(move || writer.write_all(&bytes).expect("P-8 reads"));
    let mut back = vec![0; sent.len()];
    client.read_exact(&mut back).expect("all of it comes back");
    writing.join().expect("all of it is sent");
    assert!(back == sent);
}
