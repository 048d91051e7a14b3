//! Proves the data path against backends that are scripted byte by byte on real sockets.
//!
//! A backend is a thread with a blocking listener on port 0; the pool runs as a task of an actix
//! arbiter, where it lives in production. Nothing sleeps: both sides wait for bytes or for an end.

mod bodies;
mod exchange;
mod http2;
mod pooling;
mod sending;
mod upgrade;

use std::{
    future::{poll_fn, Future},
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use tokio::sync::oneshot;

use super::*;
use crate::{
    actors::{
        fetch_error::FetchError,
        ports::{BackendBody, BackendRequest, BackendResponse, BodyStream, Fetch},
    },
    engine::route::{Server, TargetKind},
};

/// Past it a test has hung.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a test as a task of an arbiter.
fn run(test: impl Future<Output = ()> + 'static) {
    actix_rt::System::new().block_on(async move {
        let test = actix_rt::spawn(test);
        tokio::time::timeout(LIMIT, test)
            .await
            .expect("the test ends")
            .expect("it does not panic");
    });
}

/// A backend that plays a script.
struct Backend {
    target: TargetKind,
    thread: JoinHandle<()>,
    done: oneshot::Receiver<()>,
}

impl Backend {
    fn new(script: impl FnOnce(TcpListener) + Send + 'static) -> Backend {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let target = target(listener.local_addr().expect("an address").port());
        let (sender, done) = oneshot::channel();
        let thread = thread::spawn(move || {
            let _sender = sender;
            script(listener);
        });
        Backend {
            target,
            thread,
            done,
        }
    }

    /// Plays the same script on each connection.
    fn of_connections(count: usize, script: impl Fn(usize, Peer) + Send + 'static) -> Backend {
        Backend::new(move |listener| (0..count).for_each(|index| script(index, accept(&listener))))
    }

    /// Waits for the script's end; fails if it failed.
    async fn finish(self) {
        let _dropped = self.done.await;
        self.thread.join().expect("the backend's script holds");
    }
}

fn target(port: u16) -> TargetKind {
    Server::new("127.0.0.1", port).into()
}

fn accept(listener: &TcpListener) -> Peer {
    let (stream, _) = listener.accept().expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    Peer {
        stream,
        unread: Vec::new(),
    }
}

/// The backend's end of a connection.
struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Peer {
    /// Reads up to the end of a head, and returns it with its empty line.
    fn head(&mut self) -> String {
        loop {
            if let Some(end) = self
                .unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                let head = self.unread.drain(..end + 4).collect();
                return String::from_utf8(head).expect("a text");
            }
            assert!(self.fill().expect("a head") > 0, "closed within a head");
        }
    }

    /// Reads exactly this many bytes.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.fill().expect("a body") > 0, "closed within a body");
        }
        self.unread.drain(..count).collect()
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .expect("the proxy reads");
    }

    /// Waits for a byte or the end.
    fn has_more(&mut self) -> bool {
        !self.unread.is_empty() || matches!(self.fill(), Ok(1..))
    }

    /// Waits until the proxy closes; what it still sends does not matter.
    fn wait_closed(&mut self) {
        while let Ok(1..) = self.fill() {}
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 65536];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("nothing comes"),
            Err(error) => Err(error),
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn request(method: Method, target: &TargetKind, body: BackendBody) -> BackendRequest {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::HOST, HeaderValue::from_static("example.com"));
    let target = target.clone();
    BackendRequest {
        target,
        method,
        uri: "/".to_owned(),
        headers,
        body,
    }
}

fn get(target: &TargetKind) -> BackendRequest {
    request(Method::GET, target, BackendBody::Empty)
}

fn post(target: &TargetKind) -> BackendRequest {
    request(
        Method::POST,
        target,
        BackendBody::Full(Bytes::from_static(b"hello")),
    )
}

async fn answer(pool: &Pool, request: BackendRequest) -> Result<BackendResponse, FetchError> {
    pool.fetch(request, None)
        .await
        .map_err(|failure| failure.error)
}

/// Fetches, and reads the body to its end.
async fn whole(pool: &Pool, request: BackendRequest) -> Result<(u16, String), FetchError> {
    let answer = answer(pool, request).await?;
    let body = read(answer.body).await.expect("a whole body");
    Ok((answer.status, String::from_utf8(body).expect("a text")))
}

async fn read(mut body: BodyStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(bytes) = next(&mut body).await {
        all.extend_from_slice(&bytes?);
    }
    Ok(all)
}

async fn next(body: &mut BodyStream) -> Option<io::Result<Bytes>> {
    let frame = poll_fn(|cx| body.as_mut().poll_frame(cx)).await?;
    Some(frame.map(|frame| frame.into_data().expect("no trailers")))
}

/// A request body that gives pieces, and then ends, fails or stays silent.
struct Pieces {
    pieces: Vec<Bytes>,
    then: Then,
}

enum Then {
    End,
    Fail,
    Wait,
}

impl Pieces {
    fn stream(pieces: Vec<Bytes>, then: Then, length: Option<u64>) -> BackendBody {
        let pieces = pieces.into_iter().rev().collect();
        BackendBody::Stream {
            body: Box::pin(Pieces { pieces, then }),
            length,
        }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<io::Result<http_body::Frame<Bytes>>>> {
        use std::task::Poll;
        match (self.pieces.pop(), &self.then) {
            (Some(piece), _) => Poll::Ready(Some(Ok(http_body::Frame::data(piece)))),
            (None, Then::End) => Poll::Ready(None),
            (None, Then::Fail) => Poll::Ready(Some(Err(io::Error::other("client left")))),
            (None, Then::Wait) => Poll::Pending,
        }
    }
}
