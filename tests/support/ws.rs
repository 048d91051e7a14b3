//! WebSockets on plain sockets: a client that believes nothing, and the backend's side of one.
//!
//! Both stand on `frames`, which checks every bit that comes; nothing is answered by itself, so a
//! test says when a ping or a close is.

use std::io::{self, BufReader, Cursor, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::Mutex;
use std::time::Duration;

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::backend::{Backend, Exchange, Request};
use super::client::{Client, Head, Reply};
use super::frames::{read_frame, Assembly, Deflate, RSV1};
pub use super::frames::{Event, Frame, BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT};
use super::server::P8;
use super::wait::DEADLINE;

/// What offers compression as browsers do.
pub const OFFER: (&str, &str) = (
    "Sec-WebSocket-Extensions",
    "permessage-deflate; client_max_window_bits",
);

/// A socket that frames go over, with what was read from it before.
struct Wire {
    stream: TcpStream,
    reader: BufReader<io::Chain<Cursor<Vec<u8>>, TcpStream>>,
    /// Whether what is written is masked; what is read is if this is not.
    masks: bool,
    assembly: Assembly,
}

impl Wire {
    fn new(stream: TcpStream, unread: Vec<u8>, masks: bool) -> Wire {
        let rest = stream.try_clone().expect("a clone");
        Wire {
            stream,
            reader: BufReader::with_capacity(65536, Cursor::new(unread).chain(rest)),
            masks,
            assembly: Assembly::default(),
        }
    }

    /// The next frame; `None` at the connection's end.
    #[track_caller]
    fn frame(&mut self) -> Option<Frame> {
        match read_frame(&mut self.reader, !self.masks) {
            Ok(frame) => Some(frame),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => panic!("nothing came in time"),
            Err(_) => None,
        }
    }

    #[track_caller]
    fn event(&mut self) -> Event {
        loop {
            let Some(frame) = self.frame() else {
                return Event::Eof;
            };
            if let Some(event) = self.assembly.take(frame) {
                return event;
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    fn send(&mut self, frame: &Frame) -> bool {
        let bytes = frame.encode(self.masks);
        self.write(&bytes)
    }

    /// Sends a message in one frame, compressed if that was agreed on.
    fn message(&mut self, opcode: u8, payload: &[u8]) -> bool {
        let frame = match &mut self.assembly.deflate {
            Some(deflate) => Frame::new(opcode, deflate.compress(payload)).reserved(RSV1),
            None => Frame::new(opcode, payload),
        };
        self.send(&frame)
    }
}

/// A handshake that was sent and not answered yet.
pub struct Opening {
    pub client: Client,
    key: String,
}

impl Opening {
    /// Sends the handshake on that connection.
    #[track_caller]
    pub fn begin(mut client: Client, target: &str, headers: &[(&str, &str)]) -> Opening {
        let key = STANDARD.encode(fastrand::u128(..).to_be_bytes());
        let mut all = vec![
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key.as_str()),
        ];
        all.extend_from_slice(headers);
        client.request("GET", target, &all, b"");
        Opening { client, key }
    }

    /// Reads the answer: a WebSocket, or a refusal.
    #[track_caller]
    pub fn finish(mut self) -> Result<WsClient, Reply> {
        let head = self.client.head();
        if head.status != 101 {
            let body = self.client.read_to_end().expect("a whole refusal");
            return Err(Reply { head, body });
        }
        assert_eq!(head.minor, 1);
        assert_eq!(head.header("upgrade"), Some("websocket"));
        let upgrades = head
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("upgrade"));
        assert!(upgrades, "{head:?}");
        let accept = derive_accept_key(self.key.as_bytes());
        assert_eq!(head.header("sec-websocket-accept"), Some(accept.as_str()));
        assert_eq!(head.header("content-length"), None, "a 101 has no body");
        assert_eq!(head.header("transfer-encoding"), None, "a 101 has no body");
        let (stream, unread) = self.client.into_parts();
        let mut wire = Wire::new(stream, unread, true);
        let extensions = head.all("sec-websocket-extensions").into_iter();
        let mut others = extensions.filter(|value| !value.starts_with("grip"));
        wire.assembly.deflate = others.next().map(agreed_compression);
        assert_eq!(others.next(), None, "one compression");
        Ok(WsClient {
            head,
            wire,
            close_sent: false,
        })
    }
}

/// The codec that an answer's extension asks for; others than permessage-deflate fail the test.
#[track_caller]
fn agreed_compression(extensions: &str) -> Deflate {
    let mut parts = extensions.split(';').map(str::trim);
    assert_eq!(parts.next(), Some("permessage-deflate"), "{extensions}");
    let mut keeps = (true, true);
    for parameter in parts {
        match parameter {
            "client_no_context_takeover" => keeps.0 = false,
            "server_no_context_takeover" => keeps.1 = false,
            _ => panic!("parameter {parameter}"),
        }
    }
    Deflate::new(keeps)
}

/// The client's side of a WebSocket.
pub struct WsClient {
    /// The head of the 101.
    pub head: Head,
    wire: Wire,
    close_sent: bool,
}

impl WsClient {
    /// Opens a WebSocket, unless it is refused.
    #[track_caller]
    pub fn connect(
        addr: SocketAddr,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Result<WsClient, Reply> {
        Opening::begin(Client::connect(addr), target, headers).finish()
    }

    /// Takes over a WebSocket that was opened on an HTTP/2 stream.
    pub fn on_stream(headers: &http::HeaderMap, stream: TcpStream) -> WsClient {
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        let text = |value: &http::HeaderValue| value.to_str().expect("text").to_owned();
        let headers = headers.iter();
        let head = Head {
            minor: 0,
            status: 200,
            reason: String::new(),
            headers: headers
                .map(|(name, value)| (name.as_str().to_owned(), text(value)))
                .collect(),
        };
        let mut wire = Wire::new(stream, Vec::new(), true);
        wire.assembly.deflate = head
            .header("sec-websocket-extensions")
            .map(agreed_compression);
        WsClient {
            head,
            wire,
            close_sent: false,
        }
    }

    #[track_caller]
    pub fn send_text(&mut self, text: &str) {
        assert!(self.wire.message(TEXT, text.as_bytes()), "P-8 reads");
    }

    #[track_caller]
    pub fn send_binary(&mut self, bytes: &[u8]) {
        assert!(self.wire.message(BINARY, bytes), "P-8 reads");
    }

    #[track_caller]
    pub fn ping(&mut self, payload: &str) {
        self.send(&Frame::new(PING, payload));
    }

    #[track_caller]
    pub fn pong(&mut self, payload: &str) {
        self.send(&Frame::new(PONG, payload));
    }

    /// Sends the parts as the frames of one message.
    #[track_caller]
    pub fn send_fragments(&mut self, opcode: u8, parts: &[impl AsRef<[u8]>]) {
        for (n, part) in parts.iter().enumerate() {
            let opcode = if n == 0 { opcode } else { CONTINUATION };
            let mut frame = Frame::new(opcode, part);
            frame.fin = n + 1 == parts.len();
            self.send(&frame);
        }
    }

    /// Sends this frame as it is, masked.
    #[track_caller]
    pub fn send(&mut self, frame: &Frame) {
        self.close_sent |= frame.opcode == CLOSE;
        assert!(self.wire.send(frame), "P-8 reads what the client sends");
    }

    /// Sends these bytes as they are.
    #[track_caller]
    pub fn send_raw(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.wire.write(bytes.as_ref()), "P-8 reads");
    }

    /// Sends as much of these bytes as P-8 takes; false if it stopped reading or left before.
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> bool {
        self.wire.write(bytes)
    }

    /// Writes bytes from another thread, until P-8 leaves.
    pub fn sender(&self) -> impl FnMut(&[u8]) + Send {
        let mut stream = self.wire.stream.try_clone().expect("a clone");
        move |bytes| drop(stream.write_all(bytes))
    }

    /// Sends a close frame with that code.
    #[track_caller]
    pub fn close(&mut self, code: u16, reason: &str) {
        self.send(&Frame::close(code, reason));
    }

    /// What comes next.
    #[track_caller]
    pub fn recv(&mut self) -> Event {
        self.wire.event()
    }

    #[track_caller]
    pub fn expect_text(&mut self, text: &str) {
        self.expect(&Event::Text(text.into()));
    }

    #[track_caller]
    pub fn expect_binary(&mut self, bytes: &[u8]) {
        self.expect(&Event::Binary(bytes.into()));
    }

    #[track_caller]
    pub fn expect_ping(&mut self, payload: &str) {
        self.expect(&Event::Ping(payload.into()));
    }

    #[track_caller]
    pub fn expect_pong(&mut self, payload: &str) {
        self.expect(&Event::Pong(payload.into()));
    }

    #[track_caller]
    fn expect(&mut self, expected: &Event) {
        let event = self.recv();
        assert!(
            event == *expected,
            "{} came, not {}",
            brief(&event),
            brief(expected)
        );
    }

    /// A close frame with that code comes; gives its reason.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16) -> String {
        match self.recv() {
            Event::Close(Some((sent, reason))) if sent == code => reason,
            event => panic!("{} came, not a close with {code}", brief(&event)),
        }
    }

    /// A close frame with that code comes, is answered, and the connection ends; gives the reason.
    #[track_caller]
    pub fn expect_closed(&mut self, code: u16) -> String {
        let reason = self.expect_close(code);
        if !self.close_sent {
            self.close_sent = true;
            self.wire.send(&Frame::close(code, ""));
        }
        self.expect_end();
        reason
    }

    /// The connection ends now, and nothing else comes before its end.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let event = self.recv();
        assert!(event == Event::Eof, "{} came, not the end", brief(&event));
    }

    /// Reads messages until the connection ends, with a close frame or without; gives the texts.
    #[track_caller]
    pub fn texts_until_gone(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            match self.recv() {
                Event::Text(text) => texts.push(text),
                Event::Close(_) if self.close_sent => {}
                Event::Close(_) => {
                    self.close_sent = true;
                    self.wire.send(&Frame::close(1000, ""));
                }
                Event::Eof => return texts,
                event => panic!("{} came", brief(&event)),
            }
        }
    }

    /// The connection ends without another message, with a close frame or without.
    #[track_caller]
    pub fn expect_gone(&mut self) {
        assert_eq!(self.texts_until_gone(), Vec::<String>::new());
    }

    /// Nothing unread came so far.
    #[track_caller]
    pub fn expect_nothing_unread(&mut self) {
        assert!(self.wire.reader.buffer().is_empty(), "something was left");
        self.wire.stream.set_nonblocking(true).expect("a mode");
        let got = self.wire.stream.peek(&mut [0; 16]);
        self.wire.stream.set_nonblocking(false).expect("a mode");
        let nothing = matches!(&got, Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        assert!(nothing, "something came: {got:?}");
    }

    /// Ends the sending side only.
    pub fn finish_sending(&self) {
        drop(self.wire.stream.shutdown(Shutdown::Write));
    }

    /// Leaves with RST instead of FIN.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(&self.wire.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("linger");
    }
}

/// An event without most of its bytes.
pub fn brief(event: &Event) -> String {
    let text = format!("{event:?}");
    let cut: String = text.chars().take(200).collect();
    if cut.len() < text.len() {
        format!("{cut}... ({} characters)", text.len())
    } else {
        cut
    }
}

impl P8 {
    /// Opens a WebSocket, which must be accepted.
    #[track_caller]
    pub fn ws(&self, target: &str) -> WsClient {
        self.ws_with(target, &[])
            .unwrap_or_else(|refusal| panic!("refused: {refusal:?}"))
    }

    /// Opens a WebSocket with these headers, unless it is refused.
    #[track_caller]
    pub fn ws_with(&self, target: &str, headers: &[(&str, &str)]) -> Result<WsClient, Reply> {
        WsClient::connect(self.clients, target, headers)
    }

    /// Opens a WebSocket that must be refused.
    #[track_caller]
    pub fn ws_refused(&self, target: &str) -> Reply {
        match self.ws_with(target, &[]) {
            Ok(client) => panic!("accepted: {:?}", client.head),
            Err(reply) => reply,
        }
    }
}

/// The backend's side of a WebSocket.
pub struct WsPeer {
    /// The handshake.
    pub request: Request,
    wire: Wire,
    /// Lets the backend's thread go when the peer is dropped.
    _done: Option<Sender<()>>,
}

impl WsPeer {
    /// Accepts with these headers besides the necessary ones.
    pub fn accept(exchange: &mut Exchange, headers: &[(&str, &str)]) -> WsPeer {
        let request = exchange.request();
        let key = request.header("sec-websocket-key").expect("a key");
        exchange.raw(accepting_head("Switching Protocols", key, headers));
        WsPeer::after_accepting(exchange)
    }

    /// Takes over an exchange whose 101 was written.
    pub fn after_accepting(exchange: &mut Exchange) -> WsPeer {
        let (stream, unread) = exchange.upgraded();
        WsPeer {
            request: exchange.request(),
            wire: Wire::new(stream, unread, false),
            _done: None,
        }
    }

    pub fn send_text(&mut self, text: &str) -> bool {
        self.wire.message(TEXT, text.as_bytes())
    }

    pub fn send_binary(&mut self, bytes: &[u8]) -> bool {
        self.wire.message(BINARY, bytes)
    }

    /// Sends a GRIP control message.
    pub fn control(&mut self, message: &serde_json::Value) {
        self.send_text(&format!("c:{message}"));
    }

    /// Sends this frame as it is.
    pub fn send(&mut self, frame: &Frame) -> bool {
        self.wire.send(frame)
    }

    /// Sends these bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> bool {
        self.wire.write(bytes)
    }

    /// The next frame as it came; `None` at the end.
    #[track_caller]
    pub fn frame(&mut self) -> Option<Frame> {
        self.wire.frame()
    }

    /// What comes next.
    #[track_caller]
    pub fn recv(&mut self) -> Event {
        self.wire.event()
    }

    /// That comes next.
    #[track_caller]
    pub fn expect(&mut self, expected: &Event) {
        let event = self.recv();
        assert!(
            event == *expected,
            "{} came, not {}",
            brief(&event),
            brief(expected)
        );
    }

    /// The connection ends, with a close frame or without; gives the code of that.
    #[track_caller]
    pub fn expect_gone(&mut self) -> Option<u16> {
        let mut code = None;
        loop {
            match self.recv() {
                Event::Close(close) => {
                    code = close.map(|(code, _)| code);
                    self.wire.send(&Frame::close(1000, ""));
                }
                Event::Eof => return code,
                event => panic!("{} came", brief(&event)),
            }
        }
    }

    /// Sends back what comes, answers pings and the close, until the end.
    pub fn echo(&mut self) {
        loop {
            let more = match self.recv() {
                Event::Text(text) => self.send_text(&text),
                Event::Binary(bytes) => self.send_binary(&bytes),
                Event::Ping(payload) => self.send(&Frame::new(PONG, payload)),
                Event::Pong(_) => true,
                Event::Close(close) => {
                    let frame = close.map_or(Frame::new(CLOSE, ""), |(code, reason)| {
                        Frame::close(code, reason)
                    });
                    self.send(&frame);
                    false
                }
                Event::Eof => false,
            };
            if !more {
                return;
            }
        }
    }

    /// Leaves with RST instead of FIN.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(&self.wire.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("linger");
    }
}

/// The head of a 101 for that key.
pub fn accepting_head(reason: &str, key: &str, headers: &[(&str, &str)]) -> String {
    let accept = derive_accept_key(key.as_bytes());
    let mut head = format!(
        "HTTP/1.1 101 {reason}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head
}

/// A WebSocket backend whose peers the test itself speaks for.
pub struct Peers {
    pub backend: Backend,
    arriving: Receiver<WsPeer>,
}

impl Peers {
    /// Accepts everybody with these headers.
    pub fn accepting(headers: &[(&str, &str)]) -> Peers {
        let headers: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (arrived, arriving) = mpsc::channel();
        let arrived = Mutex::new(arrived);
        let backend = Backend::scripted(move |exchange| {
            let headers: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let mut peer = WsPeer::accept(exchange, &headers);
            let timeout = peer.wire.stream.set_read_timeout(Some(DEADLINE));
            timeout.expect("a timeout");
            let (done, gone) = mpsc::channel();
            peer._done = Some(done);
            let sent = arrived.lock().map(|arrived| arrived.send(peer).is_ok());
            if matches!(sent, Ok(true)) {
                let _ = gone.recv();
            }
        });
        Peers { backend, arriving }
    }

    /// Accepts everybody and says that it speaks GRIP.
    pub fn grip() -> Peers {
        Peers::accepting(&[("Sec-WebSocket-Extensions", "grip")])
    }

    /// The next one that came.
    #[track_caller]
    pub fn next(&self) -> WsPeer {
        self.arriving.recv_timeout(DEADLINE).expect("a peer")
    }
}

/// A WebSocket backend that sends back what comes.
pub fn echo_peer() -> Backend {
    Backend::scripted(|exchange| WsPeer::accept(exchange, &[]).echo())
}
