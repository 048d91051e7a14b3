//! Two backends that record every byte: one that reads as RFC 9112 says, one that is fooled.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// How a backend reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// By the letter; it closes on anything else.
    Strict,
    /// Lines end as they like, folds are joined, names are trimmed and `_` is `-`; any `chunked` wins
    /// over any length, the last length counts, numbers are read as far as they go; GET has no body.
    Lax,
}

/// A request as the backend understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub host: String,
    pub target: String,
    pub body: String,
}

impl Seen {
    pub fn new(method: &str, host: &str, target: &str, body: &str) -> Seen {
        let [method, host, target, body] = [method, host, target, body].map(str::to_owned);
        Seen {
            method,
            host,
            target,
            body,
        }
    }

    fn answer(&self) -> String {
        let Seen {
            method,
            host,
            target,
            body,
        } = self;
        let text = format!("{method} {host} {target} {body}");
        let length = text.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}")
    }
}

#[derive(Default)]
struct Record {
    raw: Vec<u8>,
    seen: Vec<Seen>,
}

/// A backend that records, and answers each request with what it took it for.
pub struct Recorder {
    pub addr: SocketAddr,
    record: Arc<Mutex<Record>>,
}

impl Recorder {
    pub fn start(reader: Reader) -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let record = Arc::<Mutex<Record>>::default();
        let shared = record.clone();
        // It ends with the process: nobody connects any more.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || serve(stream, reader, &shared));
            }
        });
        Recorder { addr, record }
    }

    /// Takes what was recorded.
    pub fn take(&self) -> (String, Vec<Seen>) {
        let record = std::mem::take(&mut *self.record.lock().expect("a record"));
        let raw = String::from_utf8_lossy(&record.raw).into_owned();
        (raw, record.seen)
    }
}

fn serve(mut stream: TcpStream, reader: Reader, record: &Mutex<Record>) {
    let mut waiting = Vec::new();
    let mut buffer = [0; 65_536];
    loop {
        while let Some(parsed) = reader.read(&waiting) {
            let Some((seen, len)) = parsed else {
                // Not as it should be: what was sent stays on record.
                return;
            };
            waiting.drain(..len);
            let answer = seen.answer();
            record.lock().expect("a record").seen.push(seen);
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        let n = stream.read(&mut buffer).unwrap_or(0);
        if n == 0 {
            return;
        }
        waiting.extend_from_slice(&buffer[..n]);
        record
            .lock()
            .expect("a record")
            .raw
            .extend_from_slice(&buffer[..n]);
    }
}

/// A request and how many bytes it took up; none if the bytes are not one.
type Parsed = Option<(Seen, usize)>;

impl Reader {
    /// Reads one request; none if it is not there whole.
    fn read(self, bytes: &[u8]) -> Option<Parsed> {
        match self {
            Reader::Strict => strict(bytes),
            Reader::Lax => lax(bytes).map(Some),
        }
    }
}

fn strict(bytes: &[u8]) -> Option<Parsed> {
    let end = find(bytes, b"\r\n\r\n")?;
    let Ok(head) = std::str::from_utf8(&bytes[..end]) else {
        return Some(None);
    };
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let headers: Option<Vec<_>> = lines.map(|line| line.split_once(": ")).collect();
    let ([method, target, "HTTP/1.1"], Some(headers)) = (&words[..], headers) else {
        return Some(None);
    };
    let is_name = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let all = |name: &str| {
        let of = headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        of.map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let lengths = all("content-length");
    let is_counted = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let body = match (&lengths[..], &all("transfer-encoding")[..]) {
        ([], []) => Some((0, String::new())),
        ([length], []) if is_counted(length) => {
            let length: usize = length.parse().ok()?;
            let body = bytes.get(end + 4..end + 4 + length)?;
            Some((length, String::from_utf8_lossy(body).into_owned()))
        }
        ([], ["chunked"]) => Some(chunks(&bytes[end + 4..], |line| {
            usize::from_str_radix(line, 16).ok()
        })?),
        _ => None,
    };
    let is_good = headers.iter().all(|(name, _)| is_name(name)) && head.find('\0').is_none();
    let (Some((len, body)), [host], true) = (body, &all("host")[..], is_good) else {
        return Some(None);
    };
    Some(Some((
        Seen::new(method, host, target, &body),
        end + 4 + len,
    )))
}

fn lax(bytes: &[u8]) -> Option<(Seen, usize)> {
    let mut at = 0;
    let mut lines: Vec<String> = Vec::new();
    loop {
        let (line, len) = lax_line(&bytes[at..])?;
        at += len;
        match (
            line.is_empty(),
            lines.is_empty(),
            line.starts_with([' ', '\t']),
        ) {
            (true, true, _) => {}
            (true, false, _) => break,
            (false, false, true) => lines.last_mut()?.push_str(&line),
            (false, ..) => lines.push(line),
        }
    }
    let words: Vec<&str> = lines[0].split_whitespace().collect();
    let (method, target) = (words.first().unwrap_or(&""), words.get(1).unwrap_or(&""));
    let (mut host, mut length, mut is_chunked) = (String::new(), 0, false);
    for line in &lines[1..] {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.trim().replace('_', "-").to_ascii_lowercase().as_str() {
            "host" => host = value.trim().to_owned(),
            "content-length" => length = lax_number(value, 10),
            "transfer-encoding" => is_chunked |= value.to_ascii_lowercase().contains("chunked"),
            _ => {}
        }
    }
    let (len, body) = match is_chunked {
        _ if *method == "GET" => (0, String::new()),
        true => chunks(&bytes[at..], |line| Some(lax_number(line, 16)))?,
        false => {
            let body = bytes.get(at..at + length)?;
            (length, String::from_utf8_lossy(body).into_owned())
        }
    };
    Some((Seen::new(method, &host, target, &body), at + len))
}

/// Reads a line up to CR LF, LF or CR.
fn lax_line(bytes: &[u8]) -> Option<(String, usize)> {
    let end = bytes.iter().position(|byte| b"\r\n".contains(byte))?;
    let len = match bytes[end..] {
        [b'\r', b'\n', ..] => end + 2,
        // The LF may still come.
        [b'\r'] => return None,
        _ => end + 1,
    };
    Some((String::from_utf8_lossy(&bytes[..end]).into_owned(), len))
}

/// As `strtol` reads it: blanks, a sign, a prefix, and digits as far as they go.
fn lax_number(text: &str, radix: u32) -> usize {
    let text = text.trim().trim_start_matches(['+', '-']);
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digits: String = text
        .chars()
        .take_while(|char| char.is_digit(radix))
        .collect();
    usize::from_str_radix(&digits, radix).unwrap_or(0)
}

/// Reads chunks whose size lines that function reads; their length, and what they say.
fn chunks(bytes: &[u8], size: impl Fn(&str) -> Option<usize>) -> Option<(usize, String)> {
    let mut body = String::new();
    let mut at = 0;
    loop {
        let (line, len) = lax_line(&bytes[at..])?;
        at += len;
        match size(&line)? {
            0 => break,
            size => {
                let chunk = bytes.get(at..at + size)?;
                body.push_str(&String::from_utf8_lossy(chunk));
                at += size;
                at += lax_line(&bytes[at..])?.1;
            }
        }
    }
    loop {
        let (trailer, len) = lax_line(&bytes[at..])?;
        at += len;
        if trailer.is_empty() {
            return Some((at, body));
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[test]
fn the_lax_reader_is_fooled_and_the_strict_one_is_not() {
    for attack in [
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\nContent-Length: +0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\nX: y\rContent-Length : 0x0\r\n\r\n",
        "POST /a HTTP/1.1\nHost: h\nContent-Length: 0, 40\n\n",
        "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\n",
    ] {
        let attack = format!("{attack}GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
        let (seen, len) = lax(attack.as_bytes()).expect("a request");
        assert_eq!(seen.target, "/a");
        let (smuggled, _) = lax(&attack.as_bytes()[len..]).expect("another one");
        assert_eq!(smuggled.target, "/smuggled", "{attack:?}");
        let strict = strict(attack.as_bytes()).flatten();
        let rest = strict.map(|(_, len)| attack[len..].to_owned());
        assert!(rest.is_none_or(|rest| rest.is_empty() || rest.starts_with(' ')), "{attack:?}");
    }
}
