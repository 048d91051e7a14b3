//! Everything that can go wrong, at random, under held clients and publishes; then an account of it.
//!
//! At the end no client is lost that was not itself the victim, every accepted item was delivered once
//! and in order or is counted as a loss by name, and sessions, channels, files and memory are back to
//! the start. `P8_CHAOS_SEED` replays what is done, in that order for each thread; `P8_CHAOS_SECS` and
//! `P8_CHAOS_CLIENTS` make it longer and larger, as `make chaos` does.

mod actors;
mod clients;
mod faults;
mod publishers;

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::events::{accept, opens, subscribe};
use crate::support::grip::hold;
use crate::support::programs::{free_address, Program, TempDir, P8_BINARY};
use crate::support::publish::{close_item, response_item, ws_close};
use crate::support::snapshot::Snapshot;
use crate::support::tls::Certificate;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config};

use serde_json::json;

use clients::Held;
use faults::Faults;
use publishers::{publish_until_taken, Account, Publisher};

/// Channels, each with its own publisher among a few.
const CHANNELS: usize = 9;
const PUBLISHERS: usize = 3;

/// The name in the certificate.
const NAME: &str = "chaos.example";

struct Plan {
    seed: u64,
    clients: usize,
    time: Duration,
}

impl Plan {
    fn from_environment() -> Plan {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let plan = Plan {
            seed: number("P8_CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000)),
            clients: number("P8_CHAOS_CLIENTS").unwrap_or(200) as usize,
            time: Duration::from_secs(number("P8_CHAOS_SECS").unwrap_or(7)),
        };
        let (seed, clients, secs) = (plan.seed, plan.clients, plan.time.as_secs());
        println!("P8_CHAOS_SEED={seed} P8_CHAOS_CLIENTS={clients} P8_CHAOS_SECS={secs}");
        plan
    }
}

/// A backend for everything: holds by path, WebSockets over HTTP, and pages.
fn backend() -> Backend {
    Backend::answering(|request| {
        let mut words = request.target.trim_start_matches('/').split('/');
        let (kind, channel) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        match kind {
            "stream" => hold("stream", channel, ""),
            "poll" => hold("response", channel, "").header("Grip-Timeout", "86400"),
            "ws" if opens(request) => accept(&[subscribe(channel)]),
            "ws" => accept(&[]),
            _ => Answer::ok("plain"),
        }
    })
}

/// A backend that stops before its answer, amid its head or amid its body, as the path says, and waits
/// until P-8 has had enough.
fn stalling() -> Backend {
    Backend::scripted(|exchange| {
        let target = exchange.request().target;
        match target.trim_start_matches("/stall/") {
            "head" => exchange.raw("HTTP/1.1 200 OK\r\nX-Half: "),
            "body" => exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"),
            _ => true,
        };
        exchange.peer_left();
        exchange.close();
    })
}

/// P-8 as a process of its own, and what it needs.
struct Subject {
    p8: Program,
    backend: Backend,
    /// A backend that stalls.
    _stalling: Backend,
    certificate: Certificate,
    config: Config,
    _folder: TempDir,
}

impl Subject {
    fn start(plan: &Plan) -> Subject {
        let (backend, stalling, folder) = (backend(), stalling(), TempDir::new("chaos"));
        let certificate = Certificate::of(&[NAME]);
        let (chain, key) = certificate.write(&folder, "chaos");
        let config =
            Config::over_http_with("host = \"*\"\npath_beg = \"/ws\"", &[backend.addr], "")
                .route("host = \"*\"\npath_beg = \"/dead\"", &[Backend::nowhere()])
                .route(
                    "host = \"*\"\npath_beg = \"/stall\"\nresponse_timeout_secs = 1",
                    &[stalling.addr],
                )
                .route_to(
                    "host = \"*\"\npath_beg = \"/zeromq\"",
                    format!("{{ zhttpreq = \"tcp://{}\" }}", free_address()),
                )
                .route_to(
                    "host = \"*\"\npath_beg = \"/checked\"\nhealth_interval_secs = 1",
                    format!(
                        "{{ url = \"http://{}\", health = \"/healthy\" }}",
                        backend.addr
                    ),
                )
                .route("host = \"*\"", &[backend.addr])
                .proxy("zmq_timeout_secs = 1")
                .http("workers = 2")
                .http("tls_listen = [\"127.0.0.1:0\"]")
                .http(&format!("tls_cert = {chain:?}"))
                .http(&format!("tls_key = {key:?}"))
                .handler("arbiters = 2")
                .handler("wedge_deadline_ms = 1000")
                .handler("replacements_max = 1000")
                .handler("subscription_linger = 0")
                .handler("session_queue_items_max = 1000000");
        let files = plan.clients + 800;
        let mut command = Command::new("sh");
        let limited = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        command.args(["-c", &limited, P8_BINARY]);
        // What a backtrace has read stays in memory.
        command.env_remove("RUST_BACKTRACE");
        Subject {
            p8: Program::start_as(command, &config.toml()),
            backend,
            _stalling: stalling,
            certificate,
            config,
            _folder: folder,
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::take(self.p8.control)
    }

    /// How many files the process has open.
    fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.p8.running.0.id());
        fs::read_dir(folder).expect("a process").count()
    }
}

/// Waits until nothing is held, nothing is wedged, and few files are open.
fn settle(subject: &Subject, files: usize) {
    let patience = DEADLINE * 3;
    wait_until(patience, "an empty P-8", || {
        let now = subject.snapshot();
        now.total("sessions_current") == 0
            && now.actors("channel") == 0
            && now.total("items_waiting_current") == 0
            && now.json()["unwell"].as_array().is_some_and(Vec::is_empty)
    });
    wait_until(patience, "its files to be closed", || {
        subject.open_files() <= files
    });
}

/// Files that may stay open: backend connections kept, those of a fresh handler's thread.
const FILES_KEPT: usize = 40;

/// What may stay of the memory that was used, besides a tenth of the start.
const BYTES_KEPT: u64 = 20_000_000;

/// Publishes and injects faults for the time of the plan; gives the accounts of both.
#[track_caller]
fn disturb(subject: &Subject, plan: &Plan) -> (Account, Faults) {
    let is_over = Arc::new(AtomicBool::new(false));
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|which| {
            let publisher = Publisher::new(subject.p8.control, which, plan.seed);
            let is_over = is_over.clone();
            thread::spawn(move || publisher.run(&is_over))
        })
        .collect();
    let faults = faults::inject(subject, plan.seed, Instant::now() + plan.time);
    is_over.store(true, Ordering::SeqCst);
    let accounts = publishers.into_iter().map(|publisher| publisher.join());
    let accounts = accounts.map(|account| account.expect("it ends well"));
    (Account::of_all(accounts.collect()), faults)
}

/// Ends everything that is held, in good order.
#[track_caller]
fn end_all(subject: &Subject) {
    let mut last = vec![response_item("polls", "the end")];
    for channel in 0..CHANNELS {
        let name = format!("c{channel}");
        last.extend([close_item(&name), ws_close(&name, json!({}))]);
    }
    for item in last {
        publish_until_taken(subject.p8.control, &item);
    }
}

/// What was missed, and what nobody got, is what P-8 has counted as lost.
#[track_caller]
fn check_losses(subject: &Subject, missed: usize, account: &Account) {
    wait_until(DEADLINE * 3, "every worker to answer", || {
        subject.snapshot().json()["workers"] == 2
    });
    let snapshot = subject.snapshot();
    let named = snapshot.dropped("panic");
    println!("{missed} missed, {named} lost by a panic");
    let lost = (missed + account.refused_by_crash) as u64;
    assert_eq!(lost, named, "losses are counted: {}", snapshot.json());
    for reason in ["slow-client", "slow-client-closed", "session-busy"] {
        assert_eq!(snapshot.dropped(reason), 0, "{reason}");
    }
    for reason in ["worker-late", "worker-gone"] {
        assert_eq!(snapshot.dropped(reason), 0, "{reason}");
    }
    for name in ["handlers_replaced_total", "deliveries_stale_total"] {
        println!("{name} {}", snapshot.total(name));
    }
}

#[test]
fn whatever_fails_clients_stay_and_items_are_delivered_or_counted() {
    let plan = Plan::from_environment();
    let subject = Subject::start(&plan);
    // Once without faults, so that what is kept for good is there.
    Held::open(&subject, plan.clients.min(200)).close();
    settle(&subject, usize::MAX);
    let (files, bytes) = (subject.open_files(), subject.p8.running.resident_bytes());

    let held = Held::open(&subject, plan.clients);
    let (account, faults) = disturb(&subject, &plan);
    end_all(&subject);
    println!("{} clients, {account}; {faults}", held.len());
    let missed = held.check(&account);
    check_losses(&subject, missed, &account);

    settle(&subject, files + FILES_KEPT);
    let most = bytes + bytes / 10 + BYTES_KEPT;
    let mut now = 0;
    wait_until(DEADLINE * 3, "memory to be given back", || {
        now = subject.p8.running.resident_bytes();
        now < most
    });
    println!("{bytes} bytes at the start, {now} at the end");
}
