//! A thousand clients that read nothing, beside a few that do: what they cost the process and the kernel,
//! measured at the real program.

use std::net::SocketAddr;

use super::numbered;
use crate::support::events::{open_and, subscribe};
use crate::support::grip::hold;
use crate::support::http2::RawHttp2;
use crate::support::programs::{Program, TempDir};
use crate::support::publish::{publish, stream_item, ws_item};
use crate::support::snapshot::Snapshot;
use crate::support::tls::{Certificate, Trust, ANY};
use crate::support::wait::DEADLINE;
use crate::support::ws::WsClient;
use crate::support::{wait_until, Backend, Client, Config};

const STUCK: usize = 1_000;
const QUICK: usize = 3;
const ITEMS: usize = 200;
const ITEM_BYTES: usize = 8_000;
const QUEUE_ITEMS: usize = 20;

/// What the process may grow by for each client that is stuck: its session, what TLS or HTTP/2 keep, and
/// its outbox, whose items all share. 1.6 MB were published for each.
const PROCESS_BYTES_EACH: u64 = 96 * 1024;
/// What of its bytes may wait in the kernel on P-8's side.
const KERNEL_BYTES_EACH: u64 = 256 * 1024;

/// A client of some kind, held and not read from.
type Stuck = Box<dyn std::any::Any>;

/// A program, the backend behind it, and how a client is connected that will not read.
struct Crowd {
    program: Program,
    _backend: Backend,
    is_socket: bool,
    _folder: TempDir,
}

impl Crowd {
    fn start(policy: &str, is_socket: bool, certificate: &Certificate, tls: SocketAddr) -> Crowd {
        let backend = match is_socket {
            true => open_and(&[subscribe("a")]),
            false => Backend::answering(|_| hold("stream", "a", "")),
        };
        let folder = TempDir::new("crowd");
        let (chain, key) = certificate.write(&folder, "default");
        let config = Config::over_http(backend.addr)
            .handler(&format!("session_queue_items_max = {QUEUE_ITEMS}"))
            .handler(&format!("slow_client = \"{policy}\""))
            .http(&format!("tls_listen = \"{tls}\""))
            .http(&format!("tls_cert = {chain:?}"))
            .http(&format!("tls_key = {key:?}"));
        Crowd {
            program: Program::start(&config.toml(), &[("RUST_LOG", "warn")]),
            _backend: backend,
            is_socket,
            _folder: folder,
        }
    }

    /// Clients that read everything.
    fn quick(&self) -> Vec<Quick> {
        let quick = (0..QUICK).map(|_| match self.is_socket {
            true => {
                let client = WsClient::connect(self.program.clients, "/", &[]);
                Quick::Socket(Box::new(client.expect("it is accepted")))
            }
            false => {
                let mut client = Client::connect(self.program.clients);
                client.request("GET", "/", &[], b"");
                assert_eq!(client.final_head().status, 200);
                Quick::Stream(Box::new(client))
            }
        });
        quick.collect()
    }

    /// Publishes everything while the quick ones read it.
    fn publish_all(&self, quick: &mut [Quick]) {
        for n in 0..ITEMS {
            let text = numbered(n, ITEM_BYTES);
            let item = match self.is_socket {
                true => ws_item("a", &text),
                false => stream_item("a", &text),
            };
            publish(self.program.control, &[item]);
            quick.iter_mut().for_each(|client| client.expect(&text));
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::take(self.program.control)
    }
}

enum Quick {
    Stream(Box<Client>),
    Socket(Box<WsClient>),
}

impl Quick {
    #[track_caller]
    fn expect(&mut self, text: &str) {
        match self {
            Quick::Stream(client) => client.expect(text),
            Quick::Socket(client) => client.expect_text(text),
        }
    }
}

/// The bytes that the kernel has of connections to a local port and that their other side has not taken.
#[track_caller]
fn kernel_bytes(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let local = format!(":{port:04X}");
    let queued = table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let is_local = fields.nth(1)?.ends_with(&local);
        let (sending, _) = fields.nth(2)?.split_once(':')?;
        is_local.then(|| u64::from_str_radix(sending, 16).expect("a number"))
    });
    queued.sum()
}

/// A thousand clients connect and read nothing more; all is bounded, counted and logged.
#[track_caller]
fn expect_bounded(
    policy: &str,
    is_socket: bool,
    connect: impl Fn(&Program, SocketAddr, &Trust) -> Stuck,
) {
    let certificate = Certificate::of(&["localhost"]);
    let trust = Trust::only(&[&certificate], ANY);
    let tls = crate::support::programs::free_address();
    let crowd = Crowd::start(policy, is_socket, &certificate, tls);
    let mut quick = crowd.quick();
    let stuck: Vec<Stuck> = (0..STUCK)
        .map(|_| connect(&crowd.program, tls, &trust))
        .collect();
    let everybody = (STUCK + QUICK) as u64;
    Snapshot::wait_for_subscribers(crowd.program.control, "a", everybody);
    let before = crowd.program.running.resident_bytes();
    crowd.publish_all(&mut quick);
    let grown = crowd
        .program
        .running
        .resident_bytes()
        .saturating_sub(before);
    let ports = [crowd.program.clients.port(), tls.port()];
    let kernel: u64 = ports.into_iter().map(kernel_bytes).sum();
    println!(
        "{policy}: process {} KiB, kernel {} KiB",
        grown / 1024,
        kernel / 1024
    );
    assert!(grown < PROCESS_BYTES_EACH * STUCK as u64, "{grown} bytes");
    assert!(kernel < KERNEL_BYTES_EACH * STUCK as u64, "{kernel} bytes");
    expect_counted(policy, &crowd);
    let log = crowd.program.log();
    let line = log
        .lines()
        .find(|line| line.contains("slow clients lost items"));
    let line = line.expect("a line about it");
    assert!(
        line.contains("session=") && line.contains("channel="),
        "{line}"
    );
    drop(stuck);
    let control = crowd.program.control;
    wait_until(DEADLINE, "their ends", || {
        Snapshot::take(control).subscribers("a") == QUICK as u64
    });
}

#[track_caller]
fn expect_counted(policy: &str, crowd: &Crowd) {
    let snapshot = crowd.snapshot();
    let (dropped, closed) = (
        snapshot.dropped("slow-client"),
        snapshot.dropped("slow-client-closed"),
    );
    let delivered = snapshot.total("items_delivered_total");
    let published = (ITEMS * (STUCK + QUICK)) as u64;
    match policy {
        "close" => {
            assert!(closed >= (QUEUE_ITEMS * STUCK) as u64, "{closed}");
            assert_eq!(dropped, 0);
            Snapshot::wait_for_subscribers(crowd.program.control, "a", QUICK as u64);
        }
        "drop-newest" => assert_eq!((delivered + dropped, closed), (published, 0)),
        _ => {
            assert_eq!((delivered, closed), (published, 0), "each was queued once");
            assert!(dropped >= STUCK as u64, "{dropped}");
        }
    }
}

fn stream_over(client: Client) -> Stuck {
    let mut client = client;
    client.request("GET", "/", &[], b"");
    assert_eq!(client.final_head().status, 200);
    Box::new(client)
}

#[test]
fn a_thousand_stuck_clients_over_plain_http_are_bounded_in_process_and_kernel() {
    expect_bounded("drop-oldest", false, |program, _, _| {
        stream_over(Client::connect(program.clients))
    });
}

#[test]
fn a_thousand_stuck_clients_over_tls_are_bounded_in_process_and_kernel() {
    expect_bounded("drop-newest", false, |_, tls, trust| {
        stream_over(trust.client(tls, "localhost"))
    });
}

#[test]
fn a_thousand_stuck_clients_over_http2_are_bounded_in_process_and_kernel() {
    expect_bounded("drop-oldest", false, |program, _, _| {
        let mut client = RawHttp2::connect(program.clients, &[]);
        client.get(1);
        Box::new(client)
    });
}

#[test]
fn a_thousand_stuck_websockets_are_bounded_in_process_and_kernel() {
    expect_bounded("drop-newest", true, |program, _, _| {
        Box::new(WsClient::connect(program.clients, "/", &[]).expect("it is accepted"))
    });
}

#[test]
fn a_thousand_stuck_clients_whose_policy_is_to_close_are_gone_soon() {
    expect_bounded("close", false, |program, _, _| {
        stream_over(Client::connect(program.clients))
    });
}
