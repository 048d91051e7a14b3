//! A library that others use, through P-8: ten thousand messages of random sizes and fragmentations
//! come back as they were sent.
//!
//! `P8_SIM_SEED` replays a run.

use std::sync::Arc;

use actix_rt::time::timeout;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{client_async, WebSocketStream};

use crate::support::events::echo;
use crate::support::wait::DEADLINE;
use crate::support::ws::echo_peer;
use crate::support::P8;

use super::{over_http, passing_through};

const MESSAGES: usize = 10_000;
/// How many are sent before the first is read back.
const AHEAD: usize = 20;

type Sending = SplitSink<WebSocketStream<TcpStream>, Message>;
type Receiving = SplitStream<WebSocketStream<TcpStream>>;

async fn connect(p8: &P8) -> (Sending, Receiving) {
    let stream = TcpStream::connect(p8.clients).await;
    let stream = stream.expect("P-8 accepts connections");
    stream.set_nodelay(true).expect("no delay");
    let url = format!("ws://{}/chat", p8.clients);
    let (socket, response) = client_async(url, stream).await.expect("a handshake");
    assert_eq!(response.status(), 101);
    socket.split()
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

/// What is written for a message: one in three of them in up to five frames.
fn frames(message: &Message, random: &mut fastrand::Rng) -> Vec<Message> {
    if random.usize(..3) > 0 {
        return vec![message.clone()];
    }
    let kind = if message.is_text() {
        Data::Text
    } else {
        Data::Binary
    };
    let mut rest = message.clone().into_data();
    let mut opcode = OpCode::Data(kind);
    let mut frames = Vec::new();
    for _ in 0..random.usize(..5) {
        let part = rest.split_to(random.usize(..=rest.len()));
        frames.push(Message::Frame(Frame::message(part, opcode, false)));
        opcode = OpCode::Data(Data::Continue);
    }
    frames.push(Message::Frame(Frame::message(rest, opcode, true)));
    frames
}

/// Sends them all, at most [`AHEAD`] further than what has come back; gives the way out again.
async fn send(
    mut sending: Sending,
    messages: Arc<Vec<Message>>,
    room: Arc<Semaphore>,
    mut random: fastrand::Rng,
) -> Sending {
    for message in messages.iter() {
        room.acquire().await.expect("it stays open").forget();
        for frame in frames(message, &mut random) {
            sending.send(frame).await.expect("P-8 reads");
        }
    }
    sending
}

/// The next message that comes.
async fn next(receiving: &mut Receiving) -> Message {
    let next = timeout(DEADLINE, receiving.next()).await;
    let next = next.expect("it comes in time").expect("no end yet");
    next.expect("a message")
}

/// Sends and receives at the same time, then closes and waits for the answer to that.
async fn exchange(p8: &P8) {
    let seed = match std::env::var("P8_SIM_SEED") {
        Ok(text) => text.parse().expect("P8_SIM_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("P8_SIM_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let messages: Vec<Message> = (0..MESSAGES).map(|_| message(&mut random)).collect();
    let messages = Arc::new(messages);
    let room = Arc::new(Semaphore::new(AHEAD));
    let (sending, mut receiving) = connect(p8).await;
    let sender = send(sending, messages.clone(), room.clone(), random);
    let sender = actix_rt::spawn(sender);
    for message in messages.iter() {
        let back = next(&mut receiving).await;
        assert!(back == *message, "seed {seed}: another message came back");
        room.add_permits(1);
    }
    let mut sending = sender.await.expect("everything was sent");
    let close = CloseFrame {
        code: CloseCode::Library(4001),
        reason: "over".into(),
    };
    let close = Message::Close(Some(close));
    sending.send(close.clone()).await.expect("P-8 reads");
    assert_eq!(next(&mut receiving).await, close, "seed {seed}");
}

#[actix_rt::test]
async fn ten_thousand_messages_come_back_over_http() {
    let backend = echo();
    exchange(&over_http(&backend)).await;
}

#[actix_rt::test]
async fn ten_thousand_messages_come_back_in_pass_through() {
    let backend = echo_peer();
    exchange(&passing_through(&backend)).await;
}
