//! Listening sockets that go from one process to another: from a service manager, and from the P-8 that
//! is replaced.
//!
//! Source: `docs/operations.md`, stop and replace.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;

use command_fds::{CommandFdExt, FdMapping};

use crate::support::grip::hold;
use crate::support::programs::{Program, TempDir, P8_BINARY};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::ws::WsClient;
use crate::support::{wait_until, Answer, Backend, Client, Config};

/// One request on a connection of its own, or what went wrong.
fn attempt(addr: SocketAddr) -> Result<(), String> {
    let mut socket = TcpStream::connect(addr).map_err(|e| format!("connecting: {e}"))?;
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let request = "GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let sent = socket.write_all(request.as_bytes());
    sent.map_err(|e| format!("sending: {e}"))?;
    let mut answer = String::new();
    let read = socket.read_to_string(&mut answer);
    read.map_err(|e| format!("reading: {e} after {answer:?}"))?;
    match answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("plain") {
        true => Ok(()),
        false => Err(format!("answer: {answer:?}")),
    }
}

/// Clients that come without a pause until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(addr: SocketAddr, clients: usize) -> Load {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let client = || {
            let (stop, done) = (stop.clone(), done.clone());
            thread::spawn(move || {
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    failures.extend(attempt(addr).err());
                    done.fetch_add(1, Ordering::Relaxed);
                }
                failures
            })
        };
        let threads = (0..clients).map(|_| client()).collect();
        Load {
            stop,
            done,
            threads,
        }
    }

    /// Waits until so many more attempts are done.
    #[track_caller]
    fn go_on(&self, more: usize) {
        let until = self.done.load(Ordering::Relaxed) + more;
        wait_until(DEADLINE, "more attempts", || {
            self.done.load(Ordering::Relaxed) >= until
        });
    }

    /// Ends it, and gives what failed.
    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.threads.into_iter().map(|thread| thread.join());
        ended
            .flat_map(|failures| failures.expect("a client"))
            .collect()
    }
}

/// The process that took over; ended with the test.
struct Successor(String);

impl Successor {
    /// The one that the log of the process before it names.
    #[track_caller]
    fn of(p8: &Program) -> Successor {
        let log = p8.log();
        let named = log
            .lines()
            .find(|line| line.contains("serves in this one's place"));
        let pid = named.and_then(|line| line.split("pid=").nth(1));
        let pid = pid.expect("its id is logged");
        Successor(pid.split_whitespace().next().expect("a number").to_owned())
    }

    fn signal(&self, name: &str) -> bool {
        let kill = Command::new("kill")
            .args([&format!("-{name}"), &self.0])
            .output();
        kill.expect("kill").status.success()
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}

fn backend() -> Backend {
    Backend::answering(|request| match request.target.as_str() {
        "/stream" => hold("stream", "a", "open\n"),
        "/poll" => hold("response", "a", "nothing new"),
        _ => Answer::ok("plain"),
    })
}

#[test]
fn no_attempt_fails_while_another_process_takes_over() {
    let backend = backend();
    let folder = TempDir::new("upgrade");
    let path = folder.path().join("p-8.sock");
    let config = Config::to(backend.addr)
        .http("drain_secs = 2")
        .http(&format!("unix_listen = \"{}\"", path.display()))
        .route_to("path_beg = \"/test/\"", "{ test = true }");
    let mut p8 = Program::start(&config.toml(), &[]);
    let mut streams: Vec<Client> = (0..10)
        .map(|_| {
            let mut stream = Client::connect(p8.clients);
            stream.request("GET", "/stream", &[], b"");
            assert_eq!(stream.final_head().status, 200);
            stream.expect("open\n");
            stream
        })
        .collect();
    let mut polls: Vec<Client> = (0..10)
        .map(|_| {
            let mut poll = Client::connect(p8.clients);
            poll.request("GET", "/poll", &[], b"");
            poll
        })
        .collect();
    Snapshot::wait_for_subscribers(p8.control, "a", 20);
    let mut sockets: Vec<WsClient> = (0..10)
        .map(|_| WsClient::connect(p8.clients, "/test/ws", &[]).expect("it accepts"))
        .collect();
    let load = Load::start(p8.clients, 4);
    load.go_on(200);
    p8.signal("USR2");
    assert_eq!(p8.exit_code(), Some(0), "{}", p8.log());
    let successor = Successor::of(&p8);
    load.go_on(200);
    assert_eq!(load.end(), Vec::<String>::new());
    for stream in &mut streams {
        assert_eq!(stream.read_to_end(), Ok(Vec::new()), "a proper end");
    }
    for poll in &mut polls {
        assert_eq!(poll.reply().text(), "nothing new");
    }
    for socket in &mut sockets {
        socket.expect_close(1001);
    }
    let snapshot = Snapshot::take(p8.control);
    assert_eq!(
        snapshot.total("sessions_current"),
        0,
        "it is another process"
    );
    let mut unix = UnixStream::connect(&path).expect("its file is there");
    unix.write_all(b"GET / HTTP/1.0\r\n\r\n")
        .expect("a request");
    let mut answer = String::new();
    unix.read_to_string(&mut answer).expect("an answer");
    assert!(answer.ends_with("plain"), "{answer}");
    assert!(successor.signal("TERM"));
    wait_until(DEADLINE, "the end of the second one too", || {
        TcpStream::connect(p8.clients).is_err() && !path.exists()
    });
}

#[test]
fn a_new_process_that_fails_changes_nothing() {
    let backend = backend();
    let config = Config::to(backend.addr).control("reload_on_change = false");
    let p8 = Program::start(&config.toml(), &[]);
    let mut stream = Client::connect(p8.clients);
    stream.request("GET", "/stream", &[], b"");
    assert_eq!(stream.final_head().status, 200);
    fs::write(p8.config(), "[http]\nlisen = 1").expect("the file");
    p8.signal("USR2");
    wait_until(DEADLINE, "the failure to be logged", || {
        p8.log().contains("no new process took over")
    });
    let log = p8.log();
    assert!(log.contains("exit status: 64"), "{log}");
    assert!(log.contains("[http] lisen: unknown key"), "{log}");
    assert_eq!(attempt(p8.clients), Ok(()));
    stream.expect("open\n");
    stream.expect_nothing_unread();
}

#[test]
fn sockets_of_a_service_manager_are_taken_over_with_their_queues() {
    let backend = backend();
    let [clients, unwanted] = ["127.0.0.1:0"; 2].map(|any| TcpListener::bind(any).expect("a port"));
    let address = clients.local_addr().expect("an address");
    let stray = unwanted.local_addr().expect("an address");
    // Before P-8 is there at all.
    let mut early = Client::connect(address);
    early.request("GET", "/plain", &[], b"");
    let config = Config::to(backend.addr).toml();
    let config = config.replacen("\"127.0.0.1:0\"", &format!("\"{address}\""), 1);
    let mut command = Command::new("sh");
    let script = "LISTEN_PID=$$ exec \"$0\" \"$1\"";
    command.args(["-c", script, P8_BINARY]);
    command.envs([("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "p-8.socket:stray")]);
    let files = (3..).zip([clients, unwanted]);
    let files = files.map(|(child_fd, socket)| FdMapping {
        parent_fd: OwnedFd::from(socket),
        child_fd,
    });
    command
        .fd_mappings(files.collect())
        .expect("different files");
    let p8 = Program::start_as(command, &config);
    assert_eq!(p8.clients, address);
    assert_eq!(early.reply().text(), "plain");
    assert_eq!(attempt(address), Ok(()));
    let log = p8.log();
    let named = format!("address={stray}");
    assert!(
        log.contains("of no address in the configuration") && log.contains(&named),
        "{log}"
    );
    assert!(TcpStream::connect(stray).is_err(), "it is closed");
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let backend = backend();
    let environment = [("LISTEN_FDS", "1"), ("LISTEN_PID", "1")];
    let p8 = Program::start(&Config::to(backend.addr).toml(), &environment);
    assert_eq!(attempt(p8.clients), Ok(()));
    let environment = [("LISTEN_FDS", "99999999999")];
    let p8 = Program::start(&Config::to(backend.addr).toml(), &environment);
    assert_eq!(attempt(p8.clients), Ok(()));
}
