//! Clients that come by a unix socket.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use tokio_tungstenite::tungstenite::{client, Message};

use crate::support::grip::hold;
use crate::support::programs::TempDir;
use crate::support::publish::{close_item, response_item, stream_item};
use crate::support::snapshot::Snapshot;
use crate::support::socket::Socket;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

/// P-8 with a unix socket that has these parameters.
fn start(config: Config, folder: &TempDir, parameters: &str) -> P8 {
    let path = folder.path().join("p8.sock");
    P8::start(&config.http(&format!("unix_listen = \"{}{parameters}\"", path.display())))
}

#[track_caller]
fn connect(folder: &TempDir) -> Client {
    let stream = UnixStream::connect(folder.path().join("p8.sock"));
    Client::over(Socket::Unix(stream.expect("P-8 accepts connections")))
}

#[test]
fn requests_streams_and_long_polls_are_served() {
    let backend = Backend::answering(|request| match request.target.as_str() {
        "/stream" => hold("stream", "a", "open,"),
        "/poll" => hold("response", "b", ""),
        _ => Answer::ok(request.header("x-forwarded-for").unwrap_or("nobody")),
    });
    let folder = TempDir::new("unix");
    let config = Config::to(backend.addr).proxy("x_forwarded_for = \"append\"");
    let p8 = start(config, &folder, "");
    let mut client = connect(&folder);
    assert_eq!(client.get("/").text(), "nobody", "it has no address");
    client.request("GET", "/stream", &[], b"");
    assert_eq!(client.final_head().status, 200);
    client.expect("open,");
    assert_eq!(p8.snapshot().total("sessions_parked_current"), 1);
    p8.publish(&[stream_item("a", "one"), close_item("a")]);
    client.expect("one");
    assert_eq!(client.read_to_end(), Ok(Vec::new()));
    client.request("GET", "/poll", &[], b"");
    Snapshot::wait_for_subscribers(p8.control, "b", 1);
    p8.publish(&[response_item("b", "two")]);
    assert_eq!(client.reply().text(), "two");
    drop(client);
    wait_until(DEADLINE, "its place to be free", || {
        p8.snapshot().total("connections_current") == 0
    });
}

#[test]
fn websockets_are_spoken() {
    let backend = crate::support::ws::echo_peer();
    let folder = TempDir::new("unix-ws");
    let _p8 = start(Config::to(backend.addr), &folder, "");
    let stream = UnixStream::connect(folder.path().join("p8.sock")).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let (mut socket, _) = client("ws://localhost/chat", stream).expect("a handshake");
    socket.send(Message::text("hello")).expect("sent");
    assert_eq!(socket.read().expect("an echo"), Message::text("hello"));
}

#[test]
fn holds_end_in_good_order_and_the_file_is_removed() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let folder = TempDir::new("unix-end");
    let p8 = start(Config::to(backend.addr), &folder, "");
    let mut client = connect(&folder);
    client.request("GET", "/", &[], b"");
    assert_eq!(client.final_head().status, 200);
    drop(p8);
    assert_eq!(client.read_to_end(), Ok(Vec::new()));
    assert!(!folder.path().join("p8.sock").exists());
}

#[test]
fn its_clients_count_as_others_do() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let folder = TempDir::new("unix-max");
    let config = Config::to(backend.addr).http("client_maxconn = 1");
    let p8 = start(config, &folder, "");
    let mut first = connect(&folder);
    first.request("GET", "/", &[], b"");
    assert_eq!(first.final_head().status, 200);
    for mut client in [connect(&folder), p8.client()] {
        assert_eq!(client.final_head().status, 503);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn the_mode_and_the_owner_are_set() {
    let folder = TempDir::new("unix-mode");
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let config = || Config::to(backend.addr);
    let path = folder.path().join("p8.sock");
    let owner = fs::metadata(folder.path()).expect("a folder");
    let (user, group) = {
        use std::os::unix::fs::MetadataExt;
        (owner.uid(), owner.gid())
    };
    for (parameters, expected) in [
        ("?mode=600".to_owned(), 0o600),
        (format!("?mode=666&user={user}&group={group}"), 0o666),
    ] {
        let p8 = start(config(), &folder, &parameters);
        assert_eq!(mode(&path), expected);
        assert_eq!(connect(&folder).get("/").text(), "ok");
        drop(p8);
    }
}

#[test]
fn a_socket_that_nobody_listens_on_any_more_is_replaced() {
    let folder = TempDir::new("unix-stale");
    let path = folder.path().join("p8.sock");
    drop(UnixListener::bind(&path).expect("a socket"));
    let kind = fs::metadata(&path).expect("its file stays").file_type();
    assert!(kind.is_socket());
    let backend = Backend::answering(|_| Answer::ok("ok"));
    let _p8 = start(Config::to(backend.addr), &folder, "");
    assert_eq!(connect(&folder).get("/").text(), "ok");
}

/// Why P-8 does not start with that unix socket.
fn refusal(path: &Path) -> String {
    let config = Config::new().route_to("host = \"*\"", "{ test = true }");
    let config = config.http(&format!("unix_listen = {path:?}"));
    let settings = p8::Settings::from_toml(&config.toml()).expect("a good configuration");
    let started = actix::System::new().block_on(async { p8::Server::start(settings).await.err() });
    started.expect("no start").to_string()
}

#[test]
fn what_is_in_the_way_and_in_use_is_left_alone() {
    let folder = TempDir::new("unix-taken");
    let path = folder.path().join("other.sock");
    let other = UnixListener::bind(&path).expect("a socket");
    let error = refusal(&path);
    assert!(
        error.contains("other.sock ([http] unix_listen): another server listens there"),
        "{error}"
    );
    drop(UnixStream::connect(&path).expect("it is still there"));
    drop(other);
    let file = folder.file("file", "content");
    assert!(refusal(&file).contains("no socket"));
    assert_eq!(fs::read_to_string(file).expect("a file"), "content");
}
