//! A real browser: headless Chromium.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::programs::{find_program, Running, TempDir};

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
