//! A backend of server-sent events: it answers each request at once, and is done; P-8 keeps the client.
//!
//! ```text
//! cargo run --example backend_stream               # the backend, on port 8000
//! cargo run -- p-8.toml                            # P-8, with a route to http://127.0.0.1:8000
//! curl -N http://127.0.0.1:7999/                   # a client
//! cargo run --example publish -- feed 'data: hello
//! '                                                # an event, which ends with an empty line
//! ```

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
};

/// What makes an ordinary response a held one, beside its status, type and first bytes.
const ANSWER: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: text/event-stream\r\n\
    Grip-Hold: stream\r\n\
    Grip-Channel: feed\r\n\
    Grip-Keep-Alive: :\\n\\n; format=cstring; timeout=20\r\n\
    Content-Length: 15\r\n\
    Connection: close\r\n\
    \r\n\
    data: welcome\n\n";

fn main() -> io::Result<()> {
    serve(&TcpListener::bind("127.0.0.1:8000")?)
}

/// Answers one request after the other; none takes long.
pub fn serve(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (socket, _) = listener.accept()?;
        if let Err(error) = answer(socket) {
            let _ = writeln!(io::stderr(), "a request failed: {error}");
        }
    }
}

fn answer(mut socket: TcpStream) -> io::Result<()> {
    for line in BufReader::new(&socket).lines() {
        if line?.is_empty() {
            break;
        }
    }
    socket.write_all(ANSWER.as_bytes())
}
