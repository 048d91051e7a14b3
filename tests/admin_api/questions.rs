//! The questions of 3 a.m.: each command of `docs/operations.md` is run as it stands there.

use std::process::Command;

use serde_json::Value;

use super::{ended, streaming};
use crate::support::programs::Program;
use crate::support::publish::stream_item;
use crate::support::{Client, Config, P8};

const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// Finds the commands below a question.
#[track_caller]
fn commands(question: &str) -> Vec<String> {
    let (_, below) = OPERATIONS
        .split_once(&format!("### {question}"))
        .unwrap_or_else(|| panic!("{question} is not asked"));
    let below = below.split("\n### ").next().expect("a section");
    let below = below.split("\n## ").next().expect("a section");
    let mut blocks = below.split("```");
    blocks.next();
    let lines = blocks.step_by(2).flat_map(|block| block.lines().skip(1));
    let found: Vec<_> = lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    assert!(!found.is_empty(), "{question} has no command");
    found
}

/// Runs a command of the page against this P-8, and gives what it printed.
#[track_caller]
fn run(p8: &P8, command: &str) -> String {
    let command = command.replace("127.0.0.1:5561", &p8.control.to_string());
    let output = Command::new("sh").args(["-c", &command]).output();
    let output = output.expect("a shell");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {told}");
    String::from_utf8(output.stdout).expect("text")
}

#[track_caller]
fn run_json(p8: &P8, command: &str) -> Value {
    let told = run(p8, command);
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{command}: {error}: {told}"))
}

#[test]
fn who_is_connected_is_answered() {
    let (_backend, p8) = streaming();
    let _streams = [p8.stream("/news"), p8.stream("/other")];
    let expected = [2, 1, 2];
    let commands = commands("Who is connected?");
    assert_eq!(commands.len(), expected.len());
    for (command, expected) in commands.iter().zip(expected) {
        assert_eq!(run_json(&p8, command)["matched"], expected, "{command}");
    }
}

#[test]
fn why_a_client_did_not_get_an_item_is_answered() {
    let (_backend, p8) = streaming();
    let _stream = p8.stream("/news");
    let commands = commands("Why did this client not get it?");
    assert_eq!(run_json(&p8, &commands[0])["rows"][0]["subscribers"], 1);
    assert_eq!(run_json(&p8, &commands[1])["receipts"][0]["queued"], 1);
}

#[test]
fn what_is_dropping_is_answered() {
    let (_backend, p8) = streaming();
    let _stream = p8.stream("/news");
    p8.publish(&[stream_item("news", "x")]);
    let commands = commands("What is dropping?");
    let snapshot = run_json(&p8, &commands[0]);
    assert_eq!(snapshot["dropped"]["slow-client"], 0);
    assert_eq!(run_json(&p8, &commands[1])["rows"][0]["dropped"], 0);
    assert!(run_json(&p8, &commands[2])["rows"][0]["queued_bytes"].is_u64());
}

#[test]
fn a_client_is_put_out_as_is_answered() {
    let (_backend, p8) = streaming();
    let mut stream = p8.stream("/news");
    let commands = commands("How do I put clients out?");
    assert_eq!(run_json(&p8, &commands[0])["disconnected"], 1);
    ended(&mut stream);
}

#[test]
fn how_to_drain_is_answered() {
    let config = Config::new().route_to("host = \"*\"", "{ test = true }");
    let mut p8 = Program::start(&config.toml(), &[]);
    let mut stream = Client::connect(p8.clients);
    stream.request("GET", "/stream?channel=a", &[], b"");
    assert_eq!(stream.final_head().status, 200);
    for command in commands("How do I drain?") {
        let command = command.replace("127.0.0.1:5561", &p8.control.to_string());
        let told = Command::new("sh").args(["-c", &command]).output();
        assert!(told.expect("a shell").status.success(), "{command}");
    }
    assert_eq!(p8.exit_code(), Some(0));
    stream.expect("[stream opened]\n");
    assert_eq!(stream.read_to_end().expect("a clean end"), b"");
    assert!(p8.log().contains("p8::audit"), "{}", p8.log());
}

#[test]
fn every_question_of_the_page_has_a_test_here() {
    let (_, section) = OPERATIONS
        .split_once("## At three in the morning")
        .expect("the section");
    let section = section.split("\n## ").next().expect("a section");
    let questions = section.lines().filter_map(|line| line.strip_prefix("### "));
    let mut asked = 0;
    for question in questions {
        let test = format!("commands(\"{question}\")");
        assert!(include_str!("questions.rs").contains(&test), "{question}");
        asked += 1;
    }
    assert!(asked >= 5, "{asked}");
}
