//! A publisher: posts one item to the control port, with nothing but the standard library.
//!
//! ```text
//! cargo run --example publish -- CHANNEL TEXT [127.0.0.1:5561]
//! ```
//!
//! The item carries the text for long-polls and, as a line, for streams.

use std::{
    env,
    io::{self, Read, Write},
    net::TcpStream,
    process::ExitCode,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (channel, text, control) = match arguments.as_slice() {
        [channel, text] => (channel, text, "127.0.0.1:5561"),
        [channel, text, control] => (channel, text, control.as_str()),
        _ => {
            let _ = writeln!(io::stderr(), "usage: publish CHANNEL TEXT [CONTROL]");
            return ExitCode::from(64);
        }
    };
    match publish(control, channel, text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "publish: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Publishes a text on a channel; an error has P-8's words for what is wrong.
pub fn publish(control: &str, channel: &str, text: &str) -> io::Result<()> {
    let (channel, line) = (json_text(channel), json_text(&format!("{text}\n")));
    let body = format!(
        r#"{{"items": [{{"channel": {channel}, "formats": {{
            "http-stream": {{"content": {line}}},
            "http-response": {{"body": {line}}}
        }}}}]}}"#
    );
    let mut socket = TcpStream::connect(control)?;
    write!(
        socket,
        "POST /publish/ HTTP/1.1\r\nHost: {control}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    let why = answer.split("\r\n\r\n").nth(1).unwrap_or("no answer");
    Err(io::Error::other(why.trim_end().to_owned()))
}

/// Writes a text as JSON.
fn json_text(text: &str) -> String {
    let mut json = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => json.extend(['\\', char]),
            char if char.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => json.push(char),
        }
    }
    json.push('"');
    json
}
