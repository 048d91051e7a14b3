//! A library that others use, through P-8: ten thousand messages of random sizes and fragmentations
//! come back as they were sent.
//!
//! `P8_SIM_SEED` replays a run.

use std::net::TcpStream;

use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::Frame;
use tungstenite::{client, Message, WebSocket};

use crate::support::events::echo;
use crate::support::wait::DEADLINE;
use crate::support::ws::echo_peer;
use crate::support::P8;

use super::{over_http, passing_through};

const MESSAGES: usize = 10_000;
/// How many are sent before the first is read back.
const AHEAD: usize = 20;

fn connect(p8: &P8) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(p8.clients).expect("P-8 accepts connections");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    let url = format!("ws://{}/chat", p8.clients);
    let (socket, response) = client(url.as_str(), stream).expect("a handshake");
    assert_eq!(response.status(), 101);
    socket
}

/// A message: mostly short, sometimes long.
fn message(random: &mut fastrand::Rng) -> Message {
    let longest = if random.usize(..100) == 0 {
        60_000
    } else {
        600
    };
    let size = random.usize(..longest);
    if random.bool() {
        let text: String = (0..size).map(|_| random.char('a'..='ž')).collect();
        Message::text(text)
    } else {
        let mut bytes = vec![0; size];
        random.fill(&mut bytes);
        Message::binary(bytes)
    }
}

/// Sends a message, one in three of them in up to five frames.
fn send(socket: &mut WebSocket<TcpStream>, message: &Message, random: &mut fastrand::Rng) {
    if random.usize(..3) > 0 {
        return socket.write(message.clone()).expect("P-8 reads");
    }
    let kind = if message.is_text() {
        Data::Text
    } else {
        Data::Binary
    };
    let mut rest = message.clone().into_data();
    let mut opcode = OpCode::Data(kind);
    for _ in 0..random.usize(..5) {
        let part = rest.split_to(random.usize(..=rest.len()));
        let frame = Frame::message(part, opcode, false);
        socket.write(Message::Frame(frame)).expect("P-8 reads");
        opcode = OpCode::Data(Data::Continue);
    }
    let frame = Frame::message(rest, opcode, true);
    socket.write(Message::Frame(frame)).expect("P-8 reads");
}

/// Sends everything, a few messages ahead of what comes back.
fn exchange(p8: &P8) {
    let seed = match std::env::var("P8_SIM_SEED") {
        Ok(text) => text.parse().expect("P8_SIM_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("P8_SIM_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut socket = connect(p8);
    for _ in 0..MESSAGES / AHEAD {
        let messages: Vec<Message> = (0..AHEAD).map(|_| message(&mut random)).collect();
        for message in &messages {
            send(&mut socket, message, &mut random);
        }
        socket.flush().expect("P-8 reads");
        for message in &messages {
            let back = socket.read().expect("it comes back");
            assert!(back == *message, "seed {seed}: another message came back");
        }
    }
    socket.close(None).expect("a close");
    while socket.read().is_ok() {}
}

#[test]
fn ten_thousand_messages_come_back_over_http() {
    let backend = echo();
    exchange(&over_http(&backend));
}

#[test]
fn ten_thousand_messages_come_back_in_pass_through() {
    let backend = echo_peer();
    exchange(&passing_through(&backend));
}
