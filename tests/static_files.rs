//! A real nginx behind the real binary: 50 MB files, many readers, little memory.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::nginx::{self, Site};
use crate::support::programs::{find_program, free_address, Program, TempDir};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Client, Config};

const FILE_BYTES: usize = 50 << 20;
const DOWNLOADS: usize = 20;
const GROWTH_BYTES_MAX: u64 = 10 << 20;
/// What the slow reader takes in a second, and for how long it is watched.
const SLOW_BYTES_PER_SEC: usize = 10_000;

/// Bytes that repeat nowhere near.
fn content() -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(FILE_BYTES / 8).flatten().collect()
}

#[test]
fn twenty_downloads_of_50_mb_are_equal_and_cost_little_memory() {
    let Some(nginx) = find_program(&["nginx"]) else {
        return;
    };
    let folder = TempDir::new("nginx");
    let expected = content();
    folder.file("file.bin", &expected);
    let address = free_address();
    let site = Site {
        listen: &address.to_string(),
        ..Site::default()
    };
    let _nginx = nginx::run(&nginx, &folder, site);
    wait_until(DEADLINE, "nginx", || TcpStream::connect(address).is_ok());
    let p8 = Program::start(&Config::to(address).toml(), &[]);
    let clients = p8.clients;
    let small = Client::connect(clients).get("/nginx.conf");
    assert_eq!(
        small.body,
        fs::read(folder.path().join("nginx.conf")).expect("a file")
    );
    let before = p8.running.resident_bytes();

    let slow = thread::spawn(move || read_slowly(clients));
    let expected = std::sync::Arc::new(expected);
    let quick: Vec<_> = (1..DOWNLOADS)
        .map(|_| {
            let expected = std::sync::Arc::clone(&expected);
            thread::spawn(move || download(clients, &expected))
        })
        .collect();
    let mut most = before;
    while !quick.iter().all(thread::JoinHandle::is_finished) {
        most = most.max(p8.running.resident_bytes());
        thread::park_timeout(Duration::from_millis(20));
    }
    for download in quick {
        download.join().expect("a whole and equal file");
    }
    let beginning = slow.join().expect("the slow one is served too");
    assert!(
        expected.starts_with(&beginning),
        "the slow one's bytes are equal"
    );
    most = most.max(p8.running.resident_bytes());
    let grown = most.saturating_sub(before);
    assert!(
        grown < GROWTH_BYTES_MAX,
        "resident memory grew by {} KiB",
        grown / 1024
    );
}

/// Downloads the file and compares it piece by piece.
fn download(clients: SocketAddr, expected: &[u8]) {
    let mut client = Client::connect(clients);
    client.request("GET", "/file.bin", &[], b"");
    let head = client.final_head();
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("52428800"))
    );
    let mut place = 0;
    loop {
        let piece = client.read_some().expect("it is not cut short");
        if piece.is_empty() {
            break;
        }
        assert!(
            expected[place..].starts_with(&piece),
            "differs near byte {place}"
        );
        place += piece.len();
    }
    assert_eq!(place, expected.len());
}

/// Reads 10 KB a second for as long as the others usually take, and gives the body bytes it got.
fn read_slowly(clients: SocketAddr) -> Vec<u8> {
    let mut stream = TcpStream::connect(clients).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream
        .write_all(b"GET /file.bin HTTP/1.1\r\nHost: h\r\n\r\n")
        .expect("it reads");
    let started = Instant::now();
    let mut got = Vec::new();
    let mut piece = [0; 1000];
    while got.len() < 5 * SLOW_BYTES_PER_SEC {
        let due = Duration::from_millis((got.len() * 1000 / SLOW_BYTES_PER_SEC) as u64);
        thread::park_timeout(due.saturating_sub(started.elapsed()));
        let n = stream.read(&mut piece).expect("more comes");
        assert_ne!(n, 0, "the slow one is not cut off");
        got.extend_from_slice(&piece[..n]);
    }
    let body = got
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head")
        + 4;
    got.split_off(body)
}
