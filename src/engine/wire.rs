//! The HTTP/1 bytes that P-8 writes itself, for responses on sockets it took over: heads, chunks, ends.
//!
//! Source: RFC 9112 sections 4, 6, 7.1; `docs/life-of-a-request.md`.

use bytes::{BufMut, Bytes, BytesMut};
use http::{header, HeaderMap};

use crate::grip::response::Response;

/// How the end of a response body is told to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The connection closes (HTTP/1.0).
    Close,
    /// Whoever writes the bytes frames them: a body in another server's response.
    Outside,
}

/// What P-8 must know of the request to write a response to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The client speaks HTTP/1.0.
    pub http10: bool,
    /// The connection stays open after the response, if its end can be told.
    pub keep_alive: bool,
    /// The request was HEAD: no body follows, whatever the head says.
    pub head_only: bool,
}

impl Reply {
    /// To a client whose connection ends with this response.
    pub const CLOSING: Self = Self {
        http10: false,
        keep_alive: false,
        head_only: false,
    };

    /// Returns how a body of unknown length is ended.
    pub fn stream_end(self) -> BodyEnd {
        if self.http10 {
            BodyEnd::Close
        } else {
            BodyEnd::Chunked
        }
    }

    /// Tells whether a response with this status has a body on the wire.
    pub fn has_body(self, status: u16) -> bool {
        !self.head_only && !is_bodiless(status)
    }
}

/// The last chunk of a chunked body.
pub const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// Tells whether responses with this status never have a body.
pub fn is_bodiless(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}

/// Frames `content` as one chunk; empty content gives empty bytes, for an empty chunk would end the body.
///
/// **Shape**: `<hex length>CRLF<content>CRLF`, in one allocation; [`unframed`] finds the content in it.
pub fn chunk(content: &[u8]) -> Bytes {
    if content.is_empty() {
        return Bytes::new();
    }
    let mut digits = [0u8; 18];
    let prefix = hex_line(content.len(), &mut digits);
    let mut bytes = BytesMut::with_capacity(prefix.len() + content.len() + 2);
    bytes.put_slice(prefix);
    bytes.put_slice(content);
    bytes.put_slice(b"\r\n");
    bytes.freeze()
}

/// Returns the content of a [`chunk`], sharing its memory.
pub fn unframed(chunk: &Bytes) -> Bytes {
    match chunk.iter().position(|byte| *byte == b'\n') {
        Some(line_end) if chunk.len() > line_end + 3 => chunk.slice(line_end + 1..chunk.len() - 2),
        _ => Bytes::new(),
    }
}

pub(super) fn hex_line(length: usize, into: &mut [u8; 18]) -> &[u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut rest = length;
    let mut used = 0;
    let digits = into.iter_mut().rev();
    for (at, place) in digits.enumerate() {
        *place = match at {
            0 => b'\n',
            1 => b'\r',
            _ => {
                let digit = DIGITS.get(rest & 15).copied().unwrap_or(b'0');
                rest >>= 4;
                digit
            }
        };
        used = at + 1;
        if at >= 2 && rest == 0 {
            break;
        }
    }
    into.get(18 - used..).unwrap_or_default()
}

/// Writes the head of a stream that stays open, and its first body bytes.
pub fn stream_head(response: &Response, reply: Reply) -> Bytes {
    let mut out = BytesMut::with_capacity(256 + response.body.len());
    put_head(&mut out, response, reply.http10);
    let has_body = reply.has_body(response.status);
    let end = reply.stream_end();
    if has_body && end == BodyEnd::Chunked {
        out.put_slice(b"Transfer-Encoding: chunked\r\n");
    }
    put_connection(&mut out, reply, end == BodyEnd::Chunked || !has_body);
    out.put_slice(b"\r\n");
    if has_body {
        match end {
            BodyEnd::Chunked => out.put_slice(&chunk(&response.body)),
            BodyEnd::Close | BodyEnd::Outside => out.put_slice(&response.body),
        }
    }
    out.freeze()
}

/// Writes a whole response, with its length.
pub fn whole_response(response: &Response, reply: Reply) -> Bytes {
    let mut out = BytesMut::with_capacity(256 + response.body.len());
    put_head(&mut out, response, reply.http10);
    if !is_bodiless(response.status) {
        put_content_length(&mut out, response.body.len() as u64);
    }
    put_connection(&mut out, reply, true);
    out.put_slice(b"\r\n");
    if reply.has_body(response.status) {
        out.put_slice(&response.body);
    }
    out.freeze()
}

/// Writes an interim (1xx) response.
pub fn interim_response(status: u16, headers: &HeaderMap) -> Bytes {
    let mut out = BytesMut::with_capacity(128);
    put_status_line(
        &mut out,
        status,
        crate::grip::status::canonical(status),
        false,
    );
    put_headers(&mut out, headers);
    out.put_slice(b"\r\n");
    out.freeze()
}

/// Writes the head behind which a connection speaks the protocol that `Upgrade` in `headers` names.
pub fn switching_protocols(reason: Option<&str>, headers: &HeaderMap) -> Bytes {
    let mut out = BytesMut::with_capacity(256);
    let reason = reason.unwrap_or(crate::grip::status::canonical(101));
    put_status_line(&mut out, 101, reason, false);
    put_headers(&mut out, headers);
    out.put_slice(b"Connection: Upgrade\r\n\r\n");
    out.freeze()
}

fn put_head(out: &mut BytesMut, response: &Response, http10: bool) {
    put_status_line(out, response.status, response.reason_phrase(), http10);
    put_headers(out, &response.headers);
}

/// Returns the three digits of a status.
fn status_digits(status: u16) -> [u8; 3] {
    let digit = |of: u16| b'0' + (of % 10) as u8;
    [digit(status / 100), digit(status / 10), digit(status)]
}

/// Writes the first line of a head.
pub(super) fn put_status_line(out: &mut impl BufMut, status: u16, reason: &str, http10: bool) {
    out.put_slice(if http10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.put_slice(&status_digits(status));
    out.put_u8(b' ');
    out.put_slice(reason.as_bytes());
    out.put_slice(b"\r\n");
}

/// Writes end-to-end headers, names in title case; framing is the business of the callers.
fn put_headers(out: &mut BytesMut, headers: &HeaderMap) {
    for (name, value) in headers {
        if matches!(
            *name,
            header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::CONNECTION
        ) {
            continue;
        }
        put_header(out, name.as_str(), value.as_bytes());
    }
}

/// Writes a header, its name in title case.
pub(super) fn put_header(out: &mut (impl BufMut + Extend<u8>), name: &str, value: &[u8]) {
    put_title_case(out, name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Writes the header that says how long a body is.
pub(super) fn put_content_length(out: &mut impl BufMut, length: u64) {
    out.put_slice(b"Content-Length: ");
    out.put_slice(length.to_string().as_bytes());
    out.put_slice(b"\r\n");
}

/// Writes a header's name as it is sent.
pub(crate) fn title_case(name: &str) -> String {
    let mut out = BytesMut::with_capacity(name.len());
    put_title_case(&mut out, name);
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes a header's name as it is sent.
fn put_title_case(out: &mut impl Extend<u8>, name: &str) {
    let mut upper = true;
    out.extend(name.bytes().map(|byte| {
        let is_first = std::mem::replace(&mut upper, byte == b'-');
        match is_first {
            true => byte.to_ascii_uppercase(),
            false => byte,
        }
    }));
}

fn put_connection(out: &mut BytesMut, reply: Reply, end_is_told: bool) {
    if !(reply.keep_alive && end_is_told) {
        out.put_slice(b"Connection: close\r\n");
    } else if reply.http10 {
        out.put_slice(b"Connection: keep-alive\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &'static str) -> Response {
        let mut headers = HeaderMap::new();
        headers.append("x-one", header::HeaderValue::from_static("1"));
        headers.append(
            header::CONTENT_LENGTH,
            header::HeaderValue::from_static("99"),
        );
        Response {
            status,
            reason: None,
            headers,
            body: Bytes::from(body),
        }
    }

    const HTTP11: Reply = Reply {
        http10: false,
        keep_alive: true,
        head_only: false,
    };

    #[test]
    fn chunks_are_framed_and_found_again() {
        for length in [1, 9, 15, 16, 255, 256, 4096, 70_000] {
            let content = vec![b'z'; length];
            let framed = chunk(&content);
            assert!(framed.starts_with(format!("{length:x}\r\n").as_bytes()));
            assert!(framed.ends_with(b"z\r\n"));
            assert_eq!(unframed(&framed), content);
        }
        assert!(chunk(b"").is_empty() && unframed(&Bytes::new()).is_empty());
    }

    #[test]
    fn heads_follow_the_request() {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let http10 = Reply {
            http10: true,
            ..HTTP11
        };
        let closing = Reply {
            keep_alive: false,
            ..HTTP11
        };
        for (bytes, expected) in [
            (
                stream_head(&response(200, "open"), HTTP11),
                "HTTP/1.1 200 OK\r\nX-One: 1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nopen\r\n",
            ),
            (
                stream_head(&response(200, "open"), http10),
                "HTTP/1.0 200 OK\r\nX-One: 1\r\nConnection: close\r\n\r\nopen",
            ),
            (
                stream_head(&response(204, "x"), HTTP11),
                "HTTP/1.1 204 No Content\r\nX-One: 1\r\n\r\n",
            ),
            (
                whole_response(&response(200, "abc"), HTTP11),
                "HTTP/1.1 200 OK\r\nX-One: 1\r\nContent-Length: 3\r\n\r\nabc",
            ),
            (
                whole_response(&response(200, "abc"), closing),
                "HTTP/1.1 200 OK\r\nX-One: 1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
            ),
            (
                whole_response(
                    &response(200, "abc"),
                    Reply {
                        head_only: true,
                        ..HTTP11
                    },
                ),
                "HTTP/1.1 200 OK\r\nX-One: 1\r\nContent-Length: 3\r\n\r\n",
            ),
            (
                whole_response(&response(304, ""), http10),
                "HTTP/1.0 304 Not Modified\r\nX-One: 1\r\nConnection: keep-alive\r\n\r\n",
            ),
        ] {
            assert_eq!(text(bytes), expected);
        }
    }
}
