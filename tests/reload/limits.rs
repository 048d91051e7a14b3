//! Bounds, rates and times that change while P-8 runs: for clients that come from then on, and never
//! for those that are held.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustls::version::TLS12;
use serde_json::json;

use super::{apply, get, post, quiet};
use crate::support::grip::hold;
use crate::support::http2::{Http2Client, RawHttp2, SETTINGS};
use crate::support::programs::{free_address, Program, TempDir};
use crate::support::publish::{close_item, publish, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::tls::{Certificate, Trust, ANY};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Client, Config};

/// P-8 with a client that is held, whatever changes.
struct Running {
    p8: Program,
    backend: Backend,
    held: Client,
}

impl Running {
    fn start(change: impl Fn(Config) -> Config) -> Running {
        let backend = Backend::answering(|request| match request.target.as_str() {
            "/stream" => hold("stream", "a", "held\n"),
            "/poll" => hold("response", "polled", "late"),
            _ => Answer::ok("behind"),
        });
        let config = change(quiet(Config::to(backend.addr)));
        let p8 = Program::start(&config.toml(), &[]);
        let mut held = Client::connect(p8.clients);
        held.request("GET", "/stream", &[], b"");
        assert_eq!(held.final_head().status, 200);
        held.expect("held\n");
        Running { p8, backend, held }
    }

    /// Applies a configuration; none of what it changes needs a restart.
    #[track_caller]
    fn change(&self, change: impl Fn(Config) -> Config) {
        let told = apply(&self.p8, &change(quiet(Config::to(self.backend.addr))));
        assert_eq!(told["needs_restart"], json!([]));
    }

    #[track_caller]
    fn client(&self) -> Client {
        Client::connect(self.p8.clients)
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::take(self.p8.control)
    }

    /// The held client gets what is published, and its proper end.
    #[track_caller]
    fn expect_held(mut self) {
        publish(
            self.p8.control,
            &[stream_item("a", "still\n"), close_item("a")],
        );
        self.held.expect("still\n");
        assert_eq!(self.held.read_to_end(), Ok(Vec::new()));
        assert_eq!(
            self.held.get("/").text(),
            "behind",
            "its connection goes on"
        );
    }
}

/// The configuration as it is.
fn same(config: Config) -> Config {
    config
}

#[test]
fn longer_heads_are_accepted_and_refused_again() {
    let running = Running::start(same);
    let long = "x".repeat(20_000);
    let status = || {
        let mut client = running.client();
        client.request("GET", "/", &[("X-Long", &long)], b"");
        client.reply().status()
    };
    assert_eq!(status(), 400);
    running.change(|config| config.http("client_buffer_size = 32768"));
    assert_eq!(status(), 200);
    running.change(same);
    assert_eq!(status(), 400);
    running.expect_held();
}

#[test]
fn the_most_clients_change_over_http_1_and_http_2() {
    let running = Running::start(same);
    let mut earlier = running.client();
    assert_eq!(earlier.get("/").status(), 200);
    let mut http2 = Http2Client::connect(running.p8.clients);
    assert_eq!(http2.get("/").status, 200);
    running.change(|config| config.http("client_maxconn = 3"));
    let refused = running.client().get("/");
    assert_eq!(
        refused.head.header("p8-reason"),
        Some("too-many-connections")
    );
    assert_eq!(http2.get("/").status, 503);
    assert_eq!(earlier.get("/").status(), 200, "who is there stays");
    running.change(same);
    assert_eq!(get(&running.p8, "/"), "behind");
    assert_eq!(http2.get("/").status, 200);
    running.expect_held();
}

#[test]
fn new_clients_wait_for_their_turn_once_a_rate_is_set() {
    let running = Running::start(same);
    running.change(|config| config.http("accept_rate = 2"));
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(get(&running.p8, "/"), "behind");
    }
    assert!(
        started.elapsed() >= Duration::from_millis(900),
        "{:?}",
        started.elapsed()
    );
    let delayed = || running.snapshot().total("connections_delayed_total");
    assert!(delayed() >= 2);
    running.change(same);
    let before = delayed();
    for _ in 0..10 {
        assert_eq!(get(&running.p8, "/"), "behind");
    }
    assert_eq!(delayed(), before);
    running.expect_held();
}

#[test]
fn slow_clients_are_given_other_times() {
    let running = Running::start(same);
    running.change(|config| {
        config
            .http("header_timeout_secs = 1")
            .http("body_timeout_secs = 1")
            .http("keep_alive_secs = 1")
    });
    let mut silent = running.client();
    let mut slow_head = running.client();
    slow_head.send("GET / HTTP/1.1\r\n");
    let mut slow_body = running.client();
    slow_body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx");
    let mut idle = running.client();
    assert_eq!(idle.get("/").status(), 200);
    silent.expect_end();
    assert_eq!(slow_head.reply().status(), 408);
    assert_eq!(slow_body.reply().status(), 408);
    idle.expect_end();
    running.expect_held();
}

#[test]
fn a_proxy_header_is_wanted_and_then_not_any_more() {
    let running = Running::start(same);
    let with = |config: Config| config.http("proxy_protocol_from = [\"127.0.0.1\"]");
    running.change(with);
    let mut without = running.client();
    without.request("GET", "/", &[], b"");
    without.expect_end();
    let mut client = running.client();
    client.send("PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n");
    assert_eq!(client.get("/").text(), "behind");
    running.change(same);
    assert_eq!(get(&running.p8, "/"), "behind");
    running.expect_held();
}

/// What a connection is told of its streams at the most; none if HTTP/2 is not spoken.
fn streams_max(address: SocketAddr) -> Option<u32> {
    let mut client = RawHttp2::connect(address, &[]);
    let settings = client.frame().filter(|frame| frame.kind == SETTINGS)?;
    let settings = settings.payload.chunks(6);
    let mut of_streams = settings.filter(|setting| setting[..2] == [0, 3]);
    of_streams
        .next()
        .map(|setting| u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]))
}

#[test]
fn http_2_has_other_bounds_and_is_switched_off() {
    let running = Running::start(same);
    let mut earlier = Http2Client::connect(running.p8.clients);
    assert_eq!(streams_max(running.p8.clients), Some(250));
    running.change(|config| config.http("http2_streams_max = 7"));
    assert_eq!(streams_max(running.p8.clients), Some(7));
    running.change(|config| config.http("http2 = false"));
    assert_eq!(streams_max(running.p8.clients), None);
    assert_eq!(earlier.get("/").status, 200, "who speaks it goes on");
    running.expect_held();
}

#[test]
fn tls_is_spoken_from_another_version_on_and_without_http_2() {
    let folder = TempDir::new("reload-tls");
    let certificate = Certificate::of(&["localhost"]);
    let (chain, key) = certificate.write(&folder, "default");
    let address = free_address();
    let secure = move |config: Config| {
        config
            .http(&format!("tls_listen = \"{address}\""))
            .http(&format!("tls_cert = {chain:?}"))
            .http(&format!("tls_key = {key:?}"))
    };
    let running = Running::start(&secure);
    let old = Trust::only(&[&certificate], &[&TLS12]);
    let both = Trust::only(&[&certificate], ANY).speaking(&["h2", "http/1.1"]);
    let agreed = || {
        let secured = both.try_connect(address, "localhost").expect("a handshake");
        secured.0.conn.alpn_protocol().map(<[u8]>::to_vec)
    };
    let mut earlier = old.client(address, "localhost");
    assert_eq!(agreed().as_deref(), Some(&b"h2"[..]));
    running.change(|config| {
        secure(config)
            .http("tls_min_version = \"1.3\"")
            .http("http2 = false")
    });
    assert!(old.try_connect(address, "localhost").is_err());
    assert_eq!(agreed().as_deref(), Some(&b"http/1.1"[..]));
    assert_eq!(earlier.get("/").text(), "behind", "who came before goes on");
    running.change(&secure);
    assert!(old.try_connect(address, "localhost").is_ok());
    running.expect_held();
}

#[test]
fn deliveries_wait_once_a_rate_is_set_and_leave_when_it_is_lifted() {
    let running = Running::start(same);
    let mut other = running.client();
    other.request("GET", "/stream", &[], b"");
    assert_eq!(other.final_head().status, 200);
    other.expect("held\n");
    running.change(|config| {
        config
            .handler("message_rate = 1")
            .handler("message_hwm = 6")
    });
    let items: Vec<_> = (0..5)
        .map(|n| stream_item("a", &format!("{n}\n")))
        .collect();
    publish(running.p8.control, &items);
    let waiting = || running.snapshot().total("deliveries_waiting_current");
    wait_until(DEADLINE, "deliveries that are dropped", || {
        running.snapshot().dropped("message-hwm") > 0
    });
    assert!(waiting() > 0);
    running.change(same);
    wait_until(DEADLINE, "what waits to leave", || waiting() == 0);
    let snapshot = running.snapshot();
    let (delivered, dropped) = (
        snapshot.total("items_delivered_total"),
        snapshot.dropped("message-hwm"),
    );
    assert_eq!(delivered + dropped, 10);
    publish(
        running.p8.control,
        &[stream_item("a", "free\n"), close_item("a")],
    );
    let rest = other.read_to_end().expect("a proper end");
    assert!(
        rest.ends_with(b"free\n"),
        "{}",
        String::from_utf8_lossy(&rest)
    );
}

#[test]
fn long_polls_linger_for_another_time() {
    let running = Running::start(|config| config.http("workers = 1"));
    let poll = || {
        let mut client = running.client();
        client.request("GET", "/poll", &[], b"");
        Snapshot::wait_for_subscribers(running.p8.control, "polled", 1);
    };
    let channels = || running.snapshot().actors("channel");
    poll();
    Snapshot::wait_for_subscribers(running.p8.control, "polled", 0);
    assert_eq!(channels(), 2, "it lingers");
    running.change(|config| {
        config
            .http("workers = 1")
            .handler("subscription_linger = 0")
    });
    poll();
    wait_until(DEADLINE, "the channel to end", || channels() == 1);
    running.expect_held();
}

#[test]
fn publishers_may_send_longer_heads() {
    let running = Running::start(same);
    let long = "x".repeat(12_000);
    let status = || {
        let mut publisher = Client::connect(running.p8.control);
        publisher.request(
            "POST",
            "/publish/",
            &[("X-Long", &long)],
            b"{\"items\": []}",
        );
        publisher.reply().status()
    };
    assert_eq!(status(), 400);
    running.change(|config| config.control("max_headers_size = 20000"));
    assert_eq!(status(), 200);
    running.expect_held();
}

#[test]
fn what_needs_a_restart_is_named_and_stays_as_it_is() {
    let running = Running::start(same);
    let changed = quiet(Config::to(running.backend.addr))
        .http_instead("listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]")
        .http("tls_listen = [\"127.0.0.1:0\"]")
        .http("unix_listen = \"/tmp/p8-reload-never.sock\"")
        .http("workers = 3")
        .http("drain_secs = 9")
        .handler("arbiters = 2")
        .handler("session_queue_items_max = 99")
        .toml();
    let changed = changed.replacen(
        "[control]\nlisten = \"127.0.0.1:0\"",
        "[control]\nlisten = \"127.0.0.2:0\"",
        1,
    );
    let folder = TempDir::new("reload-restart");
    let (chain, key) = Certificate::of(&["localhost"]).write(&folder, "default");
    let certificate = format!("[http]\ntls_cert = {chain:?}\ntls_key = {key:?}");
    let changed = changed.replacen("[http]", &certificate, 1);
    std::fs::write(running.p8.config(), changed).expect("the file");
    for target in ["/admin/reload?dry_run=1", "/admin/reload"] {
        let (status, told) = post(&running.p8, target);
        assert_eq!(status, 200, "{told}");
        let keys = |what: &str| {
            let changes = told[what].as_array().expect("a list");
            let keys = changes
                .iter()
                .map(|change| change["key"].as_str().expect("a text"));
            keys.map(str::to_owned).collect::<Vec<_>>()
        };
        let needed = [
            "[control] listen",
            "[handler] arbiters",
            "[http] drain_secs",
            "[http] listen",
            "[http] tls_listen",
            "[http] unix_listen",
            "[http] workers",
        ];
        assert_eq!(keys("needs_restart"), needed);
        let effective = [
            "[handler] session_queue_items_max",
            "[http] tls_cert",
            "[http] tls_key",
        ];
        assert_eq!(keys("keys_changed"), effective);
    }
    assert_eq!(get(&running.p8, "/"), "behind", "where it listened before");
    running.expect_held();
}
