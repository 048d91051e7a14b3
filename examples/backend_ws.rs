//! A backend of a chat by WebSocket: it answers short requests, and P-8 keeps the clients.
//!
//! ```text
//! cargo run --example backend_ws                   # the backend, on port 8000
//! cargo run -- p-8.toml                            # P-8, with a route to
//!                                                  # { url = "http://127.0.0.1:8000", over_http = true }
//! ws = new WebSocket("ws://127.0.0.1:7999/")       // in the console of a browser, better of two
//! ws.onmessage = (message) => console.log(message.data)
//! ws.send("hello")
//! ```

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
};

use p8::grip::{
    publish::encode_request,
    ws::{events, Event, EventKind},
    Formats, Item, WsFormat, WsKind,
};

/// What accepts a client is a message for P-8, which begins `c:`, and one for the client, `m:`.
const ACCEPTED: [&str; 2] = [r#"c:{"type": "subscribe", "channel": "chat"}"#, "m:welcome"];

fn main() -> io::Result<()> {
    serve(&TcpListener::bind("127.0.0.1:8000")?, "127.0.0.1:5561")
}

/// Answers one request after the other; `control` is where P-8 takes items.
pub fn serve(listener: &TcpListener, control: &str) -> io::Result<()> {
    loop {
        let (socket, _) = listener.accept()?;
        if let Err(error) = answer(socket, control) {
            let _ = writeln!(io::stderr(), "a request failed: {error}");
        }
    }
}

fn answer(mut socket: TcpStream, control: &str) -> io::Result<()> {
    let body = body_of(&socket)?;
    let mut answers = Vec::new();
    for event in events::decode(&body.into()).map_err(io::Error::other)? {
        match event.kind {
            EventKind::Open => {
                answers.push(event);
                answers.extend(ACCEPTED.map(|text| Event::new(EventKind::Text, text.into())));
            }
            EventKind::Text => say(control, event)?,
            EventKind::Ping => answers.push(Event {
                kind: EventKind::Pong,
                ..event
            }),
            // To close is to be closed.
            EventKind::Close => answers.push(event),
            EventKind::Binary | EventKind::Pong | EventKind::Disconnect => {}
        }
    }
    let body = events::encode(&answers);
    write!(
        socket,
        "HTTP/1.1 200 OK\r\nContent-Type: application/websocket-events\r\n\
         Sec-WebSocket-Extensions: grip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    socket.write_all(&body)
}

fn body_of(socket: &TcpStream) -> io::Result<Vec<u8>> {
    let mut request = BufReader::new(socket);
    let mut length = 0;
    loop {
        let mut line = String::new();
        request.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().map_err(io::Error::other)?;
            }
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    request.read_exact(&mut body)?;
    Ok(body)
}

/// Publishes what a client said to all of them.
fn say(control: &str, said: Event) -> io::Result<()> {
    let message = WsFormat::Send {
        kind: WsKind::Text,
        content: said.content.unwrap_or_default(),
        content_filters: None,
    };
    let item = Item {
        channel: "chat".into(),
        id: None,
        prev_id: None,
        formats: Formats {
            ws: Some(message),
            ..Formats::default()
        },
        meta: Default::default(),
        size: None,
        no_seq: false,
    };
    let body = encode_request(&[item]);
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
