//! The inputs that fuzzing kept: each parser still keeps its rules with every one of them.
//!
//! And with inputs that differ from them a little, as `P8_SIM_SEED` says. The rules are in `fuzz/checks`, one file a parser; the targets of `fuzz/` look for further inputs with
//! the same rules, and `fuzz/run.sh` keeps the smallest set that reaches what it reached.

use std::fs;
use std::path::{Path, PathBuf};

use arbitrary::{Arbitrary, Unstructured};

#[path = "../fuzz/checks/access.rs"]
mod access;
#[path = "../fuzz/checks/config.rs"]
mod config;
#[path = "../fuzz/checks/forwarded.rs"]
mod forwarded;
#[path = "../fuzz/checks/framing.rs"]
mod framing;
#[path = "../fuzz/checks/framing_parser.rs"]
mod framing_parser;
#[path = "../fuzz/checks/grip_url.rs"]
mod grip_url;
#[path = "../fuzz/checks/handshake.rs"]
mod handshake;
#[path = "../fuzz/header_lines.rs"]
mod header_lines;
#[path = "../fuzz/checks/header_params.rs"]
mod header_params;
#[path = "../fuzz/checks/http2_head.rs"]
mod http2_head;
#[path = "../fuzz/checks/import.rs"]
mod import;
#[path = "../fuzz/checks/instruct_headers.rs"]
mod instruct_headers;
#[path = "../fuzz/checks/instruct_json.rs"]
mod instruct_json;
#[path = "../fuzz/checks/jsonp.rs"]
mod jsonp;
#[path = "../fuzz/checks/links.rs"]
mod links;
#[path = "../fuzz/checks/pem.rs"]
mod pem;
#[path = "../fuzz/checks/proxy_header.rs"]
mod proxy_header;
#[path = "../fuzz/checks/publish.rs"]
mod publish;
#[path = "../fuzz/checks/routes_line.rs"]
mod routes_line;
#[path = "../fuzz/checks/sockjs.rs"]
mod sockjs;
#[path = "../fuzz/checks/templates.rs"]
mod templates;
#[path = "../fuzz/checks/ws_control.rs"]
mod ws_control;
#[path = "../fuzz/checks/ws_events.rs"]
mod ws_events;
#[path = "../fuzz/checks/ws_frames.rs"]
mod ws_frames;
#[path = "../fuzz/checks/zmq.rs"]
mod zmq;
#[path = "../fuzz/checks/zmq_commands.rs"]
mod zmq_commands;

/// What is kept for a parser, with its name.
fn kept(parser: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(parser);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let read = |file: PathBuf| {
        let bytes = fs::read(&file).expect("a kept input");
        (file, bytes)
    };
    files.into_iter().map(read).collect()
}

/// Variants of each kept input that are tried too.
const VARIANTS: usize = 30;

/// An input in which some bytes are others, are gone, or are there twice.
fn varied(bytes: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut varied = bytes.to_vec();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=varied.len());
        let end = random.usize(at..=varied.len().min(at + 8));
        match random.u8(..4) {
            0 => drop(varied.drain(at..end)),
            1 => varied.extend_from_within(at..end),
            2 => varied.insert(at, random.u8(..)),
            _ => varied[at..end].fill_with(|| random.u8(..)),
        }
    }
    varied
}

/// Shows the input under which the rules broke.
struct Shown<'a>(&'a Path, &'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Shown(file, bytes) = self;
            println!("{}, as {}", file.display(), bytes.escape_ascii());
        }
    }
}

fn random() -> fastrand::Rng {
    let seed = std::env::var("P8_SIM_SEED").ok();
    fastrand::Rng::with_seed(seed.and_then(|seed| seed.parse().ok()).unwrap_or(1))
}

macro_rules! parsers {
    ($($parser:ident),*) => {
        const PARSERS: &[&str] = &[$(stringify!($parser)),*];

        $(
            #[test]
            fn $parser() {
                let kept = kept(stringify!($parser));
                assert!(!kept.is_empty(), "nothing is kept");
                let mut random = random();
                for (file, bytes) in &kept {
                    let variants = (0..VARIANTS).map(|_| varied(bytes, &mut random));
                    for bytes in std::iter::once(bytes.clone()).chain(variants) {
                        let _shown = Shown(file, &bytes);
                        let input = Arbitrary::arbitrary_take_rest(Unstructured::new(&bytes));
                        let _ = input.map(self::$parser::check);
                    }
                }
            }
        )*
    };
}

parsers!(
    access,
    config,
    forwarded,
    framing,
    framing_parser,
    grip_url,
    handshake,
    header_params,
    http2_head,
    import,
    instruct_headers,
    instruct_json,
    jsonp,
    links,
    pem,
    proxy_header,
    publish,
    routes_line,
    sockjs,
    templates,
    ws_control,
    ws_events,
    ws_frames,
    zmq,
    zmq_commands
);

#[test]
fn every_parser_that_is_fuzzed_has_its_kept_inputs_tried_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/checks");
    let entries = fs::read_dir(folder).expect("the rules");
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    found.sort();
    assert_eq!(found, PARSERS);
}
