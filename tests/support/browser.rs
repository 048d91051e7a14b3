//! A real browser: headless Chromium.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

use super::programs::{find_program, Running, TempDir};
use super::{backend::Request, Answer};

/// How long a page may take to report.
const REPORT_MAX: Duration = Duration::from_secs(120);

/// What every test starts it with: no window, nothing of its own on the network.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
];

/// A browser with a profile of its own, which is ended when the test is done with it.
pub struct Browser {
    _running: Running,
    _profile: TempDir,
}

/// Finds Chromium; without it a test is skipped.
#[track_caller]
pub fn find_chromium() -> Option<PathBuf> {
    find_program(&["chromium", "chromium-browser", "google-chrome"])
}

/// Opens a page, with more flags.
#[track_caller]
pub fn open_page(chromium: &Path, url: &str, flags: &[&str]) -> Browser {
    let profile = TempDir::new("chromium");
    let mut command = Command::new(chromium);
    command.args(FLAGS).args(flags);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(url);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Browser {
        _running: Running(command.spawn().expect("Chromium starts")),
        _profile: profile,
    }
}

/// What a page reports of itself.
pub struct Reports(Receiver<Value>);

impl Reports {
    /// The next report.
    #[track_caller]
    pub fn next(&self) -> Value {
        self.0.recv_timeout(REPORT_MAX).expect("the page reports")
    }
}

/// What a page begins with: `until` waits for something, looking so many times 25 ms apart; `watched`
/// begins to look how long the page does not turn, and returns what ends that with the longest, in ms.
const HEAD: &str = "<!doctype html><title>driver</title><body><script>
let tries = 400;
const until = async (what, test) => {
  for (let n = 0; n < tries; n += 1) {
    const value = test();
    if (value) return value;
    await new Promise((next) => setTimeout(next, 25));
  }
  throw new Error('waited for ' + what);
};
const watched = () => {
  let [gap, last, isOver] = [0, performance.now(), false];
  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    const now = performance.now();
    gap = Math.max(gap, now - last);
    last = now;
    if (!isOver) channel.port2.postMessage(0);
  };
  channel.port2.postMessage(0);
  return () => {
    isOver = true;
    return gap;
  };
};";

/// What it ends with: the report, which has what `run` has `seen`, or an `error`.
const TAIL: &str =
    "run().then((seen) => ({ seen }), (error) => ({ error: String(error) })).then((report) =>
  fetch('/report', { method: 'POST', body: JSON.stringify(report) }));
</script>";

/// A page at a path, whose script defines `run`, and posts what came of it to `/report` as JSON; no
/// answer is for other paths.
pub fn reporting(
    path: &'static str,
    script: &'static str,
) -> (impl Fn(&Request) -> Option<Answer> + Send + Sync, Reports) {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let site = move |request: &Request| {
        let target = request.target.split('?').next();
        if target == Some(path) {
            let page = format!("{HEAD}{script}{TAIL}");
            return Some(Answer::ok(page).header("Content-Type", "text/html; charset=utf-8"));
        }
        (target == Some("/report")).then(|| {
            let report = serde_json::from_slice(&request.body).expect("JSON");
            drop(tell.lock().expect("a sender").send(report));
            Answer::ok("thanks")
        })
    };
    (site, Reports(told))
}
