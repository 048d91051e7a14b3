//! Connections that come through a proxy, which says for whom they are.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use crate::support::grip::hold;
use crate::support::programs::TempDir;
use crate::support::publish::stream_item;
use crate::support::socket::Socket;
use crate::support::tls::{Certificate, Trust, ANY};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x08\x0a\0\0\x01\x1f\x90\x01\xbb";
const V6: &[u8] = b"PROXY TCP6 2001:db8::9 ::1 80 81\r\n";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";

/// A backend that tells where a request came from.
fn teller() -> Backend {
    Backend::answering(|request| match request.target.as_str() {
        "/stream" => hold("stream", "a", ""),
        _ => Answer::ok(request.header("x-forwarded-for").unwrap_or("none")),
    })
}

fn config(backend: &Backend) -> Config {
    Config::to(backend.addr)
        .proxy("x_forwarded_for = \"append\"")
        .http("proxy_protocol_from = [\"127.0.0.0/8\", \"10.0.0.1\"]")
}

#[track_caller]
fn announced(p8: &P8, header: &[u8]) -> Client {
    let mut client = p8.client();
    client.send(header);
    client
}

#[test]
fn the_announced_address_is_the_clients() {
    let backend = teller();
    let p8 = P8::start(&config(&backend));
    for (header, expected) in [
        (V1, "192.0.2.7"),
        (V2, "192.0.2.8"),
        (V6, "2001:db8::9"),
        (LOCAL, "127.0.0.1"),
        (UNKNOWN, "127.0.0.1"),
    ] {
        let mut client = announced(&p8, header);
        assert_eq!(client.get("/").text(), expected);
        assert_eq!(client.get("/again").text(), expected);
    }
    assert_eq!(p8.snapshot().total("proxy_headers_total"), 5);
    let mut client = announced(&p8, V1);
    client.request("GET", "/stream", &[], b"");
    assert_eq!(client.final_head().status, 200);
    assert_eq!(p8.snapshot().total("sessions_parked_current"), 1);
    p8.publish(&[stream_item("a", "one")]);
    client.expect("one");
}

#[test]
fn a_header_may_come_with_the_request_or_in_pieces() {
    let backend = teller();
    let p8 = P8::start(&config(&backend));
    for header in [V1, V2] {
        let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        let mut client = announced(&p8, &[header, request].concat());
        assert_eq!(client.reply().status(), 200);
        let mut client = p8.client();
        header.iter().for_each(|byte| client.send([*byte]));
        assert_eq!(client.get("/").status(), 200);
    }
}

/// Sends these bytes; true if the connection ends without an answer.
fn is_closed(p8: &P8, sent: &[u8]) -> bool {
    let mut stream = TcpStream::connect(p8.clients).expect("P-8 accepts connections");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream.write_all(sent).expect("sent");
    let mut told = Vec::new();
    // What was not read makes it a reset.
    let _ = stream.read_to_end(&mut told);
    told.is_empty()
}

#[test]
fn garbage_and_absence_close_the_connection_and_are_counted() {
    let backend = teller();
    let p8 = P8::start(&config(&backend));
    let long = [b"PROXY ".to_vec(), vec![b'x'; 3_000]].concat();
    let garbage: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"PROXY TCP4 nonsense\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"PROXY UDP4 192.0.2.7 10.0.0.1 8080 443\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"\x16\x03\x01\x02\x00",
        &long,
    ];
    for sent in garbage {
        assert!(is_closed(&p8, sent), "{}", sent.escape_ascii());
    }
    let stream = TcpStream::connect(p8.clients).expect("P-8 accepts connections");
    stream.shutdown(Shutdown::Write).expect("an end");
    wait_until(DEADLINE, "all to be counted", || {
        p8.snapshot().refused("bad-proxy-header") == garbage.len() as u64 + 1
    });
    assert_eq!(backend.seen().len(), 0);
    assert_eq!(announced(&p8, V1).get("/").status(), 200);
}

#[test]
fn a_header_is_bounded_in_time() {
    let backend = teller();
    let p8 = P8::start(&config(&backend).http("header_timeout_secs = 1"));
    assert!(is_closed(&p8, &V1[..20]));
    wait_until(DEADLINE, "it to be counted", || {
        p8.snapshot().refused("bad-proxy-header") == 1
    });
}

#[test]
fn others_are_not_asked_and_not_believed() {
    let backend = teller();
    let config = Config::to(backend.addr).http("proxy_protocol_from = \"192.0.2.0/24\"");
    let p8 = P8::start(&config);
    assert_eq!(p8.get("/").text(), "none");
    let mut client = announced(&p8, V1);
    client.request("GET", "/", &[], b"");
    assert_eq!(client.final_head().status, 400);
    assert_eq!(p8.snapshot().total("proxy_headers_total"), 0);
}

#[test]
fn it_stands_before_tls() {
    let backend = teller();
    let folder = TempDir::new("proxied-tls");
    let certificate = Certificate::of(&["localhost"]);
    let (chain, key) = certificate.write(&folder, "default");
    let config = config(&backend)
        .http("tls_listen = \"127.0.0.1:0\"")
        .http(&format!("tls_cert = {chain:?}"))
        .http(&format!("tls_key = {key:?}"));
    let p8 = P8::start(&config);
    let trust = Trust::only(&[&certificate], ANY);
    let mut stream = TcpStream::connect(p8.secure()).expect("P-8 accepts connections");
    stream.write_all(V2).expect("sent");
    let secured = trust.over(stream, "localhost").expect("a handshake");
    let mut client = Client::over(Socket::Tls(Box::new(secured.0)));
    assert_eq!(client.get("/").text(), "192.0.2.8");
    assert!(trust.try_connect(p8.secure(), "localhost").is_err());
}

#[test]
fn unix_sockets_are_believed_by_name() {
    let backend = teller();
    let folder = TempDir::new("proxied-unix");
    let path = folder.path().join("p8.sock");
    let config = Config::to(backend.addr)
        .proxy("x_forwarded_for = \"append\"")
        .http("proxy_protocol_from = \"unix\"")
        .http(&format!("unix_listen = {path:?}"));
    let p8 = P8::start(&config);
    let stream = UnixStream::connect(&path).expect("P-8 accepts connections");
    let mut client = Client::over(Socket::Unix(stream));
    client.send(V1);
    assert_eq!(client.get("/").text(), "192.0.2.7");
    assert_eq!(p8.get("/").text(), "127.0.0.1", "by TCP nobody is asked");
}
