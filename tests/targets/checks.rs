//! Health pages: who fails there is not asked as long as another one is there.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::Arc;

use serde_json::json;

use super::{answers, told};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Answer, Backend, Config, P8};

/// A backend whose page `/up` has that status; all else is answered with its name.
fn with_page(name: &'static str, status: u16) -> (Arc<AtomicU16>, Backend) {
    let shown = Arc::new(AtomicU16::new(status));
    let status = shown.clone();
    let backend = Backend::answering(move |request| match request.target.as_str() {
        "/up?full" => Answer::new(status.load(Ordering::SeqCst)),
        _ => Answer::ok(name),
    });
    (shown, backend)
}

/// A route to these, each with its health page, asked once a second.
fn checked(lines: &str, targets: &[SocketAddr]) -> Config {
    let target = |addr| format!("{{ url = \"http://{addr}\", health = \"/up?full\" }}");
    let targets: Vec<_> = targets.iter().map(target).collect();
    Config::new()
        .http("workers = 1")
        .proxy("health_interval_secs = 1")
        .proxy("health_timeout_secs = 1")
        .route_to(&format!("host = \"*\"\n{lines}"), targets.join(", "))
}

fn wait_for(p8: &P8, target: SocketAddr, check: &str) {
    wait_until(DEADLINE, check, || told(p8, target)["check"] == check);
}

#[test]
fn a_target_whose_page_fails_is_not_asked_until_it_is_well_again() {
    let (status, first) = with_page("first", 503);
    let (_, second) = with_page("second", 302);
    let p8 = P8::start(&checked("", &[first.addr, second.addr]));
    wait_for(&p8, first.addr, "unhealthy");
    wait_for(&p8, second.addr, "healthy");
    assert_eq!(answers(&p8, 3), ["second"; 3]);
    assert!(p8.snapshot().total("health_check_failures_total") >= 1);
    status.store(204, Ordering::SeqCst);
    wait_for(&p8, first.addr, "healthy");
    assert_eq!(answers(&p8, 3), ["first"; 3]);
    status.store(404, Ordering::SeqCst);
    wait_for(&p8, first.addr, "unhealthy");
    assert_eq!(p8.get("/").text(), "second");
}

#[test]
fn a_page_that_is_not_answered_in_time_fails() {
    let hangs = Backend::scripted(|exchange| match exchange.request().target.as_str() {
        "/up?full" => drop(exchange.peer_left()),
        _ => exchange.answer(&Answer::ok("hangs")),
    });
    let nowhere = Backend::nowhere();
    let (_, well) = with_page("well", 200);
    let targets = [hangs.addr, nowhere, well.addr];
    let p8 = P8::start(&checked("order = \"round-robin\"", &targets));
    wait_for(&p8, hangs.addr, "unhealthy");
    wait_for(&p8, nowhere, "unhealthy");
    wait_for(&p8, well.addr, "healthy");
    assert_eq!(answers(&p8, 4), ["well"; 4]);
    assert_eq!(p8.snapshot().total("target_failovers_total"), 0);
}

#[test]
fn when_all_pages_fail_all_targets_are_tried() {
    let (_, first) = with_page("first", 500);
    let (_, second) = with_page("second", 500);
    let targets = [first.addr, second.addr];
    let p8 = P8::start(&checked("order = \"round-robin\"", &targets));
    for target in targets {
        wait_for(&p8, target, "unhealthy");
    }
    assert_eq!(answers(&p8, 4), ["first", "second", "first", "second"]);
}

#[test]
fn a_page_is_asked_by_p8_itself_for_the_targets_host() {
    let (_, backend) = with_page("name", 200);
    let target = format!(
        "{{ url = \"http://{}\", health = \"/up?full\", host = \"inner.example\" }}",
        backend.addr
    );
    let routes = ["/a", "/b"].map(|path| format!("path_beg = \"{path}\""));
    let config = Config::new().proxy("health_interval_secs = 3600");
    let config = config.route_to(&routes[0], &target);
    let p8 = P8::start(&config.route_to(&routes[1], &target));
    wait_for(&p8, backend.addr, "healthy");
    let request = backend.only_request();
    let names: Vec<_> = request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["Host", "User-Agent"], "one for both routes");
    assert_eq!(request.header("host"), Some("inner.example"));
    let agent = request.header("user-agent").expect("a name");
    assert!(agent.starts_with("P-8/"), "{agent}");
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("GET", "/up?full")
    );
}

#[test]
fn a_target_without_a_page_is_not_asked_for_one() {
    let backend = Backend::answering(|_| Answer::ok("name"));
    let p8 = P8::start(&Config::to(backend.addr));
    assert_eq!(told(&p8, backend.addr)["check"], json!(null));
    assert_eq!(p8.get("/").text(), "name");
    assert_eq!(backend.seen().len(), 1);
}
