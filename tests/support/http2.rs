//! HTTP/2 clients: one that behaves, on the crate `h2`, with blocking calls; and one that writes frames by
//! hand and checks nothing but what it is asked to.
//!
//! The connection of the first is driven by a thread of its own, so pings are answered while a test does
//! other things; windows are only opened by what a test reads.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use super::wait::DEADLINE;

/// One connection to P-8.
pub struct Http2Client {
    pub send: SendRequest<Bytes>,
    socket: TcpStream,
    runtime: Runtime,
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    }
}

/// A request under way.
pub struct Asked {
    response: ResponseFuture,
    pub body: SendStream<Bytes>,
}

/// An answer whose body is still coming; dropping it resets the stream.
pub struct Open {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: RecvStream,
    /// Kept, for dropping it unfinished would reset the stream.
    pub request: SendStream<Bytes>,
    unread: Vec<u8>,
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

impl Http2Client {
    /// Connects by prior knowledge.
    #[track_caller]
    pub fn connect(addr: SocketAddr) -> Http2Client {
        Http2Client::connect_with(addr, &Builder::new())
    }

    /// The same, with settings of one's own.
    #[track_caller]
    pub fn connect_with(addr: SocketAddr, builder: &Builder) -> Http2Client {
        let socket = TcpStream::connect(addr).expect("P-8 accepts connections");
        socket.set_nodelay(true).expect("no delay");
        let driven = socket.try_clone().expect("a clone");
        driven.set_nonblocking(true).expect("non-blocking");
        let builder = builder.clone();
        let (made, handshake) = mpsc::channel();
        thread::spawn(move || {
            runtime().block_on(async move {
                let driven = tokio::net::TcpStream::from_std(driven).expect("a socket");
                let (send, connection) = builder.handshake(driven).await.expect("a handshake");
                drop(made.send(send));
                drop(connection.await);
            });
        });
        Http2Client {
            send: handshake.recv().expect("a handshake"),
            socket,
            runtime: runtime(),
        }
    }

    /// Waits for something, within the deadline.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        let waited = self
            .runtime
            .block_on(async { tokio::time::timeout(DEADLINE, future).await });
        waited.unwrap_or_else(|_| panic!("waited {DEADLINE:?} for {what}"))
    }

    /// Sends a request's head; `is_whole` ends it.
    #[track_caller]
    pub fn begin(&mut self, request: Request<()>, is_whole: bool) -> Asked {
        let send = self.send.clone();
        let ready = self.wait("room for a stream", send.ready());
        self.send = ready.expect("the connection is open");
        let sent = self.send.send_request(request, is_whole);
        let (response, body) = sent.expect("a good request");
        Asked { response, body }
    }

    /// Sends a GET.
    #[track_caller]
    pub fn ask(&mut self, path: &str) -> Asked {
        self.begin(get(path, &[]), true)
    }

    /// Reads an answer's head.
    #[track_caller]
    pub fn open(&self, asked: Asked) -> Open {
        let response = self.wait("a response", asked.response).expect("a response");
        let (parts, body) = response.into_parts();
        Open {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            request: asked.body,
            unread: Vec::new(),
        }
    }

    /// Reads an answer to its end.
    #[track_caller]
    pub fn finish(&self, asked: Asked) -> Reply {
        let mut open = self.open(asked);
        let body = self.read_to_end(&mut open).expect("a proper end");
        Reply {
            status: open.status,
            headers: open.headers,
            body,
        }
    }

    /// One GET and its whole answer.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Reply {
        self.request(get(path, &[]), b"")
    }

    /// One request and its whole answer.
    #[track_caller]
    pub fn request(&mut self, request: Request<()>, body: &[u8]) -> Reply {
        let mut asked = self.begin(request, body.is_empty());
        if !body.is_empty() {
            asked
                .body
                .send_data(Bytes::copy_from_slice(body), true)
                .expect("the stream is open");
        }
        self.finish(asked)
    }

    /// Opens a stream that is held.
    #[track_caller]
    pub fn stream(&mut self, path: &str) -> Open {
        let asked = self.ask(path);
        let open = self.open(asked);
        assert_eq!(open.status, 200, "the stream opens: {:?}", open.headers);
        open
    }

    /// The next piece of a body; none at its proper end.
    #[track_caller]
    pub fn piece(&self, open: &mut Open) -> Option<Result<Bytes, h2::Error>> {
        let piece = self.wait("a piece of a body", open.body.data());
        if let Some(Ok(piece)) = &piece {
            let flow = open.body.flow_control();
            flow.release_capacity(piece.len()).expect("it was received");
        }
        piece
    }

    /// Reads a body to its end.
    pub fn read_to_end(&self, open: &mut Open) -> Result<Vec<u8>, h2::Error> {
        let mut body = std::mem::take(&mut open.unread);
        while let Some(piece) = self.piece(open) {
            body.extend_from_slice(&piece?);
        }
        Ok(body)
    }

    /// Reads exactly this of a body.
    #[track_caller]
    pub fn expect(&self, open: &mut Open, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        while open.unread.len() < expected.len() {
            let piece = self.piece(open).expect("more of the body");
            open.unread
                .extend_from_slice(&piece.expect("an open stream"));
        }
        let got: Vec<u8> = open.unread.drain(..expected.len()).collect();
        assert_eq!(
            String::from_utf8_lossy(&got),
            String::from_utf8_lossy(expected)
        );
    }

    /// Cuts the connection.
    pub fn cut(self) {
        drop(self.socket.shutdown(Shutdown::Both));
    }

    /// Asks for a WebSocket: the answer, and if it is 200 a socket that the stream's bytes pass through.
    #[track_caller]
    pub fn web_socket(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(HeaderMap, TcpStream), Box<Reply>> {
        let asked = self.begin(connect(path, "websocket", headers), false);
        let mut open = self.open(asked);
        if open.status != 200 {
            let body = self.read_to_end(&mut open).expect("a proper end");
            let Open {
                status, headers, ..
            } = open;
            return Err(Box::new(Reply {
                status,
                headers,
                body,
            }));
        }
        let (here, there) = socket_pair();
        there.set_nonblocking(true).expect("non-blocking");
        let Open {
            headers,
            body,
            request,
            ..
        } = open;
        thread::spawn(move || runtime().block_on(pump(body, request, there)));
        Ok((headers, here))
    }
}

/// An extended CONNECT with headers, and the version that WebSockets have.
pub fn connect(path: &str, protocol: &'static str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = get(path, headers);
    *request.method_mut() = http::Method::CONNECT;
    let protocol = h2::ext::Protocol::from_static(protocol);
    request.extensions_mut().insert(protocol);
    let version = http::HeaderValue::from_static("13");
    request
        .headers_mut()
        .insert("sec-websocket-version", version);
    request
}

/// Passes bytes between a stream and a socket until both have ended.
async fn pump(mut body: RecvStream, mut request: SendStream<Bytes>, socket: TcpStream) {
    let socket = tokio::net::TcpStream::from_std(socket).expect("a socket");
    let (mut read, mut write) = socket.into_split();
    let to_client = async move {
        while let Some(Ok(piece)) = body.data().await {
            drop(body.flow_control().release_capacity(piece.len()));
            if write.write_all(&piece).await.is_err() {
                break;
            }
        }
        drop(write.shutdown().await);
    };
    let to_p8 = async move {
        let mut buffer = vec![0; 16_384];
        loop {
            let n = read.read(&mut buffer).await.unwrap_or(0);
            let piece = Bytes::copy_from_slice(&buffer[..n]);
            if request.send_data(piece, n == 0).is_err() || n == 0 {
                break;
            }
        }
    };
    tokio::join!(to_client, to_p8);
}

/// A GET with headers.
pub fn get(path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get(format!("http://h{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a good request")
}

fn socket_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let here = TcpStream::connect(listener.local_addr().expect("an address"));
    let (there, _) = listener.accept().expect("the other end");
    (here.expect("one end"), there)
}

/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// Error codes of RFC 9113 section 7.
pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame as it came.
#[derive(Debug, Clone)]
pub struct RawFrame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl RawFrame {
    /// The error code of a RST_STREAM or GOAWAY.
    #[track_caller]
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        let four = self.payload[at..at + 4].try_into().expect("four bytes");
        u32::from_be_bytes(four)
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a short payload")
        .to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A header block of literals, which need no tables; names and values of up to 126 bytes.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            bytes.push(u8::try_from(text.len()).expect("a short text"));
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// The fields of a GET.
pub const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "h"),
    (":path", "/"),
];

/// A client that writes what it is told to.
pub struct RawHttp2 {
    stream: TcpStream,
}

impl RawHttp2 {
    /// Connects, and begins as every client must; `settings` are the payload of its SETTINGS.
    #[track_caller]
    pub fn connect(addr: SocketAddr, settings: &[u8]) -> RawHttp2 {
        let stream = TcpStream::connect(addr).expect("P-8 accepts connections");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        let mut client = RawHttp2 { stream };
        client.send(PREFACE);
        client.send(frame(SETTINGS, 0, 0, settings));
        client
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.write_all(bytes.as_ref());
        sent.expect("P-8 reads what the client sends");
    }

    /// Sends what P-8 takes; false if it has left.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends a whole GET on that stream.
    #[track_caller]
    pub fn get(&mut self, stream: u32) {
        let flags = END_STREAM | END_HEADERS;
        self.send(frame(HEADERS, flags, stream, &block(&GET)));
    }

    /// The next frame; none at the connection's end.
    #[track_caller]
    pub fn frame(&mut self) -> Option<RawFrame> {
        let mut head = [0; 9];
        match self.stream.read_exact(&mut head) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => panic!("nothing came in time"),
            Err(_) => return None,
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| (n << 8) | u32::from(*byte));
        let mut payload = vec![0; number(&head[..3]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some(RawFrame {
            kind: head[3],
            flags: head[4],
            stream: number(&head[5..]),
            payload,
        })
    }

    /// Reads on to the first frame of that kind; none if the connection ends before.
    #[track_caller]
    pub fn next_of(&mut self, kind: u8) -> Option<RawFrame> {
        self.frame_of(&[kind])
    }

    /// Reads on to the first frame of one of those kinds.
    #[track_caller]
    pub fn frame_of(&mut self, kinds: &[u8]) -> Option<RawFrame> {
        loop {
            let frame = self.frame()?;
            if kinds.contains(&frame.kind) {
                return Some(frame);
            }
        }
    }

    /// Reads on to the GOAWAY with that code, and to the connection's end.
    #[track_caller]
    pub fn expect_goaway(&mut self, code: u32) {
        let mut codes = Vec::new();
        while let Some(goaway) = self.next_of(GOAWAY) {
            codes.push(goaway.code());
        }
        assert_eq!(codes.last(), Some(&code), "{codes:?}");
    }

    /// Changes how long P-8 is waited for.
    pub fn patience(&mut self, time: Duration) {
        self.stream.set_read_timeout(Some(time)).expect("a timeout");
        self.stream
            .set_write_timeout(Some(time))
            .expect("a timeout");
    }

    /// Nothing comes within that time.
    #[track_caller]
    pub fn expect_silence(&mut self, time: Duration) {
        self.patience(time);
        let read = self.stream.read(&mut [0; 1]);
        let is_silent = read.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
        assert!(is_silent, "something came");
        self.patience(DEADLINE);
    }
}
