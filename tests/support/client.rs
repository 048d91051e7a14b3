//! A client on a plain socket that believes nothing: HTTP/1.1 heads, counted, chunked and
//! close-ended bodies are read piece by piece and every framing mistake fails the test.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::socket::Socket;
use super::wait::DEADLINE;

/// Status line and headers of an answer.
#[derive(Debug, Clone)]
pub struct Head {
    pub minor: u8,
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The only header of that name; several fail the test.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "several {name} headers: {all:?}");
        all.first().copied()
    }

    /// Every value of that name, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        values(&self.headers, name)
    }

    /// Names of the headers that begin with `prefix`, which is lower case.
    pub fn names_with(&self, prefix: &str) -> Vec<&str> {
        let names = self.headers.iter().map(|(name, _)| name.as_str());
        names
            .filter(|name| name.to_ascii_lowercase().starts_with(prefix))
            .collect()
    }

    pub fn is_chunked(&self) -> bool {
        self.header("transfer-encoding")
            .is_some_and(|te| te.eq_ignore_ascii_case("chunked"))
    }
}

/// Every value of that name in a list of headers, in order.
pub fn values<'a>(headers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let of_name = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    of_name.map(|(_, value)| value.as_str()).collect()
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub head: Head,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn status(&self) -> u16 {
        self.head.status
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why a body did not come to its proper end.
#[derive(Debug, PartialEq, Eq)]
pub struct CutShort;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Done,
    Counted(u64),
    Chunk(u64),
    UntilClose,
}

/// One connection to P-8.
pub struct Client {
    stream: Socket,
    unread: Vec<u8>,
    framing: Framing,
    decoded: Vec<u8>,
}

impl Client {
    #[track_caller]
    pub fn connect(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect(addr).expect("P-8 accepts connections");
        Client::over(Socket::Tcp(stream))
    }

    /// Connects with a small receive window, so that little fits into the kernel's buffers.
    #[track_caller]
    pub fn connect_with_small_window(addr: SocketAddr) -> Client {
        let domain = socket2::Domain::for_address(addr);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        socket
            .connect(&addr.into())
            .expect("P-8 accepts connections");
        Client::over(Socket::Tcp(socket.into()))
    }

    /// A client on a connection.
    #[track_caller]
    pub fn over(stream: Socket) -> Client {
        stream.set_timeouts(DEADLINE, DEADLINE);
        Client {
            stream,
            unread: Vec::new(),
            framing: Framing::Done,
            decoded: Vec::new(),
        }
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .expect("P-8 reads what the client sends");
    }

    /// Sends as much as P-8 takes before it stops reading for a second; gives the number of bytes.
    pub fn send_until_stuck(&mut self, bytes: &[u8]) -> usize {
        self.stream.set_timeouts(DEADLINE, Duration::from_secs(1));
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(n) => sent += n,
                Err(_) => break,
            }
        }
        self.stream.set_timeouts(DEADLINE, DEADLINE);
        sent
    }

    /// Sends a request with host `h`, the headers, and a counted body unless that is empty.
    #[track_caller]
    pub fn request(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut text = format!("{method} {target} HTTP/1.1\r\n");
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            text.push_str("Host: h\r\n");
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        self.send(bytes);
    }

    /// One GET and its whole answer.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Reply {
        self.get_with(target, &[])
    }

    /// One GET with headers, and its whole answer.
    #[track_caller]
    pub fn get_with(&mut self, target: &str, headers: &[(&str, &str)]) -> Reply {
        self.request("GET", target, headers, b"");
        self.reply()
    }

    /// One POST and its whole answer.
    #[track_caller]
    pub fn post(&mut self, target: &str, body: &[u8]) -> Reply {
        self.request("POST", target, &[], body);
        self.reply()
    }

    /// Reads the final answer to the end of its body, which must be a proper one.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        let head = self.final_head();
        let body = self
            .read_to_end()
            .expect("the body comes to its proper end");
        Reply { head, body }
    }

    /// Reads the head of the final answer; interim ones are skipped.
    #[track_caller]
    pub fn final_head(&mut self) -> Head {
        loop {
            let head = self.head();
            if head.status >= 200 {
                return head;
            }
        }
    }

    /// Reads the next head, an interim one too.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        self.head_for("GET")
    }

    /// Reads the next head, as the answer to a request with that method.
    #[track_caller]
    pub fn head_for(&mut self, method: &str) -> Head {
        assert_eq!(
            self.framing,
            Framing::Done,
            "the body before this head was read to its end"
        );
        assert!(
            self.decoded.is_empty(),
            "body bytes were left: {:?}",
            self.decoded
        );
        let mut lines = vec![self
            .line()
            .expect("a status line, not the connection's end")];
        while lines.last().is_some_and(|line| !line.is_empty()) {
            lines.push(self.line().expect("a whole head"));
        }
        lines.pop();
        let head = parse_head(&lines);
        self.framing = framing_of(&head, method);
        head
    }

    /// Reads exactly `n` bytes of the current body, however they are framed.
    #[track_caller]
    pub fn read_exact(&mut self, n: usize) -> Vec<u8> {
        while self.decoded.len() < n {
            let left = n - self.decoded.len();
            assert!(
                self.framing != Framing::Done,
                "the body ended {left} bytes early"
            );
            self.decode_some().expect("more of the body");
        }
        self.decoded.drain(..n).collect()
    }

    /// Reads as many bytes as `expected` has and compares.
    #[track_caller]
    pub fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let got = self.read_exact(expected.len());
        assert_eq!(
            String::from_utf8_lossy(&got),
            String::from_utf8_lossy(expected)
        );
    }

    /// Reads what the body goes on with; an empty piece is its end.
    #[track_caller]
    pub fn read_some(&mut self) -> Result<Vec<u8>, CutShort> {
        while self.decoded.is_empty() && self.framing != Framing::Done {
            self.decode_some()?;
        }
        Ok(std::mem::take(&mut self.decoded))
    }

    /// Tells whether `n` bytes of the current chunked body have come, all in all; reads only what is there.
    #[track_caller]
    pub fn has_come(&mut self, n: usize) -> bool {
        self.stream.set_nonblocking(true);
        let mut more = [0; 4096];
        while let Ok(read @ 1..) = self.stream.read(&mut more) {
            self.unread.extend_from_slice(&more[..read]);
        }
        self.stream.set_nonblocking(false);
        while self.unread.ends_with(b"\r\n") && self.decoded.len() < n {
            self.decode_some().expect("whole chunks");
        }
        assert!(self.decoded.len() <= n, "more came than {n} bytes");
        self.decoded.len() == n
    }

    /// Reads the current body to its end.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Result<Vec<u8>, CutShort> {
        while self.framing != Framing::Done {
            self.decode_some()?;
        }
        Ok(std::mem::take(&mut self.decoded))
    }

    /// The connection ends now, and nothing else comes before its end.
    #[track_caller]
    pub fn expect_end(&mut self) {
        assert!(
            self.unread.is_empty(),
            "left: {:?}",
            String::from_utf8_lossy(&self.unread)
        );
        let mut more = [0; 256];
        match self.stream.read(&mut more) {
            Ok(0) => {}
            Ok(n) => panic!("more came: {:?}", String::from_utf8_lossy(&more[..n])),
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => {}
            Err(e) => panic!("the connection did not end: {e}"),
        }
    }

    /// Nothing unread came on this connection so far.
    #[track_caller]
    pub fn expect_nothing_unread(&mut self) {
        assert!(
            self.decoded.is_empty() && self.unread.is_empty(),
            "something was left unread"
        );
        self.stream.set_nonblocking(true);
        let mut more = [0; 256];
        let got = self.stream.read(&mut more);
        self.stream.set_nonblocking(false);
        match got {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Ok(n) => panic!("something came: {:?}", String::from_utf8_lossy(&more[..n])),
            Err(e) => panic!("the connection failed: {e}"),
        }
    }

    /// Ends the sending side only.
    pub fn finish_sending(&self) {
        self.stream.finish_sending();
    }

    /// The socket, for another protocol, and what came behind the head.
    #[track_caller]
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        assert_eq!(self.framing, Framing::Done, "no body is left unread");
        (self.stream.into_tcp(), self.unread)
    }

    /// What it speaks through.
    pub fn into_socket(self) -> Socket {
        self.stream
    }

    /// Leaves with RST instead of FIN.
    pub fn reset(self) {
        let socket = socket2::Socket::from(self.stream.into_tcp());
        socket.set_linger(Some(Duration::ZERO)).expect("linger");
    }

    #[track_caller]
    fn decode_some(&mut self) -> Result<(), CutShort> {
        match self.framing {
            Framing::Done => Ok(()),
            Framing::UntilClose => {
                if self.unread.is_empty() && self.fill().map_err(|_| CutShort)? == 0 {
                    self.framing = Framing::Done;
                }
                self.decoded.append(&mut self.unread);
                Ok(())
            }
            Framing::Counted(left) => {
                let left = left - self.take(left)?;
                self.framing = if left == 0 {
                    Framing::Done
                } else {
                    Framing::Counted(left)
                };
                Ok(())
            }
            Framing::Chunk(0) => self.next_chunk(),
            Framing::Chunk(left) => {
                let left = left - self.take(left)?;
                if left == 0 {
                    assert_eq!(self.line().ok_or(CutShort)?, "", "a chunk ends with CRLF");
                }
                self.framing = Framing::Chunk(left);
                Ok(())
            }
        }
    }

    #[track_caller]
    fn next_chunk(&mut self) -> Result<(), CutShort> {
        let line = self.line().ok_or(CutShort)?;
        let size = u64::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("size {line:?}"));
        self.framing = Framing::Chunk(size);
        if size == 0 {
            assert_eq!(self.line().ok_or(CutShort)?, "", "no trailers are promised");
            self.framing = Framing::Done;
        }
        Ok(())
    }

    /// Moves up to `limit` bytes to the decoded ones; at least one.
    #[track_caller]
    fn take(&mut self, limit: u64) -> Result<u64, CutShort> {
        if self.unread.is_empty() && self.fill().map_err(|_| CutShort)? == 0 {
            return Err(CutShort);
        }
        let n = self
            .unread
            .len()
            .min(usize::try_from(limit).unwrap_or(usize::MAX));
        self.decoded.extend(self.unread.drain(..n));
        Ok(n as u64)
    }

    /// A line without its CRLF; `None` at the connection's end.
    #[track_caller]
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = line.strip_suffix(b"\r\n").expect("lines end with CRLF");
                return Some(String::from_utf8_lossy(line).into_owned());
            }
            match self.fill() {
                Ok(0) => return None,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(e) => panic!("waited for a line, have {:?}: {e}", self.unread_text()),
            }
        }
    }

    fn unread_text(&self) -> String {
        String::from_utf8_lossy(&self.unread).into_owned()
    }

    /// Reads more from the socket. A timeout fails the test; a reset, or what it is over TLS, is an error.
    #[track_caller]
    fn fill(&mut self) -> io::Result<usize> {
        let mut more = [0; 65536];
        match self.stream.read(&mut more) {
            Ok(n) => {
                self.unread.extend_from_slice(&more[..n]);
                Ok(n)
            }
            Err(e) if is_cut(&e) => Err(e),
            Err(e) => panic!("nothing came in time ({:?}): {e}", self.unread_text()),
        }
    }
}

fn is_cut(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionReset, UnexpectedEof};
    matches!(error.kind(), ConnectionReset | UnexpectedEof)
}

fn parse_head(lines: &[String]) -> Head {
    let (status_line, fields) = lines.split_first().expect("a status line");
    let minor = match status_line.get(..9) {
        Some("HTTP/1.1 ") => 1,
        Some("HTTP/1.0 ") => 0,
        _ => panic!("status line {status_line:?}"),
    };
    let (status, reason) = status_line[9..]
        .split_once(' ')
        .unwrap_or((&status_line[9..], ""));
    let headers = fields.iter().map(|line| {
        let (name, value) = line
            .split_once(':')
            .unwrap_or_else(|| panic!("header {line:?}"));
        assert!(
            !name.is_empty() && !name.contains([' ', '\t']),
            "header {line:?}"
        );
        (name.to_owned(), value.trim().to_owned())
    });
    let status = status
        .parse()
        .unwrap_or_else(|_| panic!("status line {status_line:?}"));
    Head {
        minor,
        status,
        reason: reason.to_owned(),
        headers: headers.collect(),
    }
}

fn framing_of(head: &Head, method: &str) -> Framing {
    let counted = head
        .header("content-length")
        .map(|n| n.parse::<u64>().expect("a length"));
    assert!(
        counted.is_none() || !head.is_chunked(),
        "both a length and chunks: {head:?}"
    );
    assert!(
        head.minor == 1 || !head.is_chunked(),
        "chunks for HTTP/1.0: {head:?}"
    );
    if method == "HEAD" || head.status < 200 || matches!(head.status, 204 | 304) {
        return Framing::Done;
    }
    match counted {
        Some(0) => Framing::Done,
        Some(n) => Framing::Counted(n),
        None if head.is_chunked() => Framing::Chunk(0),
        None => Framing::UntilClose,
    }
}
