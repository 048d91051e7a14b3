//! Guards the house style: floors, sizes, names, reasons; `docs.rs`: docs that tell the truth.
//!
//! It reads the sources as text, with comments and strings blanked out; it does not compile them,
//! so it knows nothing of macros. What clippy and rustc can check is left to the lint table in
//! `Cargo.toml`.
//!
//! Source: CONTRIBUTING.md.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a guard that cannot read its subject must fail"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

mod docs;
mod text;

use text::{blank, functions, idents, production, words};

/// Longest file, counted up to its tests.
const FILE_LINES: usize = 400;
/// Longest function body, blank and comment lines not counted.
const BODY_LINES: usize = 60;
/// Functions that may be longer, as `path::name`. Empty, and meant to stay so.
const LONG_BODIES: &[&str] = &[];
/// Files that may be longer: pure tables only.
const LONG_FILES: &[&str] = &[];

/// What each floor may use of the crate. A folder or file of `src/` that is not here has no floor.
const FLOORS: &[(&str, &[&str])] = &[
    ("grip", &["grip"]),
    ("engine", &["grip", "engine"]),
    ("stats", &["stats"]),
    ("actors", &["grip", "engine", "stats", "actors"]),
    ("http", &["grip", "engine", "stats", "actors", "http"]),
    ("ingest", &["grip", "engine", "stats", "actors", "ingest"]),
    ("config", &["grip", "engine", "config"]),
    (
        "server",
        &[
            "grip", "engine", "stats", "actors", "http", "ingest", "config", "server",
        ],
    ),
    // The commands of the program, which uses the library as `p8`.
    ("publish_command", &["grip"]),
    ("check_command", &["config", "server"]),
    ("describe_command", &[]),
    ("import_command", &["config"]),
    ("serve_command", &["config", "server"]),
];
/// The floors that know no clock, no socket and no runtime.
const PURE: &[&str] = &["grip", "engine", "stats"];
const IMPURE_CRATES: &[&str] = &[
    "actix",
    "actix_http",
    "actix_rt",
    "actix_server",
    "actix_service",
    "actix_web",
    "awc",
    "hyper",
    "socket2",
    "tokio",
];
const IMPURE_WORDS: &[&str] = &[
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixListener",
    "UnixStream",
    "thread_local",
];
const IMPURE_PATHS: &[&str] = &[
    "Instant::now",
    "std::thread",
    "std::fs",
    "std::env",
    "std::process",
];

/// Words that say nothing, as a whole word of a name.
const EMPTY_WORDS: &[&str] = &[
    "manager", "util", "utils", "helper", "helpers", "common", "misc", "core", "base", "data",
    "info", "process",
];
const EMPTY_PREFIXES: &[&str] = &["do_", "handle_", "get_"];

struct Source {
    /// Path from the project's root, with `/`.
    path: String,
    text: String,
    /// The same, with comments and the content of strings blanked out.
    code: String,
}

impl Source {
    fn floor(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        inside
            .split('/')
            .next()?
            .strip_suffix(".rs")
            .or(inside.split('/').next())
    }

    /// How many `super::` lead to the crate's root.
    fn depth(&self) -> usize {
        let slashes = self.path.matches('/').count();
        slashes - usize::from(self.path.ends_with("/mod.rs"))
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.path.starts_with("tests/")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Files below a folder whose name ends so, build folders left out.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && name != "node_modules" && !name.starts_with('.')
            {
                open.push(path);
            } else if name.ends_with(ending) {
                found.push(
                    path.strip_prefix(root())
                        .unwrap()
                        .to_string_lossy()
                        .replace('\\', "/"),
                );
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "examples", "benches", "fuzz"] {
        paths.extend(files(folder, ".rs"));
    }
    paths
        .into_iter()
        .map(|path| {
            let text = read(&path);
            let code = blank(&text);
            Source { path, text, code }
        })
        .collect()
}

/// Fails with every line at once.
fn report(rule: &str, faults: &[String]) {
    let mut out = String::new();
    for fault in faults {
        let _ = writeln!(out, "  {fault}");
    }
    assert!(faults.is_empty(), "{rule}:\n{out}");
}

#[test]
fn every_file_opens_with_what_it_is() {
    let faults: Vec<String> = sources()
        .iter()
        .filter(|s| !s.text.starts_with("//! "))
        .map(|s| s.path.clone())
        .collect();
    report("a file opens with `//!` and what it is", &faults);
}

#[test]
fn no_file_is_too_long() {
    let faults: Vec<String> = sources()
        .iter()
        .filter(|s| {
            s.path.starts_with("src/") && !s.is_test() && !LONG_FILES.contains(&s.path.as_str())
        })
        .map(|s| (production(&s.code).lines().count(), &s.path))
        .filter(|(n, _)| *n > FILE_LINES)
        .map(|(n, path)| format!("{path}: {n} lines before its tests"))
        .collect();
    report("a file has at most 400 lines before its tests", &faults);
}

#[test]
fn no_function_is_too_long() {
    let mut faults = Vec::new();
    for s in sources().iter().filter(|s| !s.is_test()) {
        for f in functions(production(&s.code)) {
            let name = format!("{}::{}", s.path, f.name);
            if f.body_lines > BODY_LINES && !LONG_BODIES.contains(&name.as_str()) {
                faults.push(format!("{name}: {} lines", f.body_lines));
            }
        }
    }
    report("a function body has at most 60 lines", &faults);
}

#[test]
fn nothing_looks_upward() {
    let mut faults = Vec::new();
    for s in sources() {
        let Some(floor) = s.floor() else { continue };
        if floor == "lib" || floor == "main" {
            continue;
        }
        let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == floor) else {
            faults.push(format!(
                "{}: `{floor}` has no floor, see FLOORS in tests/house.rs",
                s.path
            ));
            continue;
        };
        for (line, used) in text::crate_uses(&s.code, s.depth()) {
            let is_floor = FLOORS.iter().any(|(name, _)| *name == used);
            let is_reexport = used.starts_with(|c: char| c.is_ascii_uppercase());
            let may_reexport = ["server", "serve_command"].contains(&floor);
            if (is_floor && !allowed.contains(&used.as_str())) || (is_reexport && !may_reexport) {
                faults.push(format!("{}:{line}: {floor} uses {used}", s.path));
            }
        }
    }
    report("a floor uses only itself and what is below", &faults);
}

#[test]
fn pure_floors_know_no_clock_socket_or_runtime() {
    let mut faults = Vec::new();
    for s in sources() {
        if s.is_test() || !s.floor().is_some_and(|f| PURE.contains(&f)) {
            continue;
        }
        for (number, line) in production(&s.code).lines().enumerate() {
            let names: BTreeSet<&str> = idents(line).collect();
            let dense: String = line.split_whitespace().collect();
            let named = IMPURE_CRATES
                .iter()
                .chain(IMPURE_WORDS)
                .find(|word| names.contains(**word));
            let pathed = IMPURE_PATHS.iter().find(|path| dense.contains(**path));
            if let Some(found) = named.or(pathed) {
                faults.push(format!("{}:{}: {found}", s.path, number + 1));
            }
        }
    }
    report(
        "grip, engine and stats take time as an argument and do no I/O",
        &faults,
    );
}

#[test]
fn names_say_something() {
    let mut faults = Vec::new();
    for s in sources() {
        for part in s.path.trim_end_matches(".rs").split('/').flat_map(words) {
            if EMPTY_WORDS.contains(&part.as_str()) {
                faults.push(format!("{}: `{part}` in the file's name", s.path));
            }
        }
        if s.is_test() || !s.path.starts_with("src/") {
            continue;
        }
        for (line, name) in text::declared(production(&s.code)) {
            let empty = words(&name)
                .into_iter()
                .find(|w| EMPTY_WORDS.contains(&w.as_str()));
            let prefix = EMPTY_PREFIXES
                .iter()
                .find(|p| name.starts_with(**p))
                .map(|p| (*p).to_owned());
            if let Some(found) = empty.or(prefix) {
                faults.push(format!("{}:{line}: `{found}` in `{name}`", s.path));
            }
        }
    }
    report("names use the words of docs/lexicon.md", &faults);
}

#[test]
fn every_exception_has_a_reason() {
    let mut faults = Vec::new();
    for s in sources() {
        for (line, attribute) in text::attributes(&s.code) {
            let inner = attribute.trim_start_matches("cfg_attr");
            let excepts = idents(inner).any(|w| w == "allow" || w == "expect");
            if excepts && !idents(inner).any(|w| w == "reason") {
                faults.push(format!("{}:{line}: #[{attribute}]", s.path));
            }
            if attribute == "ignore" {
                faults.push(format!("{}:{line}: #[ignore] without a reason", s.path));
            }
        }
        for (number, line) in s.text.lines().enumerate() {
            let mark = ["TO", "DO"].concat();
            if line.contains(&format!("// {mark}")) && !line.contains(&format!("{mark}(#")) {
                faults.push(format!(
                    "{}:{}: {mark} without an issue number",
                    s.path,
                    number + 1
                ));
            }
        }
    }
    report("an exception carries its reason", &faults);
}

#[test]
fn panics_unwind() {
    for path in files("", "Cargo.toml") {
        let text = read(&path);
        let aborts = text
            .lines()
            .map(|l| l.split('#').next().unwrap_or(""))
            .any(|l| {
                let dense: String = l.split_whitespace().collect();
                dense.contains("panic=\"abort\"")
            });
        assert!(
            !aborts,
            "{path}: a panic must unwind, so that supervise() can restart the actor"
        );
    }
}
