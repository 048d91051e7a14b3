//! A backend of a number that clients follow by long-polling: whoever knows the latest waits for the next.
//!
//! ```text
//! cargo run --example backend_long_poll            # the backend, on port 8000
//! cargo run -- p-8.toml                            # P-8, with a route to http://127.0.0.1:8000
//! curl http://127.0.0.1:7999/number                # 0, at once
//! curl http://127.0.0.1:7999/number?known=0        # waits
//! curl -X POST http://127.0.0.1:7999/number        # makes it 1, which answers the one that waits
//! ```

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
};

fn main() -> io::Result<()> {
    serve(&TcpListener::bind("127.0.0.1:8000")?, "127.0.0.1:5561")
}

/// Answers one request after the other; `control` is where P-8 takes items.
pub fn serve(listener: &TcpListener, control: &str) -> io::Result<()> {
    let mut number = 0_u64;
    loop {
        let (socket, _) = listener.accept()?;
        if let Err(error) = answer(socket, &mut number, control) {
            let _ = writeln!(io::stderr(), "a request failed: {error}");
        }
    }
}

fn answer(mut socket: TcpStream, number: &mut u64, control: &str) -> io::Result<()> {
    let mut lines = BufReader::new(&socket).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut instructions = "";
    if request.starts_with("POST ") {
        *number += 1;
        tell(control, *number)?;
    } else if request.contains(&format!("?known={number} ")) {
        // Nothing new: P-8 holds the request, and sends this answer after 20 seconds.
        instructions = "Grip-Hold: response\r\nGrip-Channel: number\r\nGrip-Timeout: 20\r\n";
    }
    let body = format!("{number}\n");
    write!(
        socket,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n\
         {instructions}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Publishes the number to whoever waits for it.
fn tell(control: &str, number: u64) -> io::Result<()> {
    let formats = format!(r#"{{"http-response": {{"body": "{number}\n"}}}}"#);
    let body = format!(r#"{{"items": [{{"channel": "number", "formats": {formats}}}]}}"#);
    let mut socket = TcpStream::connect(control)?;
    write!(
        socket,
        "POST /publish/ HTTP/1.1\r\nHost: {control}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut status = String::new();
    BufReader::new(socket).read_line(&mut status)?;
    if !status.starts_with("HTTP/1.1 200 ") {
        return Err(io::Error::other(status.trim_end().to_owned()));
    }
    Ok(())
}
