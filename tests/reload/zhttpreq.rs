//! Sockets of ZeroMQ backends, which come and go with the routes of the file.

use std::os::unix::net::UnixStream;

use serde_json::json;

use super::{apply, get, named, post, quiet};
use crate::support::programs::{Program, TempDir};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::zmtp::{ipc, path};
use crate::support::{wait_until, Client, Config};
use crate::zhttpreq::{answer, Rep};

/// Every request to that socket.
fn to(spec: &str) -> Config {
    quiet(Config::new()).route_to("host = \"*\"", format!("{{ zhttpreq = \"{spec}\" }}"))
}

#[test]
fn sockets_are_bound_and_unbound_and_bounds_change_where_they_stay() {
    let folder = TempDir::new("reload-zhttpreq");
    let (one, two) = (ipc(folder.path()), ipc(folder.path()));
    let is_bound = |spec: &str| UnixStream::connect(path(spec)).is_ok();
    let http = named("over http");
    let p8 = Program::start(&quiet(Config::to(http.addr)).toml(), &[]);

    apply(&p8, &to(&one));
    let backend = Rep::connect(&one, |_| answer(200, "first"));
    assert_eq!(get(&p8, "/"), "first");

    apply(&p8, &to(&two));
    wait_until(DEADLINE, "the first socket to go", || !is_bound(&one));
    drop(backend);
    let _backend = Rep::connect(&two, |_| answer(200, "second"));
    assert_eq!(get(&p8, "/"), "second");
    let backends = || Snapshot::take(p8.control).total("zmq_backends_current");
    wait_until(DEADLINE, "one backend", || backends() == 1);

    let told = apply(&p8, &to(&two).proxy("zmq_timeout_secs = 1"));
    assert_eq!(told["needs_restart"], json!([]));
    assert_eq!(get(&p8, "/"), "second", "its backend stays connected");
    assert_eq!(backends(), 1);

    apply(&p8, &quiet(Config::to(http.addr)));
    wait_until(DEADLINE, "the second socket to go", || !is_bound(&two));
    assert_eq!(get(&p8, "/"), "over http");
}

#[test]
fn so_many_requests_wait_as_the_reloaded_file_says() {
    let folder = TempDir::new("reload-zhttpreq-max");
    let spec = ipc(folder.path());
    let p8 = Program::start(&to(&spec).toml(), &[]);
    let waiting = |target: &str| {
        let mut client = Client::connect(p8.clients);
        client.request("GET", target, &[], b"");
        client
    };
    let refused = || {
        let reply = Client::connect(p8.clients).get("/third");
        (
            reply.status(),
            reply.head.header("p8-reason").map(str::to_owned),
        )
    };
    let mut first = waiting("/first");
    let mut second = waiting("/second");
    wait_until(DEADLINE, "both to wait", || {
        Snapshot::take(p8.control).total("zmq_requests_total") == 2
    });
    let bounded = to(&spec).proxy("zmq_requests_max = 2");
    apply(&p8, &bounded);
    assert_eq!(refused(), (503, Some("zmq-busy".to_owned())));
    let _backend = Rep::connect(&spec, |_| answer(200, "late"));
    for client in [&mut first, &mut second] {
        assert_eq!(client.reply().text(), "late");
    }
}

#[test]
fn a_socket_that_cannot_be_bound_changes_nothing() {
    let folder = TempDir::new("reload-zhttpreq-taken");
    let spec = ipc(folder.path());
    let _other = std::os::unix::net::UnixListener::bind(path(&spec)).expect("a socket");
    let http = named("over http");
    let p8 = Program::start(&quiet(Config::to(http.addr)).toml(), &[]);
    let more = to(&spec).proxy("debug = true");
    std::fs::write(p8.config(), more.toml()).expect("the file");
    let (status, told) = post(&p8, "/admin/reload");
    assert_eq!((status, &told["code"]), (422, &json!("zmq-cannot-bind")));
    assert_eq!(get(&p8, "/"), "over http");
}
