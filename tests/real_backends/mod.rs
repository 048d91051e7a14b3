//! Servers as they are in use, behind P-8: bodies, statuses and kept connections with each; and nginx in
//! front of it.
//!
//! The servers are nginx, Python's `http.server`, Node, uvicorn and PHP's own; those that do not speak a
//! framing leave its row out. Source: `docs/testing.md`.

mod before_nginx;
mod http2;

use std::env;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::nginx::{self, Site};
use crate::support::programs::{find_program, free_address, Running, TempDir};
use crate::support::wait::{wait_until, DEADLINE};
use crate::support::{Client, Config, P8};

/// A server, and what it can.
struct Server {
    address: SocketAddr,
    _running: Running,
    /// With its certificate, if it has one.
    folder: TempDir,
    has_chunks: bool,
    has_until_close: bool,
    has_echo: bool,
    keeps_connections: bool,
}

/// The folder with the backends' programs.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_backends")
}

fn running(address: SocketAddr, child: Running, folder: TempDir) -> Server {
    wait_until(DEADLINE, "the server", || {
        TcpStream::connect(address).is_ok()
    });
    Server {
        address,
        _running: child,
        folder,
        has_chunks: true,
        has_until_close: true,
        has_echo: true,
        keeps_connections: true,
    }
}

/// Starts a program that prints its port.
fn printing(program: &Path, arguments: &[&str], folder: TempDir) -> Server {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = Running(command.spawn().expect("it starts"));
    let output = child.0.stdout.take().expect("its output");
    let mut line = String::new();
    BufReader::new(output)
        .read_line(&mut line)
        .expect("its port");
    let port = line.trim().parse().expect("a port");
    running(([127, 0, 0, 1], port).into(), child, folder)
}

fn nginx() -> Option<Server> {
    let program = find_program(&["nginx"])?;
    let folder = TempDir::new("nginx-backend");
    folder.file("sized", "sized".repeat(1000));
    folder.file("chunked", "chunked".repeat(3));
    let more = "add_header X-Port $remote_port always; default_type text/html;\n\
        location /chunked { ssi on; }\n\
        location = /204 { return 204; } location = /304 { return 304; }\n\
        location = /404 { return 404 failed; } location = /500 { return 500 failed; }";
    let address = free_address();
    let site = Site {
        listen: &address.to_string(),
        inside: more,
        ..Site::default()
    };
    let child = nginx::run(&program, &folder, site);
    Some(Server {
        has_until_close: false,
        has_echo: false,
        ..running(address, child, folder)
    })
}

fn python() -> Option<Server> {
    let program = find_program(&["python3"])?;
    let script = programs().join("backend.py");
    let script = script.to_str().expect("a path");
    Some(printing(
        &program,
        &[script],
        TempDir::new("python-backend"),
    ))
}

fn node(how: &str, folder: TempDir) -> Option<Server> {
    let program = find_program(&["node"])?;
    let script = programs().join("backend.js");
    let script = script.to_str().expect("a path");
    Some(printing(&program, &[script, how], folder))
}

/// uvicorn, if `.ci/run` has made its environment, or the system has it.
fn uvicorn() -> Option<Server> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv-backends/bin/python");
    let python = own.is_file().then_some(own);
    let python = python.or_else(|| find_program(&["python3"]))?;
    let found = Command::new(&python)
        .args(["-c", "import uvicorn"])
        .stderr(Stdio::null())
        .status();
    if !found.expect("Python runs").success() {
        assert!(
            env::var("CI").as_deref() != Ok("true"),
            "uvicorn is not installed"
        );
        eprintln!("SKIPPED: uvicorn is not installed; .ci/run makes target/venv-backends for it");
        return None;
    }
    let script = programs().join("backend.py");
    let script = script.to_str().expect("a path");
    let folder = TempDir::new("uvicorn-backend");
    Some(Server {
        has_until_close: false,
        ..printing(&python, &[script, "--asgi"], folder)
    })
}

fn php() -> Option<Server> {
    let program = find_program(&["php"])?;
    let address = free_address();
    let folder = TempDir::new("php-backend");
    let mut command = Command::new(program);
    command.arg("-S").arg(address.to_string());
    command.arg(programs().join("backend.php"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = Running(command.spawn().expect("PHP starts"));
    Some(Server {
        has_chunks: false,
        keeps_connections: false,
        ..running(address, child, folder)
    })
}

/// Asks for all that a server can, twice over one connection.
fn assert_served(name: &str, server: &Server) {
    let p8 = P8::start(&Config::to(server.address).http("workers = 1"));
    let mut client = p8.client();
    let mut ports = Vec::new();
    for _ in 0..2 {
        ask(name, server, &mut client, &mut ports);
    }
    assert!(!ports.is_empty(), "{name}");
    let is_kept = ports.iter().all(|port| *port == ports[0]);
    assert_eq!(is_kept, server.keeps_connections, "{name}: {ports:?}");
}

fn ask(name: &str, server: &Server, client: &mut Client, ports: &mut Vec<String>) {
    let mut get = |path: &str, status: u16, body: &str| {
        let reply = client.get(path);
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (status, body),
            "{name} {path}"
        );
        reply.head
    };
    let sized = "sized".repeat(1000);
    let head = get("/sized", 200, &sized);
    assert_eq!(head.header("content-length"), Some("5000"), "{name}");
    let port =
        |head: &crate::support::client::Head| head.header("x-port").unwrap_or_default().to_owned();
    ports.push(port(&head));
    if server.has_chunks {
        let head = get("/chunked", 200, "chunkedchunkedchunked");
        assert!(head.is_chunked(), "{name}");
        ports.push(port(&head));
    }
    for status in [204, 304] {
        let head = get(&format!("/{status}"), status, "");
        ports.push(port(&head));
    }
    for status in [404, 500] {
        let head = get(&format!("/{status}"), status, "failed");
        ports.push(port(&head));
    }
    client.request("HEAD", "/sized", &[], b"");
    let head = client.head_for("HEAD");
    let length = head.header("content-length");
    assert_eq!((head.status, length), (200, Some("5000")), "{name}");
    if server.has_echo {
        let body = "hello ".repeat(20_000);
        let reply = client.post("/echo", body.as_bytes());
        assert_eq!(reply.status(), 200, "{name}");
        assert!(reply.text() == body, "{name}");
        ports.push(port(&reply.head));
    }
}

/// A body that ends by close: chunked for the client, whole, and its connection goes on.
fn assert_until_close(name: &str, server: &Server) {
    let p8 = P8::start(&Config::to(server.address));
    let mut client = p8.client();
    for _ in 0..2 {
        let reply = client.get("/until-close");
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (200, "until close"),
            "{name}"
        );
    }
}

#[test]
fn every_server_is_passed_on_as_it_answers() {
    let servers = [
        ("nginx", nginx()),
        ("http.server", python()),
        ("node", node("http", TempDir::new("node-backend"))),
        ("uvicorn", uvicorn()),
        ("php", php()),
    ];
    for (name, server) in &servers {
        let Some(server) = server else { continue };
        assert_served(name, server);
        if server.has_until_close {
            assert_until_close(name, server);
        }
    }
}
