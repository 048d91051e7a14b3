//! The notice board as its clients meet it, over a real socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use actix_web::{web, App, HttpServer};
use embed_consumer::{mount, Board};
use p8::{Broker, BrokerOptions};

/// How long a test waits for anything before it fails.
const DEADLINE: Duration = Duration::from_secs(10);

/// Starts the service on a port of its own, in a thread that ends with the test process.
fn start() -> SocketAddr {
    let (tell, address) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let broker = Broker::start(BrokerOptions::default())
                .await
                .expect("a broker");
            let board = web::Data::new(Board::new(broker));
            let app = move || App::new().configure(mount(&board));
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            tell.send(listener.local_addr().expect("an address"))
                .expect("the test waits");
            // Without half-closed connections a client that leaves is noticed at once.
            let server = HttpServer::new(app).workers(2).disable_signals();
            let server = server.h1_allow_half_closed(false);
            server.listen(listener).expect("a listener").run().await
        })
    });
    address.recv().expect("the service starts")
}

/// One connection and one request.
struct Client(BufReader<TcpStream>);

impl Client {
    fn send(service: SocketAddr, method: &str, target: &str, body: &str) -> Client {
        let mut stream = TcpStream::connect(service).expect("a connection");
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a timeout");
        let length = body.len();
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .expect("it reads");
        Client(BufReader::new(stream))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line in time");
        line.trim_end().to_owned()
    }

    /// Reads the head and gives its status.
    fn status(&mut self) -> u16 {
        let status = self
            .line()
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        while !self.line().is_empty() {}
        status.expect("a status")
    }

    /// Reads one chunk of the body.
    fn chunk(&mut self) -> String {
        let size = usize::from_str_radix(&self.line(), 16).expect("a size");
        let mut bytes = vec![0; size];
        self.0.read_exact(&mut bytes).expect("a whole chunk");
        assert_eq!(self.line(), "");
        String::from_utf8(bytes).expect("text")
    }

    /// Reads to the end of the connection.
    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).expect("an end in time");
        rest
    }
}

/// Status and body of a request that is answered at once.
fn ask(service: SocketAddr, method: &str, target: &str, body: &str) -> (u16, String) {
    let mut client = Client::send(service, method, target, body);
    (client.status(), client.rest())
}

/// How many sessions are on the channel, as `/ops/admin/` tells.
fn subscribers(service: SocketAddr) -> u64 {
    let (status, body) = ask(service, "GET", "/ops/admin/api/snapshot", "");
    assert_eq!(status, 200, "{body}");
    let snapshot: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let channels = snapshot["channels"].as_array().expect("channels").iter();
    channels
        .filter_map(|channel| channel["subscribers"].as_u64())
        .sum()
}

/// Waits until so many sessions are on the channel.
fn wait_for_subscribers(service: SocketAddr, count: u64) {
    let started = Instant::now();
    while subscribers(service) != count {
        assert!(started.elapsed() < DEADLINE, "{count} sessions in time");
        thread::yield_now();
    }
}

#[test]
fn the_services_own_routes_work_as_before() {
    let service = start();
    assert_eq!(ask(service, "POST", "/notices", "one").0, 201);
    assert_eq!(ask(service, "POST", "/notices", "two").0, 201);
    assert_eq!(
        ask(service, "GET", "/notices", ""),
        (200, "one\ntwo".to_owned())
    );
}

#[test]
fn a_held_stream_gets_what_the_service_publishes() {
    let service = start();
    let mut live = Client::send(service, "GET", "/notices/live", "");
    assert_eq!((live.status(), live.chunk().as_str()), (200, "live\n"));
    for notice in ["first", "second"] {
        assert_eq!(ask(service, "POST", "/notices", notice).0, 201);
        assert_eq!(live.chunk(), format!("{notice}\n"));
    }
}

#[test]
fn a_held_long_poll_is_answered_by_the_next_notice() {
    let service = start();
    let mut next = Client::send(service, "GET", "/notices/next", "");
    wait_for_subscribers(service, 1);
    assert_eq!(ask(service, "POST", "/notices", "the next").0, 201);
    assert_eq!((next.status(), next.rest().as_str()), (200, "the next"));
}

#[test]
fn publishers_elsewhere_reach_the_same_clients() {
    let service = start();
    let mut live = Client::send(service, "GET", "/notices/live", "");
    assert_eq!((live.status(), live.chunk().as_str()), (200, "live\n"));
    let item =
        r#"{"channel": "notices", "formats": {"http-stream": {"content": "from elsewhere\n"}}}"#;
    let body = format!("{{\"items\": [{item}]}}");
    assert_eq!(
        ask(service, "POST", "/p8/publish/", &body),
        (200, "Published\n".to_owned())
    );
    assert_eq!(live.chunk(), "from elsewhere\n");
    let (status, refusal) = ask(service, "POST", "/p8/publish", "{}");
    assert_eq!(
        (status, refusal.trim_end()),
        (400, "Invalid format: object does not contain 'items'")
    );
}

#[test]
fn admin_is_shown_where_the_service_put_it() {
    let service = start();
    let (status, page) = ask(service, "GET", "/ops/admin/", "");
    assert_eq!(status, 200);
    assert!(page.contains("<!doctype html>"));
}

#[test]
fn a_client_that_leaves_is_forgotten() {
    let service = start();
    let mut live = Client::send(service, "GET", "/notices/live", "");
    assert_eq!((live.status(), subscribers(service)), (200, 1));
    drop(live);
    wait_for_subscribers(service, 0);
}

#[test]
fn what_is_not_the_services_goes_through_the_proxy() {
    let service = start();
    let (status, body) = ask(service, "GET", "/elsewhere", "");
    assert_eq!(
        (status, body.as_str()),
        (502, "Route not found\n"),
        "a broker without routes"
    );
}

#[test]
fn two_brokers_in_one_process_know_nothing_of_each_other() {
    let (one, two) = (start(), start());
    let mut at_one = Client::send(one, "GET", "/notices/live", "");
    let mut at_two = Client::send(two, "GET", "/notices/live", "");
    assert_eq!((at_one.status(), at_one.chunk().as_str()), (200, "live\n"));
    assert_eq!((at_two.status(), at_two.chunk().as_str()), (200, "live\n"));
    assert_eq!(ask(one, "POST", "/notices", "only one").0, 201);
    assert_eq!(ask(two, "POST", "/notices", "only two").0, 201);
    assert_eq!(at_one.chunk(), "only one\n");
    assert_eq!(at_two.chunk(), "only two\n");
}
