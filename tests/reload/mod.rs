//! The configuration read again while P-8 runs: by a signal, by a change of its file, by an operator.
//!
//! Source: `docs/operations.md`, reload.

use std::fs;
use std::io::Write;
use std::process::Command;

use serde_json::{json, Value};

use crate::support::grip::hold;
use crate::support::programs::{Program, TempDir, P8_BINARY};
use crate::support::publish::{close_item, publish, stream_item, ws_item};
use crate::support::snapshot::Snapshot;
use crate::support::wait::DEADLINE;
use crate::support::ws::WsClient;
use crate::support::{wait_until, Answer, Backend, Client, Config};

mod limits;
mod zhttpreq;

/// A configuration that only signals and operators have read again.
fn quiet(config: Config) -> Config {
    config.control("reload_on_change = false")
}

fn named(name: &'static str) -> Backend {
    Backend::answering(move |_| Answer::ok(name))
}

fn get(p8: &Program, target: &str) -> String {
    Client::connect(p8.clients).get(target).text()
}

fn reloads(p8: &Program) -> (u64, u64) {
    let snapshot = Snapshot::take(p8.control);
    let total = |name| snapshot.total(name);
    (total("reloads_total"), total("reload_failures_total"))
}

/// What an operator is answered, and the status.
fn post(p8: &Program, target: &str) -> (u16, Value) {
    let reply = Client::connect(p8.control).post(target, b"");
    let told = serde_json::from_slice(&reply.body);
    (reply.status(), told.expect("JSON"))
}

/// Has an operator apply another configuration.
#[track_caller]
fn apply(p8: &Program, config: &Config) -> Value {
    fs::write(p8.config(), config.toml()).expect("the file");
    let (status, told) = post(p8, "/admin/reload");
    assert_eq!(status, 200, "{told}");
    told
}

#[test]
fn a_changed_file_is_applied_however_it_was_changed() {
    let backends = ["one", "two", "three", "four"].map(named);
    let text = |to: usize| Config::to(backends[to].addr).toml();
    let p8 = Program::start(&text(0), &[]);
    let file = p8.config();
    let applied = |name: &str| {
        wait_until(DEADLINE, "the change to be applied", || {
            get(&p8, "/") == name
        });
    };
    applied("one");
    fs::write(&file, text(1)).expect("the file");
    applied("two");
    let beside = file.with_extension("new");
    fs::write(&beside, text(2)).expect("a file");
    fs::rename(&beside, &file).expect("the file");
    applied("three");
    let route = format!(
        "[[routes]]\npath_beg = \"/more\"\ntargets = [{{ url = \"http://{}\" }}]\n",
        backends[3].addr
    );
    let appended = [text(2), route].concat();
    fs::remove_file(&file).expect("the file");
    fs::write(&file, appended).expect("the file");
    wait_until(DEADLINE, "the new route", || get(&p8, "/more") == "four");
    assert_eq!(get(&p8, "/"), "three");
}

#[test]
fn what_is_appended_to_the_file_is_applied() {
    let backends = ["one", "two"].map(named);
    let p8 = Program::start(&Config::to(backends[0].addr).toml(), &[]);
    let route = |backend: &Backend| {
        let addr = backend.addr;
        format!("[[routes]]\npath_beg = \"/more\"\ntargets = [{{ url = \"http://{addr}\" }}]\n")
    };
    let append = |text: &str| {
        let file = fs::OpenOptions::new().append(true).open(p8.config());
        let written = file.expect("the file").write_all(text.as_bytes());
        written.expect("more of it");
    };
    append(&route(&backends[1]));
    wait_until(DEADLINE, "the new route", || get(&p8, "/more") == "two");
    assert_eq!(get(&p8, "/"), "one");
    append("[[rout");
    wait_until(DEADLINE, "the reload to fail", || reloads(&p8).1 > 0);
    assert_eq!(get(&p8, "/more"), "two");
}

#[test]
fn sighup_reads_the_file_again() {
    let (one, two) = (named("one"), named("two"));
    let p8 = Program::start(&quiet(Config::to(one.addr)).toml(), &[]);
    fs::write(p8.config(), quiet(Config::to(two.addr)).toml()).expect("the file");
    assert_eq!(get(&p8, "/"), "one");
    p8.signal("HUP");
    wait_until(DEADLINE, "the reload", || reloads(&p8) == (1, 0));
    assert_eq!(get(&p8, "/"), "two");
    p8.signal("HUP");
    wait_until(DEADLINE, "the reload", || reloads(&p8) == (2, 0));
    assert!(p8.log().contains("nothing differs"), "{}", p8.log());
}

#[test]
fn an_operator_is_told_what_differs_and_a_dry_run_changes_nothing() {
    let (one, two) = (named("one"), named("two"));
    let base = || quiet(Config::new()).route("host = \"a.example\"", &[one.addr]);
    let first = base().route("", &[one.addr]);
    let second = base()
        .http("workers = 3")
        .proxy("debug = true")
        .route("path_beg = \"/x\"", &[two.addr])
        .route("", &[two.addr]);
    let p8 = Program::start(&first.toml(), &[]);
    fs::write(p8.config(), second.toml()).expect("the file");
    let mut told = json!({
        "dry_run": true,
        "routes_added": ["host=\"*\", path_beg=\"/x\""],
        "routes_removed": [],
        "routes_changed": ["host=\"*\""],
        "keys_changed": [{"key": "[proxy] debug", "from": null, "to": "true"}],
        "needs_restart": [{"key": "[http] workers", "from": null, "to": "3"}],
        "warnings": [],
    });
    assert_eq!(post(&p8, "/admin/reload?dry_run=1"), (200, told.clone()));
    assert_eq!((get(&p8, "/"), reloads(&p8)), ("one".into(), (0, 0)));
    told["dry_run"] = json!(false);
    assert_eq!(post(&p8, "/admin/reload"), (200, told));
    assert_eq!((get(&p8, "/x"), reloads(&p8)), ("two".into(), (1, 0)));
    let (_, again) = post(&p8, "/admin/reload?dry_run=1");
    assert_eq!(again["routes_added"], json!([]));
    let log = p8.log();
    assert!(log.contains("changed keys need a restart"), "{log}");
    assert!(log.contains("route added: host="), "{log}");
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let backend = named("one");
    let good = Config::to(backend.addr);
    let p8 = Program::start(&quiet(good.clone()).toml(), &[]);
    let bad = quiet(good.clone()).http("lisen = 1").toml();
    fs::write(p8.config(), &bad).expect("the file");
    let place = format!("{}:3: [http] lisen: unknown key", p8.config().display());
    for target in ["/admin/reload", "/admin/reload?dry_run=1"] {
        let (status, told) = post(&p8, target);
        assert_eq!(status, 422, "{told}");
        assert_eq!(told["code"], "config-unknown-key");
        let error = told["error"].as_str().expect("a text");
        assert!(error.starts_with(&place), "{error}");
    }
    assert_eq!((get(&p8, "/"), reloads(&p8)), ("one".into(), (0, 1)));
    fs::remove_file(p8.config()).expect("the file");
    p8.signal("HUP");
    wait_until(DEADLINE, "the reload to fail", || reloads(&p8) == (0, 2));
    assert_eq!(get(&p8, "/"), "one");
    let log = p8.log();
    assert!(log.contains("the configuration cannot be used"), "{log}");
    assert!(log.contains("config-unreadable"), "{log}");
}

#[test]
fn pages_of_other_sites_cannot_reload() {
    let p8 = Program::start(&quiet(Config::to(Backend::nowhere())).toml(), &[]);
    for (header, value) in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        let mut client = Client::connect(p8.control);
        client.request("POST", "/admin/reload", &[(header, value)], b"");
        let reply = client.reply();
        assert_eq!(reply.status(), 403, "{header}: {value}");
        assert_eq!(reply.head.header("p8-reason"), Some("cross-site"));
    }
    let own = format!("http://{}", p8.control);
    let mut client = Client::connect(p8.control);
    let host = p8.control.to_string();
    client.request(
        "POST",
        "/admin/reload",
        &[("Host", &host), ("Origin", &own)],
        b"",
    );
    assert_eq!(client.reply().status(), 200);
    let reply = Client::connect(p8.control).get("/admin/reload");
    assert_eq!(reply.status(), 405);
    assert_eq!(reply.head.header("allow"), Some("POST"));
    assert_eq!(post(&p8, "/admin/reload?dryrun=1").0, 400);
    assert_eq!(reloads(&p8), (1, 0));
}

#[test]
fn a_server_without_a_file_says_so() {
    let p8 = crate::support::P8::start(&Config::to(Backend::nowhere()));
    let reply = Client::connect(p8.control).post("/admin/reload", b"");
    assert_eq!(reply.status(), 409);
    assert_eq!(reply.head.header("p8-reason"), Some("no-config-file"));
}

/// Items that are published while the configuration is read again and again.
const ITEMS: usize = 2_000;
const RELOADS: usize = 20;

#[test]
fn held_clients_are_untouched_whatever_becomes_of_their_route() {
    let base = |debug: bool| {
        quiet(Config::new())
            .proxy(if debug {
                "debug = true"
            } else {
                "debug = false"
            })
            .handler("slow_client = \"close\"")
    };
    let test = "{ test = true }";
    let with_route = |debug| base(debug).route_to("host = \"*\"", test);
    let p8 = Program::start(&with_route(true).toml(), &[]);
    let mut streams: Vec<Client> = (0..20)
        .map(|_| {
            let mut stream = Client::connect(p8.clients);
            stream.request("GET", "/stream?channel=a", &[], b"");
            assert_eq!(stream.final_head().status, 200);
            stream.expect("[stream opened]\n");
            stream
        })
        .collect();
    let mut sockets: Vec<WsClient> = (0..20)
        .map(|_| WsClient::connect(p8.clients, "/ws?channel=a", &[]).expect("it accepts"))
        .collect();
    let control = p8.control;
    let publisher = std::thread::spawn(move || {
        for n in 0..ITEMS {
            let mut item = stream_item("a", &format!("{n}\n"));
            item["formats"]["ws-message"] = json!({"content": n.to_string()});
            publish(control, &[item]);
        }
    });
    for n in 0..RELOADS {
        let config = match n % 3 {
            0 => with_route(false),
            1 => base(true),
            _ => with_route(true).http("allow_compression = true"),
        };
        fs::write(p8.config(), config.toml()).expect("the file");
        assert_eq!(post(&p8, "/admin/reload").0, 200);
    }
    publisher.join().expect("every item is accepted");
    let all: String = (0..ITEMS).map(|n| format!("{n}\n")).collect();
    for stream in &mut streams {
        stream.expect(&all);
    }
    for socket in &mut sockets {
        (0..ITEMS).for_each(|n| socket.expect_text(&n.to_string()));
    }
    assert_eq!(reloads(&p8), (RELOADS as u64, 0));
    let snapshot = Snapshot::take(p8.control);
    assert_eq!(snapshot.total("sessions_current"), 40);
    publish(p8.control, &[ws_item("a", "last"), close_item("a")]);
    sockets.iter_mut().for_each(|s| s.expect_text("last"));
    for stream in &mut streams {
        assert_eq!(stream.read_to_end(), Ok(Vec::new()));
    }
}

/// Holds streams whose end it wants to hear of.
fn told_of_ends() -> Backend {
    Backend::answering(|request| match request.target.as_str() {
        "/" => hold("stream", "a", "held\n").gone("/gone"),
        _ => Answer::new(204),
    })
}

/// A stream that is held; its backend is to be told of its end.
fn held(p8: &Program) -> Client {
    let mut stream = Client::connect(p8.clients);
    stream.request("GET", "/", &[], b"");
    assert_eq!(stream.final_head().status, 200);
    stream.expect("held\n");
    stream
}

/// Ends the stream, and waits until that backend has heard of it.
fn expect_told(p8: &Program, mut stream: Client, backend: &Backend) {
    publish(p8.control, &[close_item("a")]);
    assert_eq!(stream.read_to_end(), Ok(Vec::new()));
    wait_until(DEADLINE, "the backend to be told", || {
        backend
            .seen()
            .iter()
            .any(|request| request.target == "/gone")
    });
}

#[test]
fn a_route_that_is_gone_serves_the_links_of_its_sessions_and_no_request() {
    let backend = told_of_ends();
    let p8 = Program::start(&quiet(Config::to(backend.addr)).toml(), &[]);
    let stream = held(&p8);
    let other = quiet(Config::new()).route("host = \"other.example\"", &[Backend::nowhere()]);
    fs::write(p8.config(), other.toml()).expect("the file");
    assert_eq!(post(&p8, "/admin/reload").0, 200);
    let refused = Client::connect(p8.clients).get("/");
    assert_eq!(refused.head.header("p8-reason"), Some("no-route"));
    expect_told(&p8, stream, &backend);
}

#[test]
fn links_look_their_route_up_again() {
    let (one, two) = (told_of_ends(), told_of_ends());
    let to = |backend: &Backend| quiet(Config::new()).route("id = \"here\"", &[backend.addr]);
    let p8 = Program::start(&to(&one).toml(), &[]);
    let stream = held(&p8);
    fs::write(p8.config(), to(&two).toml()).expect("the file");
    assert_eq!(post(&p8, "/admin/reload").0, 200);
    expect_told(&p8, stream, &two);
    assert_eq!(one.seen().len(), 1, "the hold alone");
}

#[test]
fn limits_and_the_log_change() {
    let backend = named("behind");
    let config = quiet(Config::to(backend.addr));
    let filtered = |filter: &str| format!("{}[log]\nfilter = \"{filter}\"\n", config.toml());
    let p8 = Program::start(&filtered("warn"), &[]);
    get(&p8, "/unheard");
    let larger = config.clone().control("max_body_size = 2000").toml();
    fs::write(p8.config(), larger).expect("the file");
    assert_eq!(post(&p8, "/admin/reload").0, 200);
    get(&p8, "/heard");
    let log = p8.log();
    assert!(!log.contains("/unheard"), "{log}");
    assert!(log.contains("uri=/heard"), "{log}");
    let body = format!("{{\"items\": []{}}}", " ".repeat(2_000));
    let reply = crate::support::publish::post(p8.control, body.as_bytes());
    assert_eq!(reply.status(), 400, "it is over the new bound");
    fs::write(p8.config(), filtered("error")).expect("the file");
    assert_eq!(post(&p8, "/admin/reload").0, 200);
    get(&p8, "/unheard");
    assert!(!p8.log().contains("/unheard"));
}

#[test]
fn check_says_what_is_wrong_and_starts_nothing() {
    let folder = TempDir::new("check");
    let check = |text: &str| {
        let file = folder.file("p-8.toml", text);
        let out = Command::new(P8_BINARY).arg("check").arg(file).output();
        let out = out.expect("P-8 runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (out.status.code(), text(&out.stdout), text(&out.stderr))
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let good = Config::to(Backend::nowhere()).control(&format!(
        "listen = \"{}\"",
        taken.local_addr().expect("its address")
    ));
    let good = good.handler("message_hwm = 5").toml();
    let good = good.replacen("listen = \"127.0.0.1:0\"\n", "", 1);
    let (code, out, err) = check(&good);
    assert_eq!(code, Some(0), "{err}");
    for part in [
        "p-8.toml: ok\n",
        "[handler] message_hwm: has no effect",
        "routes       1\n",
        "targets      1\n",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    for (text, why) in [
        ("[http]\nlisten = \"nowhere\"", "p-8.toml:2: [http] listen"),
        (
            "[proxy]\nsig_key = \"file:none\"",
            "p-8.toml:2: [proxy] sig_key",
        ),
        ("[http", "p-8.toml:1: not TOML"),
    ] {
        let (code, out, err) = check(text);
        assert_eq!((code, out.as_str()), (Some(64), ""), "{text}");
        assert!(err.contains(why), "{err}");
    }
}
