//! Who may use the control port, and which pages a browser may use it from.
//!
//! Source: `docs/control-api.md`, who may.

use std::fs;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use p8::grip::sig::{sign, SigKey};
use serde_json::{json, Value};

use crate::support::browser::{find_chromium, open_page, reporting};
use crate::support::client::Reply;
use crate::support::grip::hold;
use crate::support::programs::{Program, TempDir, P8_BINARY};
use crate::support::publish::stream_item;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

const ALL: &str = r#"auth = [{ bearer = "old" }, { bearer = "new" }, { user = "ops", password = "pass" },
    { iss = "realm", key = "secret" }]"#;

/// One request to the control port with these headers.
#[track_caller]
fn ask(
    control: std::net::SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let mut client = Client::connect(control);
    client.request(method, target, headers, body.as_bytes());
    client.reply()
}

fn items(text: &str) -> String {
    json!({"items": [stream_item("a", text)]}).to_string()
}

fn token(key: &str, iss: &str, secs_left: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("a clock").as_secs();
    let key = SigKey::from_text(key).expect("a key");
    sign(&key, iss, now.saturating_add_signed(secs_left)).expect("a token")
}

/// How often something was refused, told to who proves who they are.
#[track_caller]
fn refused(control: std::net::SocketAddr, reason: &str) -> u64 {
    let headers = [("Authorization", "Bearer new")];
    let reply = ask(control, "GET", "/admin/api/snapshot", &headers, "");
    let snapshot: Value = serde_json::from_slice(&reply.body).expect("JSON");
    snapshot["refused"][reason].as_u64().expect("a counter")
}

fn streaming() -> Backend {
    Backend::answering(|_| hold("stream", "a", ""))
}

#[test]
fn each_of_several_credentials_publishes_and_operates() {
    let backend = streaming();
    let p8 = P8::start(&Config::to(backend.addr).control(ALL));
    let mut stream = p8.stream("/");
    for (number, authorization) in [
        "Bearer old".to_owned(),
        "Bearer new".to_owned(),
        "Basic b3BzOnBhc3M=".to_owned(),
        format!("Bearer {}", token("secret", "realm", 60)),
    ]
    .iter()
    .enumerate()
    {
        let headers = [("Authorization", authorization.as_str())];
        let text = format!("item {number}.");
        let reply = ask(p8.control, "POST", "/publish/", &headers, &items(&text));
        assert_eq!(reply.text(), "Published\n", "{authorization}");
        stream.expect(text);
        let reply = ask(p8.control, "GET", "/admin/", &headers, "");
        assert_eq!(reply.status(), 200, "{authorization}");
    }
    assert_eq!(refused(p8.control, "unauthorized"), 0);
}

#[test]
fn nothing_on_the_control_port_answers_who_proves_nothing() {
    let backend = streaming();
    let p8 = P8::start(&Config::to(backend.addr).control(ALL));
    let mut stream = p8.stream("/");
    let wrong = [
        format!("Bearer {}", token("secret", "realm", -1)),
        format!("Bearer {}", token("secret", "other", 60)),
        format!("Bearer {}", token("other", "realm", 60)),
        "Bearer ol".to_owned(),
        "Basic b3BzOm90aGVy".to_owned(),
        "nonsense".to_owned(),
    ];
    let mut count = 0;
    for (method, target) in [
        ("POST", "/publish/"),
        ("POST", "/publish/?receipt=1"),
        ("POST", "/recover/"),
        ("GET", "/"),
        ("GET", "/admin/"),
        ("GET", "/admin/api/snapshot"),
        ("POST", "/admin/reload"),
        ("GET", "/nothing/here"),
        ("GET", "/live/../admin/"),
    ] {
        let reply = ask(p8.control, method, target, &[], &items("forged"));
        assert_eq!(reply.status(), 401, "{target}");
        assert_eq!(reply.head.header("p8-reason"), Some("no-credentials"));
        assert_eq!(reply.text(), "expected credentials in Authorization\n");
        let challenges = reply.head.all("www-authenticate");
        let expected = [
            "Bearer realm=\"P-8\"",
            "Basic realm=\"P-8\", charset=\"UTF-8\"",
        ];
        assert_eq!(challenges, expected, "{target}");
        for authorization in &wrong {
            let headers = [("Authorization", authorization.as_str())];
            let reply = ask(p8.control, method, target, &headers, &items("forged"));
            assert_eq!(reply.status(), 401, "{target} {authorization}");
            assert_eq!(reply.head.header("p8-reason"), Some("bad-credentials"));
        }
        count += 1 + wrong.len() as u64;
    }
    assert_eq!(refused(p8.control, "unauthorized"), count);
    let headers = [("Authorization", "Bearer old")];
    ask(p8.control, "POST", "/publish/", &headers, &items("true"));
    stream.expect("true");
}

#[test]
fn whoever_starts_p8_needs_no_credentials_to_know_whether_it_is_ready() {
    let backend = streaming();
    let p8 = P8::start(&Config::to(backend.addr).control("auth = [{ bearer = \"secret\" }]"));
    for page in ["/live", "/ready"] {
        assert_eq!(Client::connect(p8.control).get(page).status(), 200);
    }
    assert_eq!(Client::connect(p8.control).get("/metrics").status(), 401);
}

#[test]
fn pages_of_other_sites_are_refused_whoever_looks_at_them() {
    let p8 = P8::start(&Config::to(Backend::nowhere()).control(ALL));
    let own = p8.control.to_string();
    let foreign = [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ];
    for foreign in foreign {
        for (method, target) in [
            ("POST", "/publish/"),
            ("POST", "/admin/reload"),
            ("GET", "/admin/"),
            ("OPTIONS", "/publish/"),
        ] {
            let headers = [("Host", &*own), ("Authorization", "Bearer new"), foreign];
            let reply = ask(p8.control, method, target, &headers, "");
            assert_eq!(reply.status(), 403, "{foreign:?} {target}");
            assert_eq!(reply.head.header("p8-reason"), Some("cross-site"));
            assert!(reply.text().starts_with("pages of other sites"));
        }
    }
    assert_eq!(refused(p8.control, "cross-site"), 16);
}

#[test]
fn names_that_may_lead_anywhere_are_refused_unless_they_are_configured() {
    let base = || Config::to(Backend::nowhere());
    let p8 = P8::start(&base().control("hosts = \"push.internal\""));
    for (host, status) in [
        ("push.internal:5561", 200),
        ("localhost", 200),
        ("127.0.0.1:5561", 200),
        ("rebound.example:5561", 403),
    ] {
        let reply = ask(p8.control, "GET", "/admin/", &[("Host", host)], "");
        assert_eq!(reply.status(), status, "{host}");
    }
    assert_eq!(p8.snapshot().refused("cross-site"), 1);
}

#[track_caller]
fn check(text: &str) -> Output {
    let folder = TempDir::new("control-access");
    let file = folder.file("p-8.toml", text);
    let mut command = Command::new(P8_BINARY);
    command.arg("check").arg(file);
    command.output().expect("it runs")
}

#[test]
fn an_address_that_others_reach_needs_credentials() {
    let open = "[control]\nlisten = \"0.0.0.0:5561\"\n";
    let output = check(open);
    assert_eq!(output.status.code(), Some(64));
    let told = String::from_utf8_lossy(&output.stderr);
    for word in [
        "p-8.toml:2: [control] listen",
        "0.0.0.0:5561",
        "[control] auth",
    ] {
        assert!(told.contains(word), "{word} in {told}");
    }
    for auth in [
        "[]",
        "[{ bearer = \"\" }]",
        "[{ bearer = \"env:P8_TEST_NOT_SET\" }]",
    ] {
        let output = check(&format!("{open}auth = {auth}\n"));
        assert_eq!(output.status.code(), Some(64), "{auth}");
    }
    let output = check(&format!("{open}auth = [{{ bearer = \"token\" }}]\n"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn secrets_come_from_files_and_the_environment_and_are_rotated_by_a_reload() {
    let secrets = TempDir::new("secrets");
    let file = secrets.file("token", "from a-file\n".replace(' ', "-"));
    let of_file = format!("{{ bearer = \"file:{}\" }}", file.display());
    let text = |auth: &str| {
        let config = Config::to(Backend::nowhere()).control("reload_on_change = false");
        config.control(&format!("auth = [{auth}]")).toml()
    };
    let both = format!("{of_file}, {{ bearer = \"env:DOOR_TOKEN\" }}");
    let p8 = Program::start(&text(&both), &[("DOOR_TOKEN", "from-the-environment")]);
    let status = |secret: &str| {
        let authorization = format!("Bearer {secret}");
        let headers = [("Authorization", authorization.as_str())];
        ask(p8.control, "GET", "/", &headers, "").status()
    };
    assert_eq!(status("from-a-file"), 200);
    assert_eq!(status("from-the-environment"), 200);
    fs::write(p8.config(), text("{ bearer = \"rotated\" }")).expect("the file");
    p8.signal("HUP");
    wait_until(DEADLINE, "the reload", || status("rotated") == 200);
    assert_eq!(status("from-a-file"), 401);
    assert_eq!(status("from-the-environment"), 401);
    fs::write(p8.config(), text("{ bearer = \"\" }")).expect("the file");
    let headers = [("Authorization", "Bearer rotated")];
    let reply = ask(p8.control, "POST", "/admin/reload", &headers, "");
    assert_eq!(reply.status(), 422, "{}", reply.text());
    assert_eq!(status("rotated"), 200);
    let log = p8.log();
    for secret in ["rotated", "from-a-file", "from-the-environment"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn a_reload_cannot_take_the_credentials_off_a_listener_that_others_reach() {
    let text = |control: &str| {
        let config = Config::to(Backend::nowhere()).control("reload_on_change = false");
        config.control_instead(control).toml()
    };
    let open = "listen = \"0.0.0.0:0\"\nauth = [{ bearer = \"token\" }]";
    let p8 = Program::start(&text(open), &[]);
    let control = ([127, 0, 0, 1], p8.control.port()).into();
    let status = |authorization: &str| {
        let headers = [("Authorization", authorization)];
        ask(control, "GET", "/", &headers, "").status()
    };
    assert_eq!((status("Bearer token"), status("Bearer x")), (200, 401));
    // By itself each of these would be a good configuration; the listener stays where it is.
    for lines in [
        "listen = \"127.0.0.1:0\"",
        "listen = \"[::1]:0\"\nauth = []",
    ] {
        fs::write(p8.config(), text(lines)).expect("the file");
        let headers = [("Authorization", "Bearer token")];
        let reply = ask(control, "POST", "/admin/reload", &headers, "");
        assert_eq!(reply.status(), 422, "{lines}: {}", reply.text());
        let why: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(why["code"], "config-open-control", "{why}");
        assert_eq!((status("Bearer token"), status("Bearer x")), (200, 401));
    }
}

#[test]
fn a_grip_url_with_issuer_and_key_publishes() {
    let backend = streaming();
    let p8 = P8::start(&Config::to(backend.addr).control(ALL));
    let mut stream = p8.stream("/");
    let run = |key: &str| {
        let url = format!("http://{}?iss=realm&key={key}", p8.control);
        let mut command = Command::new(P8_BINARY);
        command.args(["publish", "a", "hello"]).env("GRIP_URL", url);
        command.output().expect("it runs")
    };
    let refusal = run("wrong");
    assert_ne!(refusal.status.code(), Some(0));
    let told = String::from_utf8_lossy(&refusal.stderr);
    assert!(told.contains("401"), "{told}");
    assert_eq!(run("secret").status.code(), Some(0));
    stream.expect("hello");
}

/// A page that tries what a page can: requests, a form, a picture.
const DRIVER: &str = r#"
const control = 'http://' + new URLSearchParams(location.search).get('control');
const forged = JSON.stringify({items: [{channel: 'a', formats: {'http-stream': {content: 'forged'}}}]});
const ask = (path, options) =>
  fetch(control + path, { mode: 'no-cors', credentials: 'include', ...options }).then((r) => r.type, String);
const form = () => new Promise((next) => {
  const frame = document.createElement('iframe');
  frame.name = 'frame';
  document.body.append(frame);
  const form = document.createElement('form');
  Object.assign(form, { method: 'post', enctype: 'text/plain', target: 'frame', action: control + '/publish/' });
  const input = document.createElement('input');
  input.name = forged.slice(0, -1) + ',"rest":"';
  input.value = '"}';
  form.append(input);
  document.body.append(form);
  frame.onload = next;
  form.submit();
});
const picture = () => new Promise((next) => {
  const picture = new Image();
  picture.onload = picture.onerror = next;
  picture.src = control + '/admin/api/snapshot';
});
const run = async () => {
  const seen = [
    await ask('/publish/', { method: 'POST', body: forged }),
    await ask('/admin/reload', { method: 'POST' }),
  ];
  await form();
  await picture();
  return seen;
};
"#;

#[test]
fn a_page_of_another_site_cannot_publish_or_operate_from_a_real_browser() {
    let Some(chromium) = find_chromium() else {
        return;
    };
    let (site, reports) = reporting("/driver", DRIVER);
    let backend = Backend::answering(move |request| match request.target.as_str() {
        "/stream" => hold("stream", "a", ""),
        _ => site(request).unwrap_or(Answer::new(404)),
    });
    let p8 = P8::start(&Config::to(backend.addr));
    let mut stream = p8.stream("/stream");
    let port = p8.clients.port();
    // Another port of an address is the same site, a name another one.
    for (host, refusals) in [("127.0.0.1", 4), ("localhost", 8)] {
        let url = format!("http://{host}:{port}/driver?control={}", p8.control);
        let _browser = open_page(&chromium, &url, &[]);
        let report = reports.next();
        assert_eq!(report, json!({"seen": ["opaque", "opaque"]}), "{host}");
        let snapshot = p8.snapshot();
        assert_eq!(snapshot.refused("cross-site"), refusals, "{host}");
        assert_eq!(snapshot.total("items_published_total"), 0, "{host}");
        assert_eq!(snapshot.total("reload_failures_total"), 0, "{host}");
    }
    p8.publish(&[stream_item("a", "true")]);
    stream.expect("true");
}
