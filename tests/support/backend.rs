//! A backend that does what the test's closure says, on a thread per connection.
//!
//! It records every request, counts connections, and leaves the framing of its answers to the
//! closure where that wants it: [`Exchange::raw`] writes bytes as they are.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::client::values;
use super::wait::DEADLINE;

/// A request as the backend saw it. The body grows while it comes in.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub body_complete: bool,
}

impl Request {
    /// Every value of that header, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        values(&self.headers, name)
    }

    /// The only value of that header; several fail the test.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "several {name} headers: {all:?}");
        all.first().copied()
    }

    /// What stands behind the `?`.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

/// A plain answer with a counted body.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16) -> Answer {
        Answer {
            status,
            reason: "Reason".into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// 200 with that body.
    pub fn ok(body: impl AsRef<[u8]>) -> Answer {
        Answer::new(200).reason("OK").body(body)
    }

    pub fn reason(mut self, reason: &str) -> Answer {
        self.reason = reason.into();
        self
    }

    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Answer {
        self.headers.push((name.into(), value.as_ref().into()));
        self
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Answer {
        self.body = body.as_ref().to_vec();
        self
    }
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Request>>,
    sockets: Mutex<Vec<TcpStream>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    stopped: AtomicBool,
}

/// The scripted backend. Dropping it closes its sockets.
pub struct Backend {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Backend {
    /// Answers each request with what the closure makes of it; bodies are read first.
    pub fn answering(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Backend {
        Backend::answering_on(free_port(), answer)
    }

    /// The same, on a port that was chosen before.
    pub fn answering_on(
        listener: TcpListener,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Backend {
        Backend::scripted_on(listener, move |exchange| {
            exchange.read_body();
            let answer = answer(&exchange.request());
            exchange.answer(&answer);
        })
    }

    /// Lets the closure do everything after the request's head was read.
    pub fn scripted(script: impl Fn(&mut Exchange) + Send + Sync + 'static) -> Backend {
        Backend::scripted_on(free_port(), script)
    }

    fn scripted_on(
        listener: TcpListener,
        script: impl Fn(&mut Exchange) + Send + Sync + 'static,
    ) -> Backend {
        let backend = Backend {
            addr: listener.local_addr().expect("an address"),
            shared: Arc::new(Shared::default()),
        };
        let shared = Arc::clone(&backend.shared);
        let script = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, script) = (Arc::clone(&shared), Arc::clone(&script));
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                shared.open.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    serve(stream, &shared, &*script);
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        backend
    }

    /// Every request so far, in the order of their heads.
    pub fn seen(&self) -> Vec<Request> {
        lock(&self.shared.seen).clone()
    }

    /// The only request so far.
    #[track_caller]
    pub fn only_request(&self) -> Request {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "one request: {seen:?}");
        seen.into_iter().next().expect("one request")
    }

    /// How many connections were ever accepted.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open now.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Closes every connection, whatever it is doing.
    pub fn close_connections(&self) {
        for socket in lock(&self.shared.sockets).drain(..) {
            drop(socket.shutdown(Shutdown::Both));
        }
    }

    /// An address where nothing listens.
    pub fn nowhere() -> SocketAddr {
        free_port().local_addr().expect("an address")
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.addr));
        self.close_connections();
    }
}

fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn serve(stream: TcpStream, shared: &Arc<Shared>, script: &dyn Fn(&mut Exchange)) {
    stream.set_nodelay(true).expect("no delay");
    lock(&shared.sockets).push(stream.try_clone().expect("a clone"));
    let reader = BufReader::new(stream.try_clone().expect("a clone"));
    let mut exchange = Exchange {
        stream,
        reader,
        shared: Arc::clone(shared),
        index: 0,
        body: Body::Done,
        ended: false,
    };
    while !exchange.ended && exchange.next_request() {
        script(&mut exchange);
        exchange.ended |= exchange.body != Body::Done;
    }
    drop(exchange.stream.shutdown(Shutdown::Both));
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Body {
    Done,
    Counted(u64),
    Chunked,
}

/// One request and the means to answer it.
pub struct Exchange {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    shared: Arc<Shared>,
    index: usize,
    body: Body,
    ended: bool,
}

impl Exchange {
    /// The request as far as it was read.
    pub fn request(&self) -> Request {
        lock(&self.shared.seen)[self.index].clone()
    }

    /// Which request of this backend it is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Reads the request body to its end; what came is in `request().body`.
    pub fn read_body(&mut self) {
        while self.body != Body::Done && self.read_some_body() > 0 {}
    }

    /// Reads one piece of the request body; 0 at its end or where it broke off.
    pub fn read_some_body(&mut self) -> usize {
        match self.body {
            Body::Done => 0,
            Body::Counted(left) => {
                let n = self.take_body(left);
                let left = left - n as u64;
                self.set_body(if left == 0 {
                    Body::Done
                } else {
                    Body::Counted(left)
                });
                n
            }
            Body::Chunked => {
                let size = self.line().unwrap_or_default();
                let Ok(size) = u64::from_str_radix(&size, 16) else {
                    return 0;
                };
                let mut left = size;
                while left > 0 {
                    let n = self.take_body(left);
                    if n == 0 {
                        return 0;
                    }
                    left -= n as u64;
                }
                assert_eq!(self.line().as_deref(), Some(""), "a chunk ends with CRLF");
                if size == 0 {
                    self.set_body(Body::Done);
                }
                usize::try_from(size).expect("a chunk that fits")
            }
        }
    }

    /// Writes a counted answer; a `Connection: close` in it ends the connection afterwards.
    pub fn answer(&mut self, answer: &Answer) {
        let mut head = format!("HTTP/1.1 {} {}\r\n", answer.status, answer.reason);
        for (name, value) in &answer.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
            self.ended |= name.eq_ignore_ascii_case("connection") && value == "close";
        }
        let bodiless = matches!(answer.status, 204 | 304);
        let counted = !values(&answer.headers, "content-length").is_empty();
        if !bodiless && !counted {
            head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if self.request().method != "HEAD" && !bodiless {
            bytes.extend_from_slice(&answer.body);
        }
        self.raw(bytes);
    }

    /// Writes these bytes as they are; false when the other side is gone.
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let written = self.stream.write_all(bytes.as_ref()).is_ok();
        self.ended |= !written;
        written
    }

    /// Writes one chunk.
    pub fn chunk(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
        framed.extend_from_slice(bytes);
        framed.extend_from_slice(b"\r\n");
        self.raw(framed)
    }

    /// Writes until nobody takes any more for a second, then gives what was written; goes on with
    /// the rest by [`Exchange::raw`].
    pub fn write_until_stuck(&mut self, bytes: &[u8]) -> usize {
        self.stream
            .set_write_timeout(Some(Duration::from_secs(1)))
            .expect("a timeout");
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(n) => written += n,
                Err(_) => break,
            }
        }
        self.stream.set_write_timeout(None).expect("no timeout");
        written
    }

    /// The socket, for another protocol, and what came behind the request; the connection ends after
    /// this exchange.
    pub fn upgraded(&mut self) -> (TcpStream, Vec<u8>) {
        self.ended = true;
        let unread = self.reader.buffer().to_vec();
        self.reader.consume(unread.len());
        (self.stream.try_clone().expect("a clone"), unread)
    }

    /// Ends the connection after this exchange.
    pub fn close(&mut self) {
        self.ended = true;
    }

    /// Waits until P-8 closes its side; false if it did not in time.
    pub fn peer_left(&mut self) -> bool {
        self.stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a timeout");
        let mut more = [0; 1024];
        loop {
            match self.reader.read(&mut more) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) => return !matches!(e.kind(), io::ErrorKind::WouldBlock),
            }
        }
    }

    fn next_request(&mut self) -> bool {
        let Some(line) = self.line() else {
            return false;
        };
        let mut words = line.split(' ');
        let mut request = Request {
            method: words.next().unwrap_or_default().into(),
            target: words.next().unwrap_or_default().into(),
            ..Request::default()
        };
        assert_eq!(words.next(), Some("HTTP/1.1"), "{line}");
        loop {
            let Some(line) = self.line() else {
                return false;
            };
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a header line");
            request.headers.push((name.into(), value.trim().into()));
        }
        let body = body_of(&request);
        let mut seen = lock(&self.shared.seen);
        self.index = seen.len();
        seen.push(request);
        drop(seen);
        self.set_body(body);
        true
    }

    fn set_body(&mut self, body: Body) {
        self.body = body;
        lock(&self.shared.seen)[self.index].body_complete = body == Body::Done;
    }

    fn take_body(&mut self, limit: u64) -> usize {
        let mut piece = [0; 65536];
        let most = piece
            .len()
            .min(usize::try_from(limit).unwrap_or(usize::MAX));
        let n = self.reader.read(&mut piece[..most]).unwrap_or(0);
        lock(&self.shared.seen)[self.index]
            .body
            .extend_from_slice(&piece[..n]);
        n
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(n) if n > 0 => {}
            _ => return None,
        }
        let line = line.strip_suffix(b"\r\n")?;
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

fn body_of(request: &Request) -> Body {
    let length = request
        .header("content-length")
        .map(|n| n.parse::<u64>().expect("a length"));
    let chunked = request.header("transfer-encoding");
    assert!(
        length.is_none() || chunked.is_none(),
        "both framings reached the backend"
    );
    match (length, chunked) {
        (Some(0) | None, None) => Body::Done,
        (Some(n), _) => Body::Counted(n),
        (None, Some(coding)) => {
            assert_eq!(coding, "chunked");
            Body::Chunked
        }
    }
}
