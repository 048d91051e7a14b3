//! Clients and backends that switch to a protocol of their own: bytes both ways, and their end.
//!
//! Both sides are bare sockets here, for what they speak is no HTTP. Source: RFC 9110 section 7.8,
//! `docs/life-of-a-request.md#tunnels`.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::programs::Program;
use crate::support::publish::stream_item;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

const ASK: &str = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Over To You\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

/// One end of a connection.
struct Peer(TcpStream);

impl Peer {
    fn over(stream: TcpStream) -> Peer {
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Peer(stream)
    }

    /// A client that has sent this.
    #[track_caller]
    fn asking(p8: SocketAddr, bytes: impl AsRef<[u8]>) -> Peer {
        let mut client = Peer::over(TcpStream::connect(p8).expect("P-8 accepts connections"));
        client.send(bytes);
        client
    }

    #[track_caller]
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).expect("the other reads");
    }

    /// Reads a head up to its empty line, and not a byte more.
    #[track_caller]
    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.bytes(1));
        }
        String::from_utf8(head).expect("a text")
    }

    #[track_caller]
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("more bytes");
        bytes
    }

    #[track_caller]
    fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let got = self.bytes(expected.len());
        assert!(got == expected, "{}", got.escape_ascii());
    }

    /// Everything up to the end.
    #[track_caller]
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("an end");
        rest
    }

    /// Nothing more comes, and the other side is done.
    #[track_caller]
    fn expect_end(&mut self) {
        assert_eq!(self.rest().escape_ascii().to_string(), "");
    }

    fn finish_sending(&self) {
        self.0.shutdown(Shutdown::Write).expect("it closes");
    }
}

/// Listens, and hands out each connection of P-8.
fn listen() -> (SocketAddr, Receiver<Peer>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, accepted) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if sender.send(Peer::over(stream)).is_err() {
                return;
            }
        }
    });
    (address, accepted)
}

#[track_caller]
fn accept(accepted: &Receiver<Peer>) -> Peer {
    accepted.recv_timeout(DEADLINE).expect("P-8 connects")
}

/// Both ends of a tunnel through P-8.
#[track_caller]
fn tunnel(p8: SocketAddr, accepted: &Receiver<Peer>) -> (Peer, Peer) {
    let mut client = Peer::asking(p8, ASK);
    let mut backend = accept(accepted);
    backend.head();
    backend.send(SWITCH);
    assert!(client.head().starts_with("HTTP/1.1 101 Over To You\r\n"));
    (client, backend)
}

#[track_caller]
fn expect_no_tunnels(p8: &P8, begun: u64) {
    wait_until(DEADLINE, "the tunnels to end", || {
        p8.snapshot().total("tunnels_current") == 0
    });
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("tunnels_total"), begun);
    assert_eq!(snapshot.total("upstreams_current"), 0);
    wait_until(DEADLINE, "the connections to end", || {
        p8.snapshot().total("connections_current") == 0
    });
}

#[test]
fn both_heads_pass_with_their_upgrade_and_what_is_sent_behind_them_is_not_lost() {
    let (address, accepted) = listen();
    let p8 = P8::start(&Config::to(address).proxy("x_forwarded_for = \"append\""));
    let mut client = Peer::asking(
        p8.clients,
        "GET /a?b HTTP/1.1\r\nHost: h\r\nConnection: x-hop, upgrade, keep-alive\r\nX-Hop: 1\r\n\
         Upgrade: echo/2, other\r\nupgrade: third\r\nGrip-Sig: forged\r\n\r\nearly",
    );
    let mut backend = accept(&accepted);
    let head = backend.head();
    assert!(
        head.starts_with("GET /a?b HTTP/1.1\r\nHost: h\r\n"),
        "{head}"
    );
    for line in [
        "Connection: Upgrade",
        "Upgrade: echo/2, other",
        "Upgrade: third",
        "X-Forwarded-For: 127.0.0.1",
    ] {
        assert_eq!(
            head.matches(&format!("\r\n{line}\r\n")).count(),
            1,
            "{head}"
        );
    }
    for gone in ["X-Hop", "forged", "early"] {
        assert!(!head.contains(gone), "{head}");
    }
    backend.send(
        "HTTP/1.1 101 Over To You\r\nUpgrade: Echo/2\r\nConnection: upgrade, x-hop\r\nX-Hop: 1\r\n\
         X-End: 2\r\n\r\nwelcome",
    );
    let head = client.head();
    assert_eq!(
        head,
        "HTTP/1.1 101 Over To You\r\nX-End: 2\r\nUpgrade: Echo/2\r\nConnection: Upgrade\r\n\r\n"
    );
    client.expect("welcome");
    backend.expect("early");
    assert_eq!(p8.snapshot().total("tunnels_current"), 1);
    // Nothing of it is taken for HTTP any more.
    client.send("GET / HTTP/1.1\r\n\r\n");
    backend.expect("GET / HTTP/1.1\r\n\r\n");
    backend.send("\0\u{ff}\r\n");
    client.expect("\0\u{ff}\r\n");
    drop(client);
    backend.expect_end();
    drop(backend);
    expect_no_tunnels(&p8, 1);
}

#[test]
fn what_is_pipelined_before_the_switch_is_answered_before_it() {
    let (address, accepted) = listen();
    let config = Config::to(address).route_to("path_beg = \"/test\"", "{ test = true }");
    let p8 = P8::start(&config);
    let first = "GET /test HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut client = Peer::asking(p8.clients, format!("{first}{ASK}early"));
    let mut backend = accept(&accepted);
    backend.head();
    backend.send(SWITCH);
    backend.expect("early");
    backend.finish_sending();
    client.finish_sending();
    let all = String::from_utf8(client.rest()).expect("a text");
    assert!(all.starts_with("HTTP/1.1 200 OK\r\n"), "{all}");
    assert!(all.contains("HTTP/1.1 101 Over To You\r\n"), "{all}");
    backend.expect_end();
}

#[test]
fn a_switch_waits_until_the_answers_before_it_have_left() {
    const ANSWER: usize = 20_000;
    let (address, accepted) = listen();
    let before = Backend::answering(|_| Answer::ok([b'x'; ANSWER]));
    let config = Config::to(address).route("path_beg = \"/before\"", &[before.addr]);
    let p8 = P8::start(&config.http("workers = 1"));
    let first = "GET /before HTTP/1.1\r\nHost: h\r\n\r\n";
    // How many answers are asked for until nothing more fits on the way to a client that does not read.
    let moment = Duration::from_millis(100);
    let client = Peer::asking(p8.clients, first.repeat(1_000));
    let mut most = 0;
    while accepted.recv_timeout(moment).is_err() && most < before.seen().len() {
        most = before.seen().len();
    }
    drop(client);
    for count in most.saturating_sub(5)..most {
        let ask = format!("{}{ASK}early", first.repeat(count));
        let mut client = Peer::asking(p8.clients, ask);
        let welcome = |mut backend: Peer| {
            backend.head();
            backend.send(format!("{SWITCH}welcome"));
            backend
        };
        let early = accepted.recv_timeout(10 * moment).map(welcome);
        for _ in 0..count {
            assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
            client.bytes(ANSWER);
        }
        let mut backend = early.unwrap_or_else(|_| welcome(accept(&accepted)));
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        client.expect("welcome");
        backend.expect("early");
    }
}

#[test]
fn whoever_reads_slowly_slows_the_other_down_and_nothing_is_lost() {
    const MUCH: usize = 20_000_000;
    let (address, accepted) = listen();
    let p8 = P8::start(&Config::to(address));
    let (client, backend) = tunnel(p8.clients, &accepted);
    let bytes: Vec<u8> = (0..=250).cycle().take(MUCH).collect();
    for (from, to) in [(&client, &backend), (&backend, &client)] {
        let mut sender = Peer(from.0.try_clone().expect("a clone"));
        let mut reader = Peer(to.0.try_clone().expect("a clone"));
        let moment = Some(Duration::from_millis(300));
        sender.0.set_write_timeout(moment).expect("a timeout");
        let mut sent = 0;
        while let Ok(n @ 1..) = sender.0.write(&bytes[sent..]) {
            sent += n;
        }
        assert!(sent < MUCH, "somebody kept all of it");
        sender
            .0
            .set_write_timeout(Some(DEADLINE))
            .expect("a timeout");
        thread::scope(|scope| {
            scope.spawn(|| sender.send(&bytes[sent..]));
            assert!(reader.bytes(MUCH) == bytes, "they arrive as they were");
        });
    }
    drop((client, backend));
    expect_no_tunnels(&p8, 1);
}

#[test]
fn both_ways_flow_at_the_same_time() {
    let (address, accepted) = listen();
    let p8 = P8::start(&Config::to(address));
    let (mut client, mut backend) = tunnel(p8.clients, &accepted);
    let echo = thread::spawn(move || {
        let mut buffer = [0; 10_000];
        while let Ok(n @ 1..) = backend.0.read(&mut buffer) {
            backend.send(&buffer[..n]);
        }
    });
    let bytes: Vec<u8> = (0..=250).cycle().take(1_000_000).collect();
    let mut sender = Peer(client.0.try_clone().expect("a clone"));
    thread::scope(|scope| {
        scope.spawn(|| {
            sender.send(&bytes);
            sender.finish_sending();
        });
        assert!(
            client.rest() == bytes,
            "all of it comes back, and then the end"
        );
    });
    echo.join().expect("the backend echoes");
    expect_no_tunnels(&p8, 1);
}

#[test]
fn one_side_may_end_its_way_and_still_read() {
    let (address, accepted) = listen();
    let p8 = P8::start(&Config::to(address));
    let (mut client, mut backend) = tunnel(p8.clients, &accepted);
    client.send("last words");
    client.finish_sending();
    assert_eq!(backend.rest(), b"last words");
    backend.send("an answer");
    client.expect("an answer");
    drop(backend);
    client.expect_end();

    let (mut client, mut backend) = tunnel(p8.clients, &accepted);
    backend.send("last words");
    backend.finish_sending();
    assert_eq!(client.rest(), b"last words");
    client.send("an answer");
    backend.expect("an answer");
    drop(client);
    backend.expect_end();
    expect_no_tunnels(&p8, 2);
}

#[test]
fn a_side_that_is_gone_ends_the_other() {
    let (address, accepted) = listen();
    let p8 = P8::start(&Config::to(address));
    let reset = |peer: Peer| {
        let socket = socket2::Socket::from(peer.0);
        socket.set_linger(Some(Duration::ZERO)).expect("linger");
    };
    for end in [&drop as &dyn Fn(Peer), &reset] {
        let (mut client, backend) = tunnel(p8.clients, &accepted);
        end(backend);
        client.expect_end();
        drop(client);

        let (client, mut backend) = tunnel(p8.clients, &accepted);
        end(client);
        backend.expect_end();
        drop(backend);
    }
    expect_no_tunnels(&p8, 4);
}

#[test]
fn what_a_backend_said_before_it_left_arrives_whole_though_it_takes_no_more() {
    let (address, accepted) = listen();
    let p8 = P8::start(&Config::to(address));
    let (mut client, mut backend) = tunnel(p8.clients, &accepted);
    let bytes = vec![b'x'; 100_000];
    backend.send(&bytes);
    drop(backend);
    client.send("nobody reads this");
    assert!(client.rest() == bytes, "all of it comes");
    drop(client);
    expect_no_tunnels(&p8, 1);
}

#[test]
fn a_refusal_is_an_ordinary_answer_and_the_connection_stays() {
    let backend = Backend::answering(|request| {
        let answer = Answer::new(426).reason("Say It Otherwise");
        let upgrade = request.header("upgrade").unwrap_or("none");
        answer.header("Upgrade", "other").body(upgrade)
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.client();
    let ask = [("Connection", "upgrade"), ("Upgrade", "echo")];
    let reply = client.get_with("/", &ask);
    assert_eq!((reply.status(), reply.text().as_str()), (426, "echo"));
    assert_eq!(reply.head.reason, "Say It Otherwise");
    assert_eq!(reply.head.header("upgrade"), None);
    assert_eq!(client.get("/").text(), "none");
    let snapshot = p8.snapshot();
    assert_eq!(snapshot.total("tunnels_total"), 0);
    assert_eq!(snapshot.total("requests_proxied_total"), 2);
}

#[test]
fn instructions_in_a_refusal_are_followed() {
    let backend = Backend::answering(|_| {
        let answer = Answer::ok("body").header("Grip-Hold", "stream");
        answer.header("Grip-Channel", "a")
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let ask = [("Connection", "upgrade"), ("Upgrade", "echo")];
    let mut client = p8.client();
    client.request("GET", "/", &ask, b"");
    let head = client.final_head();
    assert_eq!((head.status, head.header("grip-hold")), (200, None));
    client.expect("body");
    p8.publish(&[stream_item("a", "more")]);
    client.expect("more");
}

#[test]
fn the_next_target_is_asked_if_the_first_cannot_be_reached() {
    let (address, accepted) = listen();
    let targets = [Backend::nowhere(), address];
    let p8 = P8::start(&Config::new().route("host = \"*\"", &targets));
    let (mut client, mut backend) = tunnel(p8.clients, &accepted);
    client.send("hello");
    backend.expect("hello");
}

#[test]
fn a_backend_that_makes_no_sense_is_answered_for() {
    let (address, accepted) = listen();
    let p8 = P8::start(&Config::to(address));
    let without = "HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\n\r\n";
    let other = "HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let both = "HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: echo, h2c\r\n\r\n";
    for (sent, reason) in [
        (without, "bad-answer"),
        (other, "bad-answer"),
        (both, "bad-answer"),
        ("", "closed-before-answer"),
    ] {
        let mut client = p8.client();
        client.send(ASK);
        let mut backend = accept(&accepted);
        backend.head();
        backend.send(sent);
        backend.finish_sending();
        let reply = client.reply();
        assert_eq!(reply.status(), 502, "{sent:?}");
        assert_eq!(reply.head.header("p8-reason"), Some(reason), "{sent:?}");
        backend.expect_end();
    }
    assert_eq!(p8.snapshot().total("tunnels_total"), 0);
    assert_eq!(p8.snapshot().refused("backend"), 4);
}

#[test]
fn requests_that_cannot_switch_are_answered_as_if_they_had_not_asked() {
    let backend = Backend::answering(|request| {
        assert_eq!(request.header("upgrade"), None);
        Answer::ok(&request.body)
    });
    let config = Config::to(backend.addr).route_to("path_beg = \"/test\"", "{ test = true }");
    let p8 = P8::start(&config);
    for (lines, body) in [
        (
            "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x\r\nUpgrade: h2c\r\n",
            "",
        ),
        ("Connection: Upgrade\r\nUpgrade: echo, HTTP/2.0\r\n", ""),
        ("Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n", ""),
        ("Upgrade: echo\r\n", ""),
        ("Connection: Upgrade\r\n", ""),
        (
            "Connection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 4\r\n",
            "body",
        ),
    ] {
        let mut client = p8.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n{body}"));
        let reply = client.reply();
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (200, body),
            "{lines:?}"
        );
        assert_eq!(client.get("/").status(), 200, "in step after {lines:?}");
    }
    let mut client = p8.client();
    client.send(format!("{}HTTP/1.0{}", &ASK[..7], &ASK[15..]));
    assert_eq!(client.reply().status(), 200);
    let ask = [("Connection", "Upgrade"), ("Upgrade", "echo")];
    assert_eq!(p8.client().get_with("/test", &ask).status(), 200);
}

#[test]
fn a_client_that_leaves_before_the_answer_is_told_to_the_backend() {
    let (address, accepted) = listen();
    let p8 = P8::start(&Config::to(address));
    let client = Peer::asking(p8.clients, ASK);
    let mut backend = accept(&accepted);
    backend.head();
    assert_eq!(p8.snapshot().total("upstreams_current"), 1);
    drop(client);
    backend.expect_end();
    expect_no_tunnels(&p8, 0);
}

#[test]
fn a_tunnel_through_which_nothing_passes_is_closed() {
    let (address, accepted) = listen();
    let p8 = P8::start(&Config::to(address).proxy("tunnel_idle_secs = 1"));
    let (mut client, mut backend) = tunnel(p8.clients, &accepted);
    client.send("hello");
    backend.expect("hello");
    let begun = Instant::now();
    client.expect_end();
    backend.expect_end();
    assert!(begun.elapsed() > Duration::from_millis(900), "{begun:?}");
    expect_no_tunnels(&p8, 1);
}

#[test]
fn tunnels_are_cut_when_the_drain_is_over_and_do_not_hold_the_end_up() {
    let (address, accepted) = listen();
    let config = Config::to(address).http("drain_secs = 1");
    let mut p8 = Program::start(&config.toml(), &[]);
    let (mut client, mut backend) = tunnel(p8.clients, &accepted);
    p8.terminate();
    let terminated = Instant::now();
    client.send("still there");
    backend.expect("still there");
    client.expect_end();
    backend.expect_end();
    assert_eq!(p8.exit_code(), Some(0));
    let took = terminated.elapsed();
    let drain = Duration::from_secs(1);
    assert!(took <= drain + Duration::from_millis(1500), "{took:?}");
}
